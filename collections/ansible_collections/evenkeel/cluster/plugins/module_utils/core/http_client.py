# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""HTTP requests to nodes and to the management: no redirects, no proxy, a bounded answer, a total time limit.

The standard library is enough for it, and loads several times faster than an HTTP library.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, urlsplit

from .poll import SYSTEM_CLOCK, Clock

MAX_BODY_BYTES = 64 * 1024
PROBE_SECONDS = 1.0
TIMED_OUT = "no answer in time"
REFUSED = "connection refused"

_PIECE_BYTES = 64 * 1024
_WORDS_LENGTH = 150
_PORTS = {"http": 80, "https": 443}
_SPACE_OR_CONTROL = re.compile(r"[\x00-\x20\x7f]")
# What the texts of errors contain, those of HTTP libraries included, and what it means.
_SIGNS = (
    ("Connection refused", REFUSED),
    ("Name or service not known", "unknown host name"),
    ("Temporary failure in name resolution", "unknown host name"),
    ("No route to host", "no route to host"),
    ("Network is unreachable", "unreachable network"),
    ("Remote end closed connection", "connection closed without an answer"),
    ("Broken pipe", "connection closed without an answer"),
    ("Connection reset", "connection reset"),
    ("IncompleteRead", "answer cut short"),
    ("CERTIFICATE_VERIFY_FAILED", "untrusted certificate"),
)


def failure_words(error: Exception) -> str:
    """The shortest true description of a request without an answer; each library's errors will do."""
    if isinstance(error, TimeoutError):
        return TIMED_OUT
    text = " ".join(str(error).split())
    for sign, words in _SIGNS:
        if sign in text:
            return words
    if isinstance(error, (http.client.BadStatusLine, http.client.LineTooLong)):
        return "an answer that is not HTTP"
    return text[:_WORDS_LENGTH] or type(error).__name__


def is_http_url(url: str) -> bool:
    """Whether requests can be sent to this address: absolute, http or https."""
    try:
        parts = urlsplit(url)
        return parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0 and not _SPACE_OR_CONTROL.search(url)
    except ValueError:
        return False


