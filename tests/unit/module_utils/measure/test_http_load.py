"""Sending requests, against a small real HTTP server: order, connections, cookies, bounds, failures."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.measure import http_load
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.http_load import (
    Bounds,
    HttpLoadError,
    Target,
    check_target,
    send,
    send_clients,
)


class Recorder:
    """Answers 200 and notes what it was sent."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.cookies: list[str | None] = []
        self.hosts: list[str | None] = []
        self.peers: list[int] = []
        self.delay = 0.0
        self.busy = self.busiest = 0
        self.hang_up = False
        self.status = 200
        recorder = self
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_GET(self) -> None:
                with lock:
                    recorder.paths.append(self.path)
                    recorder.cookies.append(self.headers["Cookie"])
                    recorder.hosts.append(self.headers["Host"])
                    recorder.peers.append(self.client_address[1])
                    recorder.busy += 1
                    recorder.busiest = max(recorder.busiest, recorder.busy)
                    number = len(recorder.paths)
                time.sleep(recorder.delay)
                with lock:
                    recorder.busy -= 1
                if recorder.hang_up:
                    self.close_connection = True
                    return
                self.send_response(recorder.status)
                self.send_header("X-Served-By", f"node-{number}")
                self.send_header("Set-Cookie", f"a={number}; Path=/; HttpOnly")
                self.send_header("Set-Cookie", "b=x; Expires=Wed, 01 Jan 2098 00:00:00 GMT")
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.target = Target(f"http://127.0.0.1:{self.server.server_port}/")
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    server = Recorder()
    yield server
    server.server.shutdown()
    server.server.server_close()


def test_replies_say_what_became_of_each_request(recorder: Recorder) -> None:
    recorder.delay = 0.01
    replies = send(recorder.target, 5)
    assert [reply.index for reply in replies] == [0, 1, 2, 3, 4]
    assert [reply.served_by for reply in replies] == [f"node-{number}" for number in range(1, 6)]
    assert [reply.status for reply in replies] == [200] * 5
    assert all(0.01 <= reply.latency < 2 for reply in replies)
    assert [reply.sent for reply in replies] == sorted(reply.sent for reply in replies)
    assert replies[0].set_cookie == ("a=1; Path=/; HttpOnly", "b=x; Expires=Wed, 01 Jan 2098 00:00:00 GMT")
    assert all(reply.error is None and reply.answered for reply in replies)


def test_no_cookie_is_sent_back(recorder: Recorder) -> None:
    send(recorder.target, 3)
    send_clients(recorder.target, 1, 3, keep_cookies=False)
    assert recorder.cookies == [None] * 6


def test_each_client_has_its_own_jar_and_connection(recorder: Recorder) -> None:
    replies = send_clients(recorder.target, 2, 2, keep_cookies=True)
    assert [reply.client for reply in replies] == [0, 0, 1, 1]
    assert [reply.index for reply in replies] == [0, 1, 2, 3]
    assert recorder.cookies == [None, "a=1; b=x", None, "a=3; b=x"]
    assert recorder.peers[0] == recorder.peers[1] != recorder.peers[2]


def test_jars_work_with_another_host_name(recorder: Recorder) -> None:
    target = Target(recorder.target.url, "labo-http.res.ch")
    send_clients(target, 1, 2, keep_cookies=True)
    assert recorder.hosts == ["labo-http.res.ch"] * 2
    assert recorder.cookies == [None, "a=1; b=x"]


@pytest.mark.parametrize("keep_alive, connections", [(True, 1), (False, 30)])
def test_keep_alive(recorder: Recorder, keep_alive: bool, connections: int) -> None:
    replies = send(Target(recorder.target.url, keep_alive=keep_alive), 30)
    assert all(reply.answered for reply in replies)
    assert len(set(recorder.peers)) == connections


def test_parallel_connections(recorder: Recorder) -> None:
    recorder.delay = 0.02
    replies = send(recorder.target, 20, connections=4)
    assert sorted(reply.index for reply in replies) == list(range(20))
    assert recorder.busiest > 1
    assert len(set(recorder.peers)) <= 4


