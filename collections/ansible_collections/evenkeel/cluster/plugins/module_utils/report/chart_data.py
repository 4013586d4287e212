# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The data of the charts: written by the claims, drawn by :mod:`report.charts`, and kept in results.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypedDict

from ..core.drill_results import Timeline

# Kinds
BARS = "bars"
SEQUENCE = "sequence"
SESSIONS = "sessions"
TIMELINE = "timeline"
TIMES = "times"
LOSSES = "losses"
# The two loads of a drill.
OURS, CONTROL = "ours", "control"


class _Bars(TypedDict):
    groups: list[str]
    series: Mapping[str, Sequence[int | None]]
    unit: str


class BarsData(_Bars, total=False):
    """A bar per group and series; None was not read. ``expected`` is drawn as a line."""

    expected: float


class SequenceData(TypedDict):
    """The nodes that answered, in the order of sending; the first full cycle begins at ``offset``."""

    nodes: list[str]
    sequence: list[str]
    offset: int


class SessionsData(TypedDict):
    """The nodes that answered each client, with and without a cookie jar."""

    nodes: list[str]
    sessions: list[list[str]]
    control: list[list[str]]


class EventData(TypedDict):
    """One event on a timeline; all times in seconds of load."""

    kind: str
    tier: str
    began: float
    ended: float
    left: dict[str, float]
    joined: dict[str, float]


class TimelineData(TypedDict):
    """A drill, bin by bin, and its events."""

    timeline: Timeline
    events: list[EventData]


class TimesData(TypedDict):
    """Sorted seconds per kind (``join``, ``leave``), and the threshold of each; None where there is none."""

    times: dict[str, list[float]]
    limits: dict[str, float | None]


class LossBar(TypedDict):
    """The lost requests of one load (``ours`` or ``control``), and the confidence interval of their rate."""

    drill: str
    who: str
    sent: int
    lost: int
    low: float
    high: float


class LossesData(TypedDict):
    """A bar per load."""

    bars: list[LossBar]


ChartData: TypeAlias = "BarsData | SequenceData | SessionsData | TimelineData | TimesData | LossesData"


@dataclass(frozen=True)
class Chart:
    """The content of a chart.

    Attributes:
        kind: how it is drawn; one of the kinds above.
        title: its heading.
        text: the same in words, its text alternative.
        data: what is drawn.
        note: how to read it.
    """

    kind: str
    title: str
    text: str
    data: ChartData
    note: str = ""
