# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Values as people write them in inventories and on command lines: numbers, flags, sizes.

Numbers are checked as text first: ``int()`` would take ``1_0``, `` 3 ``, Arabic-Indic digits and ``True``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from .errors import Problem, quote

_WHOLE = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_MEMORY = re.compile(r"([1-9][0-9]{0,11})([bkmg]?)", re.ASCII | re.IGNORECASE)
_MEMORY_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SIZE_LIMIT = 2**60


def whole_number(value: object) -> int | None:
    """A non-negative whole number written in plain ASCII digits, or an ``int``; anything else is ``None``."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int(value) if value >= 0 else None
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return None


def boolean(value: object) -> bool | None:
    """YAML's and the command line's true/false (``-e x=true`` arrives as text); anything else is ``None``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "yes", "false", "no"}:
        return value.lower() in {"true", "yes"}
    return None


def parse_size(value: object) -> int | None:
    """Bytes written as Docker does, with b, k, m or g for binary units (``256m``); anything else is ``None``."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    if isinstance(value, int):
        return value if 0 < value < _SIZE_LIMIT else None
    match = _MEMORY.fullmatch(value)
    size = int(match[1]) * _MEMORY_UNITS[match[2].lower()] if match else 0
    return size if 0 < size < _SIZE_LIMIT else None


_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|us|ns|h|m|s))+", re.ASCII)
_DURATION_PART = re.compile(r"([0-9.]+)(ms|us|ns|h|m|s)", re.ASCII)
_DURATION_LIMIT = 10**9
_DURATION_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def parse_duration(value: object) -> float | None:
    """Seconds of a time as Traefik reads it: ``1h30m``, ``500ms``, or a bare number of seconds; else ``None``."""
    seconds = whole_number(value)
    if seconds is not None:
        return float(seconds) if seconds < _DURATION_LIMIT else None
    if not isinstance(value, str) or _DURATION.fullmatch(value) is None:
        return None
    return sum(float(number) * _DURATION_UNITS[unit] for number, unit in _DURATION_PART.findall(value))


_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,9})?", re.ASCII)


@dataclasses.dataclass(frozen=True)
class NumberOption:
    """What one option may be.

    Attributes:
        low: the least value.
        high: the greatest value.
        default: the value when nothing is set; one of type int asks for a whole number.
        fix: what to write instead; empty for the option with its default.
    """

    low: float
    high: float
    default: int | float
    fix: str = ""

    @property
    def whole(self) -> bool:
        """Whether only a whole number will do."""
        return isinstance(self.default, int)

    @property
    def want(self) -> str:
        """The range in words."""
        return f"a {'whole ' if self.whole else ''}number from {self.low:.10g} to {self.high:.10g}"


def of_role(role: str, numbers: Mapping[str, NumberOption]) -> dict[str, NumberOption]:
    """The same numbers, mended by the variables of a role."""
    return {
        name: dataclasses.replace(number, fix=f"-e {role}_{name}={number.default:.10g}")
        for name, number in numbers.items()
    }


def defaults_of(numbers: Mapping[str, NumberOption]) -> dict[str, int | float]:
    """What the options are when nothing is set."""
    return {name: number.default for name, number in numbers.items()}


def number_specs(numbers: Mapping[str, NumberOption], *, raw: bool = True) -> dict[str, dict[str, Any]]:
    """The options in Ansible's form.

    Args:
        numbers: what each may be.
        raw: take each value as it was written, so that all of them are judged here; else Ansible converts them first.
    """
    return {
        name: {"type": "raw" if raw else "int" if number.whole else "float", "default": number.default}
        for name, number in numbers.items()
    }


def decimal_number(value: object) -> int | float | None:
    """A number, or one written in plain ASCII digits with a point at most; anything else is ``None``."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return float(value)
    return None


def read_number(name: str, value: object, number: NumberOption) -> int | float | Problem:
    """Read one number.

    Args:
        name: of the option, for the line.
        value: as it was set.
        number: what it may be.

    Returns:
        The number, an int when a whole one is wanted; or why the value cannot be used.
    """
    parsed = whole_number(value) if number.whole else decimal_number(value)
    # Not a number (nan) is in no range either.
    if parsed is None or not number.low <= parsed <= number.high:
        fix = number.fix or f"{name}: {number.default:.10g}"
        return Problem(name, quote(value), number.want, fix)
    return parsed if number.whole else float(parsed)


def read_numbers(values: Mapping[str, object], numbers: Mapping[str, NumberOption]) -> tuple[dict[str, Any], list[str]]:
    """Read all of them in one pass.

    Args:
        values: the options as they were set, by name.
        numbers: what each may be.

    Returns:
        The numbers by name, without those that cannot be used, and one line for each of these.
    """
    found: dict[str, Any] = {}
    problems = []
    for name, number in numbers.items():
        parsed = read_number(name, values[name], number)
        if isinstance(parsed, Problem):
            problems.append(str(parsed))
        else:
            found[name] = parsed
    return found, problems
