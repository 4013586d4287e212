"""A clock for tests: time passes when something sleeps, and stands still otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import threading
from collections.abc import Callable, Iterator

# Real seconds for which the driver waits for what it has woken to sleep again. A thread that ends, or waits for another
# thread, does not sleep again: each costs the test this much.
_WOKEN_SECONDS = 0.02
# Real seconds at each step of the driver's for threads that compute.
_YIELD_SECONDS = 0.00005
# Real seconds of silence after which, without a driver, the earliest sleeper moves the time.
_QUIET_SECONDS = 0.002


class VirtualClock:
    """Stands in for :class:`core.poll.SystemClock`; threads may share it.

    Sleepers are woken in the order of their times. Where there is one thread, a sleep returns at once. Where there are
    several, the earliest sleeper moves the time when the clock has not been asked by another for a moment.
    Inside ``with clock.driven():`` only the thread that entered moves the time.

    What it cannot do: a thread that computes, or waits for a socket, a lock or another thread, is not seen. What it
    takes is not measured, and the others go on without it after a moment. So what several threads do may take more
    virtual time than their sleeps add up to, on a busy machine more than on a calm one. What the driver does is exact.
    """

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start
        self._changed = threading.Condition()
        self._driver: int | None = None
        self._sleepers: dict[int, float] = {}
        self._awake: set[int] = set()
        self._alarms: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._asked = 0
        #: What was slept, in order.
        self.slept: list[float] = []

    def now(self) -> float:
        """Seconds; monotonic."""
        with self._changed:
            self._asked += 1
            return self._now

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass, for all."""
        if seconds < 0:
            raise ValueError(f"sleep: got {seconds}, want 0 or more")
        me = threading.get_ident()
        with self._changed:
            self._asked += 1
            self.slept.append(seconds)
            until = self._now + seconds
            if self._driver == me or (self._driver is None and threading.active_count() == 1):
                self._advance(until)
            else:
                self._await(me, until)

    async def pause(self, seconds: float) -> None:
        """Let that many seconds pass in an event loop whose thread drives; its tasks run first."""
        await asyncio.sleep(0)
        self.sleep(seconds)

    def at(self, when: float, work: Callable[[], object]) -> None:
        """Do something when the time has come to *when*; it must not sleep."""
        with self._changed:
            heapq.heappush(self._alarms, (when, next(self._numbers), work))

    @contextlib.contextmanager
    def driven(self) -> Iterator[None]:
        """Let only this thread move the time meanwhile."""
        with self._changed:
            self._driver = threading.get_ident()
        try:
            yield
        finally:
            with self._changed:
                self._driver = None
                self._changed.notify_all()

    def _await(self, me: int, until: float) -> None:
        self._sleepers[me] = until
        self._awake.discard(me)
        self._changed.notify_all()
        while me in self._sleepers:
            if self._driver is not None:
                self._changed.wait()
                continue
            before = self._asked
            self._changed.wait(_QUIET_SECONDS)
            first = min(self._sleepers.values(), default=until)
            if me in self._sleepers and self._driver is None and self._asked == before and until <= first:
                self._advance(until)

    def _advance(self, until: float) -> None:
        while True:
            moments = [until, *self._sleepers.values(), *(alarm[0] for alarm in self._alarms[:1])]
            self._now = max(self._now, min(moments))
            while self._alarms and self._alarms[0][0] <= self._now:
                heapq.heappop(self._alarms)[2]()
            self._wake()
            if self._now >= until:
                return

    def _wake(self) -> None:
        if self._driver is not None and threading.active_count() > 1 + len(self._sleepers):
            self._changed.wait(_YIELD_SECONDS)  # for threads that compute
        due = {thread for thread, until in self._sleepers.items() if until <= self._now}
        for thread in due:
            del self._sleepers[thread]
        self._changed.notify_all()
        if due and self._driver is not None:
            self._awake |= due
            self._changed.wait_for(lambda: not due & self._awake, _WOKEN_SECONDS)
            self._awake -= due
