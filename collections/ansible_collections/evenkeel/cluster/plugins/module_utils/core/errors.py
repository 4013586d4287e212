# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Errors as one line for people: ``what: got X, want Y (fix: ...)``, and the words that such lines are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_QUOTED_LENGTH = 80
_NAMED = 3


def printable(text: str) -> str:
    """The text on one line: line breaks, control characters and the like as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def quote(value: object) -> str:
    """A value as people recognise it in an error line: quoted text, bounded in length, on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        text = value
    else:
        try:
            text = json.dumps(value, default=str, ensure_ascii=False)
        except (TypeError, ValueError, RecursionError):  # keys that JSON has not, numbers of 5,000 digits, cycles
            text = f"a {type(value).__name__}"
    text = text if len(text) <= _QUOTED_LENGTH else text[: _QUOTED_LENGTH - 3] + "..."
    return printable(f"'{text}'" if isinstance(value, str) else text)


def join_some(names: Iterable[str]) -> str:
    """Join names for a message, cut after a few."""
    listed = list(names)
    rest = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + rest


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it must be, as one line that says how to mend it.

    Attributes:
        what: what is wrong, such as a knob's name.
        got: what was found, as it reads in the line; see :func:`quote` for raw values.
        want: what would be right.
        fix: what to type or to do.
    """

    what: str
    got: str
    want: str
    fix: str

    def __str__(self) -> str:
        """``what: got X, want Y (fix: ...)`` on one line."""
        return printable(f"{self.what}: got {self.got}, want {self.want} (fix: {self.fix})")


@dataclass(frozen=True)
class Finding:
    """What a judgement found; its subject is told once for all findings."""

    got: str
    want: str
    fix: str

    def __str__(self) -> str:
        """The words of a line, without its subject."""
        return f"got {self.got}, want {self.want} (fix: {self.fix})"


def message(subject: str, findings: Sequence[Finding]) -> str:
    """One line: the first finding in full and how many more there are."""
    more = f"; and {len(findings) - 1} more, see problems" if len(findings) > 1 else ""
    return f"{subject}: {findings[0]}{more}"


class EvenkeelError(Exception):
    """The root of all errors that people can do something about; its text is one line per problem.

    Modules catch this class alone: any other exception is a bug and keeps its traceback.
    """

    def __init__(self, *problems: Problem | str) -> None:
        """Take the problems, or lines that are made already."""
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class InputError(EvenkeelError):
    """What was passed cannot be used; nothing was done."""
