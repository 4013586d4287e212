"""What is left of an action that failed, and how its end is called."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import uuid
from typing import Any

import pytest
from evenkeel_agent.action import DONE, FAILED, HALTED
from evenkeel_agent.agent import Agent
from evenkeel_agent.verbs import OF_NODES, REMOVE, RefusedError
from tests.unit.console.desk import Desk

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import EngineError
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.overrides import read_overrides


def refuse_starts(desk: Desk, *, halts: bool = False) -> None:
    """Let the engine start nothing, and a person halt the action meanwhile."""

    def start(name: str, build: Any) -> None:
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


@pytest.mark.parametrize("verb", [verb for verb in OF_NODES if verb != REMOVE])
def test_a_frozen_node_is_not_restarted(desk: Desk, verb: str) -> None:
    desk.cluster.engine.freeze(desk.node("dates-2"))
    with pytest.raises(RefusedError) as caught:
        desk.plan(verb, node=desk.node("dates-2"))
    assert desk.bare(str(caught.value)) == (
        f"{verb} of dates-2: got paused, want a node that is not frozen (fix: docker unpause dates-2, or remove it)"
    )
    assert desk.plan("remove", node=desk.node("dates-2")).lines


def test_a_bug_is_on_the_agents_own_record(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(desk.actions, "_perform", lambda *_arguments: 1 // 0)
    assert desk.done("roll", tier="shop").state == FAILED
    assert desk.actions.end(10)
    assert "Traceback" in capsys.readouterr().err


def test_the_end_of_the_agent_halts_what_runs_and_waits_for_it(desk: Desk) -> None:
    begun, go = threading.Event(), threading.Event()
    start = desk.cluster.engine.start

    def slowly(name: str, build: Any) -> None:
        begun.set()
        go.wait(10)
        start(name, build)

    desk.cluster.engine.start = slowly  # type: ignore[method-assign]
    action = desk.actions.do(desk.plan("roll", tier="shop").id, "alice", uuid.uuid4().hex)
    assert begun.wait(10)
    assert not desk.actions.end(0.0)
    go.set()
    assert desk.actions.end(10)
    assert (action.state, action.halted_by) == (HALTED, "console")


def test_a_step_after_the_end_of_the_agents_loop_is_no_failure(desk: Desk) -> None:
    desk.settings.api_password_file.write_text("secret")
    settings = dataclasses.replace(desk.settings, api_url="http://127.0.0.1:1")

    async def agent() -> Agent:
        return Agent(settings)

    asyncio.run(agent())._action_changed(desk.done("roll", tier="shop"))
