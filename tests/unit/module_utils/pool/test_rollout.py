"""The rollout when a step fails: which nodes serve afterwards, and what is reported."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes.cluster import TIERS, FakeCluster, parsed_tiers
from tests.unit.module_utils.pool.shop import new_policy, reconciled, states

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.plan import ROUTE, START
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import (
    reconcile_locked,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.steps import Step


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    return FakeCluster(tmp_path)


def new_revision(cluster: FakeCluster) -> dict[str, Tier]:
    shop = cluster.tiers["shop"]
    return {**cluster.tiers, "shop": dataclasses.replace(shop, environment={"MARK": "1"})}


def first_after(calls: list[str], call: str, other: str) -> bool:
    return calls.index(call) < calls.index(other)


def test_a_roll_keeps_no_old_node(cluster: FakeCluster) -> None:
    outcome, problem = reconciled(cluster, new_revision(cluster))
    assert problem == ""
    assert states(cluster) == {"shop-3": "running", "shop-4": "running"}
    assert len(outcome.actions) == 4


def test_a_node_leaves_only_after_the_balancer_has_probed_its_replacement(cluster: FakeCluster) -> None:
    reconciled(cluster, new_revision(cluster))
    timeline = [call for call in cluster.engine.calls if call.startswith(("start", "stop"))]
    assert timeline == ["start shop-3", "stop shop-2 30", "start shop-4", "stop shop-1 30"]
    assert any(call.startswith("server_up") for call in cluster.balancer.calls)


def test_a_later_wave_that_fails_returns_the_tier_to_its_old_revision(cluster: FakeCluster) -> None:
    before = states(cluster)
    cluster.engine.fails = lambda call: call == "start shop-4"
    outcome, problem = reconciled(cluster, new_revision(cluster))
    assert problem.startswith("start shop-4: got ")
    assert problem.endswith("; tier shop was returned to what it was, 1 node started again, 1 node removed")
    assert states(cluster) == before
    assert [action for action in outcome.actions if action.tier == "shop"] == []
    # The new node served, so it drained, but only after the old one was back.
    assert first_after(cluster.engine.calls, "start again shop-2", "stop shop-3 30")
    assert cluster.declared()


def test_the_first_wave_that_fails_lets_no_node_leave(cluster: FakeCluster) -> None:
    cluster.engine.fails = lambda call: call == "start shop-3"
    _, problem = reconciled(cluster, new_revision(cluster))
    assert problem.startswith("start shop-3: got ")
    assert "returned" not in problem
    assert states(cluster) == {"shop-1": "running", "shop-2": "running"}
    assert not [call for call in cluster.engine.calls if call.startswith("stop")]


@pytest.mark.parametrize("answer", [{}, {"shop-3": False}], ids=["not asked yet", "asked in vain"])
def test_no_node_leaves_before_the_balancer_reaches_its_replacement(
    cluster: FakeCluster, answer: dict[str, bool]
) -> None:
    cluster.balancer.probes = answer
    outcome, problem = reconciled(cluster, new_revision(cluster))
    assert problem.startswith("node shop-3: got no 200 from /healthz when the balancer asks within 6 s")
    assert states(cluster) == {"shop-1": "running", "shop-2": "running"}
    assert outcome.actions == []
    assert "stop shop-1 30" not in cluster.engine.calls


def test_nodes_that_join_others_need_no_probe(cluster: FakeCluster) -> None:
    cluster.balancer.probes = {}
    _, problem = reconciled(cluster, cluster.resized("shop", 3))
    assert problem == ""
    assert "shop-3" in states(cluster)


def test_an_api_that_falls_silent_during_a_drain_undoes_it(cluster: FakeCluster) -> None:
    cluster.balancer.fails = lambda call: any(done.startswith("stop") for done in cluster.engine.calls)
    _, problem = reconciled(cluster, new_revision(cluster))
    assert problem == (
        "balancer API: got no answer, want an answer (fix: check that it runs); tier shop was returned to what it was,"
        " 1 node started again; 1 node kept until the balancer can be asked"
    )
    assert states(cluster) == {"shop-1": "running", "shop-2": "running", "shop-3": "running"}


def test_an_api_that_is_silent_for_a_moment_during_a_drain_is_waited_for(cluster: FakeCluster) -> None:
    since: list[float] = []

    def silent(call: str) -> bool:
        if any(done.startswith("stop") for done in cluster.engine.calls):
            since.append(cluster.clock.now())
            return cluster.clock.now() - since[0] < 2
        return False

    cluster.balancer.fails = silent
    _, problem = reconciled(cluster, cluster.resized("shop", 1))
    assert problem == ""
    assert states(cluster) == {"shop-1": "running"}


def test_an_api_that_is_silent_before_a_drain_lets_no_node_leave(cluster: FakeCluster) -> None:
    # It answers with its version only.
    cluster.balancer.fails = lambda call: call != "version"
    _, problem = reconciled(cluster, cluster.resized("shop", 1))
    assert problem == "balancer API: got no answer, want an answer (fix: check that it runs)"
    assert states(cluster) == {"shop-1": "running", "shop-2": "running"}
    assert not [call for call in cluster.engine.calls if call.startswith("stop")]


def test_a_balancer_that_does_not_follow_undoes_the_drain(cluster: FakeCluster) -> None:
    cluster.balancer.ghosts = True
    _, problem = reconciled(cluster, cluster.resized("shop", 1))
    assert problem == (
        "node shop-2: got a place in the balancer's rotation 6 s after its end, want none (fix: see whether the"
        " balancer still follows Docker's events: docker logs); tier shop was returned to what it was,"
        " 1 node started again"
    )
    assert states(cluster) == {"shop-1": "running", "shop-2": "running"}


def test_a_recycled_address_is_the_new_nodes(cluster: FakeCluster) -> None:
    """The balancer lists the address of a guest that left, because another node has it now."""
    old = cluster.engine.node("shop-2")
    cluster.balancer.extra = {old.service: {old.url: "UP"}}
    cluster.engine.add("brave_bell", cluster.builds["shop"], url=old.url, managed=False)
    cluster.engine.add("kind_bell", cluster.builds["shop"], url=old.url, managed=False)
    _, problem = reconciled(cluster, cluster.resized("shop", 3))
    assert problem == ""
    assert len(states(cluster)) == 3


def test_a_scale_up_that_fails_keeps_the_nodes_that_serve(cluster: FakeCluster) -> None:
    cluster.engine.fails = lambda call: call == "start shop-4"
    _, problem = reconciled(cluster, cluster.resized("shop", 4))
    assert "start shop-4" in problem
    assert {"shop-1", "shop-2"} <= states(cluster).keys()
    assert "shop-4" not in states(cluster)


def test_a_route_counts_as_switched_only_when_the_balancer_has_its_rule(cluster: FakeCluster) -> None:
    """The service is the same before and after, so only the rule shows the change."""
    cluster.routes.note = lambda: None  # type: ignore[method-assign]  # the balancer does not read the file again
    moved = dataclasses.replace(cluster.tiers["shop"], path="/moved/")
    _, problem = reconciled(cluster, {**cluster.tiers, "shop": moved})
    assert problem.startswith("route of tier shop: got another service than")


def test_a_node_that_does_not_end_by_itself_is_killed_and_named(cluster: FakeCluster) -> None:
    cluster.engine.delays = dataclasses.replace(cluster.engine.delays, drain=100.0)
    outcome, problem = reconciled(cluster, cluster.resized("shop", 1))
    assert problem == ""
    assert outcome.warnings == [
        "node shop-2: got no end within 30 s of SIGTERM, want it to drain and exit"
        " (it was killed; fix: see the node image contract)"
    ]
    assert states(cluster) == {"shop-1": "running"}


def test_each_tier_has_its_own_time_to_end(cluster: FakeCluster) -> None:
    """Docker kills a node after that time. The nodes of a tier that is not declared any more get 30 s."""
    tiers = {"shop": dataclasses.replace(cluster.tiers["shop"], nodes=1, stop_seconds=45)}
    _, problem = reconciled(cluster, tiers)
    assert problem == ""
    stops = [call for call in cluster.engine.calls if call.startswith("stop")]
    assert sorted(stops) == ["stop dates-1 30", "stop dates-2 30", "stop shop-1 45", "stop shop-2 45"]


def test_a_new_node_that_served_has_its_tiers_time_to_end(cluster: FakeCluster) -> None:
    cluster.engine.fails = lambda call: call == "start shop-4"
    shop = dataclasses.replace(cluster.tiers["shop"], stop_seconds=45)
    reconciled(cluster, {**cluster.tiers, "shop": shop})
    assert "stop shop-3 45" in cluster.engine.calls


def test_a_halt_is_asked_for_before_each_wave(cluster: FakeCluster) -> None:
    asked: list[int] = []

    def halt() -> str:
        asked.append(len([call for call in cluster.engine.calls if call.startswith("start")]))
        return "a person said stop" if asked[-1] else ""

    outcome, problem = reconciled(cluster, new_revision(cluster), halt=halt)
    assert problem == ("tier shop: got 'a person said stop' before all waves were done, want all (fix: repeat it)")
    assert asked == [0, 1]
    # The first wave is done, and the second has not begun: as many nodes as before serve.
    assert states(cluster) == {"shop-1": "running", "shop-3": "running"}
    assert [str(action) for action in outcome.actions] == [
        "start shop-3 (replaces a stale node)",
        "drain shop-2 (stale node)",
    ]
    _, problem = reconciled(cluster, new_revision(cluster))
    assert problem == ""
    assert states(cluster) == {"shop-2": "running", "shop-3": "running"}


# -- what is told ------------------------------------------------------------------------


def lines(cluster: FakeCluster, tiers: Mapping[str, Tier]) -> list[str]:
    """The lines of a reconciliation, without their times."""
    steps: list[Step] = []
    outcome, _ = reconciled(cluster, tiers, on_step=steps.append)
    for step in steps:
        if step.step in {"started", "in_rotation", "gone"}:
            assert step.line.endswith(f" {getattr(outcome.timings[step.node], step.step):.1f} s")
    shown = [step.line for step in steps if step.line]
    return [line if line.endswith("drains") else line.rsplit(" ", 2)[0] for line in shown]


def test_what_is_told_of_nodes_that_join_and_leave(cluster: FakeCluster) -> None:
    tiers = {**cluster.resized("shop", 3), "dates": dataclasses.replace(cluster.tiers["dates"], nodes=1)}
    told = lines(cluster, tiers)
    assert [line for line in told if line.startswith("shop")] == ["shop-3: started", "shop-3: in rotation"]
    assert [line for line in told if line.startswith("dates")] == ["dates-2: drains", "dates-2: gone"]


def test_what_is_told_of_what_is_broken_and_of_routes(cluster: FakeCluster) -> None:
    cluster.engine.kill(cluster.engine.node("shop-2").id)
    tiers = {"shop": dataclasses.replace(cluster.tiers["shop"], path="/moved/", nodes=1)}
    told = lines(cluster, tiers)
    assert [line for line in told if line.startswith("shop")] == ["shop-2: removed", "shop: route switched"]
    assert told.index("dates: route dropped") < told.index("dates-1: drains")


def test_a_node_that_does_not_come_up_is_told(cluster: FakeCluster) -> None:
    cluster.engine.delays = dataclasses.replace(cluster.engine.delays, ready=100.0)
    assert lines(cluster, cluster.resized("shop", 3)) == ["shop-3: started", "shop-3: did not come up, removed"]


def test_nothing_to_do_tells_nothing(cluster: FakeCluster) -> None:
    assert lines(cluster, cluster.tiers) == []


def test_tiers_go_on_beside_one_that_fails(cluster: FakeCluster) -> None:
    cluster.engine.fails = lambda call: call == "start shop-3"
    tiers = {**cluster.resized("shop", 3), "dates": dataclasses.replace(cluster.tiers["dates"], nodes=3)}
    outcome, problem = reconciled(cluster, tiers)
    assert problem.startswith("start shop-3")
    assert [(action.kind, action.node) for action in outcome.actions] == [(START, "dates-3")]
    assert ROUTE not in {action.kind for action in outcome.planned}


def test_a_new_tier_whose_route_does_not_come_leaves_no_route(cluster: FakeCluster) -> None:
    cluster.routes.note = lambda: None  # type: ignore[method-assign]  # the balancer does not read the file again
    extra = {"image": "res/more:1", "leaving": "own", "port": 8082, "path": "/more/", "nodes": 2}
    new = parsed_tiers({**TIERS, "more": extra})["more"]
    cluster.add_image(new)
    _, problem = reconciled(cluster, {**cluster.tiers, "more": new})
    assert "tier more was returned to what it was, 2 nodes removed" in problem
    assert "more" not in cluster.routes.table().routes
    assert states(cluster, "more") == {}


@pytest.mark.parametrize("text", ["", "[garbage", "{}"])
def test_lost_routes_of_tiers_that_serve_come_back_in_one_write(cluster: FakeCluster, text: str) -> None:
    """The balancer keeps what it has read last from a file that it cannot read: no write may lack a tier."""
    cluster.routes.path.write_text(text, encoding="utf-8")
    written: list[set[str]] = []
    point_to = cluster.routes.point_to

    def noted(changes: Mapping[str, Any]) -> None:
        point_to(changes)
        written.append(set(cluster.routes.table().routes))

    cluster.routes.point_to = noted  # type: ignore[method-assign]
    _, problem = reconciled(cluster, cluster.tiers)
    assert problem == ""
    assert written
    assert all(tiers == {"shop", "dates"} for tiers in written)


def test_a_lost_route_waits_for_the_nodes_that_its_tier_lacks(cluster: FakeCluster) -> None:
    cluster.routes.path.write_text("", encoding="utf-8")
    for node in cluster.engine.nodes():
        if node.tier == "dates":
            cluster.engine.remove(node.id)
    cluster.routes.calls.clear()
    _, problem = reconciled(cluster, cluster.tiers)
    assert problem == ""
    assert cluster.routes.calls[0].startswith("route shop to")
    assert not any("dates" in call for call in cluster.routes.calls[:1])


def test_a_node_that_was_started_since_it_was_planned_to_be_removed_drains_first(cluster: FakeCluster) -> None:
    """As the edge does in the first minute after a crash of Docker."""
    node = cluster.engine.node("shop-1")
    cluster.engine.kill(node.id)
    nodes = cluster.engine.nodes
    started: list[str] = []

    def started_meanwhile() -> list[Any]:
        found = nodes()
        if not started:
            started.append(node.id)
            cluster.engine.start_again(node.id)
        return found

    cluster.engine.nodes = started_meanwhile  # type: ignore[method-assign]
    cluster.engine.calls.clear()
    _, problem = reconciled(cluster, cluster.tiers)
    assert problem == ""
    assert first_after(cluster.engine.calls, "stop shop-1 30", "remove shop-1")


def test_a_disk_that_stays_full_is_told_once(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    reconcile_locked(cluster.request(), cluster.ports, clock=cluster.clock)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    _, problem = reconciled(cluster, new_policy(cluster))
    assert problem.count("No space left on device") == 1, problem
    assert "tier dates could not be returned to what it was for the same reason; its new nodes keep serving" in problem
