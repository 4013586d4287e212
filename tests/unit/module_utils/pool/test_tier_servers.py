"""A tier whose image does not keep our contract: what its route leads to, step by step, while it changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.unit.fakes.cluster import FakeCluster
from tests.unit.fakes.node import FakeNode
from tests.unit.module_utils.pool.shop import FINISH_SECONDS, LIMITS, of_shop, order, reconciled, renewed, sets

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.leaving import BALANCER, HELD, OWN
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import (
    preview,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.routes import Route, ServerSet, active_routes


def url(name: str) -> str:
    return f"http://{name}:8080"


@pytest.fixture(params=[HELD, BALANCER])
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> FakeCluster:
    return of_shop(tmp_path, request.param)


def test_a_node_is_asked_when_it_answered_and_not_any_more_before_it_is_told_to_end(cluster: FakeCluster) -> None:
    _, problem = reconciled(cluster, renewed(cluster))
    assert problem == ""
    assert sets(cluster) == [
        [],
        ["shop-1", "shop-2"],
        ["shop-1", "shop-2", "shop-3"],
        ["shop-1", "shop-3"],
        ["shop-1", "shop-3", "shop-4"],
        ["shop-3", "shop-4"],
        [],
    ]


def test_the_route_returns_when_the_balancer_does_not_find_the_old_nodes_any_more(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes all that it lists for up when its configuration changes."""
    listed: dict[str, list[str]] = {}
    write = cluster.routes.point_to

    def point_to(changes: Mapping[str, Route | None]) -> None:
        for tier, route in changes.items():
            if route is not None and route.servers is None:
                now = cluster.clock.now()
                listed[tier] = [item.node.name for item in cluster.balancer.listed(route.service, now)]
        write(changes)

    monkeypatch.setattr(cluster.routes, "point_to", point_to)
    # One that has ended is down, so not in rotation, for longer than the last step takes.
    monkeypatch.setattr(cluster.engine, "delays", dataclasses.replace(cluster.engine.delays, notice=2.0, probe=0.1))
    _, problem = reconciled(cluster, renewed(cluster))
    assert problem == ""
    assert listed == {"shop": ["shop-3", "shop-4"]}


def test_the_connections_end_before_the_node_is_told(cluster: FakeCluster) -> None:
    cluster.engine.under_way["shop-2"] = cluster.clock.now() + 2.0
    reconciled(cluster, renewed(cluster))
    calls = order(cluster, "connections shop-2", "stop shop-2")
    assert calls[-1].startswith("stop shop-2")
    assert len(calls) > 10
    assert cluster.names() == ["shop-3", "shop-4"]


def test_a_held_node_that_is_quiet_ends_at_once(cluster: FakeCluster) -> None:
    held = cluster.tiers["shop"].leaving == HELD
    reconciled(cluster, renewed(cluster))
    assert order(cluster, "stop shop-2") == ["stop shop-2 30 SIGQUIT" if held else "stop shop-2 30"]
    # The last ones get requests until they end, so they let these finish themselves.
    reconciled(cluster, cluster.resized("shop", 0))
    assert order(cluster, "stop shop-3") == ["stop shop-3 30"]


def test_what_does_not_end_is_cut_after_the_tiers_time_and_told(cluster: FakeCluster) -> None:
    cluster.engine.under_way["shop-2"] = cluster.clock.now() + 1000
    outcome, problem = reconciled(cluster, renewed(cluster))
    assert problem == ""
    assert [warning for warning in outcome.warnings if "connections still open" in warning] == [
        f"shop-2: got 1 connections still open after {FINISH_SECONDS} s, want none before the end"
        " (they are cut; fix: finish_seconds of tier shop)"
    ]


