"""Replies of a measurement, written as one letter each."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.replies import Reply


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
