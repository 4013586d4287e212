"""What runs once before the first node of a revision: when it is planned, and what its failure leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.unit.fakes.cluster import FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster import labels
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.container_spec import node_spec, release_spec
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import (
    RunFailedError,
    preview,
    reconcile_locked,
)

LINE = "release shop (runs rake before the first node of its revision)"


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    made = FakeCluster(tmp_path)
    shop = dataclasses.replace(made.tiers["shop"], release_command=["rake", "db:migrate all"])
    made.tiers = {**made.tiers, "shop": shop}
    return made


def renewed(cluster: FakeCluster) -> Mapping[str, Tier]:
    return {**cluster.tiers, "shop": dataclasses.replace(cluster.tiers["shop"], environment={"MARK": "1"})}


def calls(cluster: FakeCluster) -> list[str]:
    return [call for call in cluster.engine.calls if call.startswith(("release", "start", "stop"))]


def test_it_runs_once_before_the_first_node_of_a_revision(cluster: FakeCluster) -> None:
    request = cluster.request(tiers=renewed(cluster))
    said = [str(action) for action in preview(request, cluster.ports, clock=cluster.clock).actions]
    assert LINE in said
    outcome = reconcile_locked(request, cluster.ports, clock=cluster.clock)
    assert [str(action) for action in outcome.actions].count(LINE) == 1
    assert calls(cluster)[0] == "release shop-release"
    assert len([call for call in calls(cluster) if call.startswith("release")]) == 1


@pytest.mark.parametrize("count", [0, 1, 3], ids=["to none", "fewer", "more"])
def test_another_number_of_nodes_is_no_other_revision(cluster: FakeCluster, count: int) -> None:
    request = cluster.request(tiers=cluster.resized("shop", count))
    reconcile_locked(request, cluster.ports, clock=cluster.clock)
    assert not [call for call in calls(cluster) if call.startswith("release")]


def test_a_node_that_is_replaced_is_no_other_revision(cluster: FakeCluster) -> None:
    cluster.engine.remove(cluster.engine.node("shop-1").id)
    reconcile_locked(cluster.request(), cluster.ports, clock=cluster.clock)
    assert calls(cluster) == ["start shop-1"]


@pytest.mark.parametrize("code, got", [(1, "exit code 1"), (None, "no end within 600 s")])
def test_where_it_fails_nothing_is_rolled(cluster: FakeCluster, code: int | None, got: str) -> None:
    cluster.engine.release_code = code
    with pytest.raises(RunFailedError) as raised:
        reconcile_locked(cluster.request(tiers=renewed(cluster)), cluster.ports, clock=cluster.clock)
    assert str(raised.value) == (
        f"release_command of tier shop: got {got}, last log lines: done, want exit code 0"
        " (fix: mend what it says, or raise release_seconds; no node was started)"
    )
    assert calls(cluster) == ["release shop-release"]
    assert cluster.names() == ["shop-1", "shop-2"]


def test_it_has_what_a_node_has_but_no_place_in_rotation(cluster: FakeCluster) -> None:
    build = cluster.builds["shop"]
    node, once = node_spec("shop-release", build), release_spec("shop-release", build)
    assert once.command == ("rake", "db:migrate all")
    assert (once.labels[labels.ROLE], once.labels["traefik.enable"], once.restart) == ("none", "false", "no")
    same = ("image", "network", "environment", "memory", "mounts", "tmpfs", "read_only", "cap_drop", "security_opt")
    assert [getattr(once, name) for name in same] == [getattr(node, name) for name in same]
