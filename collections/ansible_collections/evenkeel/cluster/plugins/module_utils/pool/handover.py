# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Tiers that wait for each other, so that their routes change in one write when the nodes of all are in rotation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from ..core.errors import Problem
from .rotation import ReconcileError


class Handover:
    """The meeting of the tiers whose routes change together; each has its own thread.

    Args:
        tiers: their names.
        switch: changes the routes of all; called once, when all are there.
    """

    def __init__(self, tiers: Sequence[str], switch: Callable[[Sequence[str]], None]) -> None:
        """Nothing is switched yet."""
        self._tiers = tuple(tiers)
        self._barrier = threading.Barrier(len(tiers), action=lambda: switch(self._tiers))

    def join(self, tier: str) -> None:
        """Say that the tier is ready, and wait for the others and for the switch.

        Raises:
            ReconcileError: another tier did not get ready, or its part of the switch failed.
            EvenkeelError: the switch failed.
        """
        try:
            self._barrier.wait()
        except threading.BrokenBarrierError:
            others = ", ".join(name for name in self._tiers if name != tier)
            raise ReconcileError(
                Problem(
                    f"route of tier {tier}", "no change", f"it to change with {others}", f"see the line on {others}"
                )
            ) from None

    def give_up(self) -> None:
        """Say that a tier will not get ready, so that no other waits for it."""
        self._barrier.abort()
