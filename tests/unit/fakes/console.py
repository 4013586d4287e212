"""A console without Docker: the real web process at the real agent, which has a cluster in memory."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from aiohttp import web
from argon2 import PasswordHasher
from evenkeel_agent.agent import Agent
from evenkeel_agent.server import application
from evenkeel_console import passwords
from evenkeel_console.app import create_app
from evenkeel_console.server import configured
from evenkeel_console.settings import read_settings
from tests.unit.console.desk import Desk
from tests.unit.fakes.node import FakeNode

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import discard_lock

#: For tests that do not measure the cost of a try.
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery"  # noqa: S105
USERS = [
    {"name": "alice", "role": "operator"},
    {"name": "bob", "role": "operator"},
    {"name": "vera", "role": "viewer"},
]
PAGE = b"<!doctype html><title>Console</title>"


class Clock:
    """Time as a test sets it."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class FakeStreams:
    """Logs that a test writes; ``ended`` counts those that nobody reads any more."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = [("stdout", "2026-01-01T00:00:00Z <script>alert(1)</script>\u202e")]
        self.open = 0
        self.ended = 0

    async def log(self, container: str, tail: int, *, follow: bool) -> AsyncGenerator[tuple[str, str], None]:
        self.open += 1
        try:
            for item in self.lines[-tail:] if tail else []:
                yield item
            while follow:
                await asyncio.sleep(0.02)
        finally:
            self.open -= 1
            self.ended += 1


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def problems(self) -> list[str]:
        return list(self.json["problems"])

    def cookie(self, name: str) -> str:
        """The value that is set."""
        for header in self.headers.get_all("Set-Cookie") or []:
            key, _, rest = header.partition("=")
            if key == name:
                return rest.partition(";")[0]
        return ""


class Browser:
    """A client with both halves of a session, or with less."""

    def __init__(self, console: Console, headers: Mapping[str, str] | None = None) -> None:
        self.console = console
        self.headers = dict(headers or {})

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.console.port, timeout=30)
        sent = dict(self.headers)
        if body is not None:
            raw = json.dumps(body).encode()
        if raw is not None:
            sent["Content-Type"] = "application/json"
        sent |= headers or {}
        try:
            connection.request(method, path, raw, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        return self.ask("POST", path, body, headers)

    def plan(self, verb: str, **options: Any) -> Answer:
        return self.post("/api/plans", {"verb": verb, **options})

    def act(self, plan: str, key: str = "", **more: str) -> Answer:
        key = key or f"key-{time.monotonic_ns()}"
        return self.ask("POST", "/api/actions", {"plan": plan, **more}, {"Idempotency-Key": key})


class Console(Desk):
    """Both processes in one thread, with a cluster in memory.

    Args:
        folder: for all files.
        settings: of the web process, other than the usual ones.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.agent: Agent | None = None
        self.streams = FakeStreams()
        self.now, self.wall = Clock(), Clock()
        for name in ("agent", "web", "assets"):
            (folder / name).mkdir()
        super().__init__(folder / "agent")
        self.settings = dataclasses.replace(self.settings, web_user=os.getuid(), api_url="http://127.0.0.1:9")
        self._use_engine_ids()
        self.open()
        (self.settings.api_password_file).write_text("secret\n")
        (folder / "assets" / "index.html").write_bytes(PAGE)
        (folder / "assets" / "app-A1B2C3D4.js").write_bytes(b"export {};\n" * 500)
        (folder / "secret.txt").write_text("not a part of the page")
        (folder / "report.html").write_text("<h1>Report</h1>")
        self.web_data = folder / "web"
        kept = {user["name"]: passwords.hashed(PASSWORD) for user in USERS}
        (self.web_data / "passwords.json").write_text(json.dumps(kept))
        self.path = folder / "web.json"
        self.web_settings = {
            "cluster": self.name,
            "listen": "127.0.0.1",
            "port": 0,
            "agent_socket": str(self.settings.socket),
            "data_dir": str(self.web_data),
            "users": USERS,
            "hosts": ["console.example.org"],
            "origins": ["https://console.example.org"],
            "certificate": "",
            "key": "",
            "links": {"site": "http://localhost:8080/", "dashboard": "", "portainer": ""},
            "report": str(folder / "report.html"),
            "assets": str(folder / "assets"),
            **settings,
        }
        self.write_settings()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def _use_engine_ids(self) -> None:
        """Let nodes have identifiers of Docker's form."""
        engine = self.cluster.engine
        make = engine._made

        def renamed(found: FakeNode) -> FakeNode:
            del engine._nodes[found.node.id]
            found.put(id=found.node.id[:4] + hashlib.sha256(found.node.id.encode()).hexdigest()[:60])
            engine._nodes[found.node.id] = found
            return found

        engine._made = lambda *given, **named: renamed(make(*given, **named))  # type: ignore[method-assign]
        for item in list(engine._nodes.values()):
            renamed(item)

    def write_settings(self, **changed: Any) -> None:
        """As the role does."""
        self.web_settings |= changed
        self.path.write_text(json.dumps(self.web_settings))

    def _changed(self, action: Any) -> None:
        super()._changed(action)
        if self.agent is not None:
            self.agent._action_changed(action)

    async def _serve(self) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await self.start_agent()
        self.app = create_app(read_settings(self.path), self.path, self.now, self.wall)
        config = configured(read_settings(self.path), self.app)
        self.server = uvicorn.Server(config)
        serving = asyncio.create_task(self.server.serve())
        while not self.server.started:
            await asyncio.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        self.server.should_exit = True
        await serving
        await self.stop_agent()

    async def start_agent(self) -> None:
        """The agent, in front of the cluster in memory."""
        self.agent = Agent(self.settings)
        self.agent.actions = self.actions
        self.agent.audit = self.audit
        self.agent.streams = self.streams  # type: ignore[assignment]
        self.agent.changes.set(self.state())
        self._runner = web.AppRunner(
            application(self.agent), access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        self.settings.socket.unlink(missing_ok=True)
        await web.UnixSite(self._runner, self.settings.socket).start()

    async def stop_agent(self) -> None:
        """As ``docker stop`` does."""
        await self._runner.cleanup()

    def state(self) -> dict[str, Any]:
        """What a look finds."""
        nodes = {
            node.id: {"id": node.id, "name": node.name, "tier": node.tier, "word": "in rotation"}
            for node in self.cluster.engine.nodes()
        }
        tiers = {
            name: {"name": name, "desired": tier.nodes, "running": 2, "in_rotation": 2, "guests": 0, "stale": 0}
            | {"drift": []}
            for name, tier in self.cluster.tiers.items()
        }
        return {"cluster": self.name, "at": 1.0, "trouble": [], "tiers": tiers, "nodes": nodes}

    def __enter__(self) -> Console:
        self._thread.start()
        while not self._started.wait(0.1):
            assert self._thread.is_alive()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def call(self, work: Any) -> Any:
        """Run a coroutine in the thread of the processes."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def login(self, name: str = "alice", password: str = PASSWORD, **headers: str) -> Browser:
        """A browser with both halves."""
        answer = Browser(self).post("/api/login", {"name": name, "password": password}, **headers)
        assert answer.status == 200, answer.content
        cookie = f"evenkeel_session={answer.cookie('evenkeel_session')}"
        device = f"evenkeel_device={answer.cookie('evenkeel_device')}"
        return Browser(self, {"Cookie": f"{cookie}; {device}", "X-Evenkeel-Key": answer.json["key"]})

    def raw(self, content: bytes, wait: float = 5.0) -> bytes:
        """Bytes to the server, and all that comes back until it closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            found = b""
            try:
                connection.sendall(content)
                while part := connection.recv(65536):
                    found += part
            except OSError:
                pass
            return found


def running(folder: Path) -> Iterator[Console]:
    """Both processes, for a fixture; tries of passwords cost nothing."""
    patch = pytest.MonkeyPatch()
    patch.setattr(passwords, "_HASHER", CHEAP)
    try:
        with Console(folder) as found:
            yield found
        discard_lock(found.name)
    finally:
        patch.undo()
