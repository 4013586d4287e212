"""How requests are distributed, judged as tables."""

from __future__ import annotations

import pytest
from tests.unit.made_replies import replies

from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.balance import (
    BalanceRule,
    judge_balance,
    judge_shares,
)


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
