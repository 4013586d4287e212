"""The load engine, against a small real HTTP server in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill import load as loading
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.figures import achieved_rate
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.load import Load, first_failure
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import THIS_MACHINE
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import (
    GET,
    POST,
    Arrival,
    Client,
    Mix,
    Paths,
    arrivals,
    make_clients,
)

PATHS = {"web": Paths(get="", post="echo", slow="slow")}


class Server:
    """Answers as a test tells it to, and notes what it was sent."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.delay = 0.0
        self.status: Callable[[int], int] = lambda number: 200
        self.drop: Callable[[int], bool] = lambda number: False
        self.replayed = False
        self.node = "web-1"
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        number = len(self.seen)
        self.seen.append(
            {
                "method": request.method,
                "path": request.path,
                "at": time.monotonic(),
                "host": request.headers["Host"],
                "id": request.headers["X-Request-Id"],
                "key": request.headers.get("Idempotency-Key"),
                "cookie": request.headers.get("Cookie"),
                "peer": request.transport.get_extra_info("peername") if request.transport else None,
                "body": body,
            }
        )
        if self.drop(number) and request.transport:
            request.transport.close()
        await asyncio.sleep(self.delay)
        answer = web.json_response({"replayed": self.replayed}, status=self.status(number))
        answer.headers["X-Served-By"] = self.node
        if "Cookie" not in request.headers:
            answer.set_cookie("session", self.node)
        return answer


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def make(server: Server, clients: list[Client] | None = None, **options: Any) -> Load:
    options = {"rate": 100.0, "timeout": 2.0, **options}
    return Load({"web": server.url}, PATHS, clients or make_clients(Mix(clients=8)), "run", **options)


def send(load: Load, schedule: list[Arrival], go_on: Callable[[float], bool] = lambda now: True) -> None:
    asyncio.run(load.run(schedule, lambda: None, go_on))


def every(seconds: float, count: int, method: str = GET, client: int = 0, slow: bool = False) -> list[Arrival]:
    return [Arrival(index, index * seconds, "web", method, slow, client) for index in range(count)]


ONE = [Client(0, sticky=False, fresh=False)]
STICKY = [Client(0, sticky=True, fresh=False)]


# --------------------------------------------------------------------------
# Open loop
# --------------------------------------------------------------------------


def test_slow_answers_do_not_hold_requests_back(server: Server) -> None:
    server.delay = 0.5
    load = make(server, ONE)
    send(load, every(0.02, 25))
    assert len(load.records) == 25
    assert max(record.late for record in load.records) < 0.45
    # A closed loop would have needed 12.5 s.
    assert load.seconds < 3.0
    assert all(record.latency > 0.45 for record in load.records)


def test_latency_counts_from_when_a_request_was_due(server: Server) -> None:
    load = make(server, ONE)
    # Due long before the load could begin: as if this machine had fallen behind.
    send(load, [Arrival(0, -3.0, "web", GET, False, 0)])
    (record,) = load.records
    assert record.late >= 3.0
    assert record.latency >= 3.0
    assert record.done - record.sent < 1.0


def test_the_rate_is_that_of_the_schedule(server: Server) -> None:
    load = make(server)
    mix = Mix(clients=8)
    asyncio.run(load.run(arrivals(PATHS, 100.0, mix, 1), lambda: None, lambda now: now < 1.0))
    assert 80 <= len(load.records) <= 100
    rate = achieved_rate(sorted(load.records, key=lambda record: record.at), 100.0)
    assert 80 < rate.achieved <= 101


def test_the_load_ends_when_it_is_told_to_and_keeps_what_it_has(server: Server) -> None:
    server.delay = 0.2
    load = make(server, ONE)
    send(load, every(0.02, 1000), lambda now: now < 0.3)
    assert 5 <= len(load.records) <= 16
    assert all(record.answered for record in load.records), "answers under way are waited for"


# --------------------------------------------------------------------------
# What is sent
# --------------------------------------------------------------------------


def test_posts_carry_a_key_of_their_own_and_gets_none(server: Server) -> None:
    load = make(server, ONE)
    send(load, every(0.005, 20, POST))
    posts = [item for item in server.seen if item["method"] == "POST"]
    assert {item["path"] for item in posts} == {"/echo"}
    assert sorted(item["key"] for item in posts) == sorted(record.key for record in load.records)
    assert len({item["key"] for item in posts}) == 20
    assert all(item["key"] == item["id"] for item in posts)
    assert all(item["key"] is None for item in server.seen if item["method"] == "GET")


def test_slow_requests_go_to_the_slow_path_with_the_host_asked_for(server: Server) -> None:
    load = make(server, ONE, host="labo.example.org")
    send(load, every(0.01, 3, slow=True))
    assert Counter(item["path"] for item in server.seen) == {"/": 1, "/slow": 3}
    assert {item["host"] for item in server.seen} == {"labo.example.org"}


