"""Requests that take long: slow uploads, and what lasts while the balancer is replaced."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import docker
import pytest

from .conftest import play, played

_CHUNKED = "Transfer-Encoding: chunked"


def site(**variables: Any) -> None:
    done = play("site.yml", "--tags", "balancer", "-e", json.dumps(variables))
    assert done.returncode == 0, done.stdout[-3000:]


def upload(seconds: float, length: str) -> str:
    """A POST whose body takes so long; the answer's first line, or what ended it."""
    parts = max(2, round(seconds * 4))
    with socket.create_connection(("localhost", 8080), timeout=30) as connection:
        lines = ["POST /api/dates/ HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Connection: close"]
        lines.append(f"Idempotency-Key: upload-{time.time_ns()}")
        head = "\r\n".join([*lines, length.replace("LENGTH", str(parts)), "", ""])
        connection.sendall(head.encode())
        try:
            for byte in "[" + " " * (parts - 2) + "]":
                connection.sendall((f"1\r\n{byte}\r\n" if length == _CHUNKED else byte).encode())
                time.sleep(seconds / parts)
            if length == _CHUNKED:
                connection.sendall(b"0\r\n\r\n")
            return connection.makefile("rb").readline().decode().strip()
        except OSError as error:
            return repr(error)


@pytest.mark.parametrize("length", ["Content-Length: LENGTH", _CHUNKED], ids=["length", "chunked"])
def test_the_limit_for_uploads_is_the_knobs(cluster: docker.DockerClient, length: str) -> None:
    """There is none unless the knob says so; with one, a slow upload is cut, which is the control."""
    try:
        site(load_balancer_read_timeout="2s")
        limited = upload(4, length)
        played("site.yml", "--tags", "balancer")
        free = upload(4, length)
    finally:
        played("site.yml", "--tags", "balancer")
    assert "504" in limited or "499" in limited or not limited.startswith("HTTP"), limited
    assert free.split()[1] == "200", free


def lasting(seconds: float, answers: list[str]) -> Callable[[], None]:
    return lambda: answers.append(upload(seconds, "Content-Length: LENGTH"))


@pytest.mark.parametrize("grace, survives", [("1s", False), ("60s", True)])
def test_a_replaced_balancer_finishes_for_as_long_as_the_knob_says(
    cluster: docker.DockerClient, grace: str, survives: bool
) -> None:
    answers: list[str] = []
    try:
        site(load_balancer_finish_grace=grace)
        # It begins at the old balancer, and ends after that would have to have ended.
        asking = threading.Thread(target=lasting(20, answers))
        asking.start()
        site(load_balancer_finish_grace=grace, load_balancer_pids=513)
        asking.join()
    finally:
        played("site.yml", "--tags", "balancer")
    assert answers[0].startswith("HTTP/1.1 200") is survives, answers
