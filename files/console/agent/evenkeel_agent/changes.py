"""What has changed since a viewer's last look: a snapshot, then differences, each with a number. Pure.

A viewer that was away asks for what comes after the number that it has. What is older than the kept changes is told as
a whole again.
"""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

KEPT = 1000
# Parts of a state that are mappings of their own, and are told entry by entry.
_PARTS = ("tiers", "nodes")
# Of no use to a viewer alone: it changes with every look.
_CLOCK = "at"


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """What must be set to come from one state to the other; an entry that is gone is None.

    Returns:
        Without a change, an empty mapping.
    """
    found: dict[str, Any] = {}
    for name, value in now.items():
        if name in _PARTS:
            old = before.get(name) or {}
            part = {key: item for key, item in value.items() if old.get(key) != item}
            part |= {key: None for key in old if key not in value}
            if part:
                found[name] = part
        elif name != _CLOCK and before.get(name) != value:
            found[name] = value
    return found


def applied(before: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The state after a change, as a viewer computes it."""
    found = copy.deepcopy(dict(before))
    for name, value in change.items():
        if name in _PARTS:
            part = found.setdefault(name, {})
            for key, item in value.items():
                if item is None:
                    part.pop(key, None)
                else:
                    part[key] = item
        else:
            found[name] = value
    return found


class Changes:
    """The state now, and how it came about.

    Args:
        start: the number before the first change; None for the microseconds since the epoch. No agent tells a million
            changes in a second, so what a former one has given out is always lower, and too old. A page takes numbers
            below 2**53.
    """

    def __init__(self, start: int | None = None) -> None:
        """There is no state yet."""
        self._state: dict[str, Any] = {}
        self._kept: deque[dict[str, Any]] = deque()
        self.number = time.time_ns() // 1000 if start is None else start
        self._lost = self.number

    @property
    def state(self) -> dict[str, Any]:
        """The state now with its number."""
        return {"number": self.number, "state": self._state}

    def set(self, state: Mapping[str, Any]) -> bool:
        """Take a new state; whether it differs."""
        change = difference(self._state, state)
        self._state = dict(state)
        if change:
            self.tell({"change": change, "at": state.get(_CLOCK)})
        return bool(change)

    def tell(self, what: Mapping[str, Any]) -> None:
        """Add what happened and is no part of the state, such as progress.

        What is told of an action is the whole of it, so what was told of it before is of no more use.
        """
        self.number += 1
        if (action := what.get("action")) is not None:
            self._kept = deque(item for item in self._kept if item.get("action", {}).get("id") != action["id"])
        self._kept.append({"number": self.number, **what})
        while len(self._kept) > KEPT:
            self._lost = self._kept.popleft()["number"]

    def since(self, number: int) -> list[dict[str, Any]] | None:
        """What came after that number; None when it is too old or was never given out."""
        if not self._lost <= number <= self.number:
            return None
        return [item for item in self._kept if item["number"] > number]
