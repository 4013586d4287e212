"""Nodes of both images, each in a container of its own, with and without the hardening of managed nodes."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import docker
import docker.errors
import pytest
from docker.models.containers import Container

INTERNAL_PORT = 9180
DRAIN_SECONDS = 3
# A node must serve within this time after its start, also on a busy machine; the goal itself is measured elsewhere.
START_SECONDS = 15.0
MANAGED: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/run": "mode=1777", "/tmp": "mode=1777"},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "mem_limit": "256m",
    "pids_limit": 200,
}
MODES: dict[str, dict[str, Any]] = {"guest": {}, "managed": MANAGED}


@dataclass(frozen=True)
class Tier:
    """What differs between the two images."""

    name: str
    image: str
    port: int
    page: str
    slow: str
    post: str


TIERS = [
    Tier(
        "static",
        os.environ.get("EVENKEEL_STATIC_IMAGE", "res/apache_php:latest"),
        8080,
        page="/",
        slow="/slow.php?delay_ms=",
        post="/echo.php",
    ),
    Tier(
        "dynamic",
        os.environ.get("EVENKEEL_DYNAMIC_IMAGE", "res/express:latest"),
        3000,
        page="/",
        slow="/?delay_ms=",
        post="/",
    ),
]


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        """Return the body's JSON value."""
        return json.loads(self.body)


def ask(
    connection: http.client.HTTPConnection,
    path: str,
    method: str = "GET",
    body: str | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send one request on an open (or new) connection and read the whole answer."""
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())


class Node:
    """A running container of one image."""

    def __init__(self, container: Container, tier: Tier) -> None:
        self.container = container
        self.tier = tier
        container.reload()
        self.name: str = container.attrs["Config"]["Hostname"]
        self.address: str = container.attrs["NetworkSettings"]["IPAddress"]

    def connect(self, port: int | None = None) -> http.client.HTTPConnection:
        """Return a connection to the main port, or to another."""
        return http.client.HTTPConnection(self.address, port or self.tier.port, timeout=20)

    def get(self, path: str, port: int | None = None, method: str = "GET") -> Answer:
        """Send one request on a connection of its own."""
        connection = self.connect(port)
        try:
            return ask(connection, path, method)
        finally:
            connection.close()

    def post(self, key: str, body: str = '{"a": 1}') -> Answer:
        """POST a JSON body with an idempotency key."""
        connection = self.connect()
        try:
            headers = {"Content-Type": "application/json", "Idempotency-Key": key}
            return ask(connection, self.tier.post, "POST", body, headers)
        finally:
            connection.close()

    def stats(self) -> dict[str, Any]:
        """Return what the node counts."""
        answer = self.get("/stats", INTERNAL_PORT)
        assert answer.status == 200
        stats: dict[str, Any] = answer.json()
        return stats

    def run(self, *command: str) -> tuple[int | None, str]:
        """Run a command inside the node, as its own user; returns exit code and output."""
        code, output = self.container.exec_run(list(command))
        assert isinstance(output, bytes)
        return code, output.decode()

    def exit_code(self, seconds: int = 15) -> int:
        """Wait for the end of the node."""
        code: int = self.container.wait(timeout=seconds)["StatusCode"]
        return code


Start = Callable[..., Node]


@pytest.fixture(params=TIERS, ids=lambda tier: tier.name)
def tier(request: pytest.FixtureRequest) -> Tier:
    chosen: Tier = request.param
    return chosen


@pytest.fixture(params=list(MODES))
def mode(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def start(tier: Tier, mode: str) -> Iterator[Start]:
    """Start nodes that no cluster takes for its own; all are removed at the end."""
    client = docker.from_env()
    containers: list[Container] = []

    def start_node(*, wait: bool = True, **options: Any) -> Node:
        container = client.containers.run(
            tier.image,
            detach=True,
            name=f"t-image-{tier.name}-{mode}-{len(containers)}",
            labels={"evenkeel.role": "", "evenkeel.cluster": "", "traefik.enable": "false"},
            **{**MODES[mode], **options},
        )
        containers.append(container)
        node = Node(container, tier)
        if wait:
            until(lambda: answers(node), START_SECONDS, f"{container.logs().decode()}: no answer")
        return node

    yield start_node
    for container in containers:
        container.remove(force=True, v=True)
    client.close()


def until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Wait for a condition, at most so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{otherwise} in {seconds} s"
        time.sleep(0.01)


def answers(node: Node) -> bool:
    """Whether the node answers at all."""
    try:
        return node.get("/healthz").status == 200
    except OSError:
        return False
