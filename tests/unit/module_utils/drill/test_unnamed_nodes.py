"""A drill of images of which nothing is known: nodes by the balancer's log, and what is not offered."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes.traffic import DrilledCluster
from tests.unit.module_utils.drill.sessions import drilled

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import RUNNING, Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.words import HEADER, LOG, UNNAMED
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.figures import (
    Executions,
    NodeCount,
    account_posts,
    compare_counts,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.judge import Evidence, add_up
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.naming import ServerNames, named_records
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import Record
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import GET, POST
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.verdict import success
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.access_log import LogLine


def record(key: str, at: float, **differs: Any) -> Record:
    return dataclasses.replace(Record(key, at, at, at + 0.1, "web", GET, 0, 200, None), **differs)


def line(key: str, server: str) -> LogLine:
    return LogLine(key, 200, server)


# -- Names of servers ------------------------------------------------------------------


def node(served_by: str, url: str) -> Node:
    return Node(id=served_by, name=served_by, tier="web", managed=False, state=RUNNING, served_by=served_by, url=url)


def test_a_server_is_the_node_that_was_behind_it_then() -> None:
    names = ServerNames()
    first, second = (node(name, "http://10.0.0.9:80/") for name in ("aaa", "bbb"))
    for at in (1.0, 2.0, 3.0):
        names.seen([first, node("web-1", "http://web-1:80")], at)
    names.seen([second], 5.0)
    names.seen([node("", "http://10.0.0.8:80"), node("nowhere", "")], 5.0)
    assert [names.node("10.0.0.9:80", at) for at in (0.5, 2.9, 3.2, 4.8, 9.0)] == ["aaa", "aaa", "aaa", "bbb", "bbb"]
    assert names.node("web-1:80", 9.0) == "web-1"
    assert names.node("10.0.0.8:80", 5.0) == "10.0.0.8"


# -- Names of records ------------------------------------------------------------------


def host(server: str, at: float) -> str:
    return server.partition(":")[0]


def test_records_are_joined_to_their_lines_by_key() -> None:
    records = [record("r-1", 1), record("r-2", 2), record("r-3", 3), record("r-4", 4, status=None, error="lost")]
    lines = [line("r-2", "web-2:80"), line("r-1", "web-1:80"), line("r-4", "web-1:80"), line("r-9", "web-3:80")]
    named, by = named_records(records, [], lines, host)
    assert [item.node for item in named] == ["web-1", "web-2", None, None]
    assert by == {"web": LOG}


def test_each_tier_is_named_in_its_own_way() -> None:
    records = [record("r-1", 1), record("r-2", 2, tier="api", node="api-1"), record("r-3", 3, tier="api")]
    lines = [line("r-1", "web-1:80"), line("r-2", "api-9:80"), line("r-3", "api-9:80")]
    named, by = named_records(records, [], lines, host)
    assert [item.node for item in named] == ["web-1", "api-1", None], "the log hides no answer without a header"
    assert by == {"web": LOG, "api": HEADER}


def test_without_a_log_nothing_is_named() -> None:
    records = [record("r-1", 1)]
    assert named_records(records, [], None, host) == (records, {"web": UNNAMED})


def test_a_cookie_stands_for_the_node_that_set_it_last() -> None:
    # Before the load began, another clock ran.
    greetings = [record("r-g1", 9, sets_cookie=True), record("r-g2", 9, client=1, sets_cookie=True)]
    records = [
        record("r-1", 1),
        record("r-2", 2, sets_cookie=True),  # moved
        record("r-3", 2.05),  # left before the answer that moved it
        record("r-4", 3),
        record("r-5", 3, client=1),
        record("r-6", 3, client=2),  # keeps no cookies
    ]
    lines = [line(key, "web-1:80") for key in ("r-g1", "r-1", "r-3", "r-g2")]
    lines += [line(key, "web-2:80") for key in ("r-2", "r-4", "r-5", "r-6")]
    named, _ = named_records(records, greetings, lines, host)
    assert [item.home for item in named] == ["web-1", "web-1", "web-1", "web-2", "web-1", None]


# -- What is not offered -----------------------------------------------------------------


def test_posts_to_an_image_that_does_not_say_what_it_executed_are_not_judged() -> None:
    records = [
        record("r-1", 1, method=POST),
        record("r-2", 2, method=POST),
        record("r-3", 3, method=POST, tier="api", node="api-1"),
        record("r-4", 4),
        record("r-5", 5, method=POST, error="status 502", status=502),
        record("r-6", 6, method=POST, replayed=True),  # it does say that
    ]
    executions = Executions({"r-3": {"api-1": 1}}, frozenset({"api-1"}), frozenset({"web"}))
    again = {("web", POST): 3, ("web", GET): 5, ("api", POST): 7}
    found = account_posts(records, executions, again)
    assert (found.answered, found.confirmed, found.unknown, found.not_offered) == (4, 1, 0, 2)
    assert (found.twice, found.missing) == (("r-6",), ())
    assert found.again == 3
    assert account_posts(records, executions, {("api", POST): 7}).again is None
    assert account_posts(records, executions, None).again is None


@pytest.mark.parametrize(
    "again, words",
    [
        (
            {("web", POST): 1},
            "; executions of 2 POSTs not offered by their image, second attempts: 1 at most (the balancer makes one"
            " only while nothing of a POST was sent)",
        ),
        ({}, "; executions of 2 POSTs not offered by their image, second attempts: not known"),
    ],
)
def test_the_result_says_so(again: dict[tuple[str, str], int], words: str) -> None:
    records = [record("r-1", 1, method=POST, node="web-1"), record("r-2", 2, method=POST, node="web-2")]
    found = Evidence(records, executions=Executions(not_offered=frozenset({"web"})), again=again)
    text = success(found, add_up(found))
    assert text.endswith(words)
    assert "found executed once" not in text


def test_a_node_that_counts_nothing_is_listed_without_a_count() -> None:
    records = [record("r-1", 1, node="web-1"), record("r-2", 2, node="api-1", tier="api"), record("r-3", 3)]
    counts = compare_counts(records, None, {"api-1": NodeCount(1, True)}, {"web"})
    assert counts.nodes == {"api-1": (1, 1), "web-1": (None, 1)}
    assert (counts.short, counts.incomplete) == ((), ())


# -- Whole drills --------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path: Path) -> DrilledCluster:
    """Its tier shop has an image that knows nothing of us."""
    made = DrilledCluster(tmp_path)
    made.traffic.bare = {"shop"}
    made.clock.sleep(1.0)  # the balancer has read the routes: until then, shop has the requests of dates
    return made


def test_a_drill_of_such_an_image_proves_what_can_be_proved(cluster: DrilledCluster) -> None:
    result = drilled(cluster)
    assert result["verdict"] == "pass", result
    found = result["drill"]
    assert found["named_by"] == {"shop": "log", "dates": "header"}
    assert found["posts"]["executed_once"] > 0
    assert found["posts"]["not_offered"] > 0
    assert found["posts"]["executed_once"] + found["posts"]["not_offered"] == found["posts"]["answered"]
    assert (found["posts"]["unknown"], found["posts"]["again"]) == (0, 0)
    assert found["sessions"]["moved_foreign"] == 0
    assert found["sessions"]["moved_own"] > 0
    assert found["join_seconds"]["count"] == found["leave_seconds"]["count"] == 2
    counted = {name: count["counted"] for name, count in found["counts"]["nodes"].items()}
    assert {name for name, count in counted.items() if count is None} == {"shop-1", "shop-2"}
    assert counted.keys() == {"shop-1", "shop-2", "dates-1", "dates-2"}
    assert found["notes"] == [
        "own count of requests of shop: not offered by its image",
        "list of executed POSTs of shop: not offered by its image",
        "nodes of shop: named by the balancer's log",
    ]


@pytest.mark.parametrize("scenario", ["scale", "roll", "kill", "hang", "guest", "policy", "balancer", "steady"])
def test_every_scenario_passes_with_such_an_image(cluster: DrilledCluster, scenario: str) -> None:
    result = drilled(cluster, scenario=scenario, only=["shop"], control=False)
    assert result["verdict"] == "pass", result
    assert result["drill"]["named_by"] == {"shop": "log"}
    joined = {name for event in result["drill"]["events"] for name in event["joined"]}
    assert joined <= result["drill"]["counts"]["nodes"].keys(), "a guest has its name, not its address"


def test_a_session_that_moves_without_need_is_found_by_the_log(cluster: DrilledCluster) -> None:
    cluster.traffic.forgets = lambda request: request.number == 60
    result = drilled(cluster, scenario="steady", only=["shop"], control=False, sticky_share=1, post_share=0)
    assert result["verdict"] == "fail"
    assert "got 1 sessions left nodes that were there" in result["message"]


def test_without_the_log_only_answers_are_judged(cluster: DrilledCluster) -> None:
    result = drilled(cluster, only=["shop"], control=False, access_log="")
    assert result["verdict"] == "pass"
    assert result["drill"]["named_by"] == {"shop": ""}
    assert result["drill"]["posts"]["again"] is None
    assert result["drill"]["notes"][-1] == (
        "joining, leaving and sessions of shop not measured: its answers have no X-Served-By, and no access log names"
        " its nodes"
    )
