"""Images whose answers do not name their node: the balancer's log does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fake_tier import COOKIE, FLAGS, NODES, FakeTier, cookie_value

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.words import HEADER, LOG, UNNAMED
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.access_log import LogLine, parse_log
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.balance import BalanceRule, judge_balance
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.naming import (
    confirm_cookies,
    named_by_log,
    naming_of,
    server_name,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.replies import Reply
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.sessions import (
    CookieRule,
    StickyRule,
    judge_sticky,
    sessions_of,
)

Check = Callable[..., dict[str, Any]]
RECORDED = Path(__file__).parent / "recorded"
SERVERS = {f"web-{number}:8080": f"web-{number}" for number in (1, 2, 3)}


# -- Pure ----------------------------------------------------------------------------


def reply(index: int, status: int | None = 200, **differs: Any) -> Reply:
    return dataclasses.replace(Reply(index, 0.0, 0.01, status, None), **differs)


@pytest.mark.parametrize(
    "names, logged, by",
    [
        (["web-1", "web-2"], True, HEADER),
        (["web-1", None], True, HEADER),  # one that lacks it is a fault, which the log must not hide
        ([None, None], True, LOG),
        ([None, None], False, UNNAMED),
        (["", None], True, LOG),
        ([], True, LOG),
    ],
)
def test_how_the_nodes_of_a_tier_are_known(names: list[str | None], logged: bool, by: str) -> None:
    assert naming_of(names, logged=logged) == by


@pytest.mark.parametrize(
    "server, name",
    [("web-1:8080", "web-1"), ("10.0.0.9:8080", "3f2a91bc"), ("other:80", "other"), ("other", "other"), ("", None)],
)
def test_the_server_of_the_log_is_a_node(server: str, name: str | None) -> None:
    assert server_name(server, {**SERVERS, "10.0.0.9:8080": "3f2a91bc"}) == name


def test_each_answer_is_joined_to_its_own_line() -> None:
    replies = [reply(0), reply(1), reply(2, None), reply(3, 503), reply(4)]
    lines = [
        LogLine("p-1", 200, "web-2:8080"),
        LogLine("p-0", 200, "web-1:8080"),
        LogLine("p-2", 499, "web-3:8080"),  # the client gave up
        LogLine("p-3", 503, ""),  # the guard
        LogLine("q-4", 200, "web-3:8080"),  # of another load
    ]
    assert [item.served_by for item in named_by_log(replies, lines, "p-", SERVERS)] == [
        "web-1",
        "web-2",
        None,
        None,
        None,
    ]


def cookie(node: str, name: str = COOKIE) -> tuple[str, ...]:
    return ("other=1; Path=/", f"{name}={cookie_value(node)}{FLAGS}")


def test_cookies_confirm_the_log_or_contradict_it() -> None:
    right = [reply(0, served_by="web-1", set_cookie=cookie("web-1")), reply(1, served_by="web-1")]
    assert confirm_cookies(right, COOKIE, SERVERS) == (
        [],
        ("1 of 1 cookies stand for the nodes that the balancer's log names",),
    )
    wrong = [*right, reply(2, served_by="web-2", set_cookie=cookie("web-3"))]
    (problem,), notes = confirm_cookies(wrong, COOKIE, SERVERS)
    assert str(problem) == (
        "got 1 of 2 cookies for another node than the access log names (first: web-3 by the cookie, web-2 by the log,"
        " at request 3), want the same node by both (fix: see the balancer's access log)"
    )
    assert notes == ()


@pytest.mark.parametrize("found", [cookie("web-1", "another"), (f"{COOKIE}=chosen-otherwise",), ()])
def test_a_cookie_that_says_nothing_confirms_nothing(found: tuple[str, ...]) -> None:
    assert confirm_cookies([reply(0, served_by="web-1", set_cookie=found)], COOKIE, SERVERS) == ([], ())


# -- Logs of a real balancer -----------------------------------------------------------


def recorded(name: str, prefix: str) -> tuple[list[Reply], tuple[str, ...]]:
    """What clients got of a load whose log was recorded, named by it; and the nodes."""
    lines = parse_log((RECORDED / f"{name}.jsonl").read_text().splitlines(), prefix)
    servers = {line.server: line.server.partition(":")[0] for line in lines}
    replies = [reply(index, client=index // 5) for index in range(len(lines))]
    return named_by_log(replies, lines, prefix, servers), tuple(sorted(servers.values()))


def test_round_robin_is_read_from_a_real_log() -> None:
    replies, nodes = recorded("balanced", "even-")
    assert (len(replies), len(nodes)) == (60, 3)
    judgement = judge_balance(replies, 60, BalanceRule(nodes))
    assert (judgement.method, judgement.problems) == ("exact", ())


def test_a_node_with_double_weight_is_read_from_a_real_log() -> None:
    replies, nodes = recorded("double-weight", "heavy-")
    assert (len(replies), len(nodes)) == (60, 3)
    problems = judge_balance(replies, 60, BalanceRule(nodes)).problems
    assert [str(problem) for problem in problems] == [
        "got 30 of 60 requests on bare-1, want 20 each (fix: docker inspect bare-1)"
    ]


def test_sessions_are_read_from_a_real_log() -> None:
    replies, nodes = recorded("sessions", "kept-")
    sent = [dataclasses.replace(item, set_cookie=cookie("x") if item.index % 5 == 0 else ()) for item in replies]
    rule = StickyRule(nodes, CookieRule(COOKIE))
    assert judge_sticky(sessions_of(sent, 12), 60, rule).problems == ()
    mixed = [dataclasses.replace(item, client=item.index % 12) for item in sent]
    assert "clients moved" in str(judge_sticky(sessions_of(mixed, 12), 60, rule).problems)


# -- From options to results ----------------------------------------------------------


@pytest.fixture
def bare(tier: FakeTier, tmp_path: Path) -> FakeTier:
    """A tier whose image knows nothing of us, and whose balancer keeps a log."""
    tier.names = False
    tier.log = tmp_path / "access.log"
    tier.log.touch()
    return tier


def sides(tier: FakeTier) -> dict[str, Any]:
    members = [{"served_by": node, "url": f"http://{node}:8080", "address": ""} for node in NODES]
    # The control asks under this address.
    members[1]["address"] = "127.0.0.1"
    return {"members": members, "access_log": str(tier.log)}


def test_round_robin_is_proved_by_the_log(balanced: Check, bare: FakeTier) -> None:
    result = balanced(bare, **sides(bare))
    assert (result["verdict"], result["method"], result["named_by"]) == ("pass", "exact", "log")
    assert result["message"] == (
        "balance of web: 60 of 60 requests answered, 20 each on 3 nodes (exact), named by the balancer's log; control"
        " failed as it must"
    )
    assert result["control"]["counts"] == {"web-2": 60}
    assert result["sides"] == {
        "nodes": {node: {"client": 20, "access_log": 20, "node": None} for node in NODES},
        "access_log_missing": 0,
        "access_log_differs": 0,
        "own_count_offered": False,
    }
    assert result["notes"] == [
        "the node's own count: not offered by the image",
        "nodes are named by the balancer's log, so clients and log are compared by number and status of the answers",
    ]


def test_an_image_that_names_its_nodes_is_named_by_its_header(balanced: Check, bare: FakeTier) -> None:
    bare.names = True
    assert balanced(bare, **sides(bare))["named_by"] == "header"


def test_double_weight_is_found_by_the_log(balanced: Check, bare: FakeTier) -> None:
    bare.choose = (["web-1", "web-1", "web-2", "web-3"] * 100).pop
    result = balanced(bare, **sides(bare))
    assert {name: len(found) for name, found in result["aspects"].items() if found} == {"shares": 1}
    assert "got 30 of 60 requests on web-1, want 20 each" in result["msg"]


def test_a_stranger_among_the_servers_is_found_by_the_log(balanced: Check, bare: FakeTier) -> None:
    bare.logged = lambda number, node: "stranger" if number == 9 else node
    result = balanced(bare, **sides(bare))
    assert "got 1 of 60 requests on stranger, want answers from web-1, web-2, web-3 only" in result["msg"]
    assert result["sides"]["nodes"]["stranger"] == {"client": 1, "access_log": 1, "node": None}
    assert result["aspects"]["sides"] == []


def test_an_answer_that_the_log_lacks_is_a_fault(balanced: Check, bare: FakeTier) -> None:
    bare.logged = lambda number, node: "" if number == 9 else node
    result = balanced(bare, **sides(bare))
    assert result["aspects"]["answers"] == [
        "got 1 of 60 answers without the name of their node, want each named by X-Served-By, or each by the balancer's"
        " access log (fix: see the tier's image and the access log)"
    ]
    assert "got 1 of 60 answered requests missing in the access log" in result["aspects"]["sides"][0]


def test_a_log_without_any_of_our_lines_is_a_fault(balanced: Check, sticky: Check, bare: FakeTier) -> None:
    bare.logged = lambda number, node: ""
    assert balanced(bare, **sides(bare))["verdict"] == "fail"
    assert sticky(bare, sticky=False, **sides(bare))["verdict"] == "fail"


def test_without_header_and_log_nothing_is_measured(balanced: Check, bare: FakeTier, tmp_path: Path) -> None:
    result = balanced(bare, **{**sides(bare), "access_log": str(tmp_path / "none")})
    assert (result["verdict"], result["named_by"]) == ("not measured", "")


def test_sessions_are_proved_by_the_log_and_confirmed_by_the_cookies(sticky: Check, bare: FakeTier) -> None:
    bare.cookie_flags = FLAGS
    result = sticky(bare, **sides(bare))
    assert result["message"] == (
        "sticky sessions of web: 21 of 21 clients stayed, spread over 3 nodes, named by the balancer's log; control"
        " failed as it must"
    )
    assert result["notes"] == ["21 of 21 cookies stand for the nodes that the balancer's log names"]
    assert (result["named_by"], result["control"]["failed"]) == ("log", True)


def test_clients_that_move_are_found_by_the_log(sticky: Check, bare: FakeTier) -> None:
    bare.cookie_flags = FLAGS

    def forget(number: int) -> None:
        bare.cookie_flags = None if number % 5 == 3 else FLAGS

    bare.during = forget
    assert "clients moved (first: client " in sticky(bare, **sides(bare))["msg"]


def test_a_log_that_exchanges_nodes_is_contradicted_by_the_cookies(sticky: Check, bare: FakeTier) -> None:
    bare.cookie_flags = FLAGS
    other = {"web-1": "web-2", "web-2": "web-1"}
    bare.logged = lambda number, node: other.get(node, node)
    result = sticky(bare, **sides(bare))
    assert result["verdict"] == "fail"
    assert "cookies for another node than the access log names" in result["msg"]


def test_clients_of_a_tier_without_sessions_move_by_the_log(sticky: Check, bare: FakeTier) -> None:
    result = sticky(bare, sticky=False, **sides(bare))
    assert result["message"].endswith("clients move over 3 nodes, named by the balancer's log")
