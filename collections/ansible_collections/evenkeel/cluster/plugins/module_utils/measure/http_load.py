# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Send HTTP requests and record what became of each: thin I/O, no judgement.

Closed loop: a connection sends its next request after the last answer.  With
one connection the replies are in the order in which the balancer chose.
Bounded in count and time, and by the number of unanswered requests in a row.
"""

from __future__ import annotations

import http.client
import re
import select
import string
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.cookiejar import CookieJar
from urllib.parse import quote, urlsplit
from urllib.request import Request

from ..core.errors import InputError
from ..core.http_client import failure_words, is_http_url
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
        HttpLoadError: bad URL or host, or credentials in the URL.
    """
    check_url(target.url, what)
    if target.host and not _HOST.fullmatch(target.host):
        raise HttpLoadError(f"host: got {target.host!r}, want a host name (fix: pass the name without scheme or path)")


class _Client:
    """One user agent: a connection, with or without a cookie jar.

    It passes no proxy, follows no redirect and repeats nothing, and costs a tenth of a millisecond per request, so that
    the requests of a check follow one another closely.
    """

    def __init__(self, target: Target, number: int = 0, keep_cookies: bool = False) -> None:
        self.target = target
        self.number = number
        parts = urlsplit(target.url)
        make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = make(parts.hostname or "", parts.port, timeout=target.timeout)
        self._path = quote(parts.path or "/", safe=string.punctuation)
        if parts.query:
            self._path += f"?{quote(parts.query, safe=string.punctuation)}"
        self._headers = {"User-Agent": "evenkeel-check", "Accept": "*/*"}
        if target.host:
            self._headers["Host"] = target.host
        if not target.keep_alive:
            self._headers["Connection"] = "close"
        self._jar = CookieJar() if keep_cookies else None
        # The site that the cookies are of.
        self._site = f"{parts.scheme}://{target.host or parts.netloc}{self._path}"

    def close(self) -> None:
        self._connection.close()

    def get(self, index: int, start: float) -> Reply:
        """Send one GET and wait for its whole answer; never raises for what the network does."""
        begin = time.perf_counter()
        reply = Reply(index, begin - start, 0.0, None, None, client=self.number)
        headers = dict(self._headers)
        if self.target.request_ids:
            headers["X-Request-Id"] = f"{self.target.request_ids}{index}"
        try:
            answer = self._exchange(headers)
        except (OSError, http.client.HTTPException, ValueError) as exc:
            self._connection.close()
            return replace(reply, latency=time.perf_counter() - begin, error=_reason(exc, self.target))
        return replace(
            reply,
            latency=time.perf_counter() - begin,
            status=answer.status,
            served_by=answer.headers.get("X-Served-By"),
            set_cookie=tuple(answer.headers.get_all("Set-Cookie") or ()),
        )

    def _exchange(self, headers: dict[str, str]) -> http.client.HTTPResponse:
        if self._dropped():
            self._connection.close()
        site = Request(self._site)  # noqa: S310 - nothing is opened; the jar asks it for the site
        if self._jar is not None:
            self._jar.add_cookie_header(site)
            headers |= dict(site.header_items())
        self._connection.request("GET", self._path, headers=headers)
        answer = self._connection.getresponse()
        answer.read()
        if self._jar is not None:
            self._jar.extract_cookies(answer, site)
        if not self.target.keep_alive:
            # A server may keep what it was told to close; the connection could then be used once more.
            self._connection.close()
        return answer

    def _dropped(self) -> bool:
        """Whether the server has closed the kept connection; only then something can be read before a request."""
        sock = self._connection.sock
        return sock is not None and bool(select.select([sock], [], [], 0)[0])


def _reason(exc: Exception, target: Target) -> str:
    if isinstance(exc, TimeoutError):
        return f"no answer within {target.timeout:g} s"
    return failure_words(exc)


def no_reply(_reply: Reply) -> None:
    """Tell nothing."""


class _Tally:
    """Hands out indices to the connections and decides when to stop."""

    def __init__(self, count: int, bounds: Bounds, on_reply: Callable[[Reply], None] = no_reply) -> None:
        self._on_reply = on_reply
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
            self._on_reply(reply)

    def stop(self) -> None:
        with self._lock:
            self._left = 0


def send(
    target: Target,
    count: int,
    connections: int = 1,
    bounds: Bounds | None = None,
    on_reply: Callable[[Reply], None] = no_reply,
) -> list[Reply]:
    """Send *count* GET requests without cookies over *connections* parallel connections.

    *on_reply* is given each reply when it is there, one at a time.

    Returns:
        Replies in the order of sending; fewer than *count* when a bound was reached.
    """
    tally = _Tally(count, bounds or Bounds(), on_reply)

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
    target: Target,
    clients: int,
    requests_per_client: int,
    keep_cookies: bool,
    bounds: Bounds | None = None,
    on_reply: Callable[[Reply], None] = no_reply,
) -> list[Reply]:
    """Let *clients* user agents, one after the other, each send its requests in a row.

    Each has its own connection and, with *keep_cookies*, its own cookie jar.
    *on_reply* is given each reply when it is there.
    The requests of a client come in a row so that round robin cannot bring a
    client without cookie back to the same node by the rhythm of the others.

    Returns:
        Replies in the order of sending; fewer when a bound was reached.
    """
    tally = _Tally(clients * requests_per_client, bounds or Bounds(), on_reply)
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
