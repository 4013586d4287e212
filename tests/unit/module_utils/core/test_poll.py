"""Waiting until a fact or a deadline, on a clock without real time."""

from __future__ import annotations

import time

import pytest
from tests.unit.fakes.clock import VirtualClock

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.poll import SystemClock, wait_until


class Fact:
    """Comes about at a moment of the clock."""

    def __init__(self, clock: VirtualClock, after: float) -> None:
        self.clock = clock
        self.at = clock.now() + after
        self.asked: list[float] = []

    def reason(self) -> str:
        now = self.clock.now()
        self.asked.append(now - 1000)
        return "" if now >= self.at else f"not at {now - 1000:g}"


@pytest.mark.parametrize(
    "after, seconds, asked, reason",
    [
        (0, 10, [0], ""),
        (0, 0, [0], ""),
        (5, 0, [0], "not at 0"),
        (3, 10, [0, 2, 4], ""),
        (5, 5, [0, 2, 4, 5], ""),
        (6, 5, [0, 2, 4, 5], "not at 5"),
        (5, -1, [0], "not at 0"),
    ],
)
def test_asks_until_the_fact_or_the_deadline(after: float, seconds: float, asked: list[float], reason: str) -> None:
    clock = VirtualClock()
    fact = Fact(clock, after)
    assert wait_until(fact.reason, seconds, 2, clock) == reason
    assert fact.asked == asked


def test_no_sleep_without_need() -> None:
    clock = VirtualClock()
    wait_until(lambda: "", 10, 1, clock)
    assert clock.slept == []


def test_a_check_that_takes_longer_than_there_is_time_is_the_last() -> None:
    clock = VirtualClock()
    asked = []

    def slow() -> str:
        asked.append(clock.now())
        clock.sleep(30)
        return "slow"

    assert wait_until(slow, 20, 1, clock) == "slow"
    assert len(asked) == 1


def test_errors_of_the_check_come_through() -> None:
    def broken() -> str:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        wait_until(broken, 10, 1, VirtualClock())


@pytest.mark.parametrize("every", [0.1, 0.05, 0.3, 1 / 3])
def test_the_deadline_is_kept_whatever_the_fractions(every: float) -> None:
    clock = VirtualClock(0.1)
    wait_until(lambda: "never", 5, every, clock)
    assert clock.now() == pytest.approx(5.1)
    assert len(clock.slept) <= 5 / every + 2


def test_the_systems_clock_waits_for_real() -> None:
    clock = SystemClock()
    begin = time.monotonic()
    assert wait_until(lambda: "never", 0.05, 0.01, clock) == "never"
    assert time.monotonic() - begin >= 0.05
    assert clock.now() == pytest.approx(time.monotonic(), abs=5)
