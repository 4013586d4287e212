"""What Docker alone tells is shown at once, whatever a look waits for."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from evenkeel_agent import agent as agent_module
from evenkeel_agent.agent import Agent
from evenkeel_agent.engine import CachingClient
from evenkeel_agent.glance import Listing, glance, over
from tests.unit.console.desk import Desk

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import ENDED, RUNNING, Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_errors import DockerNotFoundError

ENDS = {"State": {"Status": "exited", "ExitCode": 137}}
RUNS = {"State": {"Status": "running"}}


def item(word: str = "in rotation") -> dict[str, Any]:
    return {"name": "web-1", "tier": "web", "word": word, "reason": "", "rate": 2.0, "p95": None, "stale": False}


def state(at: float = 1.0, **nodes: dict[str, Any]) -> dict[str, Any]:
    balancer = {"reachable": True, "version": "3.7", "slot": "blue", "reason": ""}
    tiers = {"web": {"running": len(nodes), "in_rotation": len(nodes), "guests": 0, "revision": "r1"}}
    tiers["web"] |= {"rate": 4.0, "p95": None}
    return {"at": at, "nodes": nodes, "tiers": tiers, "balancer": balancer, "lock": "", "trouble": []}


def node(name: str, condition: str = "running", *, managed: bool = True) -> Node:
    states = {"running": RUNNING, "exited": ENDED}
    return Node(name, name, "web", managed, states.get(condition, "broken"), detail=condition, revision="r0")


def listing(*nodes: Node, **records: Mapping[str, Any]) -> Listing:
    return Listing(2.0, {each.id: each for each in nodes}, records)


# -- the state with a list ---------------------------------------------------------------------


def test_nothing_new_is_nothing_else() -> None:
    before, told = state(a=item()), {"a": "running"}
    found, words = over(before, told, listing(node("a")))
    assert found == before
    assert words == told


def test_one_that_has_ended_is_told_with_its_end_and_no_tier_has_more_in_rotation_than_run() -> None:
    before = state(a=item(), b=item())
    found, words = over(before, {"a": "running", "b": "running"}, listing(node("a", "exited"), node("b"), a=ENDS))
    assert (found["nodes"]["a"]["word"], found["nodes"]["a"]["reason"]) == ("stopped", "was killed")
    assert (found["nodes"]["a"]["changed"], found["at"]) == (2.0, 2.0)
    assert found["nodes"]["a"]["rate"] == 2.0, "its figures stay"
    assert found["nodes"]["b"] is before["nodes"]["b"]
    assert words == {"a": "exited", "b": "running"}
    tier = found["tiers"]["web"]
    assert (tier["running"], tier["in_rotation"], tier["rate"]) == (1, 1, 4.0)


def test_new_ones_start_and_those_that_are_gone_go() -> None:
    before = state(a=item())
    found, words = over(before, {"a": "running"}, listing(node("b", managed=False), node("c"), b=RUNS, c=RUNS))
    assert {name: each["word"] for name, each in found["nodes"].items()} == {"b": "starting", "c": "starting"}
    assert [found["nodes"][name]["stale"] for name in "bc"] == [False, True]
    assert found["nodes"]["b"]["rate"] == 0
    assert words == {"b": "running", "c": "running"}
    tier = found["tiers"]["web"]
    assert (tier["running"], tier["in_rotation"], tier["guests"]) == (2, 1, 1)


@pytest.mark.parametrize("condition, word", [("paused", "frozen"), ("restarting", "crashes"), ("exited", "stopped")])
def test_words_of_what_does_not_run(condition: str, word: str) -> None:
    found, _words = over(state(a=item()), {"a": "running"}, listing(node("a", condition), a={"State": {}}))
    assert found["nodes"]["a"]["word"] == word


def test_a_rotation_that_is_unknown_stays_so() -> None:
    before = state(a=item())
    before["tiers"]["web"]["in_rotation"] = None
    found, _words = over(before, {"a": "running"}, listing(node("a", "exited"), a=ENDS))
    assert found["tiers"]["web"]["in_rotation"] is None


def test_one_that_went_before_its_record_was_read_is_gone() -> None:
    found, words = over(state(a=item()), {"a": "running"}, listing(node("a", "exited")))
    assert found["nodes"] == {}
    assert words == {}


def test_docker_is_asked_for_the_records_of_what_has_changed(tmp_path: Path) -> None:
    settings, asked = Desk(tmp_path).settings, list[str]()

    class Client(CachingClient):
        def containers(self, *_args: object, **_options: object) -> list[dict[str, Any]]:
            labels = {"evenkeel.tier": "web", "evenkeel.managed": "true"}
            words = {"a": "running", "b": "exited", "c": "exited"}
            return [
                {"Id": name, "Names": [f"/{name}"], "Labels": labels, "State": word, "ImageID": "i"}
                for name, word in words.items()
            ]

        def inspect(self, container: str) -> dict[str, Any]:
            asked.append(container)
            if container == "c":
                raise DockerNotFoundError("gone")
            return ENDS

    found = glance(settings, Client(tmp_path / "docker.sock"), {"a": "running", "b": "running"})
    assert {name: each.condition for name, each in found.nodes.items()} == {
        "a": "running",
        "b": "exited",
        "c": "exited",
    }
    assert sorted(asked) == ["b", "c"]
    assert found.records == {"b": ENDS}


# -- the agent ---------------------------------------------------------------------------------


class SlowLook:
    """A look that waits for an answer of a node until it is let go on."""

    def __init__(self) -> None:
        self.statuses: dict[str, str] = {}
        self.listed_at = 0.0
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.slow = False

    def take(self) -> dict[str, Any]:
        listed_at = time.monotonic()
        if self.slow:
            self.begun.set()
            assert self.go_on.wait(10)
        self.listed_at, self.statuses = listed_at, {"a": "running"}
        return state(a=item())


class Life:
    """An agent whose looks are slow and whose Docker says what it is told."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        settings = dataclasses.replace(Desk(folder).settings, api_url="http://127.0.0.1:9")
        settings.api_password_file.write_text("secret\n")
        self.agent = Agent(settings)
        self.look = SlowLook()
        self.agent._look = self.look  # type: ignore[assignment]
        self.agent.streams.events = self._events  # type: ignore[method-assign]
        self.docker: list[Node] = [node("a")]
        self.news: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        patch.setattr(agent_module, "glance", self._glance)

    def _glance(self, _settings: object, _client: object, told: Mapping[str, str]) -> Listing:
        changed = {each.id: ENDS for each in self.docker if told.get(each.id) != each.condition}
        return Listing(2.0, {each.id: each for each in self.docker}, changed)

    async def _events(self, since: float | None = None) -> AsyncGenerator[dict[str, Any], None]:
        yield {}
        while True:
            yield await self.news.get()

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not done():
                await asyncio.sleep(0.005)

    def word(self) -> str:
        nodes = self.agent.changes.state["state"].get("nodes", {})
        return str(nodes["a"]["word"]) if "a" in nodes else ""

    def ends(self) -> None:
        self.docker = [node("a", "exited")]
        actor = {"ID": "a", "Attributes": {"name": "a", "exitCode": "137"}}
        self.news.put_nowait({"Action": "die", "timeNano": time.time_ns(), "Actor": actor})


