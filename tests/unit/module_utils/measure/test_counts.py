"""The same requests at three places, compared as tables."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.access_log import LogLine
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.counts import (
    Answered,
    LogComparison,
    compare_log,
    counter_findings,
)

SEEN = [Answered("r-1", 200, "web-1"), Answered("r-2", 200, "web-2"), Answered("r-3", 503, None)]
LOG = [LogLine("r-1", 200, "a:80"), LogLine("r-2", 200, "b:80"), LogLine("r-3", 503, "")]
NODES = {"a:80": "web-1", "b:80": "web-2"}


@pytest.mark.parametrize(
    "log, nodes, logged, missing, differing",
    [
        (LOG, NODES, 3, 0, 0),
        (LOG, None, 3, 0, 0),
        (LOG[1:], NODES, 2, 1, 0),
        ([], NODES, 0, 3, 0),
        ([*LOG, LogLine("r-9", 200, "a:80")], NODES, 4, 0, 0),
        ([*LOG, LOG[0]], NODES, 3, 0, 0),
        (LOG, {"a:80": "web-2", "b:80": "web-1"}, 3, 0, 2),
        (LOG, {}, 3, 0, 2),
        ([LogLine("r-1", 502, "a:80"), *LOG[1:]], None, 3, 0, 1),
        ([LogLine("r-1", 502, "b:80"), *LOG[1:]], NODES, 3, 0, 1),
        ([*LOG[:2], LogLine("r-3", 503, "a:80")], NODES, 3, 0, 1),
    ],
    ids=[
        "agrees",
        "agrees without nodes",
        "lacks one",
        "empty",
        "has one that was not answered",
        "has one twice",
        "nodes exchanged",
        "unknown servers",
        "status",
        "status and node count once",
        "refused, but sent to a node",
    ],
)
def test_compare_log(
    log: list[LogLine], nodes: dict[str, str] | None, logged: int, missing: int, differing: int
) -> None:
    found = compare_log(SEEN, log, nodes)
    assert found == LogComparison(3, logged, missing, differing, nodes is not None)
    assert bool(found.findings()) == bool(missing or differing)


@pytest.mark.parametrize("by_node, another", [(True, "another node or status"), (False, "another status")])
def test_what_was_compared_is_told(by_node: bool, another: str) -> None:
    assert [str(finding) for finding in LogComparison(9, 8, 1, 2, by_node).findings()] == [
        f"got 1 of 9 answered requests missing in the access log, 2 there with {another}, want all of them as the"
        " clients saw them (fix: see the balancer's access log)"
    ]


@pytest.mark.parametrize(
    "counted, answers, exact, want",
    [
        (5, 5, True, ""),
        (5, 5, False, ""),
        (6, 5, False, ""),
        (6, 5, True, "as many"),
        (4, 5, False, "at least as many"),
    ],
)
def test_counters(counted: int, answers: int, exact: bool, want: str) -> None:
    found = [str(item) for item in counter_findings("web-1", counted, answers, exact=exact)]
    line = f"got {counted} requests counted by web-1, {answers} answers from it, want {want} (fix: docker logs web-1)"
    assert found == ([line] if want else [])
