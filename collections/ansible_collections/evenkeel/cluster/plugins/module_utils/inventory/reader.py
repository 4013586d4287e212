# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Reads raw inventory values and collects every problem on the way. Pure."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import Problem, quote
from ..core.values import NumberOption, boolean, read_number

_HOST_NAME_LENGTH = 253
NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,28}[a-z0-9])?", re.ASCII)
_HOST_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII | re.IGNORECASE)
# No colon: it separates the parts of a bind mount.
_FOLDER = re.compile(r"(?:/[^/:\x00-\x1f\x7f]+)+/?")


class Reader:
    """Collects problems while values are read, so that one pass reports them all."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def problem(self, what: str, got: object, want: str, fix: str) -> None:
        """Note one problem."""
        self.problems.append(Problem(what, quote(got), want, fix))

    def whole(self, what: str, value: object, low: int, high: int, fix: str) -> int:
        """A whole number from *low* to *high*; *low* when the value is none."""
        number = read_number(what, value, NumberOption(low, high, low, fix))
        if isinstance(number, Problem):
            self.problems.append(number)
            return low
        return int(number)

    def flag(self, what: str, value: object) -> bool:
        """True or false; false when it is neither."""
        parsed = boolean(value)
        if parsed is None:
            self.problem(what, value, "true or false", f"{what}: true")
            return False
        return parsed

    def text(self, what: str, value: object, pattern: re.Pattern[str], want: str, fix: str) -> str:
        """Text that matches the pattern as a whole; empty when it does not."""
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            self.problem(what, value, want, fix)
            return ""
        return str(value)

    def choice(self, what: str, value: object, choices: Iterable[str]) -> str:
        """One of the choices; the first when it is none of them."""
        options = tuple(choices)
        if not isinstance(value, str) or value not in options:
            self.problem(what, value, "one of " + ", ".join(options), f"{what}: {options[0]}")
            return options[0]
        return str(value)

    def known_keys(
        self,
        what: str,
        value: Mapping[str, Any],
        known: Iterable[str],
        want: str = "",
        instead: Mapping[str, str] | None = None,
    ) -> None:
        """Note each key that is not known, with the name that was probably meant.

        Args:
            what: the mapping as people know it.
            value: the mapping.
            known: its keys.
            want: these in words; empty for their names, where they are few.
            instead: keys that people know from elsewhere -> what to do.
        """
        names, elsewhere = sorted(known), instead or {}
        for key in value:
            if key in names:
                continue
            near = difflib.get_close_matches(quote(key), names, n=1)
            fix = f"did you mean {near[0]}?" if near else "remove it"
            self.problem(what, key, want or "one of " + ", ".join(names), elsewhere.get(str(key), fix))


def is_host_name(value: object) -> bool:
    """Whether the value is a DNS host name (RFC 1123, section 2.1) or an IPv4 address."""
    if not isinstance(value, str) or not 0 < len(value) <= _HOST_NAME_LENGTH:
        return False
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        labels = value.split(".")
        # Digits and dots alone are a mistyped address, not a name.
        return all(_HOST_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    return True


def is_address(value: object) -> bool:
    """Whether the value is an IPv4 or IPv6 address, as Docker publishes ports on."""
    if not isinstance(value, str):
        return False
    try:
        return "%" not in value and bool(ipaddress.ip_address(value))
    except ValueError:
        return False


def is_folder(text: str) -> bool:
    """Whether the text is an absolute path without . and .. in it."""
    return _FOLDER.fullmatch(text) is not None and not {".", ".."} & set(text.split("/"))
