# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Wait for a fact until a deadline, on a clock that tests can replace."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Time as the library uses it."""

    def now(self) -> float:
        """Monotonic seconds."""

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""
        time.sleep(seconds)


SYSTEM_CLOCK = SystemClock()


def wait_until(check: Callable[[], str], seconds: float, every: float, clock: Clock = SYSTEM_CLOCK) -> str:
    """Ask until there is nothing left to wait for.

    Args:
        check: asks once; why it is not so yet, or an empty text when it is.
        seconds: how long to ask. There is always a first question, and a last one at the end of this time.
        every: seconds between two questions.
        clock: tells and passes the time.

    Returns:
        The last reason, or an empty text when the fact came about.
    """
    deadline = clock.now() + seconds
    while True:
        reason = check()
        left = deadline - clock.now()
        if not reason or left <= 0:
            return reason
        clock.sleep(min(every, left))
