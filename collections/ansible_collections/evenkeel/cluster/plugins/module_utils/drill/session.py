# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Runs a drill from its options to its result: the load, the events, the witnesses, the control."""

from __future__ import annotations

import dataclasses
import gzip
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..balancer.containers import BalancerPool
from ..balancer.swap import renew
from ..core.drill_results import ControlFigures, DrillResult
from ..core.errors import Finding
from ..core.folder import make_folder
from ..core.lock import cluster_lock
from ..core.progress import no_progress
from ..core.verdict import PASSED, PLANNED, STOPPED
from ..engine.docker_client import DockerPoolError
from ..engine.docker_faults import DrillPool
from ..measure.access_log import AccessLogReader
from ..measure.options import CheckInputError
from ..pool.context import PoolContext, balancer_of, load
from ..pool.plan import drift
from .conductor import EventError
from .control import BaselineBalancer, BaselinePool, baseline_path, control_kind
from .exercise import DrillPlan, Observers, measure, new_load, restored
from .judge import Evidence, add_up
from .load import Load
from .node_counters import NodeCounters, NodePoller
from .options import LEAD_SECONDS, Settings, needs_labels, settings_of
from .performer import DockerFaultTarget, RolloutLimits
from .records import EventReport, Record, saved
from .result import figures_result
from .schedule import BALANCER, HANG, plan_events
from .stop import Stop
from .verdict import control_line, control_verdict, judge_control, success, summary_line, verdict_of

# A control proves that the measurement can fail; it need not last as long.
_CONTROL_EVENTS = 6
# A naive node hangs for longer than its clients wait: two take as long as all the others.
_CONTROL_HANGS = 2


def run(
    params: Mapping[str, Any], check_mode: bool, stop: Stop, tell: Callable[[str], None] = no_progress
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
    return {**result, "files": write(settings, name, result, {"": evidence, "-control": control})}


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
    performer = DockerFaultTarget(
        context,
        lambda: balancer_of(params),
        load_.now,
        name,
        RolloutLimits(settings.amount, settings.workers, settings.surge_percent, settings.ready_timeout),
        renew_balancer=lambda: renew(balancer_pool(params), lambda url: balancer_of({**params, "api_url": url})),
    )
    book = NodeCounters(f"{name}-")
    witnesses = Observers(
        nodes=NodePoller(lambda: _of_tiers(context, settings.tiers), book),
        book=book,
        log=AccessLogReader(Path(settings.access_log), f"{name}-") if settings.access_log else None,
    )

    def work() -> Evidence:
        performer.prepare(settings.events)
        evidence = measure(
            DrillPlan(settings.events, settings.course, settings), load_, performer, witnesses, stop, tell
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


def _control_exercise(settings: Settings) -> DrillPlan:
    """What happens in the control: at most a few events of the drill's kind, or stops."""
    kind = control_kind({event.kind for event in settings.events})
    count = min(len(settings.events), _CONTROL_HANGS if kind == HANG else _CONTROL_EVENTS)
    interval = settings.events[1].at - settings.events[0].at if len(settings.events) > 1 else LEAD_SECONDS
    events = plan_events(kind, settings.tiers, count, LEAD_SECONDS, interval)
    return DrillPlan(events, dataclasses.replace(settings.course, duration=0.0), settings)


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
    exercise: DrillPlan,
    context: PoolContext,
    name: str,
    stop: Stop,
    tell: Callable[[str], None],
) -> Evidence:
    settings = exercise.settings
    load_ = new_load(settings, {}, name)
    naive = BaselineBalancer(balancer_pool(params), load_.now, name)

    def work() -> Evidence:
        tell("a naive balancer starts")
        url = naive.start()
        load_.lead({tier: url + context.tiers[tier].path for tier in settings.tiers})
        _await_routes(load_, settings.ready_timeout)
        return measure(exercise, load_, naive, Observers(), stop, tell)

    return restored(naive, work)


def _naive_nodes(
    exercise: DrillPlan, context: PoolContext, name: str, stop: Stop, tell: Callable[[str], None]
) -> Evidence:
    pool = context.pool
    if not isinstance(pool, DrillPool):
        raise TypeError("context: want one with a DrillPool")
    settings = exercise.settings
    tiers = {tier: context.tiers[tier] for tier in settings.tiers}
    load_ = new_load(settings, {name_: settings.url + baseline_path(tier) for name_, tier in tiers.items()}, name)
    made: list[str] = []
    try:
        images = dict(settings.control_images)
        for tier in tiers.keys() - images.keys():
            made.append(f"evenkeel-drill/{context.cluster}-naive-{tier}")
            pool.bare_image(context.builds[tier].image, made[-1])
            images[tier] = f"{made[-1]}:latest"
        naive = BaselinePool(
            pool, context.cluster, tiers, images, load_.now, settings.ready_timeout, settings.timeout + 1
        )

        def work() -> Evidence:
            tell("naive nodes start")
            naive.start()
            _await_routes(load_, settings.ready_timeout)
            return measure(exercise, load_, naive, Observers(), stop, tell)

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


def conclude(settings: Settings, evidence: Evidence, control: Evidence | None) -> DrillResult:
    """The module's result."""
    figures = add_up(evidence)
    verdict, problems = verdict_of(evidence, figures, settings.limits)
    text = success(evidence, figures)
    controlled: ControlFigures | None = None
    if control is not None:
        control_figures = add_up(control)
        failed, control_problems = judge_control(control, control_figures, settings.limits)
        line = control_line(control, control_figures, failed)
        controlled = {"failed": failed, "message": line, **figures_result(control, control_figures)}
        text += f"; {line}"
        problems = [*problems, *control_problems]
        if control_problems and verdict == PASSED:
            verdict = control_verdict(control, control_figures, settings.limits)
    elif settings.control and verdict == PASSED:
        verdict = STOPPED
        problems = [Finding("a signal before the control", "the whole drill", "run it again")]
    else:
        text += "; no control"
    result: DrillResult = {
        "changed": bool(evidence.reports),
        "plan": settings.plan(),
        "drill": figures_result(evidence, figures),
        "verdict": verdict,
        "message": summary_line(settings.subject, verdict, problems, text),
        "problems": [str(problem) for problem in problems],
    }
    if controlled is not None:
        result["control"] = controlled
    return result


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
