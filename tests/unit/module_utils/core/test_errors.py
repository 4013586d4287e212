"""One line per problem, and the words in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import (
    EvenkeelError,
    Finding,
    Problem,
    join_some,
    message,
    printable,
    quote,
)

CYCLE: dict[str, Any] = {}
CYCLE["self"] = CYCLE


def test_a_problem_is_one_line() -> None:
    assert str(Problem("nodes", "'two'", "a whole number", "nodes: 2")) == (
        "nodes: got 'two', want a whole number (fix: nodes: 2)"
    )
    assert str(Problem("a\nb", "\x1b[31m", "x", "y\r")) == r"a\nb: got \x1b[31m, want x (fix: y\r)"


def test_an_error_has_a_line_for_each_problem_and_keeps_them() -> None:
    problem = Problem("a", "1", "2", "a: 2")
    error = EvenkeelError(problem, "b: got 3, want 4 (fix: b: 4)")
    assert str(error) == "a: got 1, want 2 (fix: a: 2)\nb: got 3, want 4 (fix: b: 4)"
    assert error.problems == (problem, "b: got 3, want 4 (fix: b: 4)")


def test_a_message_has_the_first_finding_and_the_number_of_the_others() -> None:
    finding = Finding("1", "2", "look")
    assert message("balance of x", [finding]) == "balance of x: got 1, want 2 (fix: look)"
    assert message("balance of x", [finding] * 3) == "balance of x: got 1, want 2 (fix: look); and 2 more, see problems"


@pytest.mark.parametrize(
    "names, words",
    [([], ""), (["a"], "a"), (list("abc"), "a, b, c"), (list("abcde"), "a, b, c and 2 more")],
)
def test_a_few_names_are_listed_and_the_others_counted(names: list[str], words: str) -> None:
    assert join_some(iter(names)) == words


@pytest.mark.parametrize(
    "value, words",
    [
        (None, "nothing"),
        ("", "''"),
        ("a b", "'a b'"),
        ("a\nb", r"'a\nb'"),
        ("ä→", "'ä→'"),
        ("\u202eabc", r"'\u202eabc'"),
        (3, "3"),
        (True, "true"),
        ({"a": [1]}, '{"a": [1]}'),
        ("x" * 81, "'" + "x" * 77 + "...'"),
        ("x" * 80, "'" + "x" * 80 + "'"),
        ([1] * 100, ("[" + "1, " * 100)[:77] + "..."),
        (b"x", "\"b'x'\""),
        ({(1, 2): 3}, "a dict"),
        (CYCLE, "a dict"),
        (10**5000, "a int"),
    ],
    ids=lambda value: "value",
)
def test_values_are_quoted_as_people_know_them(value: object, words: str) -> None:
    assert quote(value) == words


@given(st.text())
def test_printable_text_is_on_one_line_and_has_no_control_characters(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    assert len(shown.splitlines()) <= 1
