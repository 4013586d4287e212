"""The same requests from three sides."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes.clock import VirtualClock

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.words import NOT_OFFERED, NOT_READ
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.access_log import LogLine
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.replies import Reply
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.three_sides import (
    Member,
    Reading,
    Sides,
    compare,
    members_of,
    read_counter,
)

MEMBERS = (Member("web-1", "web-1:80", "s1"), Member("web-2", "web-2:80", "s2"))
LOG = "see the balancer's access log"


def replies(*nodes: str) -> list[Reply]:
    return [Reply(index, 0.0, 0.01, 200, node) for index, node in enumerate(nodes)]


def log(*nodes: str) -> tuple[LogLine, ...]:
    return tuple(LogLine(f"p-{index}", 200, f"{node}:80") for index, node in enumerate(nodes))


SENT = ("web-1", "web-2", "web-1", "web-2")


def test_three_sides_that_agree() -> None:
    found = compare(replies(*SENT), Reading("p-", log(*SENT), {"web-1": 2, "web-2": 2}), MEMBERS, foreign=0)
    assert not found.problems
    assert not found.notes
    assert found.as_result() == {
        "nodes": {
            "web-1": {"client": 2, "access_log": 2, "node": 2},
            "web-2": {"client": 2, "access_log": 2, "node": 2},
        },
        "access_log_missing": 0,
        "access_log_differs": 0,
        "own_count_offered": True,
    }


@pytest.mark.parametrize(
    "reading, foreign, problems",
    [
        (
            Reading("p-", log(*SENT)[:3], {"web-1": 2, "web-2": 2}),
            0,
            [
                "got 1 of 4 answered requests missing in the access log, 0 there with another node or status, want all"
                f" of them as the clients saw them (fix: {LOG})"
            ],
        ),
        (
            Reading("p-", log("web-2", *SENT[1:]), {"web-1": 2, "web-2": 2}),
            0,
            [
                "got 0 of 4 answered requests missing in the access log, 1 there with another node or status, want all"
                f" of them as the clients saw them (fix: {LOG})"
            ],
        ),
        (
            Reading("p-", log(*SENT), {"web-1": 1, "web-2": 2}),
            7,
            ["got 1 requests counted by web-1, 2 answers from it, want at least as many (fix: docker logs web-1)"],
        ),
        (
            Reading("p-", log(*SENT), {"web-1": 2, "web-2": 3}),
            0,
            ["got 3 requests counted by web-2, 2 answers from it, want as many (fix: docker logs web-2)"],
        ),
        (Reading("p-", log(*SENT), {"web-1": 2, "web-2": 3}), 1, []),
        (Reading("p-", log(*SENT), {"web-1": 2, "web-2": 3}), None, []),
    ],
    ids=["log lost a line", "log has another node", "node lost one", "node has more", "others sent", "not watched"],
)
def test_contradictions(reading: Reading, foreign: int | None, problems: list[str]) -> None:
    assert [str(problem) for problem in compare(replies(*SENT), reading, MEMBERS, foreign).problems] == problems


def test_what_was_not_read_is_told_and_not_judged() -> None:
    found = compare(replies(*SENT), Reading("p-", None, {"web-1": 2}, ("no log",)), MEMBERS, foreign=0)
    assert not found.problems
    assert found.notes == ("no log", "counts not compared with the counters of web-2: not read")
    assert found.nodes["web-2"] == {"client": 2, "access_log": None, "node": None}
    assert found.log_missing is None


def test_an_answer_from_an_unknown_node_is_counted() -> None:
    found = compare(replies("stranger"), Reading("p-", log("stranger")), MEMBERS)
    assert found.nodes["stranger"] == {"client": 1, "access_log": 0, "node": None}
    assert found.log_differs == 1


def test_a_refusal_by_the_guard_agrees_with_the_log() -> None:
    refused = [Reply(0, 0.0, 0.01, 503, None)]
    found = compare(refused, Reading("p-", (LogLine("p-0", 503, ""),)), ())
    assert not found.problems
    assert not found.notes


def test_members_are_nodes_by_their_three_names() -> None:
    entries = [
        {"served_by": "web-1", "url": "http://web-1:80", "address": "10.0.0.2", "tier": "web"},
        {"served_by": "web-2", "url": "http://web-2:80/", "address": ""},
    ]
    assert members_of(entries, port=9) == (
        Member("web-1", "web-1:80", "http://10.0.0.2:9/stats"),
        Member("web-2", "web-2:80", ""),
    )
    with pytest.raises(ValueError, match="members: got an entry without address, want those of node_pool_info"):
        members_of([{"served_by": "web-1", "url": "http://web-1:80"}])


class At(VirtualClock):
    """Lets something happen at a moment."""

    def __init__(self, after: float, then: Callable[[], None]) -> None:
        super().__init__()
        self.moment, self.then = self.now() + after, then

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.now() >= self.moment:
            self.then()


class Node:
    """One node's internal port."""

    def __init__(self) -> None:
        self.requests: Any = 5
        self.status = 200
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"requests": node.requests}).encode()
                self.send_response(node.status if self.path == "/stats" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_load_is_watched_from_both_sides(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text("an older line\n")
    # The node counts a moment later.
    clock = At(0.1, lambda: setattr(node, "requests", 8))
    sides = Sides([Member("web-1", "web-1:80", f"{node.url}/stats"), Member("web-2", "w:80", "")], str(path), clock)

    def send(prefix: str) -> list[Reply]:
        with path.open("a") as stream:
            for index in range(3):
                line = {
                    "request_X-Request-Id": f"{prefix}{index}",
                    "DownstreamStatus": 200,
                    "ServiceAddr": "web-1:80",
                }
                stream.write(json.dumps(line) + "\n")
        return replies("web-1", "web-1", "web-1")

    sent = sides.watch(send)
    found = compare(sent, sides.reading, sides.members, foreign=0)
    assert found.nodes["web-1"] == {"client": 3, "access_log": 3, "node": 3}
    assert not found.problems


def test_a_node_that_does_not_count_is_not_waited_for_for_ever(node: Node) -> None:
    clock = VirtualClock()
    sides = Sides([Member("web-1", "web-1:80", f"{node.url}/stats")], "", clock)
    sent = sides.watch(lambda prefix: replies("web-1"))
    assert clock.now() == pytest.approx(1001)
    found = compare(sent, sides.reading, sides.members)
    assert [str(problem) for problem in found.problems] == [
        "got 0 requests counted by web-1, 1 answers from it, want at least as many (fix: docker logs web-1)"
    ]


def test_each_load_has_its_own_names() -> None:
    names: list[str] = []

    def send(prefix: str) -> list[Reply]:
        names.append(prefix)
        return []

    sides = Sides([], "")
    for __ in range(2):
        sides.watch(send)
    assert len(set(names)) == 2
    assert sides.reading.prefix == names[1]


def test_without_a_log_nothing_is_read(tmp_path: Path) -> None:
    sides = Sides([], "")
    sides.watch(lambda prefix: replies("web-1"))
    assert sides.reading.log is None
    assert sides.reading.notes == ()
    absent = Sides([], str(tmp_path / "none"))
    absent.watch(lambda prefix: replies("web-1"))
    assert absent.reading.notes == (f"access log not compared: got no {tmp_path}/none",)


@pytest.mark.parametrize("value", [None, "many", [], -1, 1.5, True])
def test_a_node_without_a_usable_counter(node: Node, value: Any) -> None:
    assert read_counter(f"{node.url}/stats") == 5
    node.requests = value
    assert read_counter(f"{node.url}/stats") == NOT_OFFERED
    assert read_counter(f"{node.url}/nothing") == NOT_OFFERED
    assert read_counter("http://127.0.0.1:1/stats") == NOT_OFFERED


def test_a_counter_that_is_not_to_be_had_now_is_not_one_that_is_not_offered(node: Node) -> None:
    node.status = 503
    assert read_counter(f"{node.url}/stats") == NOT_READ
    assert read_counter("http://nosuch.invalid:9180/stats") == NOT_READ
