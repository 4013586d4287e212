# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Errors as one line for people: ``what: got X, want Y (fix: ...)``, and the words that such lines are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SHOWN_LENGTH = 80


def printable(text: str) -> str:
    """The text on one line: line breaks, control characters and the like as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def quote(value: object) -> str:
    """A value as people would recognise it in an error line: quoted text, bounded in length, on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        text = value
    else:
        try:
            text = json.dumps(value, default=str, ensure_ascii=False)
        except (TypeError, ValueError, RecursionError):  # keys that JSON has not, numbers of 5,000 digits, cycles
            text = f"a {type(value).__name__}"
    text = text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 3] + "..."
    return printable(f"'{text}'" if isinstance(value, str) else text)


_SHOWN = 3


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it must be."""

    got: str
    want: str
    fix: str

    def __str__(self) -> str:
        """Give the words of a message, without its subject."""
        return f"got {self.got}, want {self.want} (fix: {self.fix})"


def message(subject: str, problems: Sequence[Problem]) -> str:
    """One line: the first problem in full and how many more there are."""
    more = f"; and {len(problems) - 1} more, see problems" if len(problems) > 1 else ""
    return f"{subject}: {problems[0]}{more}"


def join_some(names: Iterable[str]) -> str:
    """Join names for a message, cut after a few."""
    listed = list(names)
    rest = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + rest
