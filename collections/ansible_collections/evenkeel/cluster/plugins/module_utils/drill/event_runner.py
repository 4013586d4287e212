# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Lets the events of a drill happen at their time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from ..core.errors import EvenkeelError
from ..core.poll import SYSTEM_CLOCK, Clock, wait_until
from ..core.progress import no_progress
from .records import EventReport
from .schedule import Event

_POLL_SECONDS = 0.05


class EventError(EvenkeelError):
    """An event did not come about; one line."""


class FaultTarget(Protocol):
    """Changes the cluster. Readings of its clock are seconds from the begin of the load."""

    def perform(self, event: Event) -> EventReport:
        """Do it, wait until it is done, and say what happened.

        Raises:
            EventError: it did not come about.
        """

    def restore(self) -> None:
        """Return to what was declared, whatever has happened.

        Raises:
            EventError: it did not come about.
        """


def report_line(report: EventReport) -> str:
    """When an event began, and what became of it."""
    event = Event(report.number, report.kind, report.tier, report.began)
    return f"{event}: {report.error or f'done in {report.ended - report.began:.1f} s'}"


class EventRunner:
    """Performs the events one after the other in a thread of its own."""

    def __init__(
        self,
        target: FaultTarget,
        events: Sequence[Event],
        now: Callable[[], float],
        stop: threading.Event,
        on_progress: Callable[[str], None] = no_progress,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Prepare; nothing happens yet.

        Args:
            target: what performs them.
            events: what is to be done, in the order of time.
            now: seconds from the begin of the load.
            stop: when it is set, no further event begins.
            on_progress: takes a line when an event is over.
            clock: passes the time until the next event.
        """
        self._target = target
        self._events = list(events)
        self._now = now
        self._stop = stop
        self._on_progress = on_progress
        self._clock = clock
        self._thread = threading.Thread(target=self._work, name="events", daemon=True)
        self._crash: BaseException | None = None
        #: What happened so far.
        self.reports: list[EventReport] = []
        #: When the last event was over; None while there are events to come.
        self.ended: float | None = None

    def start(self) -> None:
        """Begin; the load's clock must run."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the event that is under way, and raise what was not expected."""
        self._thread.join()
        if self._crash is not None:
            raise self._crash

    def _work(self) -> None:
        try:
            for event in self._events:
                if self._stopped_before(event):
                    break
                report = self._one(event)
                self.reports.append(report)
                self._on_progress(report_line(report))
                if report.error:
                    break
        except Exception as error:
            self._crash = error
        finally:
            self.ended = self._now()

    def _stopped_before(self, event: Event) -> bool:
        """Wait for the event's time; whether it was stopped until then."""
        left = max(event.at - self._now(), 0.0)
        return not wait_until(lambda: "" if self._stop.is_set() else "early", left, _POLL_SECONDS, self._clock)

    def _one(self, event: Event) -> EventReport:
        began = self._now()
        try:
            return self._target.perform(event)
        except EventError as error:
            return EventReport(event.number, event.kind, event.tier, began, self._now(), error=str(error))
