"""What a run that was killed has left: nodes that have just started, a route that the balancer has not read yet."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes.cluster import HOSTS, FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import tier_route
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import (
    Outcome,
    PoolRequest,
    RunFailedError,
    preview,
    reconcile_locked,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout_parts import RolloutLimits

#: All nodes of a tier at a time.
LIMITS = RolloutLimits(surge_percent=100, ready_timeout=6.0)
NEVER = 1e9


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    return FakeCluster(tmp_path)


def next_tiers(cluster: FakeCluster, count: int = 2) -> dict[str, Tier]:
    """The tiers with another revision of ``shop``."""
    return {**cluster.tiers, "shop": dataclasses.replace(cluster.tiers["shop"], nodes=count, environment={"MARK": "1"})}


def half_rolled(cluster: FakeCluster, tiers: Mapping[str, Tier], ready: float) -> None:
    """A run began to replace all nodes of ``shop``, and was killed while it waited for the new ones."""
    usual = cluster.engine.delays
    cluster.engine.delays = dataclasses.replace(usual, ready=ready)
    build = cluster.declaration(tiers).builds["shop"]
    for number in range(build.tier.nodes):
        cluster.engine.start(f"shop-{number + 3}", build)
    cluster.engine.delays = usual
    cluster.engine.calls.clear()


def serving_at_each_stop(cluster: FakeCluster) -> list[list[str]]:
    """Fills up during a run: when a node is stopped, which nodes of ``shop`` answer the balancer's probes."""
    seen: list[list[str]] = []

    def note(call: str) -> bool:
        if call.startswith("stop shop-"):
            probed = cluster.balancer.server_up(cluster.tiers["shop"].service)
            seen.append(sorted(node.name for node in cluster.engine.nodes() if probed.get(node.url)))
        return False

    cluster.engine.fails = note
    return seen


def run(cluster: FakeCluster, tiers: Mapping[str, Tier], **differs: Any) -> tuple[Outcome, str]:
    request = PoolRequest("evenkeel", tiers, hosts=HOSTS, limits=LIMITS, **differs)
    try:
        return reconcile_locked(request, cluster.ports, clock=cluster.clock), ""
    except RunFailedError as error:
        return error.outcome, str(error)


@pytest.mark.parametrize("wait", [0.0, 1.0], ids=["not probed yet", "out of rotation"])
@pytest.mark.parametrize("count", [1, 2])
def test_no_node_drains_before_those_of_the_killed_run_serve(cluster: FakeCluster, count: int, wait: float) -> None:
    tiers = next_tiers(cluster, count)
    half_rolled(cluster, tiers, ready=3.0)
    cluster.clock.sleep(wait)
    seen = serving_at_each_stop(cluster)
    _, problem = run(cluster, tiers)
    assert problem == ""
    new = [f"shop-{number + 3}" for number in range(count)]
    assert cluster.names() == new
    assert len(seen) == 2
    assert all(set(new) <= set(names) for names in seen)
    assert not [call for call in cluster.engine.calls if call.startswith("start")], "none is replaced in vain"


@pytest.mark.parametrize("count", [1, 2])
def test_nodes_of_the_killed_run_that_never_serve_are_replaced_in_one_run(cluster: FakeCluster, count: int) -> None:
    tiers = next_tiers(cluster, count)
    half_rolled(cluster, tiers, ready=NEVER)
    cluster.clock.sleep(1)
    foreseen = preview(PoolRequest("evenkeel", tiers, hosts=HOSTS, limits=LIMITS), cluster.ports, clock=cluster.clock)
    seen = serving_at_each_stop(cluster)
    outcome, problem = run(cluster, tiers)
    assert problem == ""
    new = [f"shop-{number + 3}" for number in range(count)]
    assert cluster.names() == new
    assert next(call for call in cluster.engine.calls if call.startswith(("stop", "start"))).startswith("stop shop-3")
    assert all(set(new) <= set(names) for names in seen[count:]), "the new ones serve before any that serves leaves"
    assert [str(action) for action in foreseen.actions] == [str(action) for action in outcome.planned]
    assert "remove shop-3 (does not answer)" in {str(action) for action in outcome.actions}


def test_a_node_that_stops_to_answer_after_the_plan_lets_no_other_leave(cluster: FakeCluster) -> None:
    half_rolled(cluster, next_tiers(cluster, 1), ready=NEVER)
    cluster.clock.sleep(0.15)  # listed as up, because it is not probed yet
    _, problem = run(cluster, next_tiers(cluster, 1))
    assert problem.startswith("node shop-3: got no answer from /healthz within 6 s, want 200;")
    assert not [call for call in cluster.engine.calls if call.startswith("stop")]
    cluster.clock.sleep(1)
    _, problem = run(cluster, next_tiers(cluster, 1))
    assert problem == ""


