# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""One load with its events, measured: who observes, when it ends, what is evidence."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence

from ..core.progress import no_progress
from ..measure.access_log import AccessLogReader
from .conductor import EventError, EventRunner, FaultTarget
from .judge import Evidence
from .load import Load, first_failure
from .node_counters import NodeCounters, NodePoller
from .options import MAX_REQUESTS, Settings
from .records import EventReport, Record
from .schedule import RESTORE, Event, LoadWindow, arrivals, least_seconds, make_clients
from .stop import Stop

# Seconds from one line about the load to the next; more in a load so long that it would be many lines.
_TICK_SECONDS = 5.0
_TICKS = 100


@dataclasses.dataclass(frozen=True)
class Observers:
    """Who else looks at the requests.

    Attributes:
        nodes: follows the nodes' counters; None when nobody does.
        book: what it noted.
        log: reads the balancer's access log; None when nobody does.
    """

    nodes: NodePoller | None = None
    book: NodeCounters = dataclasses.field(default_factory=lambda: NodeCounters(""))
    log: AccessLogReader | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What they could not see."""
        told = [*self.book.notes()]
        if self.nodes is not None and self.nodes.problem:
            told.append(f"nodes not read all the time: {self.nodes.problem}")
        if self.log is not None and self.log.problem:
            told.append(self.log.problem)
        return tuple(told)


@dataclasses.dataclass(frozen=True)
class DrillPlan:
    """What is to be measured."""

    events: Sequence[Event]
    course: LoadWindow
    settings: Settings


class Ticker:
    """Tells every few seconds how the load goes.

    Args:
        records: the requests that have ended; it grows.
        seconds: from one line to the next.
        tell: takes the lines.
    """

    def __init__(self, records: Sequence[Record], seconds: float, tell: Callable[[str], None]) -> None:
        """Prepare; nothing is told yet."""
        self._records = records
        self._seconds = seconds
        self._tell = tell
        self._next = seconds
        self._sent = 0
        self._seen = 0
        self._failed = 0

    def leaves(self, now: float) -> None:
        """A request leaves, so many seconds from the begin of the load."""
        if now >= self._next:
            self._tell(self.line(now))
            self._next = (now // self._seconds + 1) * self._seconds
        self._sent += 1

    def line(self, now: float) -> str:
        """What has been sent and what has failed until now."""
        fresh = self._records[self._seen :]
        self._seen += len(fresh)
        self._failed += sum(not record.answered for record in fresh)
        return f"{now:6.1f} s  {self._sent} sent, {self._failed} failed"


def measure(
    exercise: DrillPlan,
    load_: Load,
    performer: FaultTarget,
    witnesses: Observers,
    stop: Stop,
    tell: Callable[[str], None] = no_progress,
) -> Evidence:
    """Let load and events run to their end, or to the signal that stops them. Does not restore.

    Raises:
        EventError: the cluster does not even answer before the load.
    """
    settings = exercise.settings
    over = threading.Event()
    conductor = EventRunner(performer, exercise.events, load_.now, over, tell)
    least = least_seconds(exercise.events, exercise.course.duration, exercise.course.tail)
    ticker = Ticker(load_.records, max(_TICK_SECONDS, least / _TICKS), tell)
    started = False

    def begin() -> None:
        nonlocal started
        failure = first_failure(load_.greetings)
        if failure:
            raise EventError(
                f"{settings.subject}: got {failure} before the load began, want 200 (fix: ansible-playbook"
                " playbooks/verify.yml)"
            )
        started = True
        tell(f"load began: {settings.rate:g} requests per second for at least {least:.0f} s")
        conductor.start()

    def go_on(now: float) -> bool:
        goes_on = not stop.event.is_set() and exercise.course.goes_on(now, conductor.ended)
        if goes_on:
            ticker.leaves(now)
        return goes_on

    schedule = itertools.islice(arrivals(settings.paths, settings.rate, settings.mix, settings.seed), MAX_REQUESTS)
    with witnesses.nodes or contextlib.nullcontext():
        try:
            asyncio.run(load_.run(schedule, begin, go_on))
        finally:
            over.set()
            if started:
                conductor.join()
    tell(f"{ticker.line(load_.seconds)}; the load has ended")
    return _evidence(exercise, load_, conductor.reports, witnesses, stop.reason if stop.event.is_set() else "")


def _evidence(
    exercise: DrillPlan, load_: Load, reports: Sequence[EventReport], witnesses: Observers, stopped: str
) -> Evidence:
    log = None
    if witnesses.log is not None:
        greetings = {record.key for record in load_.greetings}
        answered = sum(record.status is not None for record in load_.records)
        lines = witnesses.log.read(answered + len(greetings))
        log = None if lines is None else [line for line in lines if line.key not in greetings]
    witnesses.book.answered(
        (record.node, load_.began + record.done) for record in load_.records if record.node is not None
    )
    return Evidence(
        records=sorted(load_.records, key=lambda record: record.at),
        reports=tuple(reports),
        planned=len(exercise.events),
        offered=exercise.settings.rate,
        seconds=load_.seconds,
        executions=witnesses.book.executions(),
        nodes=witnesses.book.counts(),
        log=log,
        stopped=stopped,
        notes=witnesses.notes,
    )


def restored(performer: FaultTarget, work: Callable[[], Evidence]) -> Evidence:
    """The evidence of the work, after which the performer restores whatever happened.

    That it could not is part of the evidence; it hides neither what was measured nor an earlier failure.
    """
    try:
        evidence = work()
    except BaseException:
        with contextlib.suppress(EventError):
            performer.restore()
        raise
    try:
        performer.restore()
    except EventError as error:
        at = evidence.seconds
        failed = EventReport(len(evidence.reports), RESTORE, "", at, at, error=str(error))
        return dataclasses.replace(evidence, reports=(*evidence.reports, failed))
    return evidence


def new_load(settings: Settings, bases: Mapping[str, str], run: str) -> Load:
    """A load against these addresses."""
    return Load(
        bases,
        settings.paths,
        make_clients(settings.mix),
        run,
        rate=settings.rate,
        host=settings.host,
        timeout=settings.timeout,
    )
