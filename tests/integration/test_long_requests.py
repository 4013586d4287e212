"""Requests that take long: slow uploads, and what lasts while the balancer is replaced."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .conftest import play, played

_CHUNKED = "Transfer-Encoding: chunked"
_LENGTHS = ("Content-Length: LENGTH", _CHUNKED)


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


def uploads(seconds: float) -> dict[str, str]:
    """Both kinds of upload at once; what became of each."""
    with ThreadPoolExecutor(len(_LENGTHS)) as threads:
        return dict(zip(_LENGTHS, threads.map(lambda length: upload(seconds, length), _LENGTHS), strict=True))


@pytest.mark.usefixtures("cluster")
def test_the_limit_for_uploads_is_the_knobs() -> None:
    """There is none unless the knob says so; with one, a slow upload is cut, which is the control."""
    try:
        site(load_balancer_read_timeout="2s")
        limited = uploads(4)
    finally:
        played("site.yml", "--tags", "balancer")
    for line in limited.values():
        assert "504" in line or "499" in line or not line.startswith("HTTP"), limited
    free = uploads(4)
    assert [line.split()[1] for line in free.values()] == ["200"] * len(_LENGTHS), free


def outlasted(replace: Callable[[], None]) -> str:
    """What became of an upload that begins at the old balancer, and ends after that would have to have ended."""
    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(upload, 20, _LENGTHS[0])
        replace()
        return asking.result()


@pytest.mark.usefixtures("cluster")
def test_a_replaced_balancer_finishes_for_as_long_as_the_knob_says() -> None:
    """The knob is that of the balancer that leaves."""
    try:
        site(load_balancer_finish_grace="1s")
        cut = outlasted(lambda: site(load_balancer_finish_grace="60s"))
    finally:
        whole = outlasted(site)
    assert not cut.startswith("HTTP/1.1 200"), cut
    assert whole.startswith("HTTP/1.1 200"), whole
