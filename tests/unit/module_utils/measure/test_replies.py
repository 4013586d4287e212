"""Whether every request was answered, as tables."""

from __future__ import annotations

import pytest
from tests.unit.made_replies import replies

from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.replies import (
    Reply,
    fair_share,
    judge_answers,
    judge_guard,
    node_counts,
)


@pytest.mark.parametrize(
    "requests, nodes, words", [(60, 3, "20 each"), (61, 3, "20 or 21 each"), (2, 3, "0 or 1 each"), (0, 3, "0 each")]
)
def test_fair_share(requests: int, nodes: int, words: str) -> None:
    assert fair_share(requests, nodes) == words


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
        ("a?", 2, ["1 of 2 answers without the name of their node"]),
        ("abxy", 4, ["2 of 4 requests on x, y"]),
        ("5?x", 3, ["1 of 3 requests lost", "1 of 3 answers without", "1 of 3 requests on x"]),
    ],
)
def test_judge_answers(text: str, planned: int, got: list[str]) -> None:
    problems = judge_answers(replies(text), planned, ["a", "b"])
    assert len(problems) == len(got)
    assert all(problem.got.startswith(words) for problem, words in zip(problems, got, strict=True))


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