@contextlib.asynccontextmanager
async def living(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Life]:
    life = Life(folder, patch)
    work = asyncio.create_task(life.agent.run())
    try:
        await life.until(lambda: life.word() == "in rotation")
        yield life
    finally:
        life.look.go_on.set()
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


def test_an_end_is_told_while_a_look_waits_and_the_look_does_not_take_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> tuple[list[str], list[str]]:
        async with living(tmp_path, monkeypatch) as life:
            life.look.slow = True
            life.agent.state()  # a viewer: the next look begins
            await life.until(life.look.begun.is_set)
            life.ends()
            await life.until(lambda: life.word() != "in rotation")
            words = [life.word()]
            number = life.agent.changes.number
            life.look.slow = False
            life.look.go_on.set()
            await life.until(lambda: life.look.listed_at > 0 and not life.agent._sight.locked())
            await life.until(lambda: life.agent.events.page(kind="state") != [])
            told = [each["after"] for each in life.agent.events.page(kind="state")]
            for each in life.agent.changes.since(number) or []:
                words += [each["change"]["nodes"]["a"]["word"]] if each.get("change", {}).get("nodes") else []
            return words, told

    words, told = asyncio.run(run())
    assert words[0] == "stopped"
    assert words[1:] == [], "the look began before the end"
    assert told[-1] == "stopped", "and its event is there once"


def test_a_slow_disk_holds_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> str:
        async with living(tmp_path, monkeypatch) as life:
            stuck = threading.Event()
            add = life.agent.events.add

            def late(entry: Mapping[str, Any]) -> dict[str, Any]:
                assert stuck.wait(10)
                return add(entry)

            life.agent.events.add = late  # type: ignore[method-assign]
            actor = {"ID": "a", "Attributes": {"name": "a", "signal": "9"}}
            life.news.put_nowait({"Action": "kill", "timeNano": time.time_ns(), "Actor": actor})
            life.look.slow = True
            life.ends()
            await life.until(lambda: life.word() != "in rotation")
            stuck.set()
            return life.word()

    assert asyncio.run(run()) == "stopped"
