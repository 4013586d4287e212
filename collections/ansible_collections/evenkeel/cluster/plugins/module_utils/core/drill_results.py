# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What the module drill returns and the report reads, key by key; see :mod:`core.results`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, final

from .results import CheckResult, Quantiles


class RequestCounts(TypedDict):
    """What became of a load's requests."""

    sent: int
    answered: int
    failed: int
    failed_in_flight: int
    causes: dict[str, int]


class RateFigures(TypedDict):
    """Requests per second, and the seconds within which 99 % left late."""

    offered: float
    achieved: float
    late_p99: float


class PostFigures(TypedDict):
    """POSTs of the clients beside those that the nodes executed.

    Keys:
        not_offered: answered by images that do not say what they executed.
        again: second attempts of POSTs to these images by the balancer's counters, a bound of those executed twice;
            None when not known.
    """

    sent: int
    answered: int
    executed_once: int
    twice: int
    missing: int
    unknown: int
    not_offered: int
    again: int | None
    keys: list[str]


class SessionFigures(TypedDict):
    """Sessions, and those that moved: with their node, or away from one that was there."""

    seen: int
    moved_own: int
    moved_foreign: int


class Timeline(TypedDict):
    """Per bin of ``bin_seconds``: requests, latency (None without an answer), and nodes in use per tier."""

    bin_seconds: float
    answered: list[int]
    failed: list[int]
    p50_ms: list[float | None]
    p95_ms: list[float | None]
    p99_ms: list[float | None]
    nodes: dict[str, list[int]]


class Span(TypedDict):
    """A load's figures in a span of time."""

    seconds: float
    requests: int
    failed: int
    answered_per_second: float
    latency_ms: Quantiles


class EventLoad(TypedDict):
    """The load around an event."""

    before: Span
    during: Span
    after: Span


class EventResult(TypedDict):
    """One event; all times in seconds of load. ``left`` and ``joined`` say when each node did."""

    kind: str
    tier: str
    began: float
    ended: float
    left: dict[str, float]
    joined: dict[str, float]
    out: dict[str, float]
    error: str
    load: EventLoad


class NodeCounts(TypedDict):
    """What a node counted, None when its image counts nothing, and how many answers clients got from it."""

    counted: int | None
    answers: int


class DrillCounts(TypedDict):
    """The same requests counted by clients, access log and nodes."""

    client: int
    access_log: int | None
    access_log_missing: int
    access_log_differs: int
    retried: int | None
    nodes: dict[str, NodeCounts]
    incomplete: list[str]


class LoadFigures(TypedDict):
    """What one load and its events left behind; ``named_by`` says per tier how its nodes are known."""

    requests: RequestCounts
    rate: RateFigures
    latency_ms: Quantiles
    posts: PostFigures
    sessions: SessionFigures
    join_seconds: Quantiles
    leave_seconds: Quantiles
    out_seconds: Quantiles
    join_times: list[float]
    leave_times: list[float]
    timeline: Timeline
    events: list[EventResult]
    counts: DrillCounts
    named_by: dict[str, str]
    notes: list[str]


class ControlFigures(LoadFigures):
    """The same load on the unprotected baseline, which must lose requests."""

    failed: bool
    message: str


class DrillPlanned(TypedDict):
    """What a drill is going to do."""

    rate: float
    seconds: float
    requests: int
    events: list[str]


class _Drilled(CheckResult):
    changed: bool
    plan: DrillPlanned
    drill: LoadFigures


class DrillResult(_Drilled, total=False):
    """The result of drill. The role adds ``scenario`` and ``thresholds``; there need not be a control."""

    control: ControlFigures
    files: list[str]
    scenario: str
    thresholds: Mapping[str, float]


@final
class RefusedDrill(TypedDict, total=False):
    """A drill that did not run; the role adds ``scenario`` and ``thresholds``."""

    msg: str
    skipped: bool
    scenario: str
    thresholds: Mapping[str, float]
