"""Judgements as tables; whole measurements are judged in the tests of the modules."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import Finding, join_some, message
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.balance import (
    BalanceRule,
    judge_balance,
    judge_shares,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.replies import (
    Reply,
    fair_share,
    judge_answers,
    judge_guard,
    node_counts,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.sessions import (
    CookieRule,
    SetCookie,
    StickyRule,
    judge_sticky,
    moved_clients,
    parse_set_cookie,
    sessions_of,
)


def replies(text: str, client: int = 0, cookie: str = "") -> list[Reply]:
    """One reply per letter: its node; '!' = no answer, '5' = status 502, '?' = no name."""
    special = {"!": (None, None), "5": (502, None), "?": (200, None)}
    result = []
    for index, letter in enumerate(text):
        status, node = special.get(letter, (200, letter))
        lines = (cookie,) if cookie and index == 0 else ()
        error = "connection refused" if status is None else None
        result.append(Reply(index, index / 10, 0.001, status, node, error, lines, client))
    return result


@pytest.mark.parametrize(
    "requests, nodes, words", [(60, 3, "20 each"), (61, 3, "20 or 21 each"), (2, 3, "0 or 1 each"), (0, 3, "0 each")]
)
def test_each(requests: int, nodes: int, words: str) -> None:
    assert fair_share(requests, nodes) == words


@pytest.mark.parametrize(
    "names, words", [([], ""), (["a"], "a"), (list("abc"), "a, b, c"), (list("abcde"), "a, b, c and 2 more")]
)
def test_some(names: list[str], words: str) -> None:
    assert join_some(names) == words


def test_message_is_one_line() -> None:
    problem = Finding("1", "2", "look")
    assert message("balance of x", [problem]) == "balance of x: got 1, want 2 (fix: look)"
    assert message("balance of x", [problem] * 3) == "balance of x: got 1, want 2 (fix: look); and 2 more, see problems"


def test_node_counts_show_expected_nodes_first_and_with_zero() -> None:
    counts = node_counts(replies("bbx!5?a"), ["c", "b"])
    assert list(counts.items()) == [("c", 0), ("b", 2), ("a", 1), ("x", 1)]


@pytest.mark.parametrize(
    "text, planned, got",
    [
        ("abab", 4, []),
        ("ab5b", 4, ["1 of 4 requests lost (first: status 502 at request 3)"]),
        ("!b5b", 4, ["2 of 4 requests lost (first: connection refused at request 1)"]),
        ("ab", 4, ["only 2 of 4 requests sent within the time limit"]),
        ("a?", 2, ["1 of 2 answers without X-Served-By"]),
        ("abxy", 4, ["2 of 4 requests on x, y"]),
        ("5?x", 3, ["1 of 3 requests lost", "1 of 3 answers without", "1 of 3 requests on x"]),
    ],
)
def test_judge_answers(text: str, planned: int, got: list[str]) -> None:
    problems = judge_answers(replies(text), planned, ["a", "b"])
    assert len(problems) == len(got)
    assert all(problem.got.startswith(words) for problem, words in zip(problems, got, strict=True))


@pytest.mark.parametrize(
    "strategy, ordered, disturbed, text, method, ok",
    [
        ("wrr", True, "", "abcbcacab", "exact", True),
        ("wrr", True, "", "cabcbaabc", "exact", True),
        ("wrr", True, "", "aabbcc", "exact", False),
        ("wrr", False, "", "aabbcc", "exact", True),
        ("wrr", False, "", "aaaabbbccc", "exact", True),
        ("wrr", False, "", "aaaaabbcc", "exact", False),
        ("wrr", True, "", "ababab", "exact", False),
        ("wrr", True, "", "", "exact", False),
        ("wrr", True, "others", "aaabbc", "chi-square", True),
        ("wrr", True, "others", "ab" * 30, "chi-square", False),
        ("wrr", True, "others", "a" * 58 + "bc", "chi-square", False),
        ("p2c", True, "", "aaabbc", "chi-square", True),
        ("p2c", True, "", "a" * 58 + "bc", "chi-square", False),
        ("p2c", True, "", "", "chi-square", False),
        ("hrw", True, "", "aaaaaa", "affinity", True),
        ("hrw", True, "", "aaaaab", "affinity", False),
        ("hrw", True, "", "", "affinity", False),
        ("leasttime", True, "", "aaaaab", "availability", True),
    ],
)
def test_judge_shares(strategy: str, ordered: bool, disturbed: str, text: str, method: str, ok: bool) -> None:
    judgement = judge_shares(text, BalanceRule(("a", "b", "c"), strategy, 1e-6, ordered, disturbed))
    assert (judgement.method, judgement.ok) == (method, ok)


@pytest.mark.parametrize("text, ok", [("aaa", True), ("a5a", False), ("aab", False), ("!!!", False), ("", False)])
@pytest.mark.parametrize("strategy", ["wrr", "p2c", "hrw", "leasttime"])
def test_one_node_is_judged_by_its_answers(strategy: str, text: str, ok: bool) -> None:
    judgement = judge_balance(replies(text), 3, BalanceRule(("a",), strategy))
    assert (judgement.method, judgement.ok) == ("availability", ok)


def guarded(*statuses: int | None) -> list[Reply]:
    return [Reply(index, 0.0, 0.0, status, None) for index, status in enumerate(statuses)]


@pytest.mark.parametrize(
    "statuses, ok", [((503, 503), True), ((503, 404), False), ((503, None), False), ((200,), False), ((), False)]
)
def test_judge_guard(statuses: tuple[int | None, ...], ok: bool) -> None:
    assert judge_guard(guarded(*statuses)).ok is ok


def test_guard_names_the_node_that_answers() -> None:
    (problem,) = judge_guard(replies("a")).problems
    assert str(problem) == "got status 200 from a for 1 of 1 requests, want 503 from the guard (fix: docker stop a)"


@pytest.mark.parametrize(
    "line, cookie",
    [
        ("a=b", SetCookie("a", "b")),
        ("a=b=c; HttpOnly", SetCookie("a", "b=c", {"httponly": ""})),
        (
            " a = b ;  Path = /x ; SAMESITE=Lax;Secure",
            SetCookie("a", "b", {"path": "/x", "samesite": "Lax", "secure": ""}),
        ),
        ("a=; Expires=Wed, 01 Jan 2098 00:00:00 GMT", SetCookie("a", "", {"expires": "Wed, 01 Jan 2098 00:00:00 GMT"})),
        ("", SetCookie("", "")),
    ],
)
def test_parse_set_cookie(line: str, cookie: SetCookie) -> None:
    assert parse_set_cookie(line) == cookie


def test_sessions_and_movers() -> None:
    sent = [*replies("aa", 0), *replies("ab", 2), *replies("b!b", 1), *replies("5a", 3)]
    sessions = sessions_of(sent, 5)
    assert [len(session) for session in sessions] == [2, 3, 2, 2, 0]
    assert moved_clients(sessions) == [2]


GOOD = "s=1; HttpOnly; SameSite=Lax"


@pytest.mark.parametrize(
    "strategy, disturbed, texts, ok",
    [
        ("wrr", "", ["aaa", "bbb", "bbb", "aaa"], True),
        ("wrr", "", ["aaa", "aaa", "bbb", "bbb"], True),
        ("wrr", "", ["aaa", "aaa", "aaa", "bbb"], False),
        ("wrr", "others", ["aaa", "aaa", "aaa", "bbb"], True),
        ("wrr", "others", ["aaa", "aaa", "aaa", "aaa"], False),
        ("p2c", "", ["aaa", "aaa", "aaa", "bbb"], True),
        ("p2c", "", ["aaa", "aaa", "aaa", "aaa"], False),
        ("leasttime", "", ["aaa", "aaa", "aaa", "aaa"], True),
        ("leasttime", "", ["aaa", "aab", "aaa", "aaa"], False),
        ("wrr", "others", ["aaa", "aab", "bbb", "bbb"], False),
        ("wrr", "", ["aaa", "bbb", "bb5", "aaa"], False),
        ("wrr", "", ["aaa", "bbb", "bbb"], False),
    ],
)
def test_judge_sticky(strategy: str, disturbed: str, texts: list[str], ok: bool) -> None:
    sessions = [replies(text, client, GOOD) for client, text in enumerate(texts)]
    rule = StickyRule(("a", "b"), CookieRule("s"), True, strategy, disturbed)
    assert judge_sticky(sessions, 12, rule).ok is ok


@pytest.mark.parametrize(
    "strategy, disturbed, texts, cookie, ok",
    [
        ("wrr", "", ["aba", "bab"], "", True),
        ("wrr", "", ["aba", "bbb"], "", False),
        ("wrr", "others", ["aba", "bbb"], "", True),
        ("wrr", "others", ["aaa", "bbb"], "", False),
        ("p2c", "", ["aba", "bbb"], "", True),
        ("p2c", "", ["aaa", "bbb"], "", False),
        ("hrw", "", ["aaa", "aaa"], "", True),
        ("wrr", "", ["aba", "bab"], "t=1", True),
        ("wrr", "", ["aba", "bab"], "s=1", False),
        ("hrw", "", ["aaa", "aaa"], "s=1", False),
    ],
)
def test_judge_unsticky(strategy: str, disturbed: str, texts: list[str], cookie: str, ok: bool) -> None:
    sessions = [replies(text, client, cookie) for client, text in enumerate(texts)]
    rule = StickyRule(("a", "b"), CookieRule("s"), False, strategy, disturbed)
    assert judge_sticky(sessions, 6, rule).ok is ok
