# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The steps of a reconciliation as data, and the lines that users read. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.progress import timed

STARTED = "started"
READY = "ready"
IN_ROTATION = "in_rotation"
DRAIN_BEGAN = "drain_began"
GONE = "gone"
REMOVED = "removed"
MENDED = "mended"
RELEASED = "released"
#: A new node of a failed step is removed; one that served is drained first.
DISCARDED = "discarded"
DISCARDED_DRAINED = "discarded_drained"
ROUTE_SWITCHED = "route_switched"
ROUTE_DROPPED = "route_dropped"
RETURNING = "returning"

_WORDS = {
    STARTED: "{node}: started",
    IN_ROTATION: "{node}: in rotation",
    GONE: "{node}: gone",
    REMOVED: "{node}: removed",
    MENDED: "{node}: mended",
    RELEASED: "{tier}: release command done",
    DISCARDED: "{node}: did not come up, removed",
    DISCARDED_DRAINED: "{node}: drained and removed again",
    ROUTE_SWITCHED: "{tier}: route switched",
    ROUTE_DROPPED: "{tier}: route dropped",
    RETURNING: "tier {tier}: a step failed, returning to what it was",
}
# Told at its beginning, so its line has no time.
_UNTIMED = {DRAIN_BEGAN: "{node}: drains"}


@dataclass(frozen=True)
class Step:
    """One step that was reached.

    Attributes:
        tier: the tier it happened to.
        node: the node's name; empty for a step of the whole tier.
        step: one of this module's constants.
        at: seconds since the reconciliation began.
    """

    tier: str
    node: str
    step: str
    at: float

    @property
    def line(self) -> str:
        """One line for people; empty for a step that is not told."""
        words = {"tier": self.tier, "node": self.node}
        if self.step in _UNTIMED:
            return _UNTIMED[self.step].format(**words)
        text = _WORDS.get(self.step)
        return timed(text.format(**words), self.at) if text else ""


def no_step(_step: Step) -> None:
    """Tell nothing."""
