"""Events happen at their time, in a thread of their own."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.conductor import (
    EventError,
    EventRunner,
    report_line,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import EventReport
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import Event, plan_events


class Fake:
    """Performs nothing, but as long as a test wants."""

    def __init__(self, now: Callable[[], float], seconds: float = 0.0) -> None:
        self.now = now
        self.seconds = seconds
        self.began: list[float] = []
        self.fails: Callable[[Event], Exception | None] = lambda event: None
        self.restored = 0

    def perform(self, event: Event) -> EventReport:
        began = self.now()
        self.began.append(began)
        time.sleep(self.seconds)
        problem = self.fails(event)
        if problem:
            raise problem
        return EventReport(event.number, event.kind, event.tier, began, self.now())

    def restore(self) -> None:
        self.restored += 1


class Clock:
    def __init__(self) -> None:
        self.since = time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() - self.since


def conduct(fake: Fake, count: int, interval: float, stop: threading.Event | None = None) -> EventRunner:
    events = plan_events("stop", ["web"], count, 0.05, interval)
    conductor = EventRunner(fake, events, fake.now, stop or threading.Event())
    conductor.start()
    return conductor


def test_events_happen_at_their_time() -> None:
    fake = Fake(Clock())
    conductor = conduct(fake, 3, 0.1)
    conductor.join()
    assert all(due <= began < due + 0.5 for due, began in zip([0.05, 0.15, 0.25], fake.began, strict=True))
    assert [report.number for report in conductor.reports] == [0, 1, 2]
    assert conductor.ended is not None


def test_an_event_that_lasts_delays_the_next_and_none_is_lost() -> None:
    fake = Fake(Clock(), seconds=0.2)
    conductor = conduct(fake, 3, 0.1)
    assert conductor.ended is None
    conductor.join()
    assert len(fake.began) == 3
    assert all(later - earlier >= 0.2 for earlier, later in itertools.pairwise(fake.began))


def test_the_one_under_way_ends_and_no_other_begins_when_it_is_stopped() -> None:
    stop = threading.Event()
    fake = Fake(Clock(), seconds=0.2)
    conductor = conduct(fake, 9, 0.1, stop)
    time.sleep(0.1)
    stop.set()
    conductor.join()
    assert len(conductor.reports) == 1
    assert conductor.ended is not None


def test_a_failed_event_is_reported_and_the_last() -> None:
    fake = Fake(Clock())
    fake.fails = lambda event: EventError("node web-1: got none, want one (fix: x)") if event.number == 1 else None
    conductor = conduct(fake, 4, 0.02)
    conductor.join()
    assert [report.error for report in conductor.reports] == ["", "node web-1: got none, want one (fix: x)"]


def test_what_nobody_expected_is_passed_on() -> None:
    fake = Fake(Clock())
    fake.fails = lambda event: ZeroDivisionError("a bug")
    conductor = conduct(fake, 2, 0.02)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        conductor.join()
    assert conductor.ended is not None


def test_each_event_is_told_when_it_is_over() -> None:
    fake = Fake(Clock())
    fake.fails = lambda event: EventError("node web-1: got none, want one (fix: x)") if event.number == 1 else None
    lines: list[str] = []
    conductor = EventRunner(fake, plan_events("stop", ["web"], 3, 0.0, 0.02), fake.now, threading.Event(), lines.append)
    conductor.start()
    conductor.join()
    assert lines == [
        "   0.0 s  stop (web): done in 0.0 s",
        "   0.0 s  stop (web): node web-1: got none, want one (fix: x)",
    ]


@pytest.mark.parametrize(
    "report, line",
    [
        (EventReport(0, "stop", "static", 3.04, 7.15), "   3.0 s  stop (static): done in 4.1 s"),
        (EventReport(3, "restore", "", 63.0, 63.5), "  63.0 s  restore: done in 0.5 s"),
        (EventReport(0, "kill", "static", 3, 4, error="no"), "   3.0 s  kill (static): no"),
    ],
)
def test_an_event_is_one_line(report: EventReport, line: str) -> None:
    assert report_line(report) == line
