# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Judge a drill: figures against thresholds. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..core.errors import Finding, join_some
from ..measure.access_log import LogLine
from .figures import (
    Counts,
    Executions,
    Moves,
    NodeCount,
    PostAccount,
    Rate,
    account_posts,
    achieved_rate,
    compare_counts,
    departure,
    generator_faults,
    in_flight,
    join_seconds,
    latency_ms,
    leave_seconds,
    moves,
    nameless_tiers,
    quantiles,
)
from .records import EventReport, Record
from .schedule import SWITCHING

# A node that is told to leave so soon after its event need not have been asked by anybody.
_NOTICEABLE_SECONDS = 1.0


@dataclass(frozen=True)
class Thresholds:
    """What a drill may show at most; the names are those of the module's option.

    Attributes:
        failed: failed requests, besides those in flight on a node that was killed or frozen.
        failed_in_flight: failed requests in flight there.
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
        uncounted: tiers whose image counts nothing.
        named_by: tier to how its nodes are known, a word of :mod:`core.words`.
        again: tier and method to the attempts beyond the first of each request; absent where they are not known.
        log: our requests in the access log; None when it was not read.
        stopped: why the drill ended early; empty when it did not.
        notes: what the observers could not see.
        repeating: the tiers whose GETs are sent once more when their node broke off; None for all.
    """

    records: Sequence[Record]
    reports: Sequence[EventReport] = ()
    planned: int = 0
    offered: float = 1.0
    seconds: float = 0.0
    executions: Executions = field(default_factory=Executions)
    nodes: Mapping[str, NodeCount] = field(default_factory=dict)
    uncounted: frozenset[str] = frozenset()
    named_by: Mapping[str, str] = field(default_factory=dict)
    again: Mapping[tuple[str, str], int] = field(default_factory=dict)
    log: Sequence[LogLine] | None = None
    stopped: str = ""
    notes: tuple[str, ...] = ()
    repeating: frozenset[str] | None = None


@dataclass(frozen=True)
class Figures:
    """The evidence, added up."""

    rate: Rate
    failed: tuple[Record, ...]
    unavoidable: tuple[Record, ...]
    posts: PostAccount
    moved: Moves
    join: Mapping[str, float]
    leave: Mapping[str, float]
    out: Mapping[str, float]
    counts: Counts


def add_up(evidence: Evidence) -> Figures:
    """Add the evidence up."""
    blameless = {record.key for record in generator_faults(evidence.records)}
    lost = [record for record in evidence.records if record.error and record.key not in blameless]
    unavoidable = in_flight(lost, evidence.reports, evidence.log, evidence.repeating)
    unavoidable_keys = {record.key for record in unavoidable}
    return Figures(
        rate=achieved_rate(evidence.records, evidence.offered),
        failed=tuple(record for record in lost if record.key not in unavoidable_keys),
        unavoidable=tuple(unavoidable),
        posts=account_posts(evidence.records, evidence.executions, evidence.again),
        moved=moves(evidence.records, evidence.reports),
        join=join_seconds(evidence.records, evidence.reports),
        leave=leave_seconds(evidence.records, evidence.reports),
        out={f"{node}@{report.number}": took for report in evidence.reports for node, took in report.out.items()},
        counts=compare_counts(evidence.records, evidence.log, evidence.nodes, evidence.uncounted, evidence.again),
    )


def unmeasured(evidence: Evidence, figures: Figures, limits: Thresholds) -> list[Finding]:
    """Why the figures say nothing about the cluster: this machine did not produce the load."""
    mine = generator_faults(evidence.records)
    rate = figures.rate
    slow = rate.achieved < limits.rate_share * rate.offered
    if not evidence.records:
        return [Finding("no request sent", "some", "a longer duration")]
    if not slow and rate.late_p99 <= limits.late_p99 and not mine:
        return []
    got = f"offered {rate.offered:g}/s, achieved {rate.achieved:.1f}/s"
    if rate.late_p99 > limits.late_p99:
        got += f", 1 % left more than {rate.late_p99:.2f} s late"
    if mine:
        got += f", {len(mine)} not sent ({mine[0].error})"
    return [Finding(got, f"{rate.offered:g}/s from this machine", "a lower rate, or a machine that does nothing else")]


def judge(evidence: Evidence, figures: Figures, limits: Thresholds) -> list[Finding]:
    """Everything that is not as it must be."""
    return [
        *judge_events(evidence),
        *_judge_failures(evidence, figures, limits),
        *_judge_posts(figures, limits),
        *_judge_moves(figures, limits),
        *_judge_times(evidence, figures, limits),
        *_judge_counts(figures.counts),
    ]


