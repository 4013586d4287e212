"""Which moves of sessions are right."""

from __future__ import annotations

import pytest
from tests.bench.sessions import Moved, judge


@pytest.mark.parametrize(
    "moves, left, found",
    [
        ([], {"a": 1}, Moved()),
        ([(0, "a"), (1, "a")], {"a": 1}, Moved(rightly=2)),
        ([(0, "a"), (0, "b")], {"a": 1, "b": 1}, Moved(rightly=2)),
        ([(0, "b")], {"a": 1}, Moved(others=1)),
        ([(0, "a"), (0, "a")], {"a": 1}, Moved(rightly=1, again=1)),
        ([(0, "a"), (0, "a")], {"a": 2}, Moved(rightly=2)),
    ],
    ids=["none", "once each", "from node to node", "of another node", "there and back", "left twice"],
)
def test_a_session_moves_once_per_leave_of_its_node(
    moves: list[tuple[int, str]], left: dict[str, int], found: Moved
) -> None:
    assert judge(moves, left) == found
