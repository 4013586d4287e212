"""What the nodes' counters say about a drill's requests."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.fakes.clock import VirtualClock

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import BROKEN, RUNNING, Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.http_client import REFUSED, Answer
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.figures import NodeCount
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.node_counters import NodeCounters, NodePoller


def stats(node: str, requests: int, draining: bool = False) -> dict[str, Any]:
    return {"node": node, "requests": requests, "draining": draining, "executed": 0, "replayed": 0}


def executions(*keys: tuple[str, int, int], forgotten: int = 0) -> dict[str, Any]:
    listed = [{"key": key, "executions": times, "replays": replays} for key, times, replays in keys]
    return {"forgotten": forgotten, "keys": listed}


# --------------------------------------------------------------------------
# The accounts
# --------------------------------------------------------------------------


def test_a_node_counts_from_the_begin_and_a_new_one_from_nothing() -> None:
    counters = NodeCounters("run-")
    counters.counted("c1", stats("web-1", 100))
    counters.begin()
    counters.counted("c1", stats("web-1", 130))
    counters.counted("c2", stats("web-2", 7))
    assert counters.counts() == {"web-1": NodeCount(30, True), "web-2": NodeCount(7, True)}


def test_runs_of_one_name_add_up() -> None:
    counters = NodeCounters("run-")
    counters.begin()
    counters.counted("c1", stats("web-1", 10))
    counters.counted("c1", stats("web-1", 3))  # started again between two readings
    counters.gone("c1")
    counters.counted("c9", stats("web-1", 5))  # another container with its name
    assert counters.counts() == {"web-1": NodeCount(18, False)}


@pytest.mark.parametrize(
    "readings, complete",
    [
        ([(5, True), (9, True), (9, True)], True),
        ([(5, True), (9, True)], False),  # it still got requests when it was last read
        ([(9, False), (9, False)], False),  # it ended without draining
        ([(9, True)], False),
    ],
)
def test_a_node_that_is_gone_is_complete_when_it_was_read_after_its_last_request(
    readings: list[tuple[int, bool]], complete: bool
) -> None:
    counters = NodeCounters("run-")
    counters.begin()
    for requests, draining in readings:
        counters.counted("c1", stats("web-1", requests, draining))
    assert counters.counts()["web-1"].complete
    counters.gone("c1")
    counters.gone("c1")
    assert counters.counts()["web-1"].complete is complete
    assert (counters.executions().complete == {"web-1"}) is complete


@pytest.mark.parametrize("at, complete", [(20.3, True), (20.5, False)])
def test_a_node_that_answered_after_its_last_reading_was_not_read_to_its_end(at: float, complete: bool) -> None:
    counters = NodeCounters("run-")
    counters.begin()
    for began in (19.6, 20.0, 20.4):
        counters.counted("c1", stats("web-1", 4, draining=True), began)
    counters.gone("c1")
    # A younger node with its name: what that one answers says nothing of the elder.
    counters.counted("c2", stats("web-1", 1), 30.0)
    counters.answered([("web-1", at), ("web-1", 30.1), ("web-2", 99.0)])
    assert counters.counts()["web-1"].complete is complete
    assert (counters.executions().complete == {"web-1"}) is complete


def test_executions_of_all_runs_add_up_and_those_of_others_are_left_out() -> None:
    counters = NodeCounters("run-")
    counters.begin()
    for container, node in (("c1", "web-1"), ("c2", "web-2")):
        counters.counted(container, stats(node, 1))
    counters.executed("c1", executions(("run-1", 1, 0), ("run-2", 1, 1), ("other-1", 1, 0)))
    counters.executed(
        "c1", executions(("run-1", 1, 0), ("run-2", 1, 1), ("run-3", 1, 0))
    )  # read again: nothing doubles
    counters.executed("c2", executions(("run-1", 1, 0)))
    assert counters.executions().deliveries == {
        "run-1": {"web-1": 1, "web-2": 1},
        "run-2": {"web-1": 2},
        "run-3": {"web-1": 1},
    }


def test_a_node_that_forgets_is_not_complete() -> None:
    counters = NodeCounters("run-")
    counters.counted("c1", stats("web-1", 1))
    counters.executed("c1", executions(forgotten=4))
    assert counters.executions().complete == frozenset()
    assert counters.notes() == ["a node forgot 4 keys; POSTs are compared by what it remembers"]


def test_an_image_without_counters_is_told() -> None:
    counters = NodeCounters("run-")
    counters.offers("shop", "stats", does=False)
    counters.offers("shop", "executions", does=False)
    assert counters.executions().not_offered == counters.not_offered() == {"shop"}
    assert counters.notes() == [
        "own count of requests of shop: not offered by its image",
        "list of executed POSTs of shop: not offered by its image",
    ]


@pytest.mark.parametrize("said", [[False, True], [True, False]])
def test_an_image_has_what_one_of_its_nodes_has(said: list[bool]) -> None:
    counters = NodeCounters("run-")
    for does in said:  # the other one is just starting, or ends
        counters.offers("shop", "stats", does=does)
    assert counters.not_offered() == frozenset()


# --------------------------------------------------------------------------
# Reading nodes
# --------------------------------------------------------------------------


class Pages:
    """The internal pages of a node."""

    def __init__(self) -> None:
        self.pages: dict[str, Any] = {}
        self.asked: list[str] = []

    def read(self, url: str) -> Answer:
        self.asked.append(url)
        page = self.pages.get(url.rpartition(":9180")[2])
        if page is None:
            return Answer(404)
        return Answer(200, page if isinstance(page, bytes) else json.dumps(page).encode())


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def pages() -> Pages:
    return Pages()


def poller(pages: Pages, clock: VirtualClock, nodes: Callable[[], list[Node]], counters: NodeCounters) -> NodePoller:
    return NodePoller(nodes, counters, pages.read, clock)


def node(state: str = RUNNING, detail: str = "") -> Node:
    return Node("c1", "web-1", "web", True, state, address="10.9.0.2", served_by="web-1", detail=detail)


def pass_time(clock: VirtualClock, condition: Callable[[], bool]) -> None:
    """Until the reading threads have brought it about, which takes them more steps on a busy machine."""
    for _step in range(500):
        if condition():
            return
        clock.sleep(0.1)
    assert condition()


def test_executions_are_read_while_a_node_drains_and_at_the_end(pages: Pages, clock: VirtualClock) -> None:
    pages.pages = {"/stats": stats("web-1", 5), "/executions": executions(("run-1", 1, 0))}
    counters, nodes = NodeCounters("run-"), [node()]
    with poller(pages, clock, lambda: list(nodes), counters), clock.driven():
        pages.pages["/stats"] = stats("web-1", 9)
        pass_time(clock, lambda: counters.counts() == {"web-1": NodeCount(4, True)})
        assert set(pages.asked) == {"http://10.9.0.2:9180/stats"}
        pages.pages["/stats"] = stats("web-1", 10, draining=True)
        # Two rounds are over when the third has begun.
        pass_time(clock, lambda: pages.asked.count("http://10.9.0.2:9180/executions") > 2)
        nodes.clear()  # it ends: nothing can be read any more
        pages.pages = {}
        clock.sleep(1.0)
    assert counters.counts() == {"web-1": NodeCount(5, True)}
    assert counters.executions().deliveries == {"run-1": {"web-1": 1}}


def test_a_node_that_ends_before_it_was_read_twice_while_it_drained_is_not_complete(
    pages: Pages, clock: VirtualClock
) -> None:
    pages.pages = {"/stats": stats("web-1", 5), "/executions": executions()}
    counters, nodes = NodeCounters("run-"), [node()]
    with poller(pages, clock, lambda: list(nodes), counters), clock.driven():
        clock.sleep(1.0)
        nodes.clear()
        clock.sleep(1.0)
    assert counters.counts() == {"web-1": NodeCount(0, False)}


def test_nodes_that_live_on_are_read_at_the_end(pages: Pages, clock: VirtualClock) -> None:
    pages.pages = {"/stats": stats("web-1", 5), "/executions": executions(("run-1", 1, 0))}
    counters = NodeCounters("run-")
    with poller(pages, clock, lambda: [node()], counters):
        pass
    assert counters.executions().deliveries == {"run-1": {"web-1": 1}}
    assert counters.executions().complete == {"web-1"}


def test_a_frozen_node_is_neither_read_nor_gone(pages: Pages, clock: VirtualClock) -> None:
    pages.pages = {"/stats": stats("web-1", 5), "/executions": executions()}
    counters, nodes = NodeCounters("run-"), [node()]
    with poller(pages, clock, lambda: list(nodes), counters), clock.driven():
        clock.sleep(1.0)
        nodes[:] = [node(BROKEN, "paused")]
        clock.sleep(1.0)
        asked = len(pages.asked)
        clock.sleep(2.0)
        assert len(pages.asked) == asked
        nodes[:] = [node()]
        clock.sleep(1.0)
    assert counters.counts() == {"web-1": NodeCount(0, True)}


def test_the_answer_of_another_node_at_the_address_does_not_count(pages: Pages, clock: VirtualClock) -> None:
    """A container ended between being listed and being asked; another has its address by then."""
    pages.pages = {"/stats": stats("web-2", 7), "/executions": executions(("run-1", 1, 0))}
    listings = itertools.chain([[node()], []], itertools.repeat([]))
    counters = NodeCounters("run-")
    with poller(pages, clock, lambda: next(listings), counters):
        pass
    assert pages.asked == ["http://10.9.0.2:9180/stats"]
    assert counters.counts() == {}
    assert counters.executions().deliveries == {}


@pytest.mark.parametrize("page", [None, b"<html>", [1, 2], {"hello": "world"}])
def test_other_applications_have_no_counters(pages: Pages, clock: VirtualClock, page: Any) -> None:
    pages.pages = {} if page is None else {"/stats": page}
    counters = NodeCounters("run-")
    with poller(pages, clock, lambda: [node()], counters):
        pass
    assert counters.not_offered() == counters.executions().not_offered == {"web"}


def test_nothing_that_listens_there_is_no_counter_either(clock: VirtualClock) -> None:
    counters = NodeCounters("run-")
    with NodePoller(lambda: [node()], counters, lambda url: Answer(0, reason=REFUSED), clock):
        pass
    assert counters.not_offered() == counters.executions().not_offered == {"web"}


def test_an_image_that_counts_but_keeps_no_list_of_posts(pages: Pages, clock: VirtualClock) -> None:
    pages.pages = {"/stats": stats("web-1", 5)}
    counters = NodeCounters("run-")
    with poller(pages, clock, lambda: [node()], counters):
        pass
    assert counters.counts() == {"web-1": NodeCount(0, True)}
    assert counters.not_offered() == frozenset()
    assert counters.executions().not_offered == {"web"}


def test_a_node_that_does_not_answer_in_time_is_not_one_without_counters(clock: VirtualClock) -> None:
    counters = NodeCounters("run-")
    with NodePoller(lambda: [node()], counters, lambda url: Answer(0, reason="no answer in time"), clock):
        pass
    assert counters.not_offered() == counters.executions().not_offered == frozenset()
    assert counters.counts() == {}


def test_a_listing_that_fails_is_told_and_ends_nothing(pages: Pages, clock: VirtualClock) -> None:
    def broken() -> list[Node]:
        raise OSError("no daemon")

    with poller(pages, clock, broken, NodeCounters("run-")) as following:
        pass
    assert following.problem == "no daemon"
