"""What people have done to nodes is remembered for as long as it holds, also by the next agent."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import pytest
from evenkeel_agent import kept_nodes
from evenkeel_agent.action import DONE, FAILED
from evenkeel_agent.agent import Agent
from evenkeel_agent.drained import Drained
from evenkeel_agent.stopped import Stopped
from tests.unit.console.desk import Desk

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.files import WriteError


def full(*_given: object) -> None:
    raise WriteError("stopped.json: got no space, want room (fix: free some)")


@pytest.mark.parametrize("verb", ["restart", "stop", "remove", "kill"])
def test_what_ends_does_not_drain_any_more(desk: Desk, verb: str) -> None:
    node = desk.node("shop-2")
    desk.done("drain", node=node)
    assert desk.done(verb, node=node).state == DONE
    assert desk.drained == {}


def test_a_restart_that_fails_half_way_does_not_leave_a_drain(desk: Desk) -> None:
    node = desk.node("shop-2")
    desk.done("drain", node=node)
    start = desk.cluster.engine.start_again

    def silent(node: str) -> None:
        start(node)
        desk.cluster.balancer.fails = lambda call: True

    desk.cluster.engine.start_again = silent  # type: ignore[method-assign]
    assert desk.done("restart", node=node).state == FAILED
    assert desk.drained == {}


def test_a_drain_is_known_to_the_next_agent_until_the_node_serves_or_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "drained.json"
    found = Drained(path, lambda: 100.0)
    for name in ("a", "b", "c"):
        found.add(name, "alice")
    found.keep_only({"a"}, 110.0)
    assert Drained(path) == {"a": "alice", "b": "alice", "c": "alice"}, "the balancer may not have noticed"
    found.keep_only({"a", "b"}, 200.0)
    assert Drained(path) == {"a": "alice", "b": "alice"}
    found.remove("a")
    assert Drained(path) == {"b": "alice"}
    path.write_text('{"a": 1}')
    assert Drained(path) == {}


def test_a_stop_that_is_done_is_done_also_when_the_disk_is_full(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_nodes, "write_atomically", full)
    node = desk.node("shop-2")
    action = desk.done("stop", node=node)
    assert (action.state, action.warnings) == (DONE, ("stopped.json: got no space, want room (fix: free some)",))
    assert desk.actions.stopped.nodes == {node}
    monkeypatch.undo()
    desk.actions.seen({node: {"word": "stopped"}}, 0.0)
    assert Stopped(desk.settings.data_dir / "stopped.json").nodes == {node}, "the next look has written it"


def test_a_drain_that_is_done_is_done_also_when_the_disk_is_full(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_nodes, "write_atomically", full)
    node = desk.node("shop-2")
    assert desk.done("drain", node=node).state == DONE
    assert desk.drained == {node: "alice"}


def test_whole_looks_forget_what_is_over_without_console_keep(desk: Desk) -> None:
    desk.settings.api_password_file.write_text("secret")
    served = {"word": "in rotation", "tier": "shop", "rate": 0.0, "p95": None}
    nodes = {name: {**served, "name": name} for name in "ab"}
    state: dict[str, Any] = {"at": 4e9, "trouble": [], "lock": "", "balancer": {}, "tiers": {}, "nodes": nodes}

    async def forgotten() -> bool:
        agent = Agent(dataclasses.replace(desk.settings, api_url="http://127.0.0.1:1"))
        agent.actions.stopped.add(["a"])
        agent._drained.add("b", "alice")
        agent._take = lambda: state  # type: ignore[method-assign]
        looking = asyncio.create_task(agent._keep_looking())
        for _ in range(100):
            await asyncio.sleep(0.02)
            if not agent.actions.stopped.nodes and not agent._drained:
                break
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
        return not agent.actions.stopped.nodes and not agent._drained

    assert asyncio.run(forgotten())
