# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Numbers that people set: raw values in, numbers out, and one line for each that cannot be used.

Ansible's own conversion takes several lines to say less, and its filters ``int`` and ``float`` turn nonsense into 0.
Options that are read here are therefore of type raw. Pure.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster_spec import printable, show, whole_number

_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,9})?", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Number:
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


#: How a pool is reconciled: what the modules that do it have in common.
RECONCILE_NUMBERS = {
    "workers": Number(1, 64, 8),
    "surge_percent": Number(1, 100, 25),
    "ready_timeout": Number(1, 3600, 60),
    "lock_timeout": Number(0, 86_400, 300),
}


def of_role(role: str, numbers: Mapping[str, Number]) -> dict[str, Number]:
    """The same numbers, mended by the variables of a role."""
    return {
        name: dataclasses.replace(number, fix=f"-e {role}_{name}={number.default:.10g}")
        for name, number in numbers.items()
    }


def number_specs(numbers: Mapping[str, Number]) -> dict[str, dict[str, Any]]:
    """The options in Ansible's form."""
    return {name: {"type": "raw", "default": number.default} for name, number in numbers.items()}


def decimal_number(value: object) -> int | float | None:
    """A number, or one written in plain ASCII digits with a point at most; anything else is ``None``."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return float(value)
    return None


def read_numbers(values: Mapping[str, object], numbers: Mapping[str, Number]) -> tuple[dict[str, Any], list[str]]:
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
        value = values[name]
        parsed = whole_number(value) if number.whole else decimal_number(value)
        # Not a number (nan) is in no range either.
        if parsed is None or not number.low <= parsed <= number.high:
            fix = number.fix or f"{name}: {number.default:.10g}"
            problems.append(printable(f"{name}: got {show(value)}, want {number.want} (fix: {fix})"))
        else:
            found[name] = parsed if number.whole else float(parsed)
    return found, problems
