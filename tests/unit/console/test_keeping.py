"""What a person stopped stays so; what keeps the agent from a replacement is told."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import pytest
from evenkeel_agent.actions import CONSOLE
from evenkeel_agent.agent import Agent
from evenkeel_agent.keeper import Keeper
from evenkeel_agent.stopped import Stopped
from evenkeel_agent.verbs import BusyError, Plan, RefusedError, Wish
from tests.unit.console.desk import Desk


def test_a_stop_is_remembered_until_the_node_starts_or_is_gone(tmp_path: Path) -> None:
    stopped = Stopped(tmp_path / "stopped.json", lambda: 100.0)
    stopped.add(["a", "b"])
    stopped.forget({"b"}, 101.0)
    assert stopped.nodes == {"a", "b"}, "the look may have begun before the stop"
    stopped.forget({"b"}, 200.0)
    assert Stopped(tmp_path / "stopped.json").nodes == {"b"}
    stopped.forget((), 200.0)
    assert Stopped(tmp_path / "stopped.json").nodes == set()


def test_a_stop_through_the_console_is_remembered_by_the_next_agent(desk: Desk) -> None:
    node = desk.node("shop-2")
    desk.done("stop", node=node)
    desk.done("restart", "shop", node=desk.node("shop-1"))
    desk.open()
    assert desk.actions.stopped.nodes == {node}


@pytest.mark.parametrize(
    "hindrance, told",
    [
        (BusyError("alice"), []),
        (RefusedError("not deployed"), ["not deployed"]),
        (KeyError("odd"), ["keep: KeyError: 'odd'"]),
    ],
)
def test_a_refusal_is_told_and_lets_the_next_try_not_wait(desk: Desk, hindrance: Exception, told: list[str]) -> None:
    state: dict[str, Any] = {
        "nodes": {"a": {"word": "stopped", "managed": True, "tier": "shop"}},
        "balancer": {"reachable": True},
        "lock": "",
        "at": time.time(),
        "trouble": [],
        "trouble_since": None,
    }
    tries = list[str]()

    desk.settings.api_password_file.write_text("secret")

    async def kept() -> dict[str, Any]:
        agent = Agent(dataclasses.replace(desk.settings, keep=True, api_url="http://127.0.0.1:1"))

        def plan(wish: Any) -> Any:
            tries.append(wish.node)
            raise hindrance

        agent.actions.plan = plan  # type: ignore[method-assign]
        at = [0.0]
        keeper = Keeper(lambda: at[0])
        for _ in range(15):
            agent._keep(keeper, state)
            at[0] += 1
        shown = agent._with_keeping(state, state)
        for hindered in ({**state, "balancer": {"reachable": False}}, {**state, "lock": "root (scale)"}):
            agent._keep_trouble = ["not deployed"]
            agent._keep(keeper, hindered)
            assert agent._with_keeping(state, hindered)["trouble"] == [], "nothing was tried, so nothing was refused"
        agent.actions.stopped.add(["a"])
        agent._keep(keeper, state)
        return shown

    shown = asyncio.run(kept())
    assert tries == ["a"] * 5
    assert shown["trouble"] == told
    assert {**shown, "trouble": [], "trouble_since": None} == state, "all else is as it was seen"


@pytest.mark.parametrize("is_readable", [True, False])
def test_events_of_an_outage_are_asked_for_also_after_many_events_of_states(
    desk: Desk, is_readable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.settings.api_password_file.write_text("secret")

    async def since() -> float | None:
        agent = Agent(dataclasses.replace(desk.settings, api_url="http://127.0.0.1:1"))
        monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
        agent.events.add({"kind": "die", "at": 100.0})
        for number in range(1000):
            agent.events.add({"kind": "state", "at": 200.0 + number})
        if not is_readable:
            monkeypatch.setattr(Path, "read_bytes", lambda _path: (_ for _ in ()).throw(OSError(5, "bad disk")))
        return agent._newest_event()

    assert asyncio.run(since()) == (pytest.approx(100.0) if is_readable else None)


def test_the_next_replacement_in_a_tier_waits_for_the_one_before(desk: Desk) -> None:
    nodes = {name: {"word": "stopped", "managed": True, "tier": "shop"} for name in ("a", "b")}
    state: dict[str, Any] = {"nodes": nodes, "balancer": {"reachable": True}, "lock": "", "at": time.time()}
    desk.settings.api_password_file.write_text("secret")
    done = list[tuple[float, str, str]]()

    async def keep() -> None:
        agent = Agent(dataclasses.replace(desk.settings, keep=True, api_url="http://127.0.0.1:1"))
        at = [0.0]

        def plan(wish: Wish) -> Plan:
            return Plan(f"{wish.verb} {wish.node}", wish, ("a line",) if at[0] > 12 else ())

        agent.actions.plan = plan  # type: ignore[method-assign]

        def do(plan: str, actor: str, _key: str) -> None:
            done.append((at[0], plan, actor))

        agent.actions.plan = plan  # type: ignore[method-assign]
        agent.actions.do = do  # type: ignore[assignment, method-assign]
        keeper = Keeper(lambda: at[0])
        while at[0] < 32:
            agent._keep(keeper, state)
            at[0] += 1

    asyncio.run(keep())
    assert [(when, plan) for when, plan, _actor in done] == [(13.0, "keep a"), (23.0, "keep a")], (
        "an empty plan is none"
    )
    assert {actor for _when, _plan, actor in done} == {CONSOLE}
