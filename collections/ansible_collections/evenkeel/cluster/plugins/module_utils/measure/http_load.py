# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Send HTTP requests and record what became of each: thin I/O, no judgement.

Closed loop: a connection sends its next request after the last answer.  With
one connection the replies are in the order in which the balancer chose.
Bounded in count and time, and by the number of unanswered requests in a row.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import InputError
from ..core.http_client import failure_words, is_http_url

try:
    import requests

    HAS_REQUESTS = True
except ImportError:  # reported by check_target in one line
    HAS_REQUESTS = False

from .replies import Reply

_HOST = re.compile(r"[A-Za-z0-9_.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


class HttpLoadError(InputError):
    """The load cannot be sent at all; one line ``what: got ..., want ... (fix: ...)``."""


@dataclass(frozen=True)
class Target:
    """Where requests go.

    Attributes:
        url: absolute http(s) URL without credentials.
        host: ``Host`` header; empty = that of the URL.
        timeout: seconds to connect, and between two bytes of an answer.
        keep_alive: reuse a connection (True) or open one per request (False).
        request_ids: begin of the ``X-Request-Id`` of each request, its number follows; empty = none is sent.
    """

    url: str
    host: str = ""
    timeout: float = 5.0
    keep_alive: bool = True
    request_ids: str = ""


@dataclass(frozen=True)
class Bounds:
    """When to stop early.

    Attributes:
        time_limit: seconds after which no further request is sent.
        give_up: unanswered requests in a row after which nothing more is sent.
    """

    time_limit: float = 60.0
    give_up: int = 5


def check_url(url: str, what: str = "url") -> None:
    """Refuse an address that no request can be sent to.

    Raises:
        HttpLoadError: it is not an http(s) URL, or has credentials in it.
    """
    if not is_http_url(url):
        raise HttpLoadError(f"{what}: got {url!r}, want an http(s) URL (fix: http://127.0.0.1:8080/)")
    if "@" in urlsplit(url).netloc:
        raise HttpLoadError(f"{what}: got credentials in the address, want none (fix: leave them out)")


def check_target(target: Target, what: str = "url") -> None:
    """Refuse a target that no request can be sent to.

    Raises:
        HttpLoadError: bad URL or host, credentials in the URL, or `requests` is missing.
    """
    if not HAS_REQUESTS:
        raise HttpLoadError("load: got no Python library requests, want it (fix: apt-get install python3-requests)")
    check_url(target.url, what)
    if target.host and not _HOST.fullmatch(target.host):
        raise HttpLoadError(f"host: got {target.host!r}, want a host name (fix: pass the name without scheme or path)")


class _Client:
    """One user agent: a session with or without a cookie jar."""

    def __init__(self, target: Target, number: int = 0, keep_cookies: bool = False) -> None:
        self.target = target
        self.number = number
        self._session = requests.Session()
        # The measurement must not pass a proxy that the environment names.
        self._session.trust_env = False
        self._session.headers["User-Agent"] = "evenkeel-check"
        if not keep_cookies:
            self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if target.host:
            self._session.headers["Host"] = target.host
        if not target.keep_alive:
            self._session.headers["Connection"] = "close"

    def close(self) -> None:
        self._session.close()

    def get(self, index: int, start: float) -> Reply:
        """Send one GET and wait for its whole answer; never raises for what the network does."""
        begin = time.perf_counter()
        reply = Reply(index, begin - start, 0.0, None, None, client=self.number)
        name = {"X-Request-Id": f"{self.target.request_ids}{index}"} if self.target.request_ids else None
        try:
            answer = self._session.get(
                self.target.url, timeout=self.target.timeout, headers=name, allow_redirects=False
            )
        except requests.RequestException as exc:
            return replace(reply, latency=time.perf_counter() - begin, error=_reason(exc, self.target))
        finally:
            if not self.target.keep_alive:
                # A server may close without saying so; a pooled connection could then be used once more.
                self._session.close()
        return replace(
            reply,
            latency=time.perf_counter() - begin,
            status=answer.status_code,
            served_by=answer.headers.get("X-Served-By"),
            set_cookie=_set_cookie_lines(answer.raw),
        )


def _set_cookie_lines(raw: Any) -> tuple[str, ...]:
    # requests folds repeated headers into one; the urllib3 answer under it keeps the lines apart.
    return tuple(str(line) for line in raw.headers.getlist("Set-Cookie"))


def _reason(exc: Exception, target: Target) -> str:
    if isinstance(exc, requests.Timeout):
        return f"no answer within {target.timeout:g} s"
    return failure_words(exc)


class _Tally:
    """Hands out indices to the connections and decides when to stop."""

    def __init__(self, count: int, bounds: Bounds) -> None:
        self.start = time.perf_counter()
        self.replies: list[Reply] = []
        self._left = count
        self._next = 0
        self._bounds = bounds
        self._silent = 0
        self._lock = threading.Lock()

    def take(self) -> int | None:
        """Give the next index; None when the load is complete or must end."""
        with self._lock:
            late = time.perf_counter() - self.start >= self._bounds.time_limit
            if self._left == 0 or late or self._silent >= self._bounds.give_up:
                return None
            self._left -= 1
            self._next += 1
            return self._next - 1

    def add(self, reply: Reply) -> None:
        with self._lock:
            self.replies.append(reply)
            self._silent = self._silent + 1 if reply.status is None else 0

    def stop(self) -> None:
        with self._lock:
            self._left = 0


def send(target: Target, count: int, connections: int = 1, bounds: Bounds | None = None) -> list[Reply]:
    """Send *count* GET requests without cookies over *connections* parallel connections.

    Returns:
        Replies in the order of sending; fewer than *count* when a bound was reached.
    """
    tally = _Tally(count, bounds or Bounds())

    def work() -> None:
        client = _Client(target)
        try:
            while (index := tally.take()) is not None:
                tally.add(client.get(index, tally.start))
        finally:
            client.close()

    if connections <= 1:
        work()
    else:
        _in_parallel(work, connections, tally)
    return sorted(tally.replies, key=lambda reply: reply.index)


def _in_parallel(work: Callable[[], None], connections: int, tally: _Tally) -> None:
    # Daemons, so that Ctrl-C ends the module at once.
    workers = [threading.Thread(target=work, daemon=True) for __ in range(connections)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        tally.stop()


def send_clients(
    target: Target, clients: int, requests_per_client: int, keep_cookies: bool, bounds: Bounds | None = None
) -> list[Reply]:
    """Let *clients* user agents, one after the other, each send its requests in a row.

    Each has its own connection and, with *keep_cookies*, its own cookie jar.
    The requests of a client come in a row so that round robin cannot bring a
    client without cookie back to the same node by the rhythm of the others.

    Returns:
        Replies in the order of sending; fewer when a bound was reached.
    """
    tally = _Tally(clients * requests_per_client, bounds or Bounds())
    for number in range(clients):
        client = _Client(target, number, keep_cookies)
        try:
            for __ in range(requests_per_client):
                index = tally.take()
                if index is None:
                    return tally.replies
                tally.add(client.get(index, tally.start))
        finally:
            client.close()
    return tally.replies
