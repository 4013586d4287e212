"""A clock for tests: a sleep ends at once and moves the time on; otherwise the time stands still."""

from __future__ import annotations

import threading


class VirtualClock:
    """Stands in for :class:`core.poll.SystemClock`; threads may share it.

    What it cannot do: sleeps add up, so two threads that sleep 1 s side by side make 2 s of it. It does not order
    threads: the longer of two sleeps may end first. Computing, sockets and locks take no time on it. Use it where one
    thread waits.
    """

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start
        self._lock = threading.Lock()
        #: What was slept, in order.
        self.slept: list[float] = []

    def now(self) -> float:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"sleep: got {seconds}, want 0 or more")
        with self._lock:
            self.slept.append(seconds)
            self._now += seconds
