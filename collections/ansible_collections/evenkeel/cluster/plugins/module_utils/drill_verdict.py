# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Judge a drill: pure functions from its figures and the thresholds to problems and lines.

The order matters. A load that this machine could not produce proves nothing about the cluster, so it is told before
anything is blamed; a drill that was stopped tells what it saw so far and claims nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_figures import (
    Counts,
    EventReport,
    Executions,
    LogLine,
    Moves,
    NodeCount,
    PostAccount,
    Rate,
    Record,
    account_posts,
    achieved_rate,
    around,
    compare_counts,
    departure,
    failures,
    in_flight,
    join_seconds,
    latency_ms,
    leave_seconds,
    moves,
    nameless_tiers,
    own_fault,
    quantiles,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_schedule import POST, SWITCHING
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_timeline import listed, timeline
from ansible_collections.evenkeel.cluster.plugins.module_utils.statistics import zero_failures_upper
from ansible_collections.evenkeel.cluster.plugins.module_utils.verdicts import Problem, message, some

PASSED = "pass"
FAILED = "fail"
NOT_MEASURED = "not measured"
STOPPED = "stopped"
PLANNED = "planned"

_AROUND_SECONDS = 2.0
# A node that is told to leave so soon after its event need not have been asked by anybody.
_NOTICEABLE_SECONDS = 1.0
_SHOWN = 10


@dataclass(frozen=True)
class Thresholds:
    """What a drill may show at most; the names are those of the module's option.

    Attributes:
        failed: failed requests, besides those in flight on a node that was killed or frozen.
        failed_in_flight: failed POSTs in flight there.
        twice: POSTs that were delivered more than once.
        missing: POSTs that were answered but not executed.
        moved: sessions that left a node which was there.
        join_p95: seconds from a node's start to its first answer.
        leave_p95: seconds from a node's order to leave to its last request.
        out: seconds until a node that hangs is out of rotation.
        latency_p99: seconds, measured from when a request was due; 0 judges none.
        rate_share: least share of the rate that this machine must offer.
        late_p99: seconds that 99 % of the requests may leave late.
    """

    failed: int = 0
    failed_in_flight: int = 1000
    twice: int = 0
    missing: int = 0
    moved: int = 0
    join_p95: float = 1.0
    leave_p95: float = 3.0
    out: float = 2.0
    latency_p99: float = 0.0
    rate_share: float = 0.98
    late_p99: float = 0.25


@dataclass(frozen=True)
class Evidence:
    """Everything that one load and its events left behind.

    Attributes:
        records: every request.
        reports: every event, in order.
        planned: how many events there were to be.
        offered: requests per second of the schedule.
        seconds: how long the load ran.
        executions: what the nodes executed.
        nodes: what they counted.
        log: our requests in the access log; None when it was not read.
        stopped: why the drill ended early; empty when it did not.
        notes: what the witnesses could not see.
    """

    records: Sequence[Record]
    reports: Sequence[EventReport] = ()
    planned: int = 0
    offered: float = 1.0
    seconds: float = 0.0
    executions: Executions = field(default_factory=Executions)
    nodes: Mapping[str, NodeCount] = field(default_factory=dict)
    log: Sequence[LogLine] | None = None
    stopped: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figures:
    """The evidence, added up."""

    rate: Rate
    failed: tuple[Record, ...]
    excused: tuple[Record, ...]
    posts: PostAccount
    moved: Moves
    join: Mapping[str, float]
    leave: Mapping[str, float]
    out: Mapping[str, float]
    counts: Counts


def add_up(evidence: Evidence) -> Figures:
    """Add the evidence up."""
    blameless = {record.key for record in own_fault(evidence.records)}
    lost = [record for record in evidence.records if record.error and record.key not in blameless]
    excused = in_flight(lost, evidence.reports, evidence.log)
    excused_keys = {record.key for record in excused}
    return Figures(
        rate=achieved_rate(evidence.records, evidence.offered),
        failed=tuple(record for record in lost if record.key not in excused_keys),
        excused=tuple(excused),
        posts=account_posts(evidence.records, evidence.executions),
        moved=moves(evidence.records, evidence.reports),
        join=join_seconds(evidence.records, evidence.reports),
        leave=leave_seconds(evidence.records, evidence.reports),
        out={f"{node}@{report.number}": took for report in evidence.reports for node, took in report.out.items()},
        counts=compare_counts(evidence.records, evidence.log, evidence.nodes),
    )


# --------------------------------------------------------------------------
# Problems
# --------------------------------------------------------------------------


def unmeasured(evidence: Evidence, figures: Figures, limits: Thresholds) -> list[Problem]:
    """Why the figures say nothing about the cluster: this machine did not produce the load."""
    mine = own_fault(evidence.records)
    rate = figures.rate
    slow = rate.achieved < limits.rate_share * rate.offered
    if not evidence.records:
        return [Problem("no request sent", "some", "a longer duration")]
    if not slow and rate.late_p99 <= limits.late_p99 and not mine:
        return []
    got = f"offered {rate.offered:g}/s, achieved {rate.achieved:.1f}/s"
    if rate.late_p99 > limits.late_p99:
        got += f", 1 % left more than {rate.late_p99:.2f} s late"
    if mine:
        got += f", {len(mine)} not sent ({mine[0].error})"
    return [Problem(got, f"{rate.offered:g}/s from this machine", "a lower rate, or a machine that does nothing else")]


def judge(evidence: Evidence, figures: Figures, limits: Thresholds) -> list[Problem]:
    """Everything that is not as it must be."""
    return [
        *_judge_events(evidence),
        *_judge_failures(evidence, figures, limits),
        *_judge_posts(figures, limits),
        *_judge_moves(figures, limits),
        *_judge_times(evidence, figures, limits),
        *_judge_counts(figures.counts),
    ]


def _judge_broken(evidence: Evidence) -> list[Problem]:
    return [
        Problem(
            f"event {report.number + 1} ({report.kind}) not carried out: {report.error}",
            "every event carried out",
            "mend that and run the drill again",
        )
        for report in evidence.reports
        if report.error
    ]


def _judge_events(evidence: Evidence) -> list[Problem]:
    problems = _judge_broken(evidence)
    missing = evidence.planned - len(evidence.reports)
    if missing > 0 and not problems:
        problems.append(
            Problem(
                f"{len(evidence.reports)} of {evidence.planned} events within the time limit",
                "all of them",
                "a higher time_limit, or fewer events",
            )
        )
    return problems


def _judge_failures(evidence: Evidence, figures: Figures, limits: Thresholds) -> list[Problem]:
    problems = []
    total = len(evidence.records)
    if len(figures.failed) > limits.failed:
        first = figures.failed[0]
        problems.append(
            Problem(
                f"{len(figures.failed)} of {total} requests failed"
                f" (first: {first.method} {first.tier} {first.error} at {first.at:.2f} s{_after(first, evidence)})",
                f"at most {limits.failed}",
                f"look for {first.key} in the balancer's access log",
            )
        )
    if len(figures.excused) > limits.failed_in_flight:
        problems.append(
            Problem(
                f"{len(figures.excused)} requests failed in flight on nodes that went without warning",
                f"at most {limits.failed_in_flight}",
                "more nodes, or shorter requests",
            )
        )
    p99 = latency_ms(evidence.records).get("p99", 0.0) / 1000
    if limits.latency_p99 and p99 > limits.latency_p99:
        problems.append(Problem(f"latency p99 {p99:.3f} s", f"at most {limits.latency_p99:g} s", "more nodes"))
    return problems


def _after(record: Record, evidence: Evidence) -> str:
    before = [report for report in evidence.reports if report.began <= record.done]
    if not before:
        return ", before the first event"
    last = before[-1]
    return f", {record.done - last.began:.2f} s after the begin of event {last.number + 1} ({last.kind})"


def _judge_posts(figures: Figures, limits: Thresholds) -> list[Problem]:
    problems = []
    if len(figures.posts.twice) > limits.twice:
        problems.append(
            Problem(
                f"{len(figures.posts.twice)} POSTs delivered more than once (first: {figures.posts.twice[0]})",
                f"at most {limits.twice}",
                "see the balancer's retry settings",
            )
        )
    if len(figures.posts.missing) > limits.missing:
        problems.append(
            Problem(
                f"{len(figures.posts.missing)} POSTs answered but not executed (first: {figures.posts.missing[0]})",
                f"at most {limits.missing}",
                "see the application's POST",
            )
        )
    return problems


def _judge_moves(figures: Figures, limits: Thresholds) -> list[Problem]:
    foreign = sorted(figures.moved.foreign)
    if len(foreign) <= limits.moved:
        return []
    client, node = foreign[0]
    return [
        Problem(
            f"{len(foreign)} sessions left nodes that were there (first: client {client + 1} left {node})",
            f"at most {limits.moved}",
            f"see the health checks of {node} in the balancer's log",
        )
    ]


def _judge_times(evidence: Evidence, figures: Figures, limits: Thresholds) -> list[Problem]:
    problems = []
    for words, times, limit in (
        ("from a node's start to its first answer", figures.join, limits.join_p95),
        ("from a node's order to leave to its last request", figures.leave, limits.leave_p95),
    ):
        p95 = quantiles(times.values()).get("p95", 0.0)
        if p95 > limit:
            slowest = max(times, key=lambda name: times[name])
            problems.append(
                Problem(f"p95 {p95:.2f} s {words} (slowest: {slowest})", f"at most {limit:g} s", "see events")
            )
    nameless = nameless_tiers(evidence.records)
    joined = {
        f"{node}@{report.number}"
        for report in evidence.reports
        for node in report.joined
        if report.kind not in SWITCHING
        and report.tier not in nameless
        and departure(node, report.joined[node], evidence.reports) > report.ended + _NOTICEABLE_SECONDS
    }
    idle = sorted(joined - figures.join.keys())
    if idle:
        problems.append(
            Problem(
                f"no request answered by {some(idle)} after it joined", "some", "a longer interval or a higher rate"
            )
        )
    slow = {name: took for name, took in figures.out.items() if took > limits.out}
    if slow:
        worst = max(slow, key=lambda name: slow[name])
        problems.append(
            Problem(
                f"{slow[worst]:.2f} s until {worst} was out of rotation",
                f"at most {limits.out:g} s",
                "see the tier's health check",
            )
        )
    return problems


def _judge_counts(counts: Counts) -> list[Problem]:
    problems = []
    if counts.log_missing or counts.log_differs:
        problems.append(
            Problem(
                f"{counts.log_missing} answered requests missing in the access log, {counts.log_differs} with another"
                " status",
                f"all {counts.client} of them as the clients saw them",
                "see the balancer's access log",
            )
        )
    if counts.short:
        node = counts.short[0]
        counted, got = counts.nodes[node]
        problems.append(
            Problem(
                f"{counted} requests counted by {node}, {got} answers from it",
                "at least as many",
                f"docker logs {node}",
            )
        )
    return problems


# --------------------------------------------------------------------------
# Verdicts and lines
# --------------------------------------------------------------------------


def verdict_of(evidence: Evidence, figures: Figures, limits: Thresholds) -> tuple[str, list[Problem]]:
    """The verdict and what is to be told first."""
    if evidence.stopped:
        return STOPPED, [
            Problem(
                f"{evidence.stopped} after {evidence.seconds:.1f} s, {len(evidence.reports)} of {evidence.planned}"
                f" events and {len(evidence.records)} requests, {len(figures.failed)} failed so far",
                "the whole drill",
                "run it again",
            ),
            *_judge_broken(evidence),
        ]
    not_measured = unmeasured(evidence, figures, limits)
    if not_measured:
        return NOT_MEASURED, not_measured
    problems = judge(evidence, figures, limits)
    return (FAILED if problems else PASSED), problems


def judge_control(evidence: Evidence, figures: Figures, limits: Thresholds) -> tuple[bool, list[Problem]]:
    """Whether naive nodes lost requests under the same load, as they must; what is wrong with the control."""
    if evidence.stopped:
        return False, [Problem(f"{evidence.stopped} during the control", "the whole drill", "run it again")]
    problems = [*_judge_events(evidence), *unmeasured(evidence, figures, limits)]
    first = min((report.began for report in evidence.reports), default=0.0)
    early = [record for record in figures.failed if record.done < first]
    if early:
        problems.append(
            Problem(
                f"{len(early)} requests of the control failed before its first event ({early[0].error})",
                "none before",
                "see the naive nodes' logs",
            )
        )
    lost = len(figures.failed) + len(figures.excused)
    if not lost:
        problems.append(
            Problem(
                f"a control that lost none of {len(evidence.records)} requests",
                "lost requests from naive nodes",
                "more events: a measurement that cannot fail proves nothing",
            )
        )
    return lost > 0 and not problems, problems


def control_verdict(evidence: Evidence, figures: Figures, limits: Thresholds) -> str:
    """The verdict of a drill that passed, but whose control did not do what it must."""
    if evidence.stopped:
        return STOPPED
    return NOT_MEASURED if unmeasured(evidence, figures, limits) else FAILED


def success(evidence: Evidence, figures: Figures) -> str:
    """The verdict of a passed drill in words."""
    total = len(evidence.records)
    events = f"{len(evidence.reports)} events"
    text = f"{len(figures.failed)} of {total} requests failed in {events} at {figures.rate.achieved:.0f}/s"
    if not figures.failed:
        text += f" (failure rate below {zero_failures_upper(total):.2g}, 95 % confidence)"
    if figures.excused:
        text += f"; {len(figures.excused)} in flight on nodes that went without warning"
    posts = figures.posts
    if posts.answered:
        unknown = f", {posts.unknown} on nodes whose record could not be read" if posts.unknown else ""
        text += f"; {posts.confirmed} of {posts.answered} POSTs found executed once{unknown}"
    if figures.moved.sessions:
        text += f"; sessions moved: {len(figures.moved.own)} with their node, {len(figures.moved.foreign)} others"
    for words, times in (("join", figures.join), ("leave", figures.leave), ("out of rotation", figures.out)):
        spread = quantiles(times.values())
        if spread["count"]:
            text += f"; {words} p95 {spread['p95']:.2f} s"
    return text


def control_line(evidence: Evidence, figures: Figures, failed: bool) -> str:
    """What became of the control, in words."""
    lost = len(figures.failed) + len(figures.excused)
    ending = "as it must" if failed else "the control proves nothing"
    return f"control: {lost} of {len(evidence.records)} requests lost in {len(evidence.reports)} events, {ending}"


def one_line(subject: str, verdict: str, problems: Sequence[Problem], text: str) -> str:
    """The whole drill in one line."""
    if verdict == PASSED:
        return f"{subject}: {text}"
    if verdict == FAILED:
        return message(subject, problems)
    more = f"; and {len(problems) - 1} more, see problems" if len(problems) > 1 else ""
    return f"{subject}: {verdict}: {problems[0].got} (fix: {problems[0].fix}){more}"


def figures_result(evidence: Evidence, figures: Figures) -> dict[str, Any]:
    """The figures as the module returns them."""
    counts = figures.counts
    return {
        "requests": {
            "sent": len(evidence.records),
            "answered": sum(record.answered for record in evidence.records),
            "failed": len(figures.failed),
            "failed_in_flight": len(figures.excused),
            "causes": failures(evidence.records),
        },
        "rate": {
            "offered": figures.rate.offered,
            "achieved": round(figures.rate.achieved, 1),
            "late_p99": round(figures.rate.late_p99, 4),
        },
        "latency_ms": latency_ms(evidence.records),
        "posts": {
            "sent": sum(record.method == POST for record in evidence.records),
            "answered": figures.posts.answered,
            "executed_once": figures.posts.confirmed,
            "twice": len(figures.posts.twice),
            "missing": len(figures.posts.missing),
            "unknown": figures.posts.unknown,
            "keys": [*figures.posts.twice[:_SHOWN], *figures.posts.missing[:_SHOWN]],
        },
        "sessions": {
            "seen": len(figures.moved.sessions),
            "moved_own": len(figures.moved.own),
            "moved_foreign": len(figures.moved.foreign),
        },
        "join_seconds": quantiles(figures.join.values()),
        "leave_seconds": quantiles(figures.leave.values()),
        "out_seconds": quantiles(figures.out.values()),
        "join_times": listed(figures.join),
        "leave_times": listed(figures.leave),
        "timeline": timeline(evidence.records, evidence.offered, evidence.seconds),
        "events": [event_result(evidence.records, report) for report in evidence.reports],
        "counts": {
            "client": counts.client,
            "access_log": counts.log,
            "access_log_missing": counts.log_missing,
            "access_log_differs": counts.log_differs,
            "retried": counts.retried,
            "nodes": {name: {"counted": counted, "answers": got} for name, (counted, got) in counts.nodes.items()},
            "incomplete": list(counts.incomplete),
        },
        "notes": [
            *evidence.notes,
            *(
                f"joining, leaving and sessions of {tier} not measured: its answers have no X-Served-By"
                for tier in nameless_tiers(evidence.records)
            ),
        ],
    }


def event_result(records: Sequence[Record], report: EventReport) -> dict[str, Any]:
    """One event as the module returns it."""
    return {
        "kind": report.kind,
        "tier": report.tier,
        "began": round(report.began, 3),
        "ended": round(report.ended, 3),
        "left": {node: round(at, 3) for node, at in report.left.items()},
        "joined": {node: round(at, 3) for node, at in report.joined.items()},
        "out": {node: round(took, 3) for node, took in report.out.items()},
        "error": report.error,
        "load": around(records, report, _AROUND_SECONDS),
    }
