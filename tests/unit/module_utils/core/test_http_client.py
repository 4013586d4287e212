"""Requests over a kept connection."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from tests.unit.servers import ScriptedServer, ok, say, trickle

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.http_client import TIMED_OUT, Client, is_http_url

Serve = Callable[..., ScriptedServer]


@pytest.fixture
def client_of() -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def build(server: ScriptedServer, seconds: float = 5.0, limit: int = 1000) -> Client:
        clients.append(Client(server.url, seconds, limit))
        return clients[-1]

    yield build
    for client in clients:
        client.close()


def test_one_connection_is_kept(serve: Serve, client_of: Callable[..., Client]) -> None:
    server = serve(say(ok(), keep=True))
    client = client_of(server)
    assert [client.get("/a").status for __ in range(5)] == [200] * 5
    assert server.connections == 1


@pytest.mark.parametrize("end", ["announced", "silently"])
def test_a_kept_connection_that_was_closed_is_opened_again_once(
    serve: Serve, client_of: Callable[..., Client], end: str
) -> None:
    server = serve(say(ok(extra="Connection: close\r\n" if end == "announced" else "")))
    client = client_of(server)
    assert [client.get("/a").status for __ in range(3)] == [200] * 3
    assert (server.connections, len(server.requests)) == (3, 3)


def test_a_new_connection_that_is_closed_is_not_opened_again(serve: Serve, client_of: Callable[..., Client]) -> None:
    server = serve(say(b""))
    assert client_of(server).get("/a").reason == "connection closed without an answer"
    assert server.connections == 1


def test_the_second_connection_is_the_last(serve: Serve, client_of: Callable[..., Client]) -> None:
    said = iter([ok()])
    server = serve(lambda connection, _request: bool(connection.sendall(next(said, b""))))
    client = client_of(server)
    assert client.get("/a").ok
    assert client.get("/a").reason == "connection closed without an answer"
    assert server.connections == 2


def test_the_limit_of_time_is_that_of_each_request(serve: Serve, client_of: Callable[..., Client]) -> None:
    def slow(connection: socket.socket, _request: bytes) -> bool:
        time.sleep(0.15)
        connection.sendall(ok())
        return True

    server = serve(slow)
    client = client_of(server, seconds=0.5)
    assert [client.get("/a").status for __ in range(5)] == [200] * 5
    assert server.connections == 1


def test_a_trickle_on_a_kept_connection_ends_at_the_limit(serve: Serve, client_of: Callable[..., Client]) -> None:
    def script(connection: socket.socket, request: bytes) -> bool:
        if b"/slow" not in request:
            return say(ok(), keep=True)(connection, request)
        return trickle(ok(b"x" * 60_000)[:100], b"x", 0.01)(connection, request)

    server = serve(script)
    client = client_of(server, seconds=0.3)
    assert client.get("/a").ok
    begin = time.monotonic()
    assert client.get("/slow").reason == TIMED_OUT
    assert time.monotonic() - begin < 3
    assert client.get("/a").ok  # what came late is not taken for the next answer


def test_what_was_left_of_a_long_body_is_not_taken_for_the_next_answer(
    serve: Serve, client_of: Callable[..., Client]
) -> None:
    def script(connection: socket.socket, request: bytes) -> bool:
        return say(ok(b"x" * 100 if b"/long" in request else b"short"), keep=True)(connection, request)

    client = client_of(serve(script), limit=10)
    assert client.get("/long").reason == "more than 10 bytes"
    assert client.get("/a").body == b"short"


def test_a_post_is_sent_once_over_a_new_connection(serve: Serve, client_of: Callable[..., Client]) -> None:
    def script(connection: socket.socket, request: bytes) -> bool:
        if request.startswith(b"POST"):
            return False  # taken, and not answered
        return say(ok(), keep=True)(connection, request)

    server = serve(script)
    client = client_of(server)
    assert client.get("/a").ok
    assert client.post_json("/login", {"a": "ä"}).reason == "connection closed without an answer"
    assert server.connections == 2
    assert sum(request.startswith(b"POST") for request in server.requests) == 1


def test_a_post_carries_json(serve: Serve, client_of: Callable[..., Client]) -> None:
    server = serve(say(ok()))
    assert client_of(server).post_json("/login", {"a": "ä"}).ok
    head, __, body = server.requests[0].partition(b"\r\n\r\n")
    assert b"Content-Type: application/json" in head
    assert json.loads(body) == {"a": "ä"}


def test_threads_take_turns(serve: Serve, client_of: Callable[..., Client]) -> None:
    def echo(connection: socket.socket, request: bytes) -> bool:
        time.sleep(0.002)
        connection.sendall(ok(request.split()[1]))
        return True

    server = serve(echo)
    client = client_of(server)
    wrong = []

    def work(name: int) -> None:
        for turn in range(10):
            path = f"/{name}/{turn}"
            if client.get(path).body != path.encode():
                wrong.append(path)

    threads = [threading.Thread(target=work, args=[name]) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert (server.connections, len(server.requests)) == (1, 40)


def test_base_path_and_headers_go_with_each_request(serve: Serve) -> None:
    server = serve(say(ok(), keep=True))
    client = Client(f"{server.url}/base/", 5.0, headers={"X-A": "1"})
    client.get("/x", {"X-B": "2"})
    client.get("/y")
    client.close()
    first, second = server.requests
    assert first.startswith(b"GET /base/x ")
    assert b"X-A: 1\r\n" in first
    assert b"X-B: 2\r\n" in first
    assert b"X-A: 1\r\n" in second
    assert b"X-B" not in second


@pytest.mark.parametrize("path", ["/a b", "/a\r\nX: y", "/ä"])
def test_a_path_that_cannot_be_sent_is_no_answer(serve: Serve, client_of: Callable[..., Client], path: str) -> None:
    server = serve(say(ok()))
    answer = client_of(server).get(path)
    assert answer.status == 0
    assert answer.reason
    assert server.requests == []


@pytest.mark.parametrize("url", ["", "h:80", "ftp://h/", "http://h:x", "http://h:0", "http:///", "http://h /"])
def test_a_client_needs_a_usable_address(url: str) -> None:
    assert not is_http_url(url)
    with pytest.raises(ValueError, match="not an http"):
        Client(url, 1.0)


@pytest.mark.parametrize("url", ["http://h", "https://h:8443/x?y=1", "http://[::1]:80/", "HTTP://H/"])
def test_usable_addresses(url: str) -> None:
    assert is_http_url(url)
