"""What the integration tests share: playbooks, the engine, and a watcher that notices every lost request."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
from docker.models.containers import Container

ROOT = Path(__file__).parents[2]
WEB = "http://localhost:8080"
DASHBOARD = "http://localhost:9000"
STATE = Path("/var/lib/evenkeel/evenkeel") if os.geteuid() == 0 else Path.home() / ".local/state/evenkeel/evenkeel"
PATHS = {"static": "/", "dynamic": "/api/dates/"}
PORTS = {"static": 8080, "dynamic": 3000}


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


def ask_balancer(path: str) -> Any:
    """What the balancer's API tells."""
    password = (STATE / "secrets/dashboard_password").read_text().strip()
    return requests.get(f"{DASHBOARD}/api/{path}", auth=("admin", password), timeout=5).json()


def servers(tier: str) -> dict[str, dict[str, str]]:
    """Service to server to state, as the balancer's health check has it, of each service of a tier."""
    return {
        service["name"]: service.get("serverStatus", {})
        for service in ask_balancer("http/services")
        if re.fullmatch(rf"{tier}-[0-9a-f]{{8}}@docker", service["name"])
    }


def server_states(tier: str) -> list[str]:
    """What the balancer's health check says of each node of a tier."""
    (state,) = servers(tier).values()
    return list(state.values())


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


def answers(container: Container, port: int) -> bool:
    """Whether a node says that it is ready."""
    address = container.attrs["NetworkSettings"]["Networks"]["evenkeel"]["IPAddress"]
    return requests.get(f"http://{address}:{port}/healthz", timeout=1).status_code == 200


def in_rotation(engine: docker.DockerClient) -> bool:
    """Whether exactly the nodes that run serve, by their own word and by the balancer's."""
    try:
        for tier, port in PORTS.items():
            running = nodes(engine, tier)
            if not all(answers(container, port) for container in running.values()):
                return False
            if [list(states.values()) for states in servers(tier).values()] != [["UP"] * len(running)]:
                return False
    except (requests.RequestException, KeyError):
        return False
    return True


State = tuple[list[tuple[str, ...]], dict[str, str], dict[str, str]]


def observed(engine: docker.DockerClient) -> State:
    """All that a test may change: containers, tags, the balancer's files. The numbers in nodes' names do not count."""
    containers = []
    for item in engine.api.containers(all=True):
        labels = item["Labels"]
        name = labels["evenkeel.tier"] if labels.get("evenkeel.managed") == "true" else item["Names"][0]
        containers.append((name, item["State"], item["ImageID"], labels.get("evenkeel.revision", "")))
    tags = {tag: item["Id"] for item in engine.api.images() for tag in item["RepoTags"] or ()}
    files = {path.name: path.read_text() for path in (STATE / "balancer/dynamic").glob("*.yml")}
    return sorted(containers), tags, files


class Declared:
    """The default cluster. A playbook brings it back when a look shows that a test has left another one."""

    def __init__(self, engine: docker.DockerClient) -> None:
        self._engine = engine
        self._state: State | None = None

    def restore(self, playbook: str, *arguments: str) -> None:
        """Leave the cluster as the last run of a playbook here has left it."""
        if not self._stands():
            played(playbook, *arguments)
            self._state = observed(self._engine)

    def _stands(self) -> bool:
        if observed(self._engine) != self._state:
            return False
        end = time.monotonic() + 5
        while not in_rotation(self._engine):
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True


@pytest.fixture(scope="session")
def declared(engine: docker.DockerClient) -> Declared:
    return Declared(engine)


# In one wave: here, nothing is measured.
RESTORE = ("playbooks/scale.yml", "-e", "node_pool_surge_percent=100")


@pytest.fixture
def cluster(engine: docker.DockerClient, declared: Declared) -> Iterator[docker.DockerClient]:
    """The default cluster with three nodes per tier, before and after the test."""
    declared.restore(*RESTORE)
    yield engine
    declared.restore(*RESTORE)


# A container inherits its image's labels; these make it nobody's node.
STRANGER = {"evenkeel.cluster": "none", "evenkeel.role": "none", "traefik.enable": "false"}


IMAGES = {"static": "res/apache_php", "dynamic": "res/express"}


@contextlib.contextmanager
def guest(engine: docker.DockerClient, image: str, **options: Any) -> Iterator[Container]:
    """A container started by hand, removed at the end."""
    container = engine.containers.run(image, detach=True, **options)
    try:
        yield container
    finally:
        with contextlib.suppress(docker.errors.NotFound):
            container.remove(force=True)
