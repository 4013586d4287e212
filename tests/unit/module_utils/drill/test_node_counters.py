"""What the nodes' counters and the access log say about a drill's requests."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill import node_counters
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.figures import NodeCount
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.node_counters import NodeCounters, NodePoller
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure import access_log
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.access_log import (
    AccessLogReader,
    LogLine,
    parse_log,
)


def stats(node: str, requests: int, draining: bool = False) -> dict[str, Any]:
    return {"node": node, "requests": requests, "draining": draining, "executed": 0, "replayed": 0}


def executions(*keys: tuple[str, int, int], forgotten: int = 0) -> dict[str, Any]:
    listed = [{"key": key, "executions": times, "replays": replays} for key, times, replays in keys]
    return {"forgotten": forgotten, "keys": listed}


# --------------------------------------------------------------------------
# The book
# --------------------------------------------------------------------------


def test_a_node_counts_from_the_begin_and_a_new_one_from_nothing() -> None:
    book = NodeCounters("run-")
    book.counted("c1", stats("web-1", 100))
    book.begin()
    book.counted("c1", stats("web-1", 130))
    book.counted("c2", stats("web-2", 7))
    assert book.counts() == {"web-1": NodeCount(30, True), "web-2": NodeCount(7, True)}


def test_lives_of_one_name_add_up() -> None:
    book = NodeCounters("run-")
    book.begin()
    book.counted("c1", stats("web-1", 10))
    book.counted("c1", stats("web-1", 3))  # started again between two readings
    book.gone("c1")
    book.counted("c9", stats("web-1", 5))  # another container with its name
    assert book.counts() == {"web-1": NodeCount(18, False)}


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
    book = NodeCounters("run-")
    book.begin()
    for requests, draining in readings:
        book.counted("c1", stats("web-1", requests, draining))
    assert book.counts()["web-1"].complete
    book.gone("c1")
    book.gone("c1")
    assert book.counts()["web-1"].complete is complete
    assert (book.executions().complete == {"web-1"}) is complete


@pytest.mark.parametrize("at, complete", [(20.3, True), (20.5, False)])
def test_a_node_that_answered_after_its_last_reading_was_not_read_to_its_end(at: float, complete: bool) -> None:
    book = NodeCounters("run-")
    book.begin()
    for began in (19.6, 20.0, 20.4):
        book.counted("c1", stats("web-1", 4, draining=True), began)
    book.gone("c1")
    # A younger node with its name: what that one answers says nothing of the elder.
    book.counted("c2", stats("web-1", 1), 30.0)
    book.answered([("web-1", at), ("web-1", 30.1), ("web-2", 99.0)])
    assert book.counts()["web-1"].complete is complete
    assert (book.executions().complete == {"web-1"}) is complete


def test_executions_of_all_lives_add_up_and_those_of_others_are_left_out() -> None:
    book = NodeCounters("run-")
    book.begin()
    for container, node in (("c1", "web-1"), ("c2", "web-2")):
        book.counted(container, stats(node, 1))
    book.executed("c1", executions(("run-1", 1, 0), ("run-2", 1, 1), ("other-1", 1, 0)))
    book.executed("c1", executions(("run-1", 1, 0), ("run-2", 1, 1), ("run-3", 1, 0)))  # read again: nothing doubles
    book.executed("c2", executions(("run-1", 1, 0)))
    assert book.executions().deliveries == {
        "run-1": {"web-1": 1, "web-2": 1},
        "run-2": {"web-1": 2},
        "run-3": {"web-1": 1},
    }


def test_a_node_that_forgets_is_not_complete() -> None:
    book = NodeCounters("run-")
    book.counted("c1", stats("web-1", 1))
    book.executed("c1", executions(forgotten=4))
    assert book.executions().complete == frozenset()
    assert book.notes() == ["a node forgot 4 keys; POSTs are compared by what it remembers"]


def test_a_node_without_counters_is_told() -> None:
    book = NodeCounters("run-")
    book.silent("shop-1")
    assert book.executions().silent == {"shop-1"}
    assert book.notes() == ["requests and POSTs not compared with the counters of shop-1: they have none"]


# --------------------------------------------------------------------------
# Reading nodes
# --------------------------------------------------------------------------


class Counters:
    """One server that plays the internal port of a node."""

    def __init__(self) -> None:
        self.pages: dict[str, Any] = {}
        self.asked: list[str] = []
        counters = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                counters.asked.append(self.path)
                page = counters.pages.get(self.path)
                self.send_response(404 if page is None else 200)
                self.end_headers()
                self.wfile.write(page if isinstance(page, bytes) else json.dumps(page).encode())

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def witness(self, nodes: list[Node], book: NodeCounters) -> NodePoller:
        return NodePoller(lambda: list(nodes), book, self.server.server_port)


@pytest.fixture
def counters(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counters]:
    monkeypatch.setattr(node_counters, "_POLL_SECONDS", 0.02)
    running = Counters()
    yield running
    running.server.shutdown()
    running.server.server_close()


def node(state: str = "running") -> Node:
    return Node("c1", "web-1", "web", True, state, address="127.0.0.1", served_by="web-1")


def until(condition: Any) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_executions_are_read_while_a_node_drains_and_at_the_end(counters: Counters) -> None:
    counters.pages = {"/stats": stats("web-1", 5), "/executions": executions(("run-1", 1, 0))}
    book, nodes = NodeCounters("run-"), [node()]
    with counters.witness(nodes, book):
        counters.pages["/stats"] = stats("web-1", 9)
        until(lambda: book.counts()["web-1"].requests == 4)
        assert "/executions" not in counters.asked
        counters.pages["/stats"] = stats("web-1", 10, draining=True)
        until(lambda: "run-1" in book.executions().deliveries and book._lives["c1"][-1].settled)
        nodes.clear()  # it ends: nothing can be read any more
        until(lambda: "web-1" in {life.node for life in book._lives["c1"] if life.over})
    assert book.counts() == {"web-1": NodeCount(5, True)}
    assert book.executions().deliveries == {"run-1": {"web-1": 1}}


def test_nodes_that_live_on_are_read_at_the_end(counters: Counters) -> None:
    counters.pages = {"/stats": stats("web-1", 5), "/executions": executions(("run-1", 1, 0))}
    book = NodeCounters("run-")
    with counters.witness([node()], book):
        pass
    assert book.executions().deliveries == {"run-1": {"web-1": 1}}
    assert book.executions().complete == {"web-1"}


def test_a_frozen_node_is_neither_read_nor_gone(counters: Counters) -> None:
    counters.pages = {"/stats": stats("web-1", 5), "/executions": executions()}
    book, nodes = NodeCounters("run-"), [node()]
    with counters.witness(nodes, book):
        nodes[:] = [node("paused")]
        time.sleep(0.1)
        nodes[:] = [node()]
    assert book.counts() == {"web-1": NodeCount(0, True)}


def test_the_answer_of_who_got_the_address_meanwhile_is_nobodys(counters: Counters) -> None:
    """A container ended between being listed and being asked; another has its address by then."""
    counters.pages = {"/stats": stats("web-2", 7), "/executions": executions(("run-1", 1, 0))}
    listings = itertools.chain([[node()], []], itertools.repeat([]))
    book = NodeCounters("run-")
    with NodePoller(lambda: next(listings), book, counters.server.server_port):
        pass
    assert "/stats" in counters.asked
    assert book.counts() == {}
    assert book.executions().deliveries == {}


@pytest.mark.parametrize("page", [None, b"<html>", [1, 2], {"hello": "world"}])
def test_other_applications_have_no_counters(counters: Counters, page: Any) -> None:
    counters.pages = {} if page is None else {"/stats": page}
    book = NodeCounters("run-")
    with counters.witness([node()], book):
        pass
    assert book.executions().silent == {"web-1"}


def test_a_listing_that_fails_is_told_and_ends_nothing(counters: Counters) -> None:
    def broken() -> list[Node]:
        raise OSError("no daemon")

    with NodePoller(broken, NodeCounters("run-")) as witness:
        pass
    assert witness.problem == "no daemon"


# --------------------------------------------------------------------------
# The access log
# --------------------------------------------------------------------------


def line(key: str, status: int = 200, **more: Any) -> str:
    item = {"request_X-Request-Id": key, "DownstreamStatus": status, "ServiceAddr": "web-1:8080", **more}
    return json.dumps(item)


def test_only_our_lines_are_taken_from_the_log() -> None:
    lines = [
        line("run-1"),
        line("run-2", 502, RetryAttempts=2),
        line("other-run-1"),
        line("-"),
        '{"request_X-Request-Id": "run-3"',  # cut off by rotation
        '{"RequestPath": "/run-4"}',
        "",
    ]
    assert parse_log(lines, "run-") == [LogLine("run-1", 200, "web-1:8080", 0), LogLine("run-2", 502, "web-1:8080", 2)]


def test_only_what_was_added_is_read(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(line("run-0") + "\n")
    witness = AccessLogReader(log, "run-")
    with log.open("a") as stream:
        stream.write(line("run-1") + "\n")
    assert [item.key for item in witness.read(1) or []] == ["run-1"]


def test_lines_that_are_still_to_come_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_counters, "_POLL_SECONDS", 0.02)
    log = tmp_path / "access.log"
    log.touch()
    witness = AccessLogReader(log, "run-")
    later = threading.Timer(0.1, lambda: log.write_text(line("run-1") + "\n"))
    later.start()
    assert [item.key for item in witness.read(1) or []] == ["run-1"]
    later.join()


def test_lines_that_do_not_come_are_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "_LOG_PATIENCE_SECONDS", 0.05)
    log = tmp_path / "access.log"
    log.touch()
    assert AccessLogReader(log, "run-").read(1) == []


def test_a_log_that_is_not_there_or_was_rotated_is_not_compared(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    missing = AccessLogReader(log, "run-")
    assert missing.read(1) is None
    assert missing.problem == f"access log not compared: got no {log}"
    log.write_text(line("run-0") + "\n")
    witness = AccessLogReader(log, "run-")
    log.write_text("")
    assert witness.read(1) is None
    assert "rotated" in witness.problem