def judge_broken(evidence: Evidence) -> list[Finding]:
    """Events that failed."""
    return [
        Finding(
            f"event {report.number + 1} ({report.kind}) not carried out: {report.error}",
            "every event carried out",
            "mend that and run the drill again",
        )
        for report in evidence.reports
        if report.error
    ]


def judge_events(evidence: Evidence) -> list[Finding]:
    """Whether all planned events came about."""
    problems = judge_broken(evidence)
    missing = evidence.planned - len(evidence.reports)
    if missing > 0 and not problems:
        problems.append(
            Finding(
                f"{len(evidence.reports)} of {evidence.planned} events within the time limit",
                "all of them",
                "a higher time_limit, or fewer events",
            )
        )
    return problems


def _judge_failures(evidence: Evidence, figures: Figures, limits: Thresholds) -> list[Finding]:
    problems = []
    total = len(evidence.records)
    if len(figures.failed) > limits.failed:
        first = figures.failed[0]
        problems.append(
            Finding(
                f"{len(figures.failed)} of {total} requests failed"
                f" (first: {first.method} {first.tier} {first.error} at {first.at:.2f} s{_after(first, evidence)})",
                f"at most {limits.failed}",
                f"look for {first.key} in the balancer's access log",
            )
        )
    if len(figures.unavoidable) > limits.failed_in_flight:
        problems.append(
            Finding(
                f"{len(figures.unavoidable)} requests failed in flight on nodes that went without warning",
                f"at most {limits.failed_in_flight}",
                "more nodes, or shorter requests",
            )
        )
    p99 = latency_ms(evidence.records).get("p99", 0.0) / 1000
    if limits.latency_p99 and p99 > limits.latency_p99:
        problems.append(Finding(f"latency p99 {p99:.3f} s", f"at most {limits.latency_p99:g} s", "more nodes"))
    return problems


def _after(record: Record, evidence: Evidence) -> str:
    before = [report for report in evidence.reports if report.began <= record.done]
    if not before:
        return ", before the first event"
    last = before[-1]
    return f", {record.done - last.began:.2f} s after the begin of event {last.number + 1} ({last.kind})"


def _judge_posts(figures: Figures, limits: Thresholds) -> list[Finding]:
    problems = []
    if len(figures.posts.twice) > limits.twice:
        problems.append(
            Finding(
                f"{len(figures.posts.twice)} POSTs delivered more than once (first: {figures.posts.twice[0]})",
                f"at most {limits.twice}",
                "see the balancer's retry settings",
            )
        )
    if len(figures.posts.missing) > limits.missing:
        problems.append(
            Finding(
                f"{len(figures.posts.missing)} POSTs answered but not executed (first: {figures.posts.missing[0]})",
                f"at most {limits.missing}",
                "see the application's POST",
            )
        )
    return problems


def _judge_moves(figures: Figures, limits: Thresholds) -> list[Finding]:
    moved = sorted(figures.moved.unexpected)
    if len(moved) <= limits.moved:
        return []
    client, node = moved[0]
    return [
        Finding(
            f"{len(moved)} sessions left nodes that were there (first: client {client + 1} left {node})",
            f"at most {limits.moved}",
            f"see the health checks of {node} in the balancer's log",
        )
    ]


def _judge_times(evidence: Evidence, figures: Figures, limits: Thresholds) -> list[Finding]:
    problems = []
    for words, times, limit in (
        ("from a node's start to its first answer", figures.join, limits.join_p95),
        ("from a node's order to leave to its last request", figures.leave, limits.leave_p95),
    ):
        p95 = quantiles(times.values()).get("p95", 0.0)
        if p95 > limit:
            slowest = max(times, key=lambda name: times[name])
            problems.append(
                Finding(f"p95 {p95:.2f} s {words} (slowest: {slowest})", f"at most {limit:g} s", "see events")
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
            Finding(
                f"no request answered by {join_some(idle)} after it joined",
                "some",
                "a longer interval or a higher rate",
            )
        )
    slow = {name: took for name, took in figures.out.items() if took > limits.out}
    if slow:
        worst = max(slow, key=lambda name: slow[name])
        problems.append(
            Finding(
                f"{slow[worst]:.2f} s until {worst} was out of rotation",
                f"at most {limits.out:g} s",
                "see the tier's health check",
            )
        )
    return problems


def _judge_counts(counts: Counts) -> list[Finding]:
    problems = []
    if counts.log_missing or counts.log_differs:
        problems.append(
            Finding(
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
            Finding(
                f"{counted} requests counted by {node}, {got} answers from it",
                "at least as many",
                f"docker logs {node}",
            )
        )
    return problems
