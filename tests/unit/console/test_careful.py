"""What the agent refuses, or lets a person type the tier's name for."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from evenkeel_agent.action import DONE, FAILED
from evenkeel_agent.planning import new_id
from evenkeel_agent.verbs import RefusedError, UnknownError, read_wish
from tests.unit.console.desk import Desk
from tests.unit.fakes.cluster import TIERS

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import cluster_lock, discard_lock


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Desk]:
    """The tier ``shop`` has one node, which must not run twice."""
    found = Desk(tmp_path, {**TIERS, "shop": {**TIERS["shop"], "nodes": 1, "roll": "replace"}})
    yield found
    discard_lock(found.name)


def test_an_application_that_must_not_run_twice_gets_no_second_node(single: Desk) -> None:
    with pytest.raises(RefusedError) as caught:
        single.plan("scale", tier="shop", count=2)
    assert str(caught.value) == (
        "shop_nodes: got 2, want at most 1, because roll: replace is for an application that must not run twice"
        " (fix: -e shop_nodes=1, or remove cluster_tiers.shop.roll)"
    )
    assert single.names() == ["shop-1"]


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_a_node_that_has_ended_is_not_started_beside_another_one(single: Desk, verb: str) -> None:
    single.done("stop", "shop", node=single.node("shop-1"))
    ended = single.node("shop-1")
    assert single.plan(verb, node=ended).lines, "there is no other one"
    build = single.cluster.builds["shop"]
    single.cluster.engine.start(f"{single.name}-shop-2", build)
    with pytest.raises(RefusedError) as caught:
        single.plan(verb, node=ended)
    assert single.bare(str(caught.value)) == (
        f"{verb} of shop-1: got shop-2 running (roll: replace), want no other node of its tier (fix: stop shop-2 first)"
    )
    assert single.plan("restart", node=single.node("shop-2")).lines


def test_a_roll_that_ends_all_before_anything_starts_wants_the_name_typed(single: Desk) -> None:
    plan = single.plan("roll", tier="shop")
    assert plan.type_name == "shop"
    with pytest.raises(RefusedError, match="type shop"):
        single.actions.do(plan.id, "alice", uuid.uuid4().hex)
    assert single.done("roll", "shop", tier="shop").state == DONE
    assert single.plan("roll", tier="dates").type_name == "", "its nodes start first"


def test_a_plan_is_made_while_another_run_holds_the_lock(desk: Desk) -> None:
    with cluster_lock(desk.name, "drill", 0):
        assert desk.plan("scale", tier="shop", count=3).lines


@pytest.mark.parametrize("verb", ["drain", "stop", "restart", "remove", "kill"])
def test_what_takes_the_last_node_away_wants_the_name_typed(desk: Desk, verb: str) -> None:
    assert desk.plan(verb, node=desk.node("shop-1")).type_name == ""
    desk.done("stop", node=desk.node("shop-2"))
    assert desk.plan(verb, node=desk.node("shop-1")).type_name == "shop"


def test_no_node_at_all_wants_the_name_typed_also_where_none_serves(desk: Desk) -> None:
    for name in ("shop-1", "shop-2"):
        desk.cluster.engine.by_name(f"{desk.name}-{name}").health.set(desk.cluster.clock.now(), 0)
    desk.cluster.clock.sleep(60)
    assert desk.plan("scale", tier="shop", count=0).type_name == "shop"


def test_what_changes_after_the_action_has_begun_is_not_done_either(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = desk.actions._perform

    def meanwhile(*arguments: Any) -> Any:
        desk.cluster.engine.remove(desk.node("shop-2"))
        return real(*arguments)

    monkeypatch.setattr(desk.actions, "_perform", meanwhile)
    action = desk.done("scale", tier="shop", count=3)
    assert (action.state, "another plan now" in action.result) == (FAILED, True)
    assert desk.names() == ["shop-1"]
    assert not desk.settings.overrides.exists()


def test_plans_are_bounded_and_their_names_cannot_be_guessed(desk: Desk) -> None:
    first = desk.plan("verify", tier="shop")
    for _ in range(300):
        desk.plan("verify", tier="shop")
    assert len(desk.actions._plans) == 200
    with pytest.raises(UnknownError):
        desk.actions.do(first.id, "alice", "a" * 32)
    made = [new_id() for _ in range(1000)]
    assert {len(name) for name in made} == {32}
    assert all(len(set(signs)) == 16 for signs in zip(*made, strict=True)), "128 bits"


@pytest.mark.parametrize("verb", ["drain", "undrain", "stop", "kill"])
def test_what_only_a_node_that_runs_can_do(desk: Desk, verb: str) -> None:
    node = desk.node("shop-2")
    desk.done("stop", node=node)
    with pytest.raises(RefusedError, match="want a node that runs"):
        desk.plan(verb, node=node)


def test_an_image_that_nothing_can_tell_to_drain_is_not_drained(desk: Desk) -> None:
    tiers = {**desk.cluster.tiers, "shop": dataclasses.replace(desk.cluster.tiers["shop"], leaving="balancer")}
    desk.cluster.tiers = tiers
    for verb in ("drain", "undrain"):
        with pytest.raises(RefusedError, match="stop it instead"):
            desk.plan(verb, node=desk.node("shop-1"))


def test_a_node_of_a_tier_that_is_not_declared_is_left_alone(desk: Desk) -> None:
    node = desk.node("shop-1")
    desk.cluster.tiers = {"dates": desk.cluster.tiers["dates"]}
    with pytest.raises(RefusedError, match="undeclared tier shop"):
        desk.plan("stop", node=node)


def test_a_frozen_node_is_not_restarted(desk: Desk) -> None:
    node = desk.cluster.engine.by_name(f"{desk.name}-shop-1")
    node.put(detail="paused")
    with pytest.raises(RefusedError, match="want a node that is not frozen"):
        desk.plan("restart", node=node.node.id)


@pytest.mark.parametrize("body", [{"verb": "roll", "tier": "shop", "force": True}, [], None, "roll"])
def test_a_wish_has_no_field_that_is_not_known(body: object) -> None:
    with pytest.raises(RefusedError):
        read_wish(body)
