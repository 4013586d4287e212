# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Runs a drill from its options to its result: the load, the events, the witnesses, the control."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gzip
import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer_docker import BalancerPool, renew
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster_lock import cluster_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.docker_pool import DockerPoolError
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_docker import DockerPerformer, DrillPool, Measures
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_events import Conductor, EventError, Performer
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_figures import EventReport, Record, saved
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_load import Load, first_failure
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_naive import (
    NaiveBalancer,
    NaivePool,
    control_kind,
    naive_path,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_options import (
    LEAD_SECONDS,
    MAX_REQUESTS,
    Settings,
    make_folder,
    needs_labels,
    settings_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_schedule import (
    BALANCER,
    HANG,
    RESTORE,
    Course,
    Event,
    arrivals,
    least_seconds,
    make_clients,
    plan_events,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_stop import Stop
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_verdict import (
    PASSED,
    PLANNED,
    STOPPED,
    Evidence,
    add_up,
    control_line,
    control_verdict,
    figures_result,
    judge_control,
    one_line,
    success,
    verdict_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_witness import LogWitness, NodeBook, NodeWitness
from ansible_collections.evenkeel.cluster.plugins.module_utils.observation import CheckInputError
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool_context import PoolContext, balancer_of, load
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool_plan import drift
from ansible_collections.evenkeel.cluster.plugins.module_utils.progress import silent
from ansible_collections.evenkeel.cluster.plugins.module_utils.verdicts import Problem

# A control proves that the measurement can fail; it need not last as long.
_CONTROL_EVENTS = 6
# A naive node hangs for longer than its clients wait: two take as long as all the others.
_CONTROL_HANGS = 2
# Seconds from one line about the load to the next; more in a load so long that it would be many lines.
_TICK_SECONDS = 5.0
_TICKS = 100


# --------------------------------------------------------------------------
# One load with its events
# --------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Witnesses:
    """Who else looks at the requests.

    Attributes:
        nodes: follows the nodes' counters; None when nobody does.
        book: what it noted.
        log: reads the balancer's access log; None when nobody does.
    """

    nodes: NodeWitness | None = None
    book: NodeBook = dataclasses.field(default_factory=lambda: NodeBook(""))
    log: LogWitness | None = None

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
class Exercise:
    """What is to be measured."""

    events: Sequence[Event]
    course: Course
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
    exercise: Exercise,
    load_: Load,
    performer: Performer,
    witnesses: Witnesses,
    stop: Stop,
    tell: Callable[[str], None] = silent,
) -> Evidence:
    """Let load and events run to their end, or to the signal that stops them. Does not restore.

    Raises:
        EventError: the cluster does not even answer before the load.
    """
    settings = exercise.settings
    over = threading.Event()
    conductor = Conductor(performer, exercise.events, load_.now, over, tell)
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
    exercise: Exercise, load_: Load, reports: Sequence[EventReport], witnesses: Witnesses, stopped: str
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


def restored(performer: Performer, work: Callable[[], Evidence]) -> Evidence:
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


# --------------------------------------------------------------------------
# The drill on a real cluster
# --------------------------------------------------------------------------


def run(
    params: Mapping[str, Any], check_mode: bool, stop: Stop, tell: Callable[[str], None] = silent
) -> dict[str, Any]:
    """Check, measure, run the control, and give the module's result.

    Args:
        params: the module's options.
        check_mode: only check, and tell what would happen.
        stop: ends the drill early.
        tell: takes a line whenever something has happened; called from several threads.

    Raises:
        CheckInputError: an option cannot be used, or the pool is not as declared.
        EventError: the cluster could not be restored, or did not answer before the load.
    """
    settings = settings_of(params)
    with cluster_lock(params["cluster"], "drill", 0 if check_mode else settings.lock_timeout, tell):
        context = drill_context(params)
        check_cluster(context, settings)
        balancer_of(params).version()
        if check_mode:
            return planned(settings)
        make_folder(settings.folder)
        name = f"drill-{time.time_ns():x}"
        evidence = _main_drill(params, settings, context, name, stop, tell)
        control = None
        if settings.control and not stop.event.is_set():
            try:
                control = _control(params, settings, context, f"{name}c", stop, lambda line: tell(f"control: {line}"))
            except (EventError, DockerPoolError) as error:
                # What the drill itself has shown is not lost with its control.
                control = Evidence([], (EventReport(0, "control", "", 0.0, 0.0, error=str(error)),), 1)
    result = conclude(settings, evidence, control)
    result["files"] = write(settings, name, result, {"": evidence, "-control": control})
    return result


def drill_context(params: Mapping[str, Any]) -> PoolContext:
    """The declared and the actual pool, with what only a drill does to it."""
    context = load(params)
    pool = DrillPool(params["cluster"], params["network"], {name: tier.port for name, tier in context.tiers.items()})
    pool.connect()
    return dataclasses.replace(context, pool=pool)


def check_cluster(context: PoolContext, settings: Settings) -> None:
    """Refuse a pool that is not as declared: what a drill leads back to must be what it began with.

    Raises:
        CheckInputError: it is not.
    """
    differences = drift(context.pool.nodes(), context.targets, context.routed)
    found = [f"{tier}: {line}" for tier, lines in differences.items() for line in lines]
    if found:
        raise CheckInputError(
            f"pool: got {len(found)} differences from the declaration (first: {found[0]}), want none"
            " (fix: ansible-playbook site.yml)"
        )
    for tier in sorted(needs_labels(settings.events)):
        build = context.builds[tier]
        image = context.pool.image(build.image)
        if image is None or image[1].get("evenkeel.tier") != tier:
            raise CheckInputError(
                f"guest of {tier}: got image {build.image} without the label evenkeel.tier={tier}, want it built with"
                " its tier's labels (fix: leave the tier out with only)"
            )


def _main_drill(
    params: Mapping[str, Any],
    settings: Settings,
    context: PoolContext,
    name: str,
    stop: Stop,
    tell: Callable[[str], None],
) -> Evidence:
    load_ = new_load(settings, {tier: settings.url + context.tiers[tier].path for tier in settings.tiers}, name)
    performer = DockerPerformer(
        context,
        lambda: balancer_of(params),
        load_.now,
        name,
        Measures(settings.amount, settings.workers, settings.surge_percent, settings.ready_timeout),
        renew_balancer=lambda: renew(balancer_pool(params), lambda url: balancer_of({**params, "api_url": url})),
    )
    book = NodeBook(f"{name}-")
    witnesses = Witnesses(
        nodes=NodeWitness(lambda: _of_tiers(context, settings.tiers), book),
        book=book,
        log=LogWitness(Path(settings.access_log), f"{name}-") if settings.access_log else None,
    )

    def work() -> Evidence:
        performer.prepare(settings.events)
        evidence = measure(
            Exercise(settings.events, settings.course, settings), load_, performer, witnesses, stop, tell
        )
        tell("the pool is led back to its declaration")
        return evidence

    return restored(performer, work)


def balancer_pool(params: Mapping[str, Any]) -> BalancerPool:
    """The cluster's balancers."""
    pool = BalancerPool(params["cluster"], params["network"], {})
    pool.connect()
    return pool


def _of_tiers(context: PoolContext, tiers: Sequence[str]) -> list[Any]:
    return [node for node in context.pool.nodes() if node.tier in tiers]


def _control_exercise(settings: Settings) -> Exercise:
    """What happens in the control: at most a few events of the drill's kind, or stops."""
    kind = control_kind({event.kind for event in settings.events})
    count = min(len(settings.events), _CONTROL_HANGS if kind == HANG else _CONTROL_EVENTS)
    interval = settings.events[1].at - settings.events[0].at if len(settings.events) > 1 else LEAD_SECONDS
    events = plan_events(kind, settings.tiers, count, LEAD_SECONDS, interval)
    return Exercise(events, dataclasses.replace(settings.course, duration=0.0), settings)


def _control(
    params: Mapping[str, Any],
    settings: Settings,
    context: PoolContext,
    name: str,
    stop: Stop,
    tell: Callable[[str], None],
) -> Evidence:
    exercise = _control_exercise(settings)
    if any(event.kind == BALANCER for event in exercise.events):
        return _naive_balancer(params, exercise, context, name, stop, tell)
    return _naive_nodes(exercise, context, name, stop, tell)


def _naive_balancer(
    params: Mapping[str, Any],
    exercise: Exercise,
    context: PoolContext,
    name: str,
    stop: Stop,
    tell: Callable[[str], None],
) -> Evidence:
    settings = exercise.settings
    load_ = new_load(settings, {}, name)
    naive = NaiveBalancer(balancer_pool(params), load_.now, name)

    def work() -> Evidence:
        tell("a naive balancer starts")
        url = naive.start()
        load_.lead({tier: url + context.tiers[tier].path for tier in settings.tiers})
        _await_routes(load_, settings.ready_timeout)
        return measure(exercise, load_, naive, Witnesses(), stop, tell)

    return restored(naive, work)


def _naive_nodes(
    exercise: Exercise, context: PoolContext, name: str, stop: Stop, tell: Callable[[str], None]
) -> Evidence:
    pool = context.pool
    if not isinstance(pool, DrillPool):
        raise TypeError("context: want one with a DrillPool")
    settings = exercise.settings
    tiers = {tier: context.tiers[tier] for tier in settings.tiers}
    load_ = new_load(settings, {name_: settings.url + naive_path(tier) for name_, tier in tiers.items()}, name)
    made: list[str] = []
    try:
        images = dict(settings.control_images)
        for tier in tiers.keys() - images.keys():
            made.append(f"evenkeel-drill/{context.cluster}-naive-{tier}")
            pool.bare_image(context.builds[tier].image, made[-1])
            images[tier] = f"{made[-1]}:latest"
        naive = NaivePool(pool, context.cluster, tiers, images, load_.now, settings.ready_timeout, settings.timeout + 1)

        def work() -> Evidence:
            tell("naive nodes start")
            naive.start()
            _await_routes(load_, settings.ready_timeout)
            return measure(exercise, load_, naive, Witnesses(), stop, tell)

        return restored(naive, work)
    finally:
        for image in made:
            pool.remove_image(f"{image}:latest")


def _await_routes(load_: Load, timeout: float) -> None:
    """Until the balancer has the naive nodes' routes.

    Raises:
        EventError: it does not get them.
    """
    deadline = time.monotonic() + timeout
    while True:
        failure = load_.probe()
        if not failure:
            return
        if time.monotonic() > deadline:
            raise EventError(
                f"naive nodes: got {failure} for {timeout:g} s, want 200 through the balancer (fix: see its log)"
            )
        time.sleep(0.2)


# --------------------------------------------------------------------------
# The result
# --------------------------------------------------------------------------


def planned(settings: Settings) -> dict[str, Any]:
    """What check mode tells."""
    plan = settings.plan()
    return {
        "changed": bool(settings.events),
        "verdict": PLANNED,
        "message": (
            f"{settings.subject}: would send {plan['requests']} requests at {settings.rate:g}/s and perform"
            f" {len(settings.events)} events in {plan['seconds']:g} s"
            + (", then the control" if settings.control else "")
        ),
        "problems": [],
        "plan": plan,
        "files": [],
    }


def conclude(settings: Settings, evidence: Evidence, control: Evidence | None) -> dict[str, Any]:
    """The module's result."""
    figures = add_up(evidence)
    verdict, problems = verdict_of(evidence, figures, settings.limits)
    text = success(evidence, figures)
    result: dict[str, Any] = {
        "changed": bool(evidence.reports),
        "plan": settings.plan(),
        "drill": figures_result(evidence, figures),
    }
    if control is not None:
        control_figures = add_up(control)
        failed, control_problems = judge_control(control, control_figures, settings.limits)
        line = control_line(control, control_figures, failed)
        result["control"] = {"failed": failed, "message": line, **figures_result(control, control_figures)}
        text += f"; {line}"
        problems = [*problems, *control_problems]
        if control_problems and verdict == PASSED:
            verdict = control_verdict(control, control_figures, settings.limits)
    elif settings.control and verdict == PASSED:
        verdict = STOPPED
        problems = [Problem("a signal before the control", "the whole drill", "run it again")]
    else:
        text += "; no control"
    return {
        **result,
        "verdict": verdict,
        "message": one_line(settings.subject, verdict, problems, text),
        "problems": [str(problem) for problem in problems],
    }


def write(settings: Settings, name: str, result: Mapping[str, Any], loads: Mapping[str, Evidence | None]) -> list[str]:
    """Write the report, and one line per request, into the folder; the names of the files."""
    if not settings.folder:
        return []
    stem = f"{settings.scenario}-{name}"
    files = []
    for suffix, evidence in loads.items():
        if evidence is not None:
            path = Path(settings.folder) / f"{stem}{suffix}.jsonl.gz"
            write_records(path, evidence.records)
            files.append(str(path))
    report = Path(settings.folder) / f"{stem}.json"
    report.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return [str(report), *files]


def write_records(path: Path, records: Sequence[Record]) -> None:
    """One JSON object per request and line."""
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        for record in records:
            stream.write(json.dumps(saved(record)) + "\n")
