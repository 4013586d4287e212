"""What is left of an action that failed, and how its end is called."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

from evenkeel_agent.action import DONE, FAILED
from tests.unit.console.desk import Desk

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import EngineError
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.overrides import read_overrides


def refuse_starts(desk: Desk, *, halts: bool = False) -> None:
    """Let the engine start nothing, and a person halt the action meanwhile."""

    def start(name: str, _build: Any) -> None:
        if halts:
            (action,) = (item for item in desk.actions.recent() if item["state"] == "running")
            desk.actions.halt(action["id"], "bob")
        raise EngineError(f"start of {name}: no space")

    desk.cluster.engine.start = start  # type: ignore[method-assign]


def test_a_scale_that_was_returned_leaves_the_former_number(desk: Desk) -> None:
    assert desk.done("scale", tier="shop", count=3).state == DONE
    former = read_overrides(desk.settings.overrides)
    refuse_starts(desk)
    assert desk.done("scale", tier="shop", count=5).state == FAILED
    assert read_overrides(desk.settings.overrides) == former
    assert len(desk.names()) == 3


def test_a_balancer_that_does_not_answer_leaves_the_former_number(desk: Desk) -> None:
    plan = desk.plan("scale", tier="shop", count=3)
    desk.cluster.balancer.fails = lambda call: "version" in call
    action = desk.ended(desk.actions.do(plan.id, "alice", uuid.uuid4().hex))
    assert action.state == FAILED
    assert not desk.settings.overrides.exists()


def test_a_settle_that_failed_leaves_the_number(desk: Desk) -> None:
    assert desk.done("scale", tier="shop", count=1).state == DONE
    refuse_starts(desk)
    assert desk.done("settle", tier="shop").state == FAILED
    assert read_overrides(desk.settings.overrides)["shop"].nodes == 1


def test_a_failure_while_a_halt_is_asked_is_a_failure(desk: Desk) -> None:
    refuse_starts(desk, halts=True)
    action = desk.done("roll", tier="shop")
    assert (action.state, action.halted_by) == (FAILED, "bob")


def test_nodes_of_other_tiers_that_hang_are_not_waited_for(desk: Desk) -> None:
    node = desk.cluster.engine.by_id(desk.node("dates-1"))
    node.health.set(desk.cluster.clock.now(), 0)
    desk.cluster.clock.sleep(5)
    desk.settings = dataclasses.replace(
        desk.settings, limits=dataclasses.replace(desk.settings.limits, ready_timeout=500.0)
    )
    began = desk.cluster.clock.now()
    assert desk.done("scale", tier="shop", count=3).state == DONE
    assert desk.cluster.clock.now() - began < 100
