"""A plan that replaces the named nodes, and leaves the rest alone."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.fakes.cluster import FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import discard_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import preview, reconcile

CLUSTER = f"t{uuid.uuid4().hex[:8]}x"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    yield FakeCluster(tmp_path, cluster=CLUSTER)
    discard_lock(CLUSTER)


def lines(cluster: FakeCluster, *names: str) -> list[str]:
    ids = tuple(node.id for node in cluster.engine.nodes() if bare(node.name) in names)
    return [bare(str(action)) for action in preview(cluster.request(replace=ids), cluster.ports).actions]


def bare(text: str) -> str:
    return text.replace(f"{CLUSTER}-", "")


def test_one_that_has_ended_gets_a_successor_and_another_one_stays(cluster: FakeCluster) -> None:
    for node in cluster.engine.nodes():
        if bare(node.name) in {"shop-1", "dates-2"}:
            cluster.engine.stop(node.id, 1)
    assert lines(cluster, "shop-1")[1:] == ["start shop-1 (replaces shop-1)"]
    assert lines(cluster, "shop-1")[0].startswith("remove shop-1 (is exited")


def test_one_that_runs_alone_drains_behind_its_successor(cluster: FakeCluster) -> None:
    assert lines(cluster, "shop-1", "shop-2") == [
        "start shop-3 (replaces shop-1)",
        "start shop-4 (replaces shop-2)",
        "drain shop-1 (does not answer)",
        "drain shop-2 (does not answer)",
    ]


def test_it_is_carried_out(cluster: FakeCluster) -> None:
    (node,) = (node for node in cluster.engine.nodes() if bare(node.name) == "shop-1")
    cluster.engine.kill(node.id)
    reconcile(cluster.request(replace=(node.id,)), cluster.ports, clock=cluster.clock)
    found = {bare(item.name): item for item in cluster.engine.nodes() if item.tier == "shop"}
    assert sorted(found) == ["shop-1", "shop-2"]
    assert found["shop-1"].id != node.id
    assert found["shop-1"].running