def test_the_tiers_time_begins_with_the_leave_as_where_hold_waits(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A balancer that takes long to follow does not add to it, unless there is no time left to see what is open."""
    for route, wanted in ((4.0, FINISH_SECONDS), (FINISH_SECONDS + 0.5, FINISH_SECONDS + 1)):
        monkeypatch.setattr(cluster.engine, "delays", dataclasses.replace(cluster.engine.delays, route=route))
        node = min(cluster.names())
        cluster.engine.under_way[node] = cluster.clock.now() + 1000
        mark = dataclasses.replace(cluster.tiers["shop"], environment={"MARK": str(route)})
        outcome, problem = reconciled(cluster, {**cluster.tiers, "shop": mark})
        assert problem == ""
        timing = outcome.timings[node]
        assert timing.gone is not None
        assert timing.drain_began is not None
        # On a busy machine, threads take more of the virtual time than they sleep: not as much as the delay, though.
        assert wanted - 0.7 < timing.gone - timing.drain_began < wanted + 3.5


def test_a_machine_that_is_late_gets_a_longer_quiet_time(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that takes half a second says that the balancer may take as long for a request that it has."""
    count, looks = cluster.engine.connections, []

    def slow(nodes: Sequence[Node]) -> int:
        looks.append(cluster.clock.now())
        cluster.clock.sleep(0.5)
        return count(nodes)

    monkeypatch.setattr(cluster.engine, "connections", slow)
    _, problem = reconciled(cluster, cluster.resized("shop", 1))
    assert problem == ""
    assert looks[-1] - looks[0] >= 2.0


def test_one_that_was_not_quiet_for_long_enough_is_asked_by_hold_itself(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_nodes: Sequence[Node]) -> int:
        cluster.clock.sleep(0.5)
        return 0

    monkeypatch.setattr(cluster.engine, "connections", slow)
    quick = dataclasses.replace(cluster.tiers["shop"], nodes=1, finish_seconds=1)
    reconciled(cluster, {**cluster.tiers, "shop": quick})
    assert [call for call in order(cluster, "stop") if "SIGQUIT" in call] == []


def test_an_image_that_keeps_the_contract_needs_none(cluster: FakeCluster) -> None:
    cluster.tiers = {**cluster.tiers, "shop": dataclasses.replace(cluster.tiers["shop"], leaving=OWN, derived="")}
    cluster.add_image(cluster.tiers["shop"])
    reconciled(cluster, renewed(cluster))
    assert sets(cluster) == [[]]
    assert order(cluster, "connections") == []


def test_a_guest_that_comes_meanwhile_is_asked_and_leaves_last(cluster: FakeCluster) -> None:
    began = cluster.clock.now()

    def guest() -> None:
        cluster.engine.duplicate(cluster.engine.node("shop-1").id, "guest-1")
        cluster.engine.by_name("guest-1").put(url=url("guest-1"), managed=False)

    cluster.engine.under_way["shop-2"] = began + 4.0
    cluster.clock.at(began + 1.5, guest)
    reconciled(cluster, renewed(cluster))
    assert any("guest-1" in names for names in sets(cluster))


def test_a_guest_that_is_stopped_by_hand_is_not_asked_again(cluster: FakeCluster) -> None:
    """Each write of the set makes the balancer take its servers for up: the guest may end in that moment."""
    began = cluster.clock.now()

    def guest() -> None:
        cluster.engine.duplicate(cluster.engine.node("shop-1").id, "guest-1")
        cluster.engine.by_name("guest-1").put(url=url("guest-1"), managed=False)

    cluster.engine.under_way["shop-2"] = began + 6.0
    cluster.clock.at(began + 1.5, guest)
    cluster.clock.at(began + 3.0, lambda: cluster.engine.drains("guest-1"))
    reconciled(cluster, renewed(cluster))
    with_it = ["guest-1" in names for names in sets(cluster)[1:-1]]
    # What has no process of ours tells nothing of its end before that.
    assert with_it[-1] == (cluster.tiers["shop"].leaving == BALANCER)
    assert True in with_it
    assert cluster.engine.node("guest-1").running


def test_the_last_nodes_stay_in_the_set_until_they_end(cluster: FakeCluster) -> None:
    _, problem = reconciled(cluster, cluster.resized("shop", 0))
    assert problem == ""
    assert cluster.names() == []
    assert [] not in sets(cluster)[1:-1]


def test_a_balancer_that_does_not_follow_lets_no_node_end(cluster: FakeCluster) -> None:
    stuck = cluster.routes.path.read_text()

    def frozen(at: float) -> str:
        return stuck

    cluster.routes.text = frozen  # type: ignore[method-assign]
    _, problem = reconciled(cluster, renewed(cluster))
    assert "route of tier shop: got another service" in problem
    assert order(cluster, "stop", "start") == []
    assert cluster.routes.table().routes["shop"].servers is None
    assert cluster.names() == ["shop-1", "shop-2"]


def test_connections_that_cannot_be_counted_let_no_node_end(cluster: FakeCluster) -> None:
    cluster.engine.fails = lambda call: call.startswith("connections")
    _, problem = reconciled(cluster, renewed(cluster))
    assert order(cluster, "stop shop-1", "stop shop-2") == []
    assert problem.endswith("; 1 node kept until the balancer can be asked")
    assert cluster.routes.table().routes["shop"].servers is None
    assert cluster.names() == ["shop-1", "shop-2", "shop-3"]


def test_a_set_that_a_killed_run_left_is_drift_and_the_next_run_ends_it(cluster: FakeCluster) -> None:
    route = cluster.routes.table().routes["shop"]
    left = ServerSet.of([url("shop-1"), url("gone-1")], cluster.tiers["shop"].labels, route.service)
    cluster.routes.point_to({"shop": dataclasses.replace(route, servers=left)})
    assert cluster.drift() == [
        "shop: route shop (still on a set of servers: a run was killed, or the balancer missed nodes)"
    ]
    request = cluster.request(limits=LIMITS)
    assert [str(action) for action in preview(request, cluster.ports, clock=cluster.clock).actions] == [
        "route shop (still on a set of servers: a run was killed, or the balancer missed nodes)"
    ]
    _, problem = reconciled(cluster, cluster.tiers)
    assert (problem, cluster.drift()) == ("", [])


def test_a_left_set_and_a_roll_are_one_run(cluster: FakeCluster) -> None:
    route = cluster.routes.table().routes["shop"]
    left = ServerSet.of([url("gone-1")], cluster.tiers["shop"].labels, route.service)
    cluster.routes.point_to({"shop": dataclasses.replace(route, servers=left)})
    _, problem = reconciled(cluster, renewed(cluster))
    assert problem == ""
    # The route stays on the set until the run's end: never again to whatever runs while nodes come and go.
    assert [] not in sets(cluster)[1:-1]
    assert sets(cluster)[-2:] == [["shop-3", "shop-4"], []]
    assert cluster.names() == ["shop-3", "shop-4"]


def test_a_path_that_changes_with_a_roll_keeps_the_set(cluster: FakeCluster) -> None:
    tiers = {
        name: dataclasses.replace(tier, path="/shop/") for name, tier in renewed(cluster).items() if name == "shop"
    }
    _, problem = reconciled(cluster, {**cluster.tiers, **tiers})
    assert problem == ""
    assert sets(cluster)[-2:] == [["shop-3", "shop-4"], []]
    assert cluster.routes.table().routes["shop"].path == "/shop/"


def test_a_balancer_that_loses_servers_that_run_takes_none_out_of_the_set(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when Docker answers its provider badly in the middle of a roll: it lists what it got an answer about."""
    listed, begun = cluster.balancer.listed, cluster.clock.now() + 1.0

    def in_part(service: str, now: float) -> list[FakeNode]:
        found = listed(service, now)
        return [item for item in found if item.node.name == "shop-3"] if now > begun and "shop" in service else found

    monkeypatch.setattr(cluster.balancer, "listed", in_part)
    cluster.engine.fails = lambda call: call == "start shop-4"
    outcome, problem = reconciled(cluster, renewed(cluster))
    assert problem.startswith("start shop-4")
    # The balancer's own list would lead to one of them alone.
    assert sets(cluster)[-1] == ["shop-1", "shop-3"]
    assert cluster.names() == ["shop-1", "shop-2", "shop-3"]
    assert [warning for warning in outcome.warnings if "the set of servers stays" in warning]
    # A run from cron, while it is still so, forgets none of them.
    before = sets(cluster)[-1]
    reconciled(cluster, cluster.tiers)
    assert sets(cluster)[-1] == before
    monkeypatch.setattr(cluster.balancer, "listed", listed)
    cluster.engine.fails = lambda call: False
    _, problem = reconciled(cluster, cluster.tiers)
    assert (problem, cluster.drift(), sets(cluster)[-1]) == ("", [], [])


def test_a_wave_that_fails_returns_to_the_nodes_from_before_and_to_no_set(cluster: FakeCluster) -> None:
    cluster.engine.fails = lambda call: call == "start shop-4"
    _, problem = reconciled(cluster, renewed(cluster))
    assert problem.endswith("; tier shop was returned to what it was, 1 node started again, 1 node removed")
    assert cluster.names() == ["shop-1", "shop-2"]
    assert cluster.routes.table().routes["shop"].servers is None
    # The new node had served: it is withdrawn like any other.
    calls = order(cluster, "connections shop-3", "stop shop-3")
    assert calls
    assert calls[-1].startswith("stop shop-3")


def test_a_new_policy_switches_once_and_waits_for_the_connections_of_the_old_nodes(cluster: FakeCluster) -> None:
    shop = cluster.tiers["shop"]
    service = f"{shop.name}-0badcafe"
    labels = {name.replace(shop.service, service): value for name, value in shop.labels.items()}
    labels["evenkeel.service"] = service
    tiers = {**cluster.tiers, "shop": dataclasses.replace(shop, service=service, labels=labels)}
    cluster.add_image(tiers["shop"])
    _, problem = reconciled(cluster, tiers)
    assert problem == ""
    assert sets(cluster) == [[]]
    assert order(cluster, "connections", "stop")[-1].startswith("stop")
    assert order(cluster, "connections")
    # The old nodes are of another service, and are what they were: held ones end at once when they are quiet.
    at_once = {"SIGQUIT" in call for call in order(cluster, "stop")}
    assert at_once == {shop.leaving == HELD}


# -- paths that change hands -----------------------------------------------------------


def test_a_run_that_begins_while_all_probes_fail_holds_together_what_there_is(cluster: FakeCluster) -> None:
    """As on a machine that is too busy for a moment."""
    for name in ("shop-1", "shop-2"):
        cluster.engine.by_name(name).health.set(float("-inf"), 503)
        cluster.engine.by_name(name).health.then(cluster.clock.now() + 1.0, 200)
    _, problem = reconciled(cluster, renewed(cluster))
    assert problem == ""
    assert sets(cluster)[1] == ["shop-1", "shop-2"]


@pytest.mark.parametrize("last", range(5))
def test_whatever_step_a_run_dies_in_the_next_one_ends_it(cluster: FakeCluster, last: int) -> None:
    """The file is as the killed run left it after its n-th write; nodes as they are then or at the end."""
    reconciled(cluster, renewed(cluster))
    texts = [text for _, text in cluster.routes._texts if active_routes(text)["shop"].servers]
    cluster.routes.path.write_text(texts[last])
    cluster.routes.note()
    assert any("still on a set" in line for line in cluster_drift(cluster, renewed(cluster)))
    _, problem = reconciled(cluster, renewed(cluster))
    assert (problem, cluster_drift(cluster, renewed(cluster))) == ("", [])


def cluster_drift(cluster: FakeCluster, tiers: Mapping[str, Tier]) -> list[str]:
    request = cluster.request(tiers=tiers, limits=LIMITS)
    return [str(action) for action in preview(request, cluster.ports, clock=cluster.clock).actions]
