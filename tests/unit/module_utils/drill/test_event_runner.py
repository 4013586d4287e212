"""Events happen at their time, in a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from tests.unit.fakes.clock import VirtualClock

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.event_runner import (
    EventError,
    EventRunner,
    report_line,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import EventReport
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import Event, plan_events


class Target:
    """Performs nothing, but takes the time that a test wants."""

    def __init__(self, clock: VirtualClock, seconds: float = 0.0) -> None:
        self.clock = clock
        self.seconds = seconds
        self.began: list[float] = []
        self.fails: Callable[[Event], Exception | None] = lambda event: None

    def perform(self, event: Event) -> EventReport:
        began = self.clock.now()
        self.began.append(began)
        self.clock.sleep(self.seconds)
        problem = self.fails(event)
        if problem:
            raise problem
        return EventReport(event.number, event.kind, event.tier, began, self.clock.now())

    def restore(self) -> None:
        """Nothing to restore."""


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(0.0)


def runner_of(target: Target, count: int, interval: float, stop: threading.Event | None = None) -> EventRunner:
    events = plan_events("stop", ["web"], count, 0.05, interval)
    return EventRunner(target, events, target.clock.now, stop or threading.Event(), clock=target.clock)


def performed(target: Target, count: int, interval: float) -> EventRunner:
    runner = runner_of(target, count, interval)
    runner.start()
    runner.join()
    return runner


def test_events_happen_at_their_time(clock: VirtualClock) -> None:
    target = Target(clock)
    runner = performed(target, 3, 0.1)
    assert target.began == pytest.approx([0.05, 0.15, 0.25])
    assert [report.number for report in runner.reports] == [0, 1, 2]
    assert runner.ended is not None


def test_an_event_that_lasts_delays_the_next_and_none_is_lost(clock: VirtualClock) -> None:
    target = Target(clock, seconds=0.2)
    runner = runner_of(target, 3, 0.1)
    assert runner.ended is None
    runner.start()
    runner.join()
    assert target.began == pytest.approx([0.05, 0.25, 0.45])
    assert runner.ended == pytest.approx(0.65)


def test_the_one_under_way_ends_and_no_other_begins_when_it_is_stopped(clock: VirtualClock) -> None:
    stop = threading.Event()
    target = Target(clock, seconds=0.2)
    clock.at(0.1, stop.set)
    runner = runner_of(target, 9, 0.1, stop)
    runner.start()
    runner.join()
    assert len(runner.reports) == 1
    assert runner.ended == pytest.approx(0.25)


def test_a_stop_between_two_events_is_noticed_before_the_next_is_due(clock: VirtualClock) -> None:
    stop = threading.Event()
    clock.at(1.0, stop.set)
    runner = runner_of(Target(clock), 2, 60.0, stop)
    runner.start()
    runner.join()
    assert len(runner.reports) == 1
    assert 1.0 <= (runner.ended or 0.0) < 1.2


def test_a_failed_event_is_reported_and_the_last(clock: VirtualClock) -> None:
    target = Target(clock)
    target.fails = lambda event: EventError("node web-1: got none, want one (fix: x)") if event.number == 1 else None
    runner = performed(target, 4, 0.02)
    assert [report.error for report in runner.reports] == ["", "node web-1: got none, want one (fix: x)"]


def test_what_was_not_expected_is_passed_on(clock: VirtualClock) -> None:
    target = Target(clock)
    target.fails = lambda event: ZeroDivisionError("a bug")
    runner = runner_of(target, 2, 0.02)
    runner.start()
    with pytest.raises(ZeroDivisionError, match="a bug"):
        runner.join()
    assert runner.ended is not None


def test_each_event_is_told_when_it_is_over(clock: VirtualClock) -> None:
    target = Target(clock, seconds=0.1)
    target.fails = lambda event: EventError("node web-1: got none, want one (fix: x)") if event.number == 1 else None
    lines: list[str] = []
    events = plan_events("stop", ["web"], 3, 0.0, 0.5)
    runner = EventRunner(target, events, clock.now, threading.Event(), lines.append, clock)
    runner.start()
    runner.join()
    assert lines == [
        "   0.0 s  stop (web): done in 0.1 s",
        "   0.5 s  stop (web): node web-1: got none, want one (fix: x)",
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
