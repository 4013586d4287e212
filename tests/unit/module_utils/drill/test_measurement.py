"""How the load is told while it goes on, and what a restoration that fails leaves of the evidence."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.event_runner import EventError
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.judge import Evidence
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.measurement import (
    Observers,
    Ticker,
    restored,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.node_counters import NodeCounters
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import EventReport, Record
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import Event


def record(number: int, error: str = "") -> Record:
    return Record(f"r-{number}", 0, 0, 0, "shop", "GET", 0, 200, "shop-1", error)


def test_how_the_load_goes_is_told_every_few_seconds_and_not_more_often() -> None:
    records: list[Record] = []
    lines: list[str] = []
    ticker = Ticker(records, 5.0, lines.append)
    for number in range(600):
        ticker.leaves(number / 40)
        records.append(record(number, "status 500" if number in {10, 300} else ""))
    assert lines == ["   5.0 s  200 sent, 1 failed", "  10.0 s  400 sent, 2 failed"]
    ticker.leaves(31.0)
    ticker.leaves(34.9)
    ticker.leaves(35.0)
    assert lines[2:] == ["  31.0 s  600 sent, 2 failed", "  35.0 s  602 sent, 2 failed"]
    assert ticker.line(36.04) == "  36.0 s  603 sent, 2 failed"


class Target:
    """Restores, or does not."""

    def __init__(self, problem: str = "") -> None:
        self.problem = problem
        self.restored = 0

    def perform(self, event: Event) -> EventReport:
        raise AssertionError(event)

    def restore(self) -> None:
        self.restored += 1
        if self.problem:
            raise EventError(self.problem)


EVIDENCE = Evidence([record(0)], (EventReport(0, "stop", "shop", 1.0, 2.0),), 1, seconds=3.0)


def test_what_is_restored_leaves_the_evidence_as_it_is() -> None:
    target = Target()
    assert restored(target, lambda: EVIDENCE) is EVIDENCE
    assert target.restored == 1


def test_that_it_could_not_be_restored_is_part_of_the_evidence() -> None:
    failed = EventReport(1, "restore", "", 3.0, 3.0, error="no")
    found = restored(Target("no"), lambda: EVIDENCE)
    assert found == dataclasses.replace(EVIDENCE, reports=(*EVIDENCE.reports, failed))


@pytest.mark.parametrize("problem", ["", "no"])
def test_a_failure_is_restored_after_and_not_hidden(problem: str) -> None:
    target = Target(problem)

    def work() -> Evidence:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        restored(target, work)
    assert target.restored == 1


def test_observers_tell_what_they_could_not_see() -> None:
    counters = NodeCounters("run-")
    assert Observers(counters=counters).notes == ()
    counters.offers("shop", "stats", does=False)
    told = "own count of requests of shop: not offered by its image"
    assert Observers(counters=counters).notes == (told,)
