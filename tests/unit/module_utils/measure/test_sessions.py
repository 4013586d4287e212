"""Cookies and clients that stay, judged as tables."""

from __future__ import annotations

import pytest
from tests.unit.made_replies import replies

from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.sessions import (
    CookieRule,
    SetCookie,
    StickyRule,
    judge_sticky,
    moved_clients,
    parse_set_cookie,
    sessions_of,
)


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
