"""Requests against real sockets on loopback: limits of time and size, and words for failures."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest
from tests.unit.fakes.clock import VirtualClock
from tests.unit.servers import ScriptedServer, free_port, ok, say, trickle

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.http_client import (
    MAX_BODY_BYTES,
    TIMED_OUT,
    Answer,
    answers,
    basic_auth,
    failure_words,
    get,
    health,
)

Serve = Callable[..., ScriptedServer]


def test_an_answer_with_its_status_body_and_headers(serve: Serve) -> None:
    server = serve(say(ok(b'{"requests": 7}', "X-Served-By: web-1\r\n")))
    answer = get(f"{server.url}/stats?a=1")
    assert (answer.status, answer.ok, answer.json(), answer.reason) == (200, True, {"requests": 7}, "")
    assert answer.headers["x-served-by"] == "web-1"
    (request,) = server.requests
    assert request.startswith(b"GET /stats?a=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.port}\r\n".encode() in request
    assert b"Connection: close\r\n" in request


@pytest.mark.parametrize("url, target", [("", b"GET / "), ("/", b"GET / "), ("?x=1", b"GET /?x=1 ")])
def test_an_address_without_a_path_asks_for_the_root(serve: Serve, url: str, target: bytes) -> None:
    server = serve(say(ok()))
    assert get(server.url + url).ok
    assert server.requests[0].startswith(target)


def test_redirects_are_not_followed(serve: Serve) -> None:
    server = serve(say(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"))
    assert get(server.url) == Answer(302, headers={"location": "/elsewhere", "content-length": "0"})
    assert len(server.requests) == 1


def test_a_node_leads_a_question_for_its_health_nowhere_else(serve: Serve) -> None:
    other = serve(say(ok()))
    found = f"HTTP/1.1 302 Found\r\nLocation: {other.url}/\r\nContent-Length: 0\r\n\r\n"
    assert health(serve(say(found.encode())).url) == 302
    assert other.requests == []


def test_the_environment_names_no_proxy(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(say(ok()))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert answers(server.url)


@pytest.mark.parametrize(
    "head, piece",
    [
        (ok(b"x" * 60_000)[:200], b"x"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"A"),
        (b"HTTP/1.1 200 OK\r\n", b"A: 1\r\n"),
        (b"", b"H"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "body without end", "chunks", "header", "headers", "status line", "continue for ever"],
)
def test_an_answer_that_trickles_ends_at_the_total_limit(serve: Serve, head: bytes, piece: bytes) -> None:
    server = serve(trickle(head, piece, 0.01))
    begin = time.monotonic()
    assert get(server.url, seconds=0.2) == Answer(0, reason=TIMED_OUT)
    assert 0.2 <= time.monotonic() - begin < 3


def test_a_silent_server_ends_at_the_limit(serve: Serve) -> None:
    over = threading.Event()
    server = serve(lambda _connection, _request: over.wait(10))
    assert get(server.url, seconds=0.1) == Answer(0, reason=TIMED_OUT)
    over.set()


def test_a_server_that_does_not_accept_ends_at_the_limit() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        waiting = [socket.socket() for __ in range(8)]
        for item in waiting:
            item.setblocking(False)
            item.connect_ex(listener.getsockname())
        begin = time.monotonic()
        assert get(f"http://127.0.0.1:{listener.getsockname()[1]}/", seconds=0.2).reason == TIMED_OUT
        assert time.monotonic() - begin < 3
        for item in waiting:
            item.close()


class TickingClock(VirtualClock):
    """A second passes at each look at it."""

    def now(self) -> float:
        self.sleep(1)
        return super().now()


def test_the_limit_is_on_the_clock_that_was_given(serve: Serve) -> None:
    server = serve(say(ok()))
    assert get(server.url, seconds=1.5, clock=TickingClock()).reason == TIMED_OUT
    assert get(server.url, seconds=100, clock=TickingClock()).ok


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size, status", [(MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 0)])
def test_a_body_over_the_limit_counts_as_no_answer(serve: Serve, size: int, status: int, chunked: bool) -> None:
    body = b"x" * size
    if chunked:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        server = serve(say(head + f"{size:x}\r\n".encode() + body + b"\r\n0\r\n\r\n"))
    else:
        server = serve(say(ok(body)))
    answer = get(server.url, seconds=5)
    assert (answer.status, len(answer.body)) == (status, size if status else 0)
    assert answer.reason == ("" if status else f"more than {MAX_BODY_BYTES} bytes")


def test_an_endless_body_is_not_read_to_its_end(serve: Serve) -> None:
    sent = []

    def flood(connection: socket.socket, _request: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)
            sent.append(65536)

    server = serve(flood)
    assert get(server.url, seconds=5).reason == f"more than {MAX_BODY_BYTES} bytes"
    server.close()
    assert sum(sent) < 64 * 1024 * 1024


@pytest.mark.parametrize(
    "answer, reason",
    [
        (b"", "connection closed without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "an answer that is not HTTP"),
        (b"\x00\xff\r\n\r\n", "an answer that is not HTTP"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "an answer that is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000, "an answer that is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: 1\r\n" * 200 + b"\r\n", "got more than 100 headers"),
        (ok(b"x" * 100)[:-1], "answer cut short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "answer cut short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "answer cut short"),
    ],
)
def test_garbage_and_half_answers_are_no_answer(serve: Serve, answer: bytes, reason: str) -> None:
    assert get(serve(say(answer)).url, seconds=5) == Answer(0, reason=reason)


def test_nothing_listens() -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    assert get(url) == Answer(0, reason="connection refused")
    assert health(url) == 0
    assert not answers(url)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:80", "ftp://h/", "http://h:x/", "http:///x", "http://h/\r\nX: y", "//h"]
)
def test_an_address_that_cannot_be_asked_is_no_answer(url: str) -> None:
    answer = get(url)
    assert answer.status == 0
    assert answer.reason
    assert "\n" not in answer.reason


@pytest.mark.parametrize("status, up", [(200, True), (204, False), (404, False), (503, False)])
def test_health_is_the_status_and_only_200_counts_as_an_answer(serve: Serve, status: int, up: bool) -> None:
    server = serve(say(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()))
    assert health(server.url) == status
    assert answers(server.url) is up


def test_an_ipv6_address_is_looked_up_and_named_as_such(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(say(ok()))
    asked = []

    def look_up(host: str, port: int, **_options: int) -> list[object]:
        asked.append((host, port))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert get(f"http://[::1]:{server.port}/").ok
    assert asked == [("::1", server.port)]
    assert f"Host: [::1]:{server.port}\r\n".encode() in server.requests[0]


def test_a_name_with_several_addresses_is_tried_at_each(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(say(ok()))
    dead = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", free_port()))
    alive = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: [dead, alive])
    assert get("http://two.example/").ok


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 60_000])
def test_a_body_that_is_no_json_reads_as_none(body: bytes) -> None:
    assert Answer(200, body).json() is None


def test_text_is_utf8_and_never_fails() -> None:
    assert Answer(200, "ä".encode() + b"\xff").text == "ä\ufffd"


# -- words ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "error, words",
    [
        (TimeoutError("timed out"), TIMED_OUT),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (ConnectionResetError(104, "Connection reset by peer"), "connection reset"),
        (BrokenPipeError(32, "Broken pipe"), "connection closed without an answer"),
        (socket.gaierror(-2, "Name or service not known"), "unknown host name"),
        (socket.gaierror(-3, "Temporary failure in name resolution"), "unknown host name"),
        (OSError(113, "No route to host"), "no route to host"),
        (OSError(101, "Network is unreachable"), "unreachable network"),
        (OSError("a\n b"), "a b"),
        (OSError("x" * 200), "x" * 150),
        (ValueError(), "ValueError"),
        (
            OSError("('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))"),
            "connection closed without an answer",
        ),
        (OSError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"), "untrusted certificate"),
    ],
)
def test_words_for_failures(error: Exception, words: str) -> None:
    assert failure_words(error) == words


def test_credentials_beyond_latin1() -> None:
    assert basic_auth("admin", "ключ") == {"Authorization": "Basic YWRtaW460LrQu9GO0Yc="}
