"""The console's agent as a process on this machine, and the questions of the console's web process to it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.integration.conftest import DASHBOARD, ROOT, STATE, WEB, until


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""


_OVER = {"done", "failed", "halted", "unfinished"}


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("agent", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class AgentProcess:
    """Starts, asks and ends the agent.

    Args:
        folder: for its socket, its settings and what it keeps.
        settings: further settings.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.socket = folder / "agent.sock"
        self.data = folder / "data"
        self.data.mkdir(exist_ok=True)
        self.settings = folder / "agent.json"
        content = {
            "cluster": "evenkeel",
            "network": "evenkeel",
            "declaration": f"{STATE}/declaration.json",
            "overrides": f"{STATE}/overrides.json",
            "routes_file": f"{STATE}/balancer/dynamic/tiers.yml",
            "api_url": DASHBOARD,
            "api_user": "admin",
            "api_password_file": f"{STATE}/secrets/dashboard_password",
            "access_log": f"{STATE}/log/access.log",
            "data_dir": str(self.data),
            "socket": str(self.socket),
            "web_user": os.getuid(),
            "web_url": WEB,
            "web_host": "labo-http.res.ch",
        }
        self.settings.write_text(json.dumps(content | settings))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> AgentProcess:
        """Start it, and wait until it has looked at the cluster."""
        path = f"{ROOT}/files/console/agent:{ROOT}/collections"
        with (self.folder / "agent.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "evenkeel_agent", str(self.settings)],
                env={"PATH": os.environ["PATH"], "PYTHONPATH": path},
                stderr=log,
            )
        until(self._looks, 15, "a first look")
        return self

    def _looks(self) -> bool:
        try:
            return bool(self.state().get("nodes"))
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL, as in a crash."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and its end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            assert self._process.wait(10) == 0

    @property
    def lives(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it wrote to its standard error."""
        return (self.folder / "agent.log").read_text()

    @property
    def sockets(self) -> int:
        """How many sockets it has open: two for each stream, one of them at Docker."""
        assert self._process is not None
        return sum("socket" in _link(item) for item in Path(f"/proc/{self._process.pid}/fd").iterdir())

    # -- questions -------------------------------------------------------------------

    def ask(self, path: str, body: object = None) -> tuple[int, Any]:
        """Status and content of an answer."""
        assert self.lives, self.log
        connection = _Connection(self.socket, 30)
        try:
            content = None if body is None else json.dumps(body)
            connection.request("GET" if body is None else "POST", path, content)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def stream(self, path: str, ended: threading.Event, seconds: float = 30) -> Iterator[Any]:
        """The lines of a stream as they come; the connection is closed when ``ended`` is set, or at the end."""
        connection = _Connection(self.socket, 0.2)
        try:
            connection.request("GET", path)
            connection.sock.settimeout(seconds)
            answer = connection.getresponse()
            assert answer.status == 200
            while not ended.is_set() and (line := answer.readline()):
                yield json.loads(line)
        finally:
            connection.close()

    def state(self) -> dict[str, Any]:
        """The cluster as the agent sees it."""
        status, answer = self.ask("/v1/state")
        assert status == 200
        found: dict[str, Any] = answer["state"]
        return found

    def node(self, tier: str) -> str:
        """The identifier of one of its nodes; their numbers are what earlier rolls have left."""
        return min(str(node) for node, item in self.state()["nodes"].items() if item["tier"] == tier)

    def words(self, tier: str) -> list[str]:
        """The states of its nodes."""
        return sorted(item["word"] for item in self.state()["nodes"].values() if item["tier"] == tier)

    def begin(self, typed: str = "", **wish: Any) -> str:
        """Plan and agree; the action's name."""
        status, plan = self.ask("/v1/plan", wish)
        assert status == 200, plan
        body = {"plan": plan["plan"], "actor": "alice", "request": uuid.uuid4().hex, "typed": typed}
        status, answer = self.ask("/v1/do", body)
        assert status == 202, answer
        return str(answer["action"])

    def action(self, name: str) -> dict[str, Any]:
        """What is known of an action."""
        actions = self.ask("/v1/actions")[1]
        return next(dict(item) for item in actions if item["id"] == name)

    def ended(self, name: str, seconds: float = 60) -> dict[str, Any]:
        """The action when it is over."""
        until(lambda: self.action(name)["state"] in _OVER, seconds, "the end of the action")
        return self.action(name)

    def done(self, typed: str = "", **wish: Any) -> dict[str, Any]:
        """Plan, agree and wait; it must succeed."""
        found = self.ended(self.begin(typed, **wish))
        assert (found["state"], found["result"]) == ("done", "done"), found
        return found
