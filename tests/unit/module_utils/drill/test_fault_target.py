"""Events on a pool without Docker: the real plan, the real reconciliation, a balancer that learns late."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.fakes.cluster import CLUSTER, parsed_tiers
from tests.unit.fakes.history import Delays
from tests.unit.fakes.traffic import DrilledCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import ENDED, RUNNING, Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.event_runner import EventError
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.fault_target import (
    PoolFaultTarget,
    other_policy,
    renewed,
    resized,
    victim,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import EventReport
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import (
    BALANCER,
    GROW,
    GUEST_JOINS,
    GUEST_LEAVES,
    HANG,
    KILL,
    POLICY,
    RESTORE,
    ROLL,
    SCENARIOS,
    SHRINK,
    STOP,
    Event,
    plan_events,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout_parts import RolloutLimits

LIMITS = RolloutLimits(workers=4, surge_percent=50, ready_timeout=5)


@pytest.fixture
def cluster(tmp_path: Path) -> DrilledCluster:
    return DrilledCluster(tmp_path)


def target_of(cluster: DrilledCluster) -> PoolFaultTarget:
    clock = cluster.clock
    began = clock.now()
    request = cluster.request(limits=LIMITS)
    return PoolFaultTarget(request, cluster.drill_ports, lambda: clock.now() - began, "drill-1", 2, clock)


def perform(target: PoolFaultTarget, *kinds: str, tier: str = "shop") -> list[EventReport]:
    events = [Event(number, kind, "" if kind == RESTORE else tier, 0.0) for number, kind in enumerate(kinds)]
    target.prepare(events)
    return [target.perform(event) for event in events]


# --------------------------------------------------------------------------
# Events
# --------------------------------------------------------------------------


def test_a_tier_grows_and_shrinks(cluster: DrilledCluster) -> None:
    target = target_of(cluster)
    (grown,) = perform(target, GROW)
    assert sorted(grown.joined) == ["shop-3", "shop-4"]
    assert grown.left == {}
    assert all(grown.began <= at <= grown.ended for at in grown.joined.values())
    assert cluster.names() == ["shop-1", "shop-2", "shop-3", "shop-4"]
    (shrunk,) = perform(target, SHRINK)
    assert sorted(shrunk.left) == ["shop-3", "shop-4"]
    assert all(shrunk.began <= at <= shrunk.ended for at in shrunk.left.values())
    assert cluster.declared()


def test_the_balancer_is_replaced_and_no_node(cluster: DrilledCluster) -> None:
    before = cluster.engine.nodes()
    (report,) = perform(target_of(cluster), BALANCER)
    assert cluster.balancers.calls == ["renew"]
    assert cluster.engine.calls == []
    assert (report.left, report.joined, report.error) == ({}, {}, "")
    assert cluster.engine.nodes() == before


def test_a_roll_replaces_every_node_of_the_tier_and_of_no_other(cluster: DrilledCluster) -> None:
    target = target_of(cluster)
    before = {node.id for node in cluster.engine.nodes() if node.tier == "shop"}
    others = {node.id for node in cluster.engine.nodes() if node.tier == "dates"}
    rolled, again = perform(target, ROLL, ROLL)
    assert sorted(rolled.left) == ["shop-1", "shop-2"]
    assert len(rolled.joined) == len(again.joined) == len(again.left) == 2
    after = {node.id for node in cluster.engine.nodes()}
    assert before.isdisjoint(after)
    assert others <= after
    perform(target, RESTORE)
    assert cluster.declared()


def test_a_stopped_node_comes_back_and_each_has_its_turn(cluster: DrilledCluster) -> None:
    reports = perform(target_of(cluster), STOP, STOP, STOP)
    assert [list(report.left) for report in reports] == [["shop-1"], ["shop-2"], ["shop-1"]]
    assert all(report.left.keys() == report.joined.keys() for report in reports)
    assert all(report.left[node] < report.joined[node] for report in reports for node in report.left)
    assert cluster.engine.calls[:2] == ["stop shop-1 10", "start again shop-1"]
    assert cluster.declared()


def test_a_killed_node_comes_back(cluster: DrilledCluster) -> None:
    (report,) = perform(target_of(cluster), KILL)
    assert list(report.left) == list(report.joined) == ["shop-1"]
    assert cluster.engine.calls == ["kill shop-1", "start again shop-1"]
    assert cluster.declared()


def test_a_frozen_node_goes_on_and_the_balancers_reaction_is_timed(cluster: DrilledCluster) -> None:
    (report,) = perform(target_of(cluster), HANG)
    assert cluster.engine.calls == ["freeze shop-1", "thaw shop-1"]
    assert 0.2 <= report.out["shop-1"] < 0.3
    assert cluster.declared()


def test_a_guest_joins_and_leaves(cluster: DrilledCluster) -> None:
    joined, left = perform(target_of(cluster), GUEST_JOINS, GUEST_LEAVES)
    (guest,) = joined.joined
    assert re.fullmatch(r"[0-9a-f]{12}", guest), "its hostname, not its name"
    assert list(left.left) == [guest]
    assert cluster.engine.calls == ["guest of res/shop:latest", "stop brave_bell 10", "remove brave_bell"]
    assert cluster.declared()


@pytest.mark.parametrize("tier, image", [("shop", "evenkeel-drill/evenkeel-shop:latest"), ("dates", "res/dates:1")])
def test_a_policy_is_switched_there_and_back(cluster: DrilledCluster, tier: str, image: str) -> None:
    target = target_of(cluster)
    declared = cluster.builds[tier].tier.service
    perform(target, POLICY, tier=tier)
    found = cluster.engine.image(image)
    assert found is not None
    nodes = [node for node in cluster.engine.nodes() if node.tier == tier]
    assert {node.image_id for node in nodes} == {found.id}
    assert declared not in {node.service for node in nodes}
    assert cluster.routes.table().routes[tier].service == nodes[0].service
    perform(target, POLICY, tier=tier)
    assert cluster.routes.table().routes[tier].service == declared
    assert {node.image_id for node in cluster.engine.nodes() if node.tier == tier} == {cluster.builds[tier].image_id}
    target.restore()
    assert cluster.declared()


def test_a_held_tier_switches_with_an_image_that_has_no_labels_of_the_first_policy(tmp_path: Path) -> None:
    cluster = DrilledCluster(tmp_path, {"web": {"image": "nginx:1", "port": 80, "path": "/", "nodes": 2}})
    target = target_of(cluster)
    perform(target, POLICY, tier="web")
    bare = cluster.engine.image("evenkeel-drill/evenkeel-web:latest")
    assert bare is not None
    assert {node.image_id for node in cluster.engine.nodes()} == {bare.id}
    perform(target, POLICY, tier="web")
    target.restore()
    assert cluster.declared()


def test_a_tier_that_grows_after_its_policy_was_switched_keeps_the_policy(cluster: DrilledCluster) -> None:
    target = target_of(cluster)
    perform(target, POLICY, GROW)
    nodes = [node for node in cluster.engine.nodes() if node.tier == "shop"]
    assert len(nodes) == 4
    assert len({(node.service, node.image_id, node.revision) for node in nodes}) == 1
    assert nodes[0].service != cluster.tiers["shop"].service


# --------------------------------------------------------------------------
# The time between engine and balancer
# --------------------------------------------------------------------------


def late(tmp_path: Path, **delays: float) -> DrilledCluster:
    """A cluster whose nodes answer at once, before the balancer knows of it."""
    cluster = DrilledCluster(tmp_path)
    cluster.engine.delays = Delays(**{"start": 0.0, "ready": 0.0, "drain": 1.0, "notice": 0.1, "probe": 0.1, **delays})
    return cluster


@pytest.mark.parametrize("kind", [STOP, KILL])
def test_a_node_is_back_only_when_the_balancer_lists_it(tmp_path: Path, kind: str) -> None:
    cluster = late(tmp_path, start=1.0, notice=0.7)
    (report,) = perform(target_of(cluster), kind)
    (joined,) = report.joined.values()
    assert report.ended - joined >= 1.7
    node = cluster.engine.node("shop-1")
    assert cluster.balancer.server_status(node.service)[node.url] == "UP"


def test_a_guest_has_joined_only_when_the_balancer_lists_it(tmp_path: Path) -> None:
    (report,) = perform(target_of(late(tmp_path, notice=0.7)), GUEST_JOINS)
    assert report.ended - report.began >= 0.7


def test_a_node_is_back_only_when_it_answers(tmp_path: Path) -> None:
    (report,) = perform(target_of(late(tmp_path, ready=0.9)), STOP)
    (joined,) = report.joined.values()
    assert report.ended - joined >= 0.9


def test_a_node_that_hangs_is_out_when_the_balancer_has_probed_it(tmp_path: Path) -> None:
    (report,) = perform(target_of(late(tmp_path, probe=0.6)), HANG)
    assert 0.6 <= report.out["shop-1"] < 0.7
    assert report.ended - report.joined["shop-1"] >= 0.6


def test_a_node_that_hangs_and_stays_in_rotation_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    cluster = late(tmp_path)
    cluster.balancer.ghosts = True
    (report,) = perform(target_of(cluster), HANG)
    assert 15.0 <= report.out["shop-1"] < 15.1


def test_a_node_that_the_balancer_never_lists_is_told(tmp_path: Path) -> None:
    cluster = late(tmp_path, notice=1000.0)
    cluster.clock.sleep(2000.0)
    target = target_of(cluster)
    kind = GUEST_JOINS
    with pytest.raises(
        EventError, match=r"node brave_bell: got no place in rotation within 5 s, want one \(fix: docker"
    ):
        perform(target, kind)


# --------------------------------------------------------------------------
# Restoring
# --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kinds", [(GROW,), (ROLL,), (GUEST_JOINS,), (POLICY,), (GROW, GUEST_JOINS), (GROW, POLICY, ROLL), (STOP,), ()]
)
def test_restoring_leads_back_from_anywhere(cluster: DrilledCluster, kinds: tuple[str, ...]) -> None:
    target = target_of(cluster)
    perform(target, *kinds)
    target.restore()
    assert cluster.declared()
    calls = len(cluster.engine.calls)
    target.restore()
    assert not [call for call in cluster.engine.calls[calls:] if not call.startswith("remove image")]


@pytest.mark.parametrize(
    "kind, undone", [(STOP, "start again shop-1"), (KILL, "start again shop-1"), (HANG, "thaw shop-1")]
)
def test_an_event_that_fails_half_way_is_undone(cluster: DrilledCluster, kind: str, undone: str) -> None:
    target = target_of(cluster)
    cluster.engine.fails = lambda call: call == undone and cluster.engine.calls.count(undone) == 1
    with pytest.raises(EventError, match="want success"):
        perform(target, kind)
    assert not cluster.declared()
    target.restore()
    assert cluster.declared()


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_every_scenario_ends_where_it_began(cluster: DrilledCluster, scenario: str) -> None:
    target = target_of(cluster)
    tiers = ["shop"] if scenario in {"guest", "mixed"} else ["shop", "dates"]
    events = plan_events(scenario, tiers, 2 * max(len(SCENARIOS[scenario]), 1), 0, 1)
    target.prepare(events)
    for event in events:
        target.perform(event)
    target.restore()
    assert cluster.declared()


def test_the_last_event_undoes_what_reconciling_would_not(cluster: DrilledCluster) -> None:
    perform(target_of(cluster), GUEST_JOINS, RESTORE)
    # As a person stops it, not as a run drains a node that is too many.
    assert cluster.engine.calls[1:] == ["stop brave_bell 10", "remove brave_bell"]
    assert cluster.declared()


# --------------------------------------------------------------------------
# What cannot be done
# --------------------------------------------------------------------------


def test_the_last_node_of_a_tier_is_not_taken(cluster: DrilledCluster) -> None:
    cluster.engine.kill(next(node.id for node in cluster.engine.nodes() if node.name == "shop-2"))
    with pytest.raises(EventError, match=r"tier shop: got 1 running nodes, want at least 2 \(fix: -e shop_nodes=3\)"):
        perform(target_of(cluster), STOP)


def test_a_guest_that_did_not_join_cannot_leave(cluster: DrilledCluster) -> None:
    with pytest.raises(EventError, match="guest of shop: got none"):
        perform(target_of(cluster), GUEST_LEAVES)


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.booleans()), max_size=8), st.integers(1, 20))
def test_victims_are_running_managed_nodes_and_take_turns(cases: list[tuple[int, bool, bool]], rounds: int) -> None:
    nodes = [
        Node(f"id{place}", f"shop-{number}{place}", "shop", managed, RUNNING if runs else ENDED)
        for place, (number, managed, runs) in enumerate(cases)
    ]
    fit = {node.name for node in nodes if node.managed and node.running}
    if len(fit) < 2:
        with pytest.raises(EventError):
            victim(nodes, "shop", {})
        return
    turns: dict[str, int] = {}
    for turn in range(rounds):
        turns[victim(nodes, "shop", turns).name] = turn
    assert set(turns) <= fit
    assert len(turns) == min(rounds, len(fit))


# --------------------------------------------------------------------------
# What a tier becomes
# --------------------------------------------------------------------------


def test_a_renewed_tier_differs_in_its_revision_only_by_a_variable(cluster: DrilledCluster) -> None:
    tier = cluster.tiers["shop"]
    tiers = [tier, renewed(tier, "a"), renewed(tier, "b")]
    builds = [cluster.declaration({"shop": item}).builds["shop"] for item in tiers]
    assert len({build.revision for build in builds}) == 3
    assert {build.tier.service for build in builds} == {tier.service}
    assert all(build.options.labels == builds[0].options.labels for build in builds)
    assert set(builds[1].options.environment) - set(builds[0].options.environment) == {"EVENKEEL_DRILL"}


def test_a_resized_tier_keeps_its_revision(cluster: DrilledCluster) -> None:
    tier = cluster.tiers["shop"]
    assert resized(tier, 7) == dataclasses.replace(tier, nodes=7)
    assert cluster.declaration({"shop": resized(tier, 7)}).builds["shop"].revision == cluster.builds["shop"].revision


@pytest.mark.parametrize("tier", ["shop", "dates"])
def test_another_policy_is_another_service_with_its_own_labels(tier: str) -> None:
    declared = parsed_tiers()[tier]
    other = other_policy(declared, CLUSTER)
    assert other.service != declared.service
    assert other.labels["evenkeel.service"] == other.service
    assert other.sticky
    assert not any(declared.service in label for label in other.labels)


def test_a_node_that_was_removed_meanwhile_does_not_keep_the_pool_from_being_restored(cluster: DrilledCluster) -> None:
    target = target_of(cluster)
    perform(target, GROW)
    victim = cluster.engine.node("shop-1")
    cluster.engine.fails = lambda call: call == "start again shop-1"
    with pytest.raises(EventError):
        perform(target, STOP)
    cluster.engine.fails = lambda call: False
    cluster.engine.remove(victim.id)
    with pytest.raises(EventError, match="start of "):
        target.restore()
    assert cluster.declared()
