"""A viewer's view of the agent: what comes while it is written to is not lost."""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from evenkeel_agent.agent import Agent
from tests.unit.console.desk import Desk


def test_what_comes_during_the_write_of_the_whole_is_told_next(tmp_path: Path) -> None:
    settings = dataclasses.replace(Desk(tmp_path).settings, api_url="http://127.0.0.1:9")
    settings.api_password_file.write_text("secret\n")

    async def run() -> list[dict[str, Any]]:
        agent = Agent(settings)
        agent.changes.set({"lock": "", "at": 1.0})
        async with aclosing(agent.watch(-1)) as items:
            whole = await anext(items)
            agent.changes.set({"lock": "alice", "at": 2.0})
            return [whole, await anext(items)]

    whole, news = asyncio.run(run())
    assert whole["state"]["lock"] == ""
    assert news.get("change") == {"lock": "alice"}
    assert news["number"] == whole["number"] + 1


@pytest.mark.parametrize("tiers, kept", [({}, ["a"]), ({"shop": {}}, [])])
def test_what_was_known_last_is_kept_only_if_the_cluster_cannot_be_read(
    tmp_path: Path, tiers: dict[str, Any], kept: list[str]
) -> None:
    settings = dataclasses.replace(Desk(tmp_path).settings, api_url="http://127.0.0.1:9")
    settings.api_password_file.write_text("secret\n")

    class Blind:
        def take(self) -> dict[str, Any]:
            return {"at": 2.0, "trouble": ["a line"], "tiers": tiers, "nodes": {}}

    async def run() -> dict[str, Any]:
        agent = Agent(settings)
        agent.changes.set({"at": 1.0, "tiers": {"shop": {}}, "nodes": {"a": {}}})
        agent._look = Blind()  # type: ignore[assignment]
        return agent._take()

    found = asyncio.run(run())
    assert (list(found["nodes"]), found["trouble"], found["trouble_since"]) == (kept, ["a line"], 2.0)
