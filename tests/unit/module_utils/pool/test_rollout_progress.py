"""What a reconciliation tells while it goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.fake_docker import FakeBalancer, FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.pool import rollout
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.plan import DRAIN, REMOVE, ROUTE, START, PoolAction
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout import ReconcileError, Reconciler


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    fake = FakeCluster(tmp_path)
    yield fake
    fake.close()


def identity(cluster: FakeCluster, name: str) -> str:
    return next(node.id for node in cluster.pool.nodes() if node.name == name)


def told(cluster: FakeCluster, *actions: PoolAction) -> list[str]:
    """The lines of a reconciliation, without their times."""
    lines: list[str] = []
    reconciler = Reconciler(
        cluster.pool,
        lambda: FakeBalancer(cluster),
        cluster.builds,
        cluster.context().route_file(),
        workers=2,
        ready_timeout=0.3,
        tell=lines.append,
    )
    reconciler.apply(actions)
    assert all(re.search(r" \d+\.\d s$", line) for line in lines if not line.endswith("drains")), lines
    # What is told is what the result tells in figures.
    for line in lines:
        node, _, step = line.partition(": ")
        if step.startswith("gone"):
            assert step == f"gone {reconciler.timings[node].gone:.1f} s"
        if step.startswith("in rotation"):
            assert step == f"in rotation {reconciler.timings[node].in_rotation:.1f} s"
    return [re.sub(r" \d+\.\d s$", "", line) for line in lines]


def test_a_node_joins_and_another_leaves(cluster: FakeCluster) -> None:
    assert told(
        cluster,
        PoolAction(START, "shop", "shop-3", 1, "scale up"),
        PoolAction(DRAIN, "shop", "shop-1", 1, "stale", identity(cluster, "shop-1")),
    ) == ["shop-3: started", "shop-3: in rotation", "shop-1: drains", "shop-1: gone"]


def test_what_is_broken_goes_and_a_route_is_switched(cluster: FakeCluster) -> None:
    assert told(
        cluster,
        PoolAction(REMOVE, "dates", "dates-2", 1, "exited", identity(cluster, "dates-2")),
        PoolAction(ROUTE, "dates", "dates", 1, "path or host names changed"),
    ) == ["dates-2: removed", "dates: route switched"]


def test_the_route_of_a_tier_that_is_not_declared_is_dropped(cluster: FakeCluster) -> None:
    del cluster.builds["dates"]
    assert told(cluster, PoolAction(ROUTE, "dates", "dates", 1, "not declared")) == ["dates: route dropped"]


def test_a_node_that_does_not_come_up_is_told(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "answers", lambda url: False)
    lines: list[str] = []
    reconciler = Reconciler(
        cluster.pool,
        lambda: FakeBalancer(cluster),
        cluster.builds,
        cluster.context().route_file(),
        workers=2,
        ready_timeout=0.2,
        tell=lines.append,
    )
    with pytest.raises(ReconcileError):
        reconciler.apply([PoolAction(START, "shop", "shop-3", 1, "scale up")])
    assert [line.rpartition(" ")[0].rpartition(" ")[0] for line in lines] == [
        "shop-3: started",
        "shop-3: did not come up, removed",
    ]


def test_nothing_to_do_tells_nothing(cluster: FakeCluster) -> None:
    assert told(cluster) == []