def basic_auth(user: str, password: str) -> dict[str, str]:
    """The header that carries these credentials (RFC 7617, UTF-8)."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@dataclass(frozen=True)
class Answer:
    """What a request came to.

    Attributes:
        status: the HTTP status; 0 when there was no answer in time.
        body: all of it; an answer with too long a body counts as none.
        reason: why there was no answer; empty when there was.
        headers: name in lower case -> value.
    """

    status: int
    body: bytes = b""
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Status 200."""
        return self.status == HTTPStatus.OK

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body as JSON; None when it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class _Deadline:
    """The moment at which the current request must be over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._end = 0.0

    def begin(self, seconds: float) -> None:
        self._end = self._clock.now() + seconds

    def left(self) -> float:
        """Seconds until then, more than none."""
        left = self._end - self._clock.now()
        if left <= 0:
            raise TimeoutError
        return left


class _Socket(socket.socket):
    """Its time-out is a total: an answer that trickles in does not prolong it."""

    deadline: _Deadline

    def recv_into(self, *arguments: Any, **options: Any) -> int:
        self.settimeout(self.deadline.left())
        return super().recv_into(*arguments, **options)


class _TlsSocket(ssl.SSLSocket):
    """The same over TLS."""

    deadline: _Deadline

    def recv_into(self, *arguments: Any, **options: Any) -> int:
        self.settimeout(self.deadline.left())
        return super().recv_into(*arguments, **options)


def _tls_context(*, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.sslsocket_class = _TlsSocket
    return context


class _Connection(http.client.HTTPConnection):
    """A connection to one server whose every step ends at the deadline."""

    def __init__(self, parts: SplitResult, deadline: _Deadline, *, verify: bool = True) -> None:
        self._verify = verify
        self.default_port = _PORTS[parts.scheme]  # left out of the Host header
        super().__init__(parts.hostname or "", parts.port or self.default_port)
        self._tls = parts.scheme == "https"
        self._deadline = deadline

    def connect(self) -> None:
        """Try the addresses that the name stands for, in their order."""
        failure: OSError | None = None
        for family, kind, protocol, _name, address in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
            connection = _Socket(family, kind, protocol)
            try:
                connection.deadline = self._deadline
                connection.settimeout(self._deadline.left())
                connection.connect(address)
                self.sock = self._secured(connection) if self._tls else connection
            except OSError as error:
                connection.close()
                failure = error
            else:
                return
        raise failure or OSError("no address")

    def _secured(self, connection: _Socket) -> socket.socket:
        connection.settimeout(self._deadline.left())
        secured = _tls_context(verify=self._verify).wrap_socket(connection, server_hostname=self.host)
        if isinstance(secured, _TlsSocket):
            secured.deadline = self._deadline
        return secured


class Client:
    """Sends requests to one server over one kept connection; threads take turns.

    Args:
        base_url: scheme, host and port, with the path that all requests begin with.
        seconds: for a request as a whole: to connect, to send, and to receive all. Only a look-up of the host's name
            is bounded by the system's resolver instead.
        limit: bytes of a body; an answer with more counts as none.
        headers: sent with each request.
        clock: tells the time.
        verify: whether the server's certificate must be trusted, and name it; not for this machine's own addresses.

    Raises:
        ValueError: no request can be sent to this address.
    """

    def __init__(
        self,
        base_url: str,
        seconds: float,
        limit: int = MAX_BODY_BYTES,
        headers: Mapping[str, str] | None = None,
        clock: Clock = SYSTEM_CLOCK,
        *,
        verify: bool = True,
    ) -> None:
        """Prepare; nothing is sent yet."""
        if not is_http_url(base_url):
            raise ValueError(f"not an http(s) URL: {base_url!r}")
        parts = urlsplit(base_url)
        self._prefix = parts.path.rstrip("/")
        self._seconds = seconds
        self._limit = limit
        self._headers = dict(headers or {})
        self._deadline = _Deadline(clock)
        self._connection = _Connection(parts, self._deadline, verify=verify)
        self._lock = threading.Lock()
        # A client that is dropped without close() closes, too.
        weakref.finalize(self, self._connection.close)

    def close(self) -> None:
        """Close the connection; a further request would open a new one."""
        with self._lock:
            self._connection.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET a path; once more, over a new connection, when the server had closed the kept one.

        Args:
            path: with its query, percent-encoded; begins with a slash.
            headers: sent besides those of all requests.

        Returns:
            The answer, or why there was none; never raises for what the network does.
        """
        with self._lock:
            return self._send("GET", path, None, headers)

    def post_json(self, path: str, content: object) -> Answer:
        """POST a value as JSON, once, over a new connection.

        Args:
            path: with its query, percent-encoded; begins with a slash.
            content: what JSON can hold.

        Returns:
            The answer, or why there was none; never raises for what the network does.
        """
        with self._lock:
            # A kept connection may just be closing, and a POST must not be sent twice.
            self._connection.close()
            return self._send("POST", path, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None) -> Answer:
        self._deadline.begin(self._seconds)
        target, sent = self._prefix + path, {**self._headers, **(headers or {})}
        kept = self._connection.sock is not None
        try:
            try:
                return self._exchange(method, target, body, sent)
            except ConnectionError:
                if not kept:
                    raise
                self._connection.close()
                return self._exchange(method, target, body, sent)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            return Answer(0, reason=failure_words(error))

    def _exchange(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        if self._connection.sock is not None:
            self._connection.sock.settimeout(self._deadline.left())
        self._connection.request(method, target, body, headers)
        answer = self._connection.getresponse()
        content = _read(answer, self._limit)
        if len(content) > self._limit:
            self._connection.close()
            return Answer(0, reason=f"more than {self._limit} bytes")
        return Answer(answer.status, content, headers={name.lower(): value for name, value in answer.getheaders()})


def _read(answer: http.client.HTTPResponse, limit: int) -> bytes:
    """The body, or the first part of one that is longer than the limit."""
    body = b""
    while len(body) <= limit:
        piece = answer.read(min(_PIECE_BYTES, limit + 1 - len(body)))
        if not piece:
            if answer.length:  # the connection ended before the announced length
                raise http.client.IncompleteRead(body, answer.length)
            break
        body += piece
    return body


def get(
    url: str,
    seconds: float = PROBE_SECONDS,
    limit: int = MAX_BODY_BYTES,
    clock: Clock = SYSTEM_CLOCK,
    *,
    verify: bool = True,
) -> Answer:
    """GET an address over a connection of its own.

    Args:
        url: host and port of a node, with the path.
        seconds: for everything together: to connect, to send, and to receive.
        limit: bytes of the body; an answer with more counts as none.
        clock: tells the time.
        verify: whether the server's certificate must be trusted, and name it.

    Returns:
        The answer, or why there was none; never raises.
    """
    try:
        parts = urlsplit(url)
        base = f"{parts.scheme}://{parts.netloc}"
        client = Client(base, seconds, limit, {"Connection": "close"}, clock, verify=verify)
    except ValueError as error:
        return Answer(0, reason=failure_words(error))
    with contextlib.closing(client):
        return client.get((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def first_answer(
    url: str,
    host: str = "",
    seconds: float = PROBE_SECONDS,
    clock: Clock = SYSTEM_CLOCK,
    headers: Mapping[str, str] | None = None,
    *,
    verify: bool = True,
) -> Answer:
    """GET an address over a connection of its own, and end it after the headers: the body may be of any length.

    Args:
        url: the address.
        host: the Host header to send; empty for that of the address.
        seconds: for everything together.
        clock: tells the time.
        headers: further headers.
        verify: whether the server's certificate must be trusted, and name it.

    Returns:
        The answer without its body, or why there was none; never raises.
    """
    if not is_http_url(url):
        return Answer(0, reason=f"not an http(s) URL: {url!r}")
    parts, deadline = urlsplit(url), _Deadline(clock)
    deadline.begin(seconds)
    with contextlib.closing(_Connection(parts, deadline, verify=verify)) as connection:
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            sent = {"Connection": "close", **({"Host": host} if host else {}), **(headers or {})}
            connection.request("GET", path, headers=sent)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Answer(0, reason=failure_words(error))
        return Answer(answer.status, headers={name.lower(): value for name, value in answer.getheaders()})


def health(url: str, headers: Mapping[str, str] | None = None) -> int:
    """The status that the address answers with, 0 when it does not answer soon; the body may be of any length."""
    return first_answer(url, headers=headers).status


def answers(url: str) -> bool:
    """Whether a GET of the address is answered with 200, soon."""
    return get(url).ok
