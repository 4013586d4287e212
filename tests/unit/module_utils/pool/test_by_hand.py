"""What a user did to nodes with the engine's commands: it is told, and one run mends it without stopping a node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.unit.fakes.by_hand import FakeHand
from tests.unit.fakes.cluster import FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import (
    Outcome,
    RunFailedError,
    preview,
    reconcile_locked,
    status,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout_parts import RolloutLimits

LIMITS = RolloutLimits(surge_percent=50, ready_timeout=6.0)
Deed = Callable[[FakeCluster, FakeHand, Node], object]
DEEDS: dict[str, tuple[Deed, str]] = {
    "renamed": (lambda _, hand, node: hand.rename(node.id, "webby"), "mend webby (is shop-2, renamed by hand)"),
    "off its network": (
        lambda _, hand, node: hand.leave_network(node.id),
        "mend shop-2 (is off the network evenkeel)",
    ),
    "limits": (lambda _, hand, node: hand.limit(node.id), "mend shop-2 (memory 60 MiB, want 256 MiB)"),
    "paused": (lambda cluster, _, node: cluster.engine.freeze(node.id), "mend shop-2 (is paused)"),
}


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    return FakeCluster(tmp_path)


@pytest.fixture
def hand(cluster: FakeCluster) -> FakeHand:
    return FakeHand(cluster.engine)


def run(cluster: FakeCluster, tiers: Mapping[str, Tier] | None = None) -> tuple[Outcome, str]:
    request = cluster.request(tiers=tiers or cluster.tiers, limits=LIMITS)
    try:
        return reconcile_locked(request, cluster.ports, clock=cluster.clock), ""
    except RunFailedError as error:
        return error.outcome, str(error)


def done(cluster: FakeCluster, tiers: Mapping[str, Tier] | None = None) -> list[str]:
    """What a run does; check mode, status and the run must say the same, and nothing is left to do."""
    request = cluster.request(tiers=tiers or cluster.tiers, limits=LIMITS)
    foreseen = [str(action) for action in preview(request, cluster.ports, clock=cluster.clock).actions]
    view = status(request, cluster.ports)
    assert [line for tier in sorted(view["tiers"]) for line in view["tiers"][tier]["drift"]] == foreseen
    outcome, problem = run(cluster, tiers)
    assert problem == ""
    assert sorted(str(action) for action in outcome.actions) == sorted(foreseen)
    again, problem = run(cluster, tiers)
    assert (list(again.actions), problem) == ([], "")
    return [str(action) for action in outcome.actions]


@pytest.mark.parametrize("deed", DEEDS)
def test_what_was_changed_is_told_and_set_back_in_place(cluster: FakeCluster, hand: FakeHand, deed: str) -> None:
    node = cluster.engine.node("shop-2")
    work, line = DEEDS[deed]
    work(cluster, hand, node)
    cluster.clock.sleep(1)
    assert done(cluster) == [line]
    assert cluster.engine.node("shop-2").id == node.id, "its processes run on"
    assert cluster.declared()
    assert not [call for call in cluster.engine.calls if call.startswith(("start", "stop", "remove"))]


def test_all_nodes_of_a_tier_can_be_mended_at_once(cluster: FakeCluster, hand: FakeHand) -> None:
    for name in ("shop-1", "shop-2"):
        hand.leave_network(cluster.engine.node(name).id)
    hand.rename(cluster.engine.node("dates-1").id, "webby")
    cluster.clock.sleep(1)
    assert len(done(cluster)) == 3
    assert cluster.declared()


def test_a_limit_that_cannot_be_set_back_costs_a_node_but_no_capacity(cluster: FakeCluster, hand: FakeHand) -> None:
    hand.limit_for_good(cluster.engine.node("shop-2").id)
    assert done(cluster) == [
        "start shop-3 (replaces a node that was changed by hand)",
        "drain shop-2 (CPU shares 512, want none)",
    ]
    assert cluster.declared()


@pytest.mark.parametrize("why", ["the engine refuses", "it does not come back"])
def test_a_node_that_cannot_be_mended_is_replaced_in_the_same_run(
    cluster: FakeCluster, hand: FakeHand, why: str
) -> None:
    node = cluster.engine.node("shop-2")
    hand.leave_network(node.id)
    cluster.clock.sleep(1)
    if why == "the engine refuses":
        cluster.engine.fails = lambda call: call == "mend shop-2"
    else:
        cluster.balancer.probes = {"shop-1": True, "shop-3": True}
    outcome, problem = run(cluster)
    assert problem == ""
    assert [str(action) for action in outcome.actions] == [
        "start shop-3 (replaces a node that could not be mended)",
        "drain shop-2 (could not be mended)",
    ]
    (warning,) = outcome.warnings
    assert "shop-2" in warning
    assert warning.endswith("; it was replaced")
    cluster.balancer.probes = None
    assert cluster.declared()


def test_only_the_node_that_does_not_come_back_is_replaced(cluster: FakeCluster, hand: FakeHand) -> None:
    back = cluster.engine.node("shop-1")
    for name in ("shop-1", "shop-2"):
        hand.leave_network(cluster.engine.node(name).id)
    cluster.balancer.probes = {"shop-1": True, "shop-3": True}
    outcome, problem = run(cluster)
    assert problem == ""
    assert next(str(action) for action in outcome.actions) == "mend shop-1 (is off the network evenkeel)"
    assert cluster.engine.node("shop-1").id == back.id
    assert cluster.names() == ["shop-1", "shop-3"]


def test_a_name_that_is_taken_by_now_is_not_waited_for(cluster: FakeCluster, hand: FakeHand) -> None:
    hand.rename(cluster.engine.node("shop-2").id, "webby")
    cluster.engine.foreign = {"shop-2": "mysql:8"}
    outcome, problem = run(cluster)
    assert problem == ""
    assert cluster.names() == ["shop-1", "shop-3"]
    assert "the name is in use" in outcome.warnings[0]


def test_a_run_that_mends_and_grows_uses_each_name_once(cluster: FakeCluster, hand: FakeHand) -> None:
    hand.rename(cluster.engine.node("shop-2").id, "webby")
    cluster.engine.fails = lambda call: call == "mend webby"
    _, problem = run(cluster, cluster.resized("shop", 3))
    assert problem == ""
    assert cluster.names() == ["shop-1", "shop-3", "shop-4"]


def test_a_renamed_nodes_name_is_given_to_no_other(cluster: FakeCluster, hand: FakeHand) -> None:
    """The balancer knows it by that name."""
    hand.rename(cluster.engine.node("shop-2").id, "webby")
    assert done(cluster, cluster.resized("shop", 3)) == [
        "mend webby (is shop-2, renamed by hand)",
        "start shop-3 (scale up)",
    ]


def test_what_was_changed_leaves_first(cluster: FakeCluster, hand: FakeHand) -> None:
    hand.limit(cluster.engine.node("shop-1").id)
    assert done(cluster, cluster.resized("shop", 1)) == ["drain shop-1 (scale down to 1)"]


# -- copies and guests -------------------------------------------------------------------


def test_a_copy_takes_no_place_and_leaves(cluster: FakeCluster, hand: FakeHand) -> None:
    before = {node.id for node in cluster.engine.nodes()}
    copy = hand.copy(cluster.engine.node("shop-1").id, "shop-copy")
    cluster.clock.sleep(1)
    assert status(cluster.request(), cluster.ports)["tiers"]["shop"]["guests"] == 1
    assert done(cluster) == ["drain shop-copy (a copy of shop-1, made by hand)"]
    assert copy not in {node.id for node in cluster.engine.nodes()}
    assert {node.id for node in cluster.engine.nodes()} == before


def test_a_copy_does_not_stand_in_for_a_node(cluster: FakeCluster, hand: FakeHand) -> None:
    hand.copy(cluster.engine.node("shop-1").id, "shop-3")
    cluster.engine.remove(cluster.engine.node("shop-2").id)
    cluster.clock.sleep(1)
    assert done(cluster) == ["start shop-2 (scale up)", "drain shop-3 (a copy of shop-1, made by hand)"]
    assert cluster.declared()


def test_a_copy_in_a_roll_costs_no_wave(cluster: FakeCluster, hand: FakeHand) -> None:
    hand.copy(cluster.engine.node("shop-1").id, "shop-copy")
    request = cluster.request(renew=("shop",), limits=LIMITS)
    outcome = reconcile_locked(request, cluster.ports, clock=cluster.clock)
    assert [str(action) for action in outcome.actions if action.tier == "shop"] == [
        "start shop-3 (renews a node)",
        "drain shop-copy (a copy of shop-1, made by hand)",
        "drain shop-2 (to be renewed)",
        "start shop-4 (renews a node)",
        "drain shop-1 (to be renewed)",
    ]


def test_managed_nodes_are_always_the_declared_number(cluster: FakeCluster) -> None:
    cluster.engine.remove(cluster.engine.node("shop-2").id)
    cluster.engine.run_guest("res/shop:latest", "none")
    cluster.clock.sleep(1)
    view = status(cluster.request(), cluster.ports)["tiers"]["shop"]
    assert (view["running"], view["guests"]) == (2, 1)
    assert done(cluster) == ["start shop-2 (scale up)", "drain brave_bell (a guest, started by hand)"]
    assert cluster.declared()


def test_a_guest_where_the_balancer_is_not_is_told_with_what_to_do(cluster: FakeCluster) -> None:
    guest = cluster.engine.by_id(cluster.engine.run_guest("res/shop:latest", "none"))
    guest.put(apart="stack_default")
    view = status(cluster.request(), cluster.ports)
    assert [node["remark"] for node in view["nodes"] if node["remark"]] == [
        "guest brave_bell: got network stack_default alone, want also evenkeel (fix: docker network connect evenkeel"
        " brave_bell; in a compose file networks: [evenkeel], external: true)"
    ]


@pytest.mark.parametrize("tool", ["kill", "freeze"])
def test_a_node_that_ended_or_hangs_is_mended_by_one_run(cluster: FakeCluster, tool: str) -> None:
    getattr(cluster.engine, tool)(cluster.engine.node("shop-2").id)
    cluster.clock.sleep(1)
    assert done(cluster)
    assert cluster.declared()


@pytest.mark.parametrize("detail", ["created", "dead", "restarting"])
def test_a_node_that_does_not_come_up_by_itself_is_replaced(cluster: FakeCluster, detail: str) -> None:
    cluster.engine.kill(cluster.engine.node("shop-2").id)
    cluster.engine.by_name("shop-2").put(state="broken", detail=detail)
    cluster.clock.sleep(1)
    assert done(cluster) == [f"remove shop-2 (is {detail})", "start shop-2 (scale up)"]
    assert cluster.declared()
