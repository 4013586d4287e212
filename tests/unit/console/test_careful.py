"""What the agent refuses, or lets a person type the tier's name for."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from evenkeel_agent.action import DONE
from evenkeel_agent.verbs import RefusedError
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
