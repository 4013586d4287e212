"""What the agent itself refuses at its socket, as if the web process had been taken over."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http.client
import json
import os
import signal
import socket
import struct
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from evenkeel_agent import server
from evenkeel_agent.__main__ import serve
from evenkeel_agent.server import peer_user
from tests.unit.console.desk import Desk
from tests.unit.fakes.console import Console, running

GONE, HEX = "0" * 64, "0" * 32
GOOD: dict[str, object] = {"plan": HEX, "actor": "alice", "request": HEX}


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("agent", timeout=10)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(path: Path, target: str, body: object = None, **headers: str) -> tuple[int, str]:
    """The status and the text of an answer; a body is JSON, or bytes as they are."""
    with contextlib.closing(Connection(path)) as connection:
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request("GET" if content is None else "POST", target, content, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.fixture(scope="module", name="console")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """One agent for all: nothing is done to it."""
    yield from running(tmp_path_factory.mktemp("console"))


def test_another_user_is_refused_whatever_it_asks_for(console: Console) -> None:
    assert console.agent is not None
    own = console.agent.settings
    console.agent.settings = dataclasses.replace(own, web_user=os.getuid() + 1)
    try:
        for target, body in (("/v1/state", None), ("/v1/plan", {"verb": "roll", "tier": "shop"}), ("/v1/none", None)):
            status, text = ask(console.settings.socket, target, body)
            assert (status, "another user" in text) == (403, True)
    finally:
        console.agent.settings = own
    assert ask(console.settings.socket, "/v1/state")[0] == 200


def test_the_kernel_tells_the_user_and_not_the_process_or_group() -> None:
    class Peer:
        def getsockopt(self, level: int, option: int, size: int) -> bytes:
            assert (level, option, size) == (socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            return struct.pack("3i", 101, 102, 103)

    assert peer_user(cast("socket.socket", Peer())) == 102


BODIES: list[tuple[int, str, object]] = [
    (413, "/v1/plan", b'{"verb":"' + b"a" * 4096 + b'"}'),
    (422, "/v1/plan", b'{"verb":"roll","tier":"dates","tier":"shop"}'),
    (422, "/v1/plan", b"[" * 4000),
    (422, "/v1/plan", b"{"),
    (422, "/v1/plan", [1]),
    (422, "/v1/plan", {"verb": "roll", "tier": "shop", "force": True}),
    *((422, "/v1/plan", {"verb": verb, "tier": "shop"}) for verb in ("exec", "create", "keep", "pull", "", None, 1)),
    *((422, "/v1/plan", {"verb": "scale", "tier": "shop", "count": n}) for n in (-1, 1001, 2.0, True, "3", None, [3])),
    *((422, "/v1/plan", {"verb": "roll", "tier": tier}) for tier in ("", None, 1, ["shop"])),
    *((422, "/v1/plan", {"verb": "stop", "node": node}) for node in ("", None, 1, [GONE])),
    (422, "/v1/plan", {"verb": "stop", "node": GONE, "tier": "shop"}),
    (422, "/v1/plan", {"verb": "roll", "tier": "shop", "count": 2}),
    *((404, "/v1/plan", {"verb": verb, "node": GONE}) for verb in ("stop", "kill", "remove", "drain", "restart")),
    *((404, "/v1/plan", {"verb": "stop", "node": node}) for node in ("shop-1", "portainer", "../" + GONE, "A" * 64)),
    (404, "/v1/plan", {"verb": "roll", "tier": "nope"}),
    (404, "/v1/do", GOOD),
    *((422, "/v1/do", GOOD | {"plan": plan}) for plan in ("", HEX + "0", "A" * 32, None, 1)),
    *((422, "/v1/do", GOOD | {"actor": actor}) for actor in ("", "Alice", "a\nb", "a" * 65, None, "console")),
    *((422, "/v1/do", GOOD | {"request": key}) for key in ("", HEX + "0", None)),
    *((422, "/v1/do", GOOD | {"typed": typed}) for typed in (None, 1, ["shop"], "s" * 101)),
    (422, "/v1/do", GOOD | {"force": "shop"}),
    (404, "/v1/halt", {"action": HEX, "actor": "alice"}),
    (422, "/v1/halt", {"action": "roll", "actor": "alice"}),
    (422, "/v1/halt", {"action": HEX, "actor": "a b"}),
]


@pytest.mark.parametrize(
    "status, target, body", BODIES, ids=[f"{status} {str(body)[:60]}" for status, _, body in BODIES]
)
def test_a_body_that_no_web_process_of_ours_sends(console: Console, status: int, target: str, body: object) -> None:
    calls, entries = len(console.cluster.engine.calls), console.audit.page()
    found, text = ask(console.settings.socket, target, body)
    assert found == status, text
    assert "want " in json.loads(text)["problems"][0]
    assert console.audit.page() == entries
    assert not [call for call in console.cluster.engine.calls[calls:] if call.startswith(("start", "stop", "remove"))]


def test_nodes_are_named_by_their_whole_identifier(console: Console) -> None:
    node = console.node("shop-1")
    for name in (node[:12], node[:63], f"{console.name}-shop-1", node.upper()):
        assert ask(console.settings.socket, "/v1/plan", {"verb": "stop", "node": name})[0] == 404
    assert ask(console.settings.socket, "/v1/plan", {"verb": "stop", "node": node})[0] == 200


@pytest.mark.parametrize("value", ["x", "1_0", "%D9%A3", "+1", "%201", "", "1" * 17, "1.0", "-"])
def test_a_number_that_python_reads_and_people_do_not(console: Console, value: str) -> None:
    log = f"/v1/nodes/{console.node('shop-1')}/log"
    for target in (f"{log}?tail=", f"{log}?follow=", "/v1/events?count=", "/v1/audit?before=", "/v1/watch?since="):
        assert ask(console.settings.socket, target + value)[0] == 422, target


def test_numbers_are_bounded(console: Console) -> None:
    log = f"/v1/nodes/{console.node('shop-1')}/log"
    for target, low, high in (
        (f"{log}?tail=", 0, 1000),
        (f"{log}?follow=", 0, None),
        ("/v1/events?count=", 1, 200),
        ("/v1/audit?count=", 1, 200),
        ("/v1/audit?before=", 1, 2**53),
    ):
        for value, status in ((low - 1, 422), (low, 200), *(((high, 200), (high + 1, 422)) if high else ((2, 422),))):
            assert ask(console.settings.socket, f"{target}{value}")[0] == status, (target, value)


def test_what_is_no_node_of_now_is_not_read(console: Console) -> None:
    for node in (GONE, "shop-1", "A" * 64, "..%2f..%2fversion", f"{GONE}%3ftail=1"):
        assert ask(console.settings.socket, f"/v1/nodes/{node}/log")[0] == 404
        assert ask(console.settings.socket, f"/v1/samples?nodes={node}")[0] == 404
    status, text = ask(console.settings.socket, "/v1/samples?nodes=" + ",".join([console.node("shop-1")] * 61))
    assert (status, "60 at most" in text) == (422, True)
    assert ask(console.settings.socket, "/v1/history?tier=nope")[0] == 404
    assert ask(console.settings.socket, "/v1/history?tier=shop&span=86400")[0] == 422


def test_a_name_in_the_state_that_is_no_identifier_is_not_read(console: Console) -> None:
    assert console.agent is not None
    before = console.agent.changes._state
    console.agent.changes._state = {**before, "nodes": {"..": {}, "shop-1": {}}}
    try:
        assert ask(console.settings.socket, "/v1/nodes/shop-1/log")[0] == 404
        assert ask(console.settings.socket, "/v1/samples?nodes=..")[0] == 404
    finally:
        console.agent.changes._state = before


def test_more_requests_at_once_than_the_web_process_needs_are_refused(console: Console) -> None:
    target = f"/v1/nodes/{console.node('shop-1')}/log?follow=1"
    with contextlib.ExitStack() as stack:
        for _ in range(server.MAX_CONNECTIONS):
            connection = stack.enter_context(contextlib.closing(Connection(console.settings.socket)))
            connection.request("GET", target)
            assert stack.enter_context(connection.getresponse()).readline()
        status, text = ask(console.settings.socket, "/v1/state")
        assert (status, "too many requests at once" in text) == (503, True)


def test_a_log_comes_no_faster_than_a_page_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_LINES_PER_SECOND", 3)

    async def lines() -> AsyncGenerator[tuple[str, str], None]:
        for number in range(4):
            yield "stdout", str(number)

    async def read() -> list[list[str]]:
        return [item async for item in server._paced(lines())]

    began = time.monotonic()
    assert asyncio.run(read()) == [["stdout", str(number)] for number in range(4)]
    assert time.monotonic() - began > 0.9


def test_the_socket_is_for_its_group_and_heads_are_bounded(desk: Desk) -> None:
    settings = dataclasses.replace(
        desk.settings, api_url="http://127.0.0.1:9", web_user=os.getuid(), docker_socket=desk.settings.data_dir / "none"
    )
    settings.api_password_file.write_text("secret\n")

    async def asked() -> tuple[int, int]:
        task = asyncio.create_task(serve(settings))
        await asyncio.sleep(0.1)
        for _ in range(100):
            if settings.socket.exists() and settings.socket.stat().st_mode & 0o777 == 0o660:
                break
            await asyncio.sleep(0.02)
        mode = settings.socket.stat().st_mode & 0o777
        found: Any = await asyncio.to_thread(ask, settings.socket, "/v1/state", None, X="a" * 6000)
        os.kill(os.getpid(), signal.SIGTERM)
        await task
        return mode, found[0]

    assert asyncio.run(asked()) == (0o660, 400)
