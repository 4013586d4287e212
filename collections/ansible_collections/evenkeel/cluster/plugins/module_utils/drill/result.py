# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""A drill's figures as plain data, for the module's result. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.drill_results import EventResult, LoadFigures
from ..core.words import LOG, NAMED_BY
from .figures import around, failures, latency_ms, nameless_tiers, quantiles
from .judge import Evidence, Figures
from .records import EventReport, Record
from .schedule import POST
from .timeline import listed, timeline

_AROUND_SECONDS = 2.0
_SHOWN = 10


def figures_result(evidence: Evidence, figures: Figures) -> LoadFigures:
    """The figures as the module returns them."""
    counts = figures.counts
    return {
        "requests": {
            "sent": len(evidence.records),
            "answered": sum(record.answered for record in evidence.records),
            "failed": len(figures.failed),
            "failed_in_flight": len(figures.unavoidable),
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
            "not_offered": figures.posts.not_offered,
            "again": figures.posts.again,
            "keys": [*figures.posts.twice[:_SHOWN], *figures.posts.missing[:_SHOWN]],
        },
        "sessions": {
            "seen": len(figures.moved.sessions),
            "moved_own": len(figures.moved.expected),
            "moved_foreign": len(figures.moved.unexpected),
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
        "named_by": dict(evidence.named_by),
        "notes": [
            *evidence.notes,
            *(f"nodes of {tier}: {NAMED_BY[LOG]}" for tier, by in evidence.named_by.items() if by == LOG),
            *(
                f"joining, leaving and sessions of {tier} not measured: its answers have no X-Served-By, and no access"
                " log names its nodes"
                for tier in nameless_tiers(evidence.records)
            ),
        ],
    }


def event_result(records: Sequence[Record], report: EventReport) -> EventResult:
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
