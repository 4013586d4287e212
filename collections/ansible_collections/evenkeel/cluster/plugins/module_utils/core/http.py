# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""One GET of a node: no redirects, no proxy, a bounded answer, a total time limit.

The standard library is enough for it, and loads ten times faster than an HTTP library.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from .poll import SYSTEM_CLOCK, Clock

MAX_BODY_BYTES = 64 * 1024
PROBE_SECONDS = 1.0


@dataclass(frozen=True)
class Answer:
    """What a GET came to.

    Attributes:
        status: the HTTP status; 0 when there was no answer in time.
        body: at most :data:`MAX_BODY_BYTES` of it.
        reason: why there was no answer; empty when there was.
    """

    status: int
    body: bytes = b""
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Status 200."""
        return self.status == HTTPStatus.OK

    def json(self) -> Any:
        """The body as JSON; None when it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class _DeadlineSocket(socket.socket):
    """Its time-out is a total: an answer that trickles in does not prolong it."""

    deadline: float
    clock: Clock

    def recv_into(self, *arguments: Any, **options: Any) -> int:
        """Receive, for as long as is left."""
        left = self.deadline - self.clock.now()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left)
        return super().recv_into(*arguments, **options)


def get(url: str, seconds: float = PROBE_SECONDS, limit: int = MAX_BODY_BYTES, clock: Clock = SYSTEM_CLOCK) -> Answer:
    """GET an ``http://`` address over a connection of its own.

    Args:
        url: host and port of a node, with the path.
        seconds: for everything together: to connect, to send, and to receive.
        limit: bytes of the body; what exceeds it is not read, and the answer counts as none.
        clock: tells the time.
    """
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    deadline = clock.now() + seconds
    family = socket.AF_INET6 if ":" in (parts.hostname or "") else socket.AF_INET
    try:
        with contextlib.closing(_DeadlineSocket(family, socket.SOCK_STREAM)) as connection:
            connection.deadline, connection.clock = deadline, clock
            connection.settimeout(seconds)
            connection.connect((parts.hostname or "", parts.port or 80))
            client = http.client.HTTPConnection(parts.hostname or "", parts.port)
            client.sock = connection
            client.request("GET", path, headers={"Connection": "close"})
            answer = client.getresponse()
            body = answer.read(limit + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(0, reason=_words(error))
    if len(body) > limit:
        return Answer(0, reason=f"more than {limit} bytes")
    return Answer(answer.status, body)


def _words(error: Exception) -> str:
    """The shortest true description of a failed connection."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionError):
        return "a closed connection"
    return str(error) or type(error).__name__


def health(url: str) -> int:
    """The status that the address answers with, 0 when it does not answer soon."""
    return get(url).status


def answers(url: str) -> bool:
    """Whether a GET of the address is answered with 200, soon."""
    return get(url).ok
