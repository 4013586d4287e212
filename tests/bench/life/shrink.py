"""Make a failing list as short as it can be, by delta debugging (Zeller and Hildebrandt, 2002). Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")


def shrink(items: Sequence[_Item], fails: Callable[[Sequence[_Item]], bool]) -> list[_Item]:
    """A subsequence that still fails, and of which no item can be left out.

    Args:
        items: a list that fails.
        fails: whether a list fails; it is called with lists that differ, never with the empty one. Once it says no to
            all, for example because time is over, the shortest list until then is the result.
    """
    current, parts = list(items), 2
    while len(current) >= 2:
        size = max(1, len(current) // parts)
        chunks = [current[start : start + size] for start in range(0, len(current), size)]
        smaller = _one_chunk(chunks, fails) if parts == 2 else None
        smaller = smaller or _without_one(chunks, fails)
        if smaller is not None:
            parts = 2 if len(smaller) <= size else max(parts - 1, 2)
            current = smaller
        elif size == 1:
            break
        else:
            parts = min(parts * 2, len(current))
    return current


def _one_chunk(chunks: Sequence[list[_Item]], fails: Callable[[Sequence[_Item]], bool]) -> list[_Item] | None:
    return next((chunk for chunk in chunks if fails(chunk)), None)


def _without_one(chunks: Sequence[list[_Item]], fails: Callable[[Sequence[_Item]], bool]) -> list[_Item] | None:
    for left_out in range(len(chunks)):
        rest = [item for number, chunk in enumerate(chunks) if number != left_out for item in chunk]
        if fails(rest):
            return rest
    return None
