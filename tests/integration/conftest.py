"""What the integration tests share: playbooks, the engine, and a watcher that notices every lost request."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
import requests
from docker.models.containers import Container

ROOT = Path(__file__).parents[2]
WEB = "http://localhost:8080"
DASHBOARD = "http://localhost:9000"
STATE = Path("/var/lib/evenkeel/evenkeel") if os.geteuid() == 0 else Path.home() / ".local/state/evenkeel/evenkeel"
PATHS = {"static": "/", "dynamic": "/api/dates/"}


def play(playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook of this repository and return what it printed."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), playbook, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


def played(playbook: str, *arguments: str) -> str:
    """Run a playbook that must succeed."""
    done = play(playbook, *arguments)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait for a condition; returns the seconds it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"{what} not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - began


def served_by(tier: str, count: int) -> list[str]:
    """The nodes that answer so many requests of clients without cookies."""
    answers = [requests.get(WEB + PATHS[tier], timeout=5) for _ in range(count)]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.headers["X-Served-By"] for answer in answers]


def nodes(engine: docker.DockerClient, tier: str) -> dict[str, Container]:
    """Running nodes of a tier, by name."""
    labels = ["evenkeel.cluster=evenkeel", f"evenkeel.tier={tier}"]
    return {container.name or "": container for container in engine.containers.list(filters={"label": labels})}


def balancer(engine: docker.DockerClient) -> Container:
    """The one that runs; its name depends on the slot it is in."""
    labels = ["evenkeel.cluster=evenkeel", "evenkeel.role=balancer"]
    (found,) = engine.containers.list(filters={"label": labels})
    return found


def server_states(tier: str) -> list[str]:
    """What the balancer's health check says of each node of a tier."""
    password = (STATE / "secrets/dashboard_password").read_text().strip()
    (state,) = (
        service["serverStatus"].values()
        for service in requests.get(f"{DASHBOARD}/api/http/services", auth=("admin", password), timeout=5).json()
        if re.fullmatch(rf"{tier}-[0-9a-f]{{8}}@docker", service["name"])
    )
    return list(state)


class Watcher:
    """Requests to all tiers, one after another per client, until it is stopped; keeps what failed."""

    def __init__(self, tiers: tuple[str, ...] = ("static", "dynamic"), clients: int = 4, fresh: bool = False) -> None:
        self._headers = {"Connection": "close"} if fresh else {}
        self.sent = 0
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client, args=(tiers,)) for _ in range(clients)]

    def _client(self, tiers: tuple[str, ...]) -> None:
        session = requests.Session()
        for tier in itertools.cycle(tiers):
            if self._stop.is_set():
                return
            try:
                status = str(session.get(WEB + PATHS[tier], timeout=10, headers=self._headers).status_code)
            except requests.RequestException as error:
                status = repr(error)
            with self._lock:
                self.sent += 1
                if status != "200":
                    self.failed.append(f"{tier}: {status}")
            time.sleep(0.01)

    def __enter__(self) -> Watcher:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def cluster(engine: docker.DockerClient) -> Iterator[docker.DockerClient]:
    """The default cluster with three nodes per tier, before and after the test."""
    played("playbooks/scale.yml")
    yield engine
    played("playbooks/scale.yml")
