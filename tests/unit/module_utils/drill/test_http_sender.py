"""What leaves over HTTP, against a small real server; one request after the other, so that speed does not matter."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import aiohttp
import pytest
from tests.unit.module_utils.drill.web_server import WebServer

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.load import (
    HttpSender,
    Load,
    LoadSpec,
    Reply,
    Request,
    first_failure,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import (
    GET,
    POST,
    Arrival,
    Client,
    Paths,
)

KEPT = Client(0, sticky=False, fresh=False)
FRESH = Client(1, sticky=False, fresh=True)
STICKY = Client(2, sticky=True, fresh=False)


@pytest.fixture
def server() -> Iterator[WebServer]:
    running = WebServer()
    yield running
    running.close()


def requests_of(server: WebServer, client: Client, count: int, method: str = GET) -> list[Request]:
    return [Request(client, method, f"{server.url}echo", f"c{client.number}-{n}", n) for n in range(count)]


def send(sender: HttpSender, requests: Sequence[Request]) -> list[Reply | Exception]:
    """Send them one after the other; the replies, or why there was none."""

    async def one(request: Request) -> Reply | Exception:
        try:
            return await sender.send(request)
        except (asyncio.TimeoutError, aiohttp.ClientError, OSError) as error:
            return error

    async def work() -> list[Reply | Exception]:
        sender.open([KEPT, FRESH, STICKY])
        try:
            return [await one(request) for request in requests]
        finally:
            await sender.close()

    return asyncio.run(work())


def test_posts_carry_a_key_of_their_own_and_gets_none(server: WebServer) -> None:
    send(HttpSender(), requests_of(server, KEPT, 3, POST) + requests_of(server, FRESH, 1))
    posts = [item for item in server.seen if item["method"] == "POST"]
    assert [item["key"] for item in posts] == [item["id"] for item in posts] == ["c0-0", "c0-1", "c0-2"]
    assert [item["body"] for item in posts] == [b'{"n": 0}', b'{"n": 1}', b'{"n": 2}']
    assert [item["key"] for item in server.seen if item["method"] == "GET"] == [None]


def test_the_host_is_that_of_the_url_or_the_one_asked_for(server: WebServer) -> None:
    send(HttpSender(), requests_of(server, KEPT, 1))
    send(HttpSender(host="labo.example.org"), requests_of(server, KEPT, 1))
    assert [item["host"] for item in server.seen] == [f"127.0.0.1:{server.port}", "labo.example.org"]


def test_connections_are_kept_or_new_as_the_client_does(server: WebServer) -> None:
    kept, fresh = requests_of(server, KEPT, 5), requests_of(server, FRESH, 5)
    send(HttpSender(), [request for pair in zip(kept, fresh, strict=True) for request in pair])
    peers = {item["id"]: item["peer"] for item in server.seen}
    assert len({peers[request.key] for request in kept}) == 1
    assert len({peers[request.key] for request in fresh}) == 5


def test_only_sticky_clients_keep_cookies(server: WebServer) -> None:
    found = send(HttpSender(), requests_of(server, STICKY, 3) + requests_of(server, KEPT, 2))
    assert [item["cookie"] for item in server.seen] == [None, "session=web-1", "session=web-1", None, None]
    assert [reply.sets_cookie for reply in found if isinstance(reply, Reply)] == [True, False, False, True, True]


def test_cookies_do_not_outlast_a_load(server: WebServer) -> None:
    sender = HttpSender()
    send(sender, requests_of(server, STICKY, 1))
    send(sender, requests_of(server, STICKY, 1))
    assert [item["cookie"] for item in server.seen] == [None, None]


def test_a_reply_is_told_as_it_came(server: WebServer) -> None:
    server.status = lambda number: 502
    (reply,) = send(HttpSender(), requests_of(server, KEPT, 1))
    assert reply == Reply(502, "web-1", b'{"replayed": false}', True)


@pytest.mark.parametrize("method", [GET, POST])
def test_a_dropped_connection_is_lost_and_not_sent_again(server: WebServer, method: str) -> None:
    # Not the first on its connection: that is where libraries like to try again.
    server.drop = lambda number: number == 2
    found = send(HttpSender(), requests_of(server, KEPT, 4, method))
    assert [isinstance(reply, Reply) for reply in found] == [True, True, False, True]
    assert isinstance(found[2], aiohttp.ServerDisconnectedError)
    assert len(server.seen) == 4


def test_an_answer_that_does_not_come_is_given_up(server: WebServer) -> None:
    server.silent = lambda number: True
    (reply,) = send(HttpSender(timeout=0.1), requests_of(server, KEPT, 1))
    assert isinstance(reply, asyncio.TimeoutError)


# --------------------------------------------------------------------------
# A whole load
# --------------------------------------------------------------------------


def load_of(url: str, clients: Sequence[Client]) -> Load:
    spec = LoadSpec({"web": Paths(get="", post="echo", slow="slow")}, clients, "run", 100.0, 60.0)
    return Load(spec, {"web": url}, HttpSender(timeout=60.0))


def test_a_load_over_http_is_recorded(server: WebServer) -> None:
    server.status = lambda number: 502 if number == 3 else 200
    server.replayed = True
    load = load_of(server.url, [Client(0, sticky=True, fresh=False)])
    schedule = [Arrival(index, index * 0.005, "web", POST, False, 0) for index in range(6)]
    assert load.probe() == ""
    asyncio.run(load.run(schedule, lambda: None, lambda now: True))
    assert [record.key for record in load.greetings] == ["run-g1"]
    assert sorted(record.key for record in load.records) == [f"run-{index}" for index in range(6)]
    assert [(record.error, record.status) for record in load.records if record.error] == [("status 502", 502)]
    assert {(record.node, record.home) for record in load.records} == {("web-1", "web-1")}
    assert [record.replayed for record in load.records if record.answered] == [True] * 5
    assert all(record.late >= 0 and record.latency >= record.late for record in load.records)


def test_that_nothing_listens_is_told_in_words(server: WebServer) -> None:
    server.close()
    load = load_of(server.url, [KEPT])
    assert load.probe() == "connection refused for GET web"
    asyncio.run(load.run([Arrival(0, 0.0, "web", GET, False, 0)], lambda: None, lambda now: True))
    assert first_failure(load.greetings) == "connection refused for GET web"