def test_one_connection_sends_one_at_a_time(recorder: Recorder) -> None:
    recorder.delay = 0.01
    send(recorder.target, 5)
    assert recorder.busiest == 1


def test_redirects_are_answers(recorder: Recorder) -> None:
    recorder.status = 302
    assert [reply.status for reply in send(recorder.target, 2)] == [302, 302]
    assert recorder.paths == ["/", "/"]


def test_the_environment_does_not_redirect_us(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert send(recorder.target, 1)[0].answered


def test_time_limit(recorder: Recorder) -> None:
    recorder.delay = 0.05
    begin = time.monotonic()
    replies = send(recorder.target, 1000, bounds=Bounds(time_limit=0.3))
    assert 1 <= len(replies) < 10
    assert time.monotonic() - begin < 2
    assert 1 <= len(send_clients(recorder.target, 100, 5, True, Bounds(time_limit=0.3))) < 10


@pytest.mark.parametrize("connections", [1, 4])
def test_gives_up_when_nobody_answers(connections: int) -> None:
    replies = send(Target("http://127.0.0.1:1/"), 1000, connections, Bounds(give_up=5))
    assert 5 <= len(replies) < 5 + connections
    assert {reply.error for reply in replies} == {"connection refused"}
    assert {reply.status for reply in replies} == {None}


def test_unanswered_requests_are_never_repeated(recorder: Recorder) -> None:
    recorder.hang_up = True
    replies = send(recorder.target, 3)
    assert {reply.error for reply in replies} == {"connection closed without an answer"}
    assert len(recorder.paths) == 3


def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _number in range(2):
                connection, _peer = server.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        threading.Thread(target=serve, daemon=True).start()
        client = http_load._Client(Target(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=5))
        assert client.get(0, 0.0).answered
        # The end of the connection has arrived.
        assert select.select([client._connection.sock], [], [], 5)[0]
        assert client.get(1, 0.0).answered
        client.close()


def test_paths_are_sent_as_urls_have_them(recorder: Recorder) -> None:
    send(Target(f"{recorder.target.url}caf\u00e9/%20x?y=\u00fc&z=1"), 1)
    assert recorder.paths == ["/caf%C3%A9/%20x?y=%C3%BC&z=1"]


@pytest.mark.parametrize(
    "answer, words",
    [
        (b"nonsense\r\n\r\n", "an answer that is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "answer cut short"),
    ],
)
def test_an_answer_that_is_none(answer: bytes, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _peer = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        (reply,) = send(Target(f"http://127.0.0.1:{server.getsockname()[1]}/"), 1)
        assert (reply.status, reply.error) == (None, words)


def test_slow_answers(recorder: Recorder) -> None:
    recorder.delay = 0.3
    (reply,) = send(Target(recorder.target.url, timeout=0.05), 1)
    assert (reply.status, reply.error) == (None, "no answer within 0.05 s")
    assert reply.latency >= 0.05


def test_unknown_host_name() -> None:
    (reply,) = send(Target("http://nobody.invalid/", timeout=2), 1)
    assert reply.error == "unknown host name"


@pytest.mark.parametrize("url", ["http://h/", "https://h:8443/x?y=1", "http://[::1]:8080/", "http://172.18.0.4:3000/"])
@pytest.mark.parametrize("host", ["", "labo-http.res.ch", "localhost:8080", "[::1]:80", "my_host"])
def test_usable_targets(url: str, host: str) -> None:
    check_target(Target(url, host))


@pytest.mark.parametrize(
    "url, host",
    [
        ("", ""),
        ("h/", ""),
        ("file:///etc/passwd", ""),
        ("http:///x", ""),
        ("http://h:x/", ""),
        ("http://h:99999/", ""),
        ("http://u:p@h/", ""),
        ("http://h/a b", ""),
        ("http://h/\r\n", ""),
        ("http://h/", "a b"),
        ("http://h/", "http://a"),
        ("http://h/", "a/b"),
        ("http://h/", "a\n"),
        ("http://h/", "é"),
    ],
)
def test_unusable_targets(url: str, host: str) -> None:
    with pytest.raises(HttpLoadError, match=r"^(url|host): got .*, want .* \(fix: .*\)$"):
        check_target(Target(url, host))