def test_connections_are_kept_or_new_as_the_client_does(server: Server) -> None:
    clients = [Client(0, sticky=False, fresh=False), Client(1, sticky=False, fresh=True)]
    load = make(server, clients)
    send(load, [Arrival(index, index * 0.03, "web", GET, False, index % 2) for index in range(10)])
    peers = {item["id"]: item["peer"] for item in server.seen}
    assert len({peers[f"run-{index}"] for index in range(0, 10, 2)}) == 1
    assert len({peers[f"run-{index}"] for index in range(1, 10, 2)}) == 5


def test_only_sticky_clients_keep_cookies(server: Server) -> None:
    clients = [Client(0, sticky=True, fresh=False), Client(1, sticky=False, fresh=False)]
    load = make(server, clients)
    send(load, [Arrival(index, index * 0.02, "web", GET, False, index % 2) for index in range(6)])
    cookies = {item["id"]: item["cookie"] for item in server.seen}
    assert all(cookies[f"run-{index}"] == "session=web-1" for index in (0, 2, 4))
    assert all(cookies[f"run-{index}"] is None for index in (1, 3, 5))
    assert {(record.client, record.home) for record in load.records} == {(0, "web-1"), (1, None)}


def test_sticky_clients_greet_before_the_load_so_that_their_requests_do_not_race(server: Server) -> None:
    load = make(server, STICKY)
    order: list[str] = []
    asyncio.run(load.run(every(0.01, 2), lambda: order.append(f"begin after {len(server.seen)}"), lambda now: True))
    assert order == ["begin after 1"]
    assert len(load.greetings) == 1
    assert len(load.records) == 2


def test_the_session_that_a_request_left_with_is_recorded(server: Server) -> None:
    load = make(server, STICKY)

    def move(now: float) -> bool:
        server.node = "web-2"  # the answer names another node; the cookie is not set anew
        return True

    send(load, every(0.05, 2), move)
    assert [(record.home, record.node) for record in load.records] == [("web-1", "web-2"), ("web-1", "web-2")]


# --------------------------------------------------------------------------
# What goes wrong
# --------------------------------------------------------------------------


def test_a_status_is_a_failure_with_its_node(server: Server) -> None:
    server.status = lambda number: 502 if number == 2 else 200
    load = make(server, ONE)
    send(load, every(0.02, 4))
    failed = [record for record in load.records if record.error]
    assert [(record.error, record.status, record.node) for record in failed] == [("status 502", 502, "web-1")]


@pytest.mark.parametrize("method", [GET, POST])
def test_a_dropped_connection_is_lost_and_not_sent_again(server: Server, method: str) -> None:
    # Not the first on its connection: that is where libraries like to try again.
    server.drop = lambda number: number == 3
    load = make(server, ONE)
    send(load, every(0.05, 5, method))
    assert [record.error for record in load.records if record.error] == ["connection closed without an answer"]
    assert len(server.seen) == 6  # the greeting and five requests


def test_an_answer_that_does_not_come_is_given_up(server: Server) -> None:
    load = make(server, ONE, timeout=0.2)

    def slow_down(now: float) -> bool:
        server.delay = 5.0
        return True

    send(load, every(0.01, 2), slow_down)
    assert [record.error for record in load.records] == ["no answer within 0.2 s"] * 2


def test_nobody_there_is_told_in_words(unused_port: int) -> None:
    load = Load({"web": f"http://127.0.0.1:{unused_port}/"}, PATHS, ONE, "run", rate=10, timeout=1)
    assert load.probe() == "connection refused for GET web"
    send(load, every(0.01, 1))
    assert first_failure(load.greetings) == "connection refused for GET web"


@pytest.fixture
def unused_port(server: Server) -> int:
    server.close()
    return server.port


def test_a_replayed_post_is_noticed(server: Server) -> None:
    server.replayed = True
    load = make(server, ONE)
    send(load, every(0.01, 1, POST))
    assert load.records[0].replayed


def test_too_many_unanswered_requests_are_this_machines_fault(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_MIN_UNANSWERED", 3)
    server.delay = 0.5
    load = make(server, ONE, rate=0.1, timeout=2)
    send(load, every(0.001, 10))
    told = Counter(record.error for record in load.records)
    assert told == {"": 3, f"{THIS_MACHINE}3 requests unanswered": 7}


def test_no_socket_left_is_this_machines_fault(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    load = make(server, ONE)

    def none_left(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(load, "_request", none_left)
    send(load, every(0.01, 1))
    assert load.records[0].error == f"{THIS_MACHINE}EMFILE"


def test_a_body_that_is_no_json_replays_nothing() -> None:
    assert not loading._replayed(b"<html>")
    assert not loading._replayed(b"[1]")
    assert loading._replayed(b'{"replayed": true}')
