# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""One load with its events, measured: what observes it, when it ends, what is evidence."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import threading
from collections.abc import Callable, Sequence

from ..core.poll import SYSTEM_CLOCK, Clock
from ..core.progress import no_progress
from ..measure.access_log import AccessLogReader
from .attempts import AttemptWatch, logged_requests
from .event_runner import EventError, EventRunner, FaultTarget
from .judge import Evidence
from .load import Load, first_failure
from .naming import ServerNames, named_records
from .node_counters import NodeCounters, NodePoller
from .options import MAX_REQUESTS, Settings
from .records import EventReport, Record
from .schedule import RESTORE, Event, LoadWindow, arrivals, least_seconds
from .stop import Stop

_TICK_SECONDS = 5.0
_TICKS = 100


@dataclasses.dataclass(frozen=True)
class Observers:
    """What else looks at the requests.

    Attributes:
        nodes: follows the nodes' counters; None where they are not read.
        counters: what it noted.
        log: reads the balancer's access log; None where it is not read.
        servers: which node was behind which server of the log.
        attempts: watches how often the balancer sends requests; None where that is not watched.
    """

    nodes: NodePoller | None = None
    counters: NodeCounters = dataclasses.field(default_factory=lambda: NodeCounters(""))
    log: AccessLogReader | None = None
    servers: ServerNames = dataclasses.field(default_factory=ServerNames)
    attempts: AttemptWatch | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What they could not see."""
        told = [*self.counters.notes()]
        if self.nodes is not None and self.nodes.problem:
            told.append(f"nodes not read all the time: {self.nodes.problem}")
        if self.log is not None and self.log.problem:
            told.append(self.log.problem)
        if self.attempts is not None and self.attempts.problem:
            told.append(self.attempts.problem)
        return tuple(told)


@dataclasses.dataclass(frozen=True)
class DrillPlan:
    """What is to be measured.

    Attributes:
        events: what happens meanwhile.
        window: how long the load lasts.
        settings: of the whole drill.
        tick_seconds: from one line about the load to the next, at least.
    """

    events: Sequence[Event]
    window: LoadWindow
    settings: Settings
    tick_seconds: float = _TICK_SECONDS

    @property
    def seconds(self) -> float:
        """How long it takes at least."""
        return least_seconds(self.events, self.window.duration, self.window.tail)

    @property
    def tick(self) -> float:
        """Seconds from one line about the load to the next; more where there would be too many lines."""
        return max(self.tick_seconds, self.seconds / _TICKS)


class Ticker:
    """Tells every few seconds how the load goes.

    Args:
        records: the requests that have ended; it grows.
        seconds: from one line to the next.
        on_progress: takes the lines.
    """

    def __init__(self, records: Sequence[Record], seconds: float, on_progress: Callable[[str], None]) -> None:
        """Prepare; nothing is told yet."""
        self._records = records
        self._seconds = seconds
        self._on_progress = on_progress
        self._next = seconds
        self._sent = 0
        self._seen = 0
        self._failed = 0

    def leaves(self, now: float) -> None:
        """A request leaves, that many seconds from the begin of the load."""
        if now >= self._next:
            self._on_progress(self.line(now))
            self._next = (now // self._seconds + 1) * self._seconds
        self._sent += 1

    def line(self, now: float) -> str:
        """What has been sent and what has failed until now."""
        fresh = self._records[self._seen :]
        self._seen += len(fresh)
        self._failed += sum(not record.answered for record in fresh)
        return f"{now:6.1f} s  {self._sent} sent, {self._failed} failed"


@dataclasses.dataclass
class Measurement:
    """Lets load and events run to their end, or to the request to stop. Does not restore.

    Attributes:
        plan: what is to be measured.
        load: sends the requests.
        target: performs the events.
        observers: what else looks at the requests.
        stop: ends it early.
        on_progress: takes a line whenever something has happened; called from several threads.
        clock: passes the time until an event.
    """

    plan: DrillPlan
    load: Load
    target: FaultTarget
    observers: Observers
    stop: Stop
    on_progress: Callable[[str], None] = no_progress
    clock: Clock = SYSTEM_CLOCK

    def run(self) -> Evidence:
        """Measure.

        Raises:
            EventError: the cluster does not even answer before the load.
        """
        settings, load = self.plan.settings, self.load
        over = threading.Event()
        runner = EventRunner(self.target, self.plan.events, load.now, over, self.on_progress, self.clock)
        ticker = Ticker(load.records, self.plan.tick, self.on_progress)
        started = False

        def begin() -> None:
            nonlocal started
            self._require_answers()
            started = True
            self.on_progress(
                f"load began: {settings.rate:g} requests per second for at least {self.plan.seconds:.0f} s"
            )
            runner.start()

        def go_on(now: float) -> bool:
            goes_on = not self.stop.event.is_set() and self.plan.window.goes_on(now, runner.ended)
            if goes_on:
                ticker.leaves(now)
            return goes_on

        if self.observers.attempts is not None:
            self.observers.attempts.begin()
        schedule = itertools.islice(arrivals(settings.paths, settings.rate, settings.mix, settings.seed), MAX_REQUESTS)
        with self.observers.nodes or contextlib.nullcontext():
            try:
                asyncio.run(load.run(schedule, begin, go_on))
            finally:
                over.set()
                if started:
                    runner.join()
        self.on_progress(f"{ticker.line(load.seconds)}; the load has ended")
        return self._evidence(runner.reports)

    def _require_answers(self) -> None:
        failure = first_failure(self.load.greetings)
        if failure:
            raise EventError(
                f"{self.plan.settings.subject}: got {failure} before the load began, want 200 (fix: ansible-playbook"
                " playbooks/verify.yml)"
            )

    def _evidence(self, reports: Sequence[EventReport]) -> Evidence:
        load, observers = self.load, self.observers
        greetings = {record.key for record in load.greetings}
        lines = None
        if observers.log is not None:
            answered = sum(record.status is not None for record in load.records)
            lines = observers.log.read(answered + len(greetings))
        records, named_by = named_records(
            load.records,
            load.greetings,
            lines,
            lambda server, at: observers.servers.node(server, load.began + at),
        )
        observers.counters.answered(
            (record.node, load.began + record.done) for record in records if record.node is not None
        )
        again: dict[tuple[str, str], int] = {}
        if observers.attempts is not None and lines is not None:
            again = observers.attempts.end(logged_requests((*load.greetings, *load.records), lines))
        return Evidence(
            records=sorted(records, key=lambda record: record.at),
            reports=tuple(reports),
            planned=len(self.plan.events),
            offered=self.plan.settings.rate,
            seconds=load.seconds,
            executions=observers.counters.executions(),
            nodes=observers.counters.counts(),
            uncounted=observers.counters.not_offered(),
            named_by=named_by,
            again=again,
            log=None if lines is None else [line for line in lines if line.key not in greetings],
            stopped=self.stop.reason if self.stop.event.is_set() else "",
            notes=observers.notes,
        )


def restored(target: FaultTarget, work: Callable[[], Evidence]) -> Evidence:
    """The evidence of the work, after which the target restores, whatever happened.

    That it could not is part of the evidence; it hides neither what was measured nor an earlier failure.
    """
    try:
        evidence = work()
    except BaseException:
        with contextlib.suppress(EventError):
            target.restore()
        raise
    try:
        target.restore()
    except EventError as error:
        at = evidence.seconds
        failed = EventReport(len(evidence.reports), RESTORE, "", at, at, error=str(error))
        return dataclasses.replace(evidence, reports=(*evidence.reports, failed))
    return evidence
