"""A plan that replaces the named nodes, and leaves the rest alone."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.fakes.cluster import TIERS, FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import discard_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import preview, reconcile
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.replacement import UndeployedError

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


def hang(cluster: FakeCluster, *names: str) -> None:
    for node in cluster.engine.nodes():
        if bare(node.name) in names:
            cluster.engine.by_id(node.id).health.set(cluster.clock.now(), 0)
    cluster.clock.sleep(5)


def test_one_that_runs_alone_drains_behind_its_successor(cluster: FakeCluster) -> None:
    hang(cluster, "shop-1", "shop-2")
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


def test_one_that_serves_again_stays(cluster: FakeCluster) -> None:
    assert lines(cluster, "shop-1") == []


def test_where_a_node_must_not_run_twice_the_old_one_ends_first(tmp_path: Path) -> None:
    shop = {**TIERS["shop"], "nodes": 1, "roll": "replace"}
    cluster = FakeCluster(tmp_path, cluster=CLUSTER, tiers={**TIERS, "shop": shop})
    hang(cluster, "shop-1")
    (node,) = (node.id for node in cluster.engine.nodes() if node.tier == "shop")
    actions = preview(cluster.request(replace=(node,)), cluster.ports).actions
    assert [(action.step, bare(str(action))) for action in actions] == [
        (1, "drain shop-1 (does not answer)"),
        (2, "start shop-2 (replaces shop-1)"),
    ]


def test_a_revision_that_no_run_has_started_is_left_to_one(cluster: FakeCluster) -> None:
    (node,) = (node.id for node in cluster.engine.nodes() if bare(node.name) == "shop-1")
    cluster.engine.kill(node)
    tiers = {**cluster.tiers, "shop": dataclasses.replace(cluster.tiers["shop"], environment={"MARK": "1"})}
    with pytest.raises(UndeployedError) as caught:
        preview(cluster.request(tiers=tiers, replace=(node,)), cluster.ports)
    assert str(caught.value) == (
        "tier shop: got no node of the declared revision, want one that a run has started, before others are replaced"
        " (fix: ansible-playbook site.yml)"
    )