def test_a_node_that_hangs_is_replaced(cluster: FakeCluster) -> None:
    cluster.engine.everything()[1].health.set(cluster.clock.now(), 0)
    cluster.clock.sleep(1)
    outcome, problem = run(cluster, cluster.tiers)
    assert problem == ""
    assert [str(action) for action in outcome.actions] == [
        "remove shop-2 (does not answer)",
        "start shop-2 (replaces a node that does not answer)",
    ]
    assert cluster.names() == ["shop-1", "shop-2"]


def test_where_no_node_answers_none_goes_before_a_new_one_serves(cluster: FakeCluster) -> None:
    """They may only be late: a machine that is too busy for a moment must not lose a whole tier."""
    for item in cluster.engine.everything():
        item.health.set(cluster.clock.now(), 0)
    cluster.clock.sleep(1)
    foreseen = preview(PoolRequest("evenkeel", cluster.tiers, hosts=HOSTS, limits=LIMITS), cluster.ports)
    assert [str(action) for action in foreseen.actions if action.tier == "shop"] == [
        "start shop-3 (replaces a node that does not answer)",
        "start shop-4 (replaces a node that does not answer)",
        "drain shop-2 (does not answer)",
        "drain shop-1 (does not answer)",
    ]


def test_a_node_that_is_late_is_waited_for_and_stays(cluster: FakeCluster) -> None:
    late = cluster.engine.everything()[1].health
    late.set(cluster.clock.now(), 0)
    late.then(cluster.clock.now() + 4, 200)
    cluster.clock.sleep(1)
    outcome, problem = run(cluster, cluster.tiers)
    assert (list(outcome.actions), problem) == ([], "")
    assert cluster.clock.now() >= 1004


def rerouted(cluster: FakeCluster) -> tuple[dict[str, Tier], list[bool]]:
    """A killed run has written a route that the balancer has not read yet; fills up: had it, when a node was stopped.

    Two nodes are left that the route does not need.
    """
    moved = dataclasses.replace(cluster.tiers["shop"], path="/moved/", nodes=1)
    cluster.clock.sleep(5)
    cluster.routes.point_to({"shop": tier_route(moved, HOSTS)})
    seen: list[bool] = []

    def note(call: str) -> bool:
        if call.startswith("stop"):
            seen.append("/moved/" in str(cluster.balancer.router("shop")))
        return False

    cluster.engine.fails = note
    return {**cluster.tiers, "shop": moved}, seen


def test_no_node_drains_before_the_balancer_has_read_the_route(cluster: FakeCluster) -> None:
    cluster.engine.delays = dataclasses.replace(cluster.engine.delays, route=4.0)
    tiers, seen = rerouted(cluster)
    _, problem = run(cluster, tiers)
    assert problem == ""
    assert seen == [True]


def test_a_route_that_the_balancer_does_not_read_lets_no_node_drain(cluster: FakeCluster) -> None:
    cluster.engine.delays = dataclasses.replace(cluster.engine.delays, route=NEVER)
    tiers, seen = rerouted(cluster)
    _, problem = run(cluster, tiers)
    assert problem.startswith("route of tier shop: got another service than")
    assert seen == []


def test_an_undeclared_tier_drains_when_the_balancer_has_dropped_its_route(cluster: FakeCluster) -> None:
    cluster.engine.delays = dataclasses.replace(cluster.engine.delays, route=4.0)
    cluster.clock.sleep(5)
    cluster.routes.point_to({"dates": None})
    seen: list[object] = []

    def note(call: str) -> bool:
        if call.startswith("stop"):
            seen.append(cluster.balancer.router("dates"))
        return False

    cluster.engine.fails = note
    _, problem = run(cluster, {"shop": cluster.tiers["shop"]})
    assert problem == ""
    assert seen == [None, None]


def test_a_guest_that_breaks_the_service_leaves_at_once(cluster: FakeCluster) -> None:
    """The balancer drops a service whose containers contradict each other: its nodes serve when the guest has left."""
    service = cluster.tiers["shop"].service

    def has_guest(_service: str) -> bool:
        return any(node.running and node.tier == "shop" and not node.managed for node in cluster.engine.nodes())

    guest = cluster.engine.run_guest(cluster.declaration(cluster.tiers).builds["shop"].image, "by-hand")
    cluster.clock.sleep(5)
    cluster.balancer.broken = has_guest
    assert cluster.balancer.server_status(service) == {}
    _, problem = run(cluster, cluster.tiers)
    assert problem == ""
    assert guest not in {node.id for node in cluster.engine.nodes() if node.running}
    up = [url for url, state in cluster.balancer.server_status(service).items() if state == "UP"]
    assert up == ["http://shop-1:8080", "http://shop-2:8080"]
