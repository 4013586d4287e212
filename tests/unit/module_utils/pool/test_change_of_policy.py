"""A tier's policy changes: its path leads to other nodes once these serve, and back if a step fails."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.unit.fakes.cluster import FakeCluster
from tests.unit.module_utils.pool.shop import new_policy, reconciled, states

from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.steps import Step


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    return FakeCluster(tmp_path)


def test_a_change_of_policy_that_fails_leads_the_route_back(cluster: FakeCluster) -> None:
    routes = cluster.routes.path.read_text()
    calls = cluster.engine.calls
    cluster.engine.fails = lambda call: call.startswith("stop dates-1 ") and "start again dates-2" not in calls
    _, problem = reconciled(cluster, new_policy(cluster))
    assert "stop dates-1" in problem
    assert "tier dates was returned to what it was, 2 nodes started again, 2 nodes removed" in problem
    assert cluster.routes.path.read_text() == routes
    assert states(cluster, "dates") == {"dates-1": "running", "dates-2": "running"}


def test_a_route_goes_back_only_when_the_nodes_from_before_serve(cluster: FakeCluster) -> None:
    """They are started again under another policy than the declared one, and need their time."""
    cluster.engine.delays = dataclasses.replace(cluster.engine.delays, ready=3.0)
    former = cluster.engine.node("dates-1").service
    calls, served = cluster.engine.calls, []

    def refused(call: str) -> bool:
        if call == f"route dates to {former}":
            served.append(
                [
                    cluster.engine.health(f"http://{cluster.engine.node(name).address}:{port}/healthz")
                    for name in ("dates-1", "dates-2")
                ]
            )
        return False

    port = cluster.tiers["dates"].port
    cluster.routes.fails = refused
    cluster.engine.fails = lambda call: call.startswith("stop dates-1 ") and "start again dates-2" not in calls
    _, problem = reconciled(cluster, new_policy(cluster))
    assert "2 nodes started again, 2 nodes removed" in problem
    assert served == [[200, 200]]


def test_new_nodes_stay_until_the_balancer_has_all_old_ones_back(cluster: FakeCluster) -> None:
    away = cluster.engine.node("dates-2")
    cluster.balancer.extra = {away.service: {away.url: "DOWN"}}
    calls = cluster.engine.calls
    cluster.engine.fails = lambda call: call.startswith("stop dates-1 ") and "start again dates-2" not in calls
    _, problem = reconciled(cluster, new_policy(cluster))
    assert problem.endswith("2 nodes started again; 2 nodes kept until the balancer can be asked")
    assert set(states(cluster, "dates").values()) == {"running"}
    assert len(states(cluster, "dates")) == 4


def test_a_change_of_policy_switches_once_all_new_nodes_serve(cluster: FakeCluster) -> None:
    steps: list[Step] = []
    outcome, problem = reconciled(cluster, new_policy(cluster), on_step=steps.append)
    assert problem == ""
    order = [step.step for step in steps if step.step in {"in_rotation", "route_switched", "drain_began"}]
    assert order == ["in_rotation", "in_rotation", "route_switched", "drain_began", "drain_began"]
    assert outcome.view["tiers"]["dates"]["drift"] == []
    assert set(outcome.switched) == {"dates"}
