"""The open loop, on a virtual clock: when requests leave, and what is recorded of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import aiohttp
import pytest
from tests.unit.fakes.clock import VirtualClock

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill import load as loading
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.figures import achieved_rate
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.load import Load, LoadSpec, Reply, Request, Sender
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
ONE = [Client(0, sticky=False, fresh=False)]
STICKY = [Client(0, sticky=True, fresh=False)]


class Answers:
    """A sender that answers as a test tells it to, and notes what it was given.

    Attributes:
        answer: the reply to a request by its number, or what is raised.
        held: requests of the schedule are not answered before :meth:`release`.
    """

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.answer: Callable[[int], Reply | Exception] = lambda number: Reply(200, "web-1", b"{}", number == 0)
        self.held = False
        self.closed = 0
        self._released = asyncio.Event()

    def open(self, clients: Sequence[Client]) -> None:
        self._released = asyncio.Event()

    async def send(self, request: Request) -> Reply:
        number = len(self.seen)
        self.seen.append(request)
        if self.held and request.number >= 0:
            await self._released.wait()
        found = self.answer(number)
        if isinstance(found, Exception):
            raise found
        return found

    async def close(self) -> None:
        self.closed += 1

    def release(self) -> None:
        self._released.set()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def answers() -> Answers:
    return Answers()


def make(answers: Sender, clock: VirtualClock, clients: list[Client] | None = None, min_unanswered: int = 256) -> Load:
    spec = LoadSpec(PATHS, clients or make_clients(Mix(clients=8)), "run", 100.0, 2.0, min_unanswered)
    return Load(spec, {"web": "http://web/"}, answers, clock, clock.pause)


def send(load: Load, schedule: Iterable[Arrival], go_on: Callable[[float], bool] = lambda now: True) -> None:
    asyncio.run(load.run(schedule, lambda: None, go_on))


def every(seconds: float, count: int, method: str = GET, slow: bool = False) -> list[Arrival]:
    return [Arrival(index, index * seconds, "web", method, slow, 0) for index in range(count)]


def released_after(answers: Answers, schedule: Iterable[Arrival]) -> Iterator[Arrival]:
    """The schedule; what was held is answered at its end."""
    yield from schedule
    answers.release()


# --------------------------------------------------------------------------
# Open loop
# --------------------------------------------------------------------------


def test_slow_answers_do_not_hold_requests_back(answers: Answers, clock: VirtualClock) -> None:
    answers.held = True
    load = make(answers, clock, ONE)
    # The last one is due half a second after the others; until it has been sent, none is answered.
    send(load, released_after(answers, [*every(0.02, 25), Arrival(25, 1.0, "web", GET, False, 0)]))
    assert len(load.records) == 26
    assert max(record.late for record in load.records) == pytest.approx(0.0)
    assert load.seconds == pytest.approx(1.0)
    held = [record for record in load.records if record.at < 0.5]
    assert all(record.done == pytest.approx(1.0) for record in held)


def test_latency_counts_from_when_a_request_was_due(answers: Answers, clock: VirtualClock) -> None:
    load = make(answers, clock, ONE)
    # Due long before the load could begin: as if this machine had fallen behind.
    send(load, [Arrival(0, -3.0, "web", GET, False, 0)])
    (record,) = load.records
    assert record.late == record.latency == pytest.approx(3.0)
    assert record.done - record.sent == 0.0


def test_the_rate_is_that_of_the_schedule(answers: Answers, clock: VirtualClock) -> None:
    load = make(answers, clock)
    send(load, arrivals(PATHS, 100.0, Mix(clients=8), 1), lambda now: now < 1.0 - 1e-6)
    assert len(load.records) == 100
    rate = achieved_rate(sorted(load.records, key=lambda record: record.at), 100.0)
    assert rate.achieved == pytest.approx(100.0)
    assert rate.late_p99 == pytest.approx(0.0)


def test_the_load_ends_when_it_is_told_to_and_keeps_what_it_has(answers: Answers, clock: VirtualClock) -> None:
    answers.held = True
    load = make(answers, clock, ONE)

    def go_on(now: float) -> bool:
        if now > 0.3:
            answers.release()
        return now <= 0.3

    send(load, every(0.02, 1000), go_on)
    assert len(load.records) in {15, 16}
    assert all(record.answered for record in load.records), "answers under way are waited for"
    assert answers.closed == 1


# --------------------------------------------------------------------------
# What is sent
# --------------------------------------------------------------------------


def test_posts_carry_a_key_of_their_own(answers: Answers, clock: VirtualClock) -> None:
    load = make(answers, clock, ONE)
    send(load, every(0.005, 20, POST))
    posts = [request for request in answers.seen if request.method == POST]
    assert {request.url for request in posts} == {"http://web/echo"}
    assert [request.key for request in posts] == [record.key for record in load.records]
    assert len({request.key for request in posts}) == 20


def test_slow_requests_go_to_the_slow_path(answers: Answers, clock: VirtualClock) -> None:
    send(make(answers, clock, ONE), every(0.01, 3, slow=True))
    assert Counter(request.url for request in answers.seen) == {"http://web/": 1, "http://web/slow": 3}


def test_a_load_can_be_pointed_to_other_addresses(answers: Answers, clock: VirtualClock) -> None:
    load = make(answers, clock, ONE)
    load.point_to({"web": "http://other/"})
    send(load, every(0.01, 1))
    assert {request.url for request in answers.seen} == {"http://other/"}


def test_sticky_clients_greet_before_the_load_so_that_their_requests_do_not_race(
    answers: Answers, clock: VirtualClock
) -> None:
    load = make(answers, clock, STICKY)
    order: list[str] = []
    asyncio.run(load.run(every(0.01, 2), lambda: order.append(f"begin after {len(answers.seen)}"), lambda now: True))
    assert order == ["begin after 1"]
    assert len(load.greetings) == 1
    assert len(load.records) == 2


def test_the_session_that_a_request_left_with_is_recorded(answers: Answers, clock: VirtualClock) -> None:
    # The answers after the greeting name another node; the cookie is not set again.
    answers.answer = lambda number: Reply(200, "web-1" if number == 0 else "web-2", b"{}", number == 0)
    load = make(answers, clock, STICKY)
    send(load, every(0.05, 2))
    assert [(record.home, record.node) for record in load.records] == [("web-1", "web-2"), ("web-1", "web-2")]


def test_a_client_without_cookies_has_no_session(answers: Answers, clock: VirtualClock) -> None:
    load = make(answers, clock, ONE)
    send(load, every(0.05, 2))
    assert [record.home for record in load.records] == [None, None]


# --------------------------------------------------------------------------
# What goes wrong
# --------------------------------------------------------------------------


def test_a_status_is_a_failure_with_its_node(answers: Answers, clock: VirtualClock) -> None:
    answers.answer = lambda number: Reply(502 if number == 2 else 200, "web-1")
    load = make(answers, clock, ONE)
    send(load, every(0.02, 4))
    failed = [record for record in load.records if record.error]
    assert [(record.error, record.status, record.node) for record in failed] == [("status 502", 502, "web-1")]


@pytest.mark.parametrize(
    "error, words",
    [
        (asyncio.TimeoutError(), "no answer within 2 s"),
        (aiohttp.ServerDisconnectedError(), "connection closed without an answer"),
        (ConnectionResetError(), "connection closed without an answer"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (ConnectionRefusedError(), "no connection"),
        (aiohttp.ClientPayloadError(), "answer cut short"),
        (OSError(24, "Too many open files"), f"{THIS_MACHINE}EMFILE"),
        (OSError("odd"), "OSError: odd"),
    ],
)
def test_why_there_is_no_answer_is_told_in_words(
    answers: Answers, clock: VirtualClock, error: Exception, words: str
) -> None:
    answers.answer = lambda number: Reply(200, "web-1") if number == 0 else error
    load = make(answers, clock, ONE)
    send(load, every(0.01, 1))
    assert [(record.error, record.status, record.node) for record in load.records] == [(words, None, None)]


def test_the_greeting_ends_at_its_first_failure(answers: Answers, clock: VirtualClock) -> None:
    answers.answer = lambda number: Reply(503, None)
    load = make(answers, clock)
    send(load, [])
    assert [record.error for record in load.greetings] == ["status 503"]
    assert loading.first_failure(load.greetings) == "status 503 for GET web"


def test_a_replayed_post_is_noticed(answers: Answers, clock: VirtualClock) -> None:
    answers.answer = lambda number: Reply(200, "web-1", b'{"replayed": true}')
    load = make(answers, clock, ONE)
    send(load, [*every(0.01, 1, POST), Arrival(1, 0.02, "web", GET, False, 0)])
    assert [record.replayed for record in load.records] == [True, False]


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'{"replayed": 1}', b"\xff"])
def test_another_body_replays_nothing(answers: Answers, clock: VirtualClock, body: bytes) -> None:
    answers.answer = lambda number: Reply(200, "web-1", body)
    load = make(answers, clock, ONE)
    send(load, every(0.01, 1, POST))
    assert [(record.replayed, record.answered) for record in load.records] == [(False, True)]


def test_too_many_unanswered_requests_are_this_machines_fault(answers: Answers, clock: VirtualClock) -> None:
    answers.held = True
    spec = LoadSpec(PATHS, ONE, "run", 0.1, 2.0, min_unanswered=3)
    load = Load(spec, {"web": "http://web/"}, answers, clock, clock.pause)
    send(load, released_after(answers, every(0.001, 10)))
    told = Counter(record.error for record in load.records)
    assert told == {"": 3, f"{THIS_MACHINE}3 requests unanswered": 7}


def test_a_load_that_is_behind_sends_all_the_same_and_reads_answers_meanwhile(
    answers: Answers, clock: VirtualClock
) -> None:
    load = make(answers, clock, ONE)
    done: list[int] = []

    def go_on(now: float) -> bool:
        done.append(len(load.records))
        return True

    send(load, [Arrival(index, -1.0, "web", GET, False, 0) for index in range(64)], go_on)
    assert len(load.records) == 64
    assert done[48] > 0, "answers are read although the load never waits"


def test_a_request_that_breaks_in_an_unknown_way_is_no_silent_loss(answers: Answers, clock: VirtualClock) -> None:
    answers.answer = lambda number: KeyError("unforeseen") if number == 3 else Reply(200, "web-1", b"{}", False)
    load = make(answers, clock, ONE)
    with pytest.raises(KeyError, match="unforeseen"):
        send(load, every(0.1, 20))
