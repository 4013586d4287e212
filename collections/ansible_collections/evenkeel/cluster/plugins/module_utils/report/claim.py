# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a claim consists of, and the measurements that it is made from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.verdict import FAILED, NOT_MEASURED, PASSED
from .procedures import PROCEDURES, ClusterAddresses, Step

# Charts
BARS = "bars"
SEQUENCE = "sequence"
SESSIONS = "sessions"
TIMELINE = "timeline"
TIMES = "times"
LOSSES = "losses"


@dataclass(frozen=True)
class Control:
    """A measurement that must fail.

    Attributes:
        what: what was done.
        failed: whether it failed as it must; None when there was none.
        told: what it was found guilty of, or what is wrong with it.
    """

    what: str
    failed: bool | None
    told: str = ""


@dataclass(frozen=True)
class Chart:
    """What a chart shows.

    Attributes:
        kind: how it is drawn.
        title: its heading.
        text: the same in words, for those who do not see it.
        data: what is drawn.
        note: how to read it.
    """

    kind: str
    title: str
    text: str
    data: Mapping[str, Any]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Numbers to look up."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class Claim:
    """One claim and its proof.

    Attributes:
        id: short name.
        title: the claim in the words of the text that the project began with.
        procedure: how to repeat it by hand.
        thresholds: what must hold, one line each.
        measured: what was measured, one line each.
        verdict: ``pass``, ``fail`` or ``not measured``.
        due: it should have been measured.
        problems: why it does not hold.
        notes: what a reader must know.
        controls: what had to fail.
        charts: pictures.
        tables: numbers.
        figures: single numbers, to compare two reports by.
    """

    id: str
    title: str
    procedure: tuple[Step, ...] = ()
    thresholds: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    verdict: str = PASSED
    due: bool = True
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def red(self) -> bool:
        """It fails the report."""
        return self.verdict == FAILED or (self.verdict == NOT_MEASURED and self.due)


TITLES = {
    "nodes": "Each tier has several nodes, and declaration, Docker and balancer agree about them",
    "distribution": "The load balancer distributes HTTP requests between these nodes",
    "round-robin": "Requests are distributed in a round-robin fashion",
    "sticky": "Sticky sessions: clients stay with their node where that is declared, and nowhere else",
    "membership": "Nodes can appear or disappear at any time, and the load balancer follows without losing a request",
    "management": "The infrastructure can be monitored and managed, by those who have the password",
}


@dataclass(frozen=True)
class Measurements:
    """What was measured; each part is a module's result, and has only a message where the module gave up.

    Attributes:
        spec: the declared cluster.
        pool: of node_pool_info.
        balance: tier -> of balance_check.
        sticky: tier -> of sticky_check.
        management: of management_check.
        drills: of drill, one each.
        drills_due: drills were asked for.
        user: who may use the dashboard.
    """

    spec: Mapping[str, Any]
    pool: Mapping[str, Any] = field(default_factory=dict)
    balance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sticky: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    management: Mapping[str, Any] = field(default_factory=dict)
    drills: Sequence[Mapping[str, Any]] = ()
    drills_due: bool = False
    user: str = "admin"

    @property
    def tiers(self) -> list[Mapping[str, Any]]:
        """The declared tiers."""
        return list(self.spec["tiers"])

    def running(self, tier: str) -> list[str]:
        """What the running nodes of a tier call themselves."""
        return [node["served_by"] for node in self.pool.get("nodes", ()) if node["tier"] == tier and _runs(node)]

    def in_rotation(self, tier: str) -> list[str]:
        """Those of them that the balancer sends requests to."""
        return [
            node["served_by"] for node in self.pool.get("nodes", ()) if node["tier"] == tier and node["in_rotation"]
        ]


def _runs(node: Mapping[str, Any]) -> bool:
    return bool(node["state"] == "running")


class ClaimBuilder:
    """Collects what a claim consists of."""

    def __init__(self, name: str, place: ClusterAddresses) -> None:
        self.name = name
        self.procedure = tuple(PROCEDURES[name](place))
        self.thresholds: list[str] = []
        self.measured: list[str] = []
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.controls: list[Control] = []
        self.charts: list[Chart] = []
        self.tables: list[Table] = []
        self.figures: dict[str, float | None] = {}
        self.proves = False
        self.unmeasured: list[str] = []

    def missing(self, what: str, result: Mapping[str, Any]) -> None:
        """Something that should have been measured was not."""
        # A measurement that was skipped had nobody to ask.
        reason = result.get("msg") or ("the pool is not known" if result.get("skipped") else "no result")
        self.unmeasured.append(f"{what}: not measured: {reason}")

    def control(self, what: str, control: Mapping[str, Any], applies: bool) -> None:
        """Take a control in; one that did not fail is a problem of the claim."""
        if applies:
            # What it was found guilty of is no trouble to be mended.
            told = re.sub(r" \(fix: .*\)$", "", str(control.get("message", "")))
            self.controls.append(Control(what, bool(control.get("failed")), told))
            if not control.get("failed"):
                self.problems.append(f"control: {what}: {control.get('message') or 'it did not fail'}")

    def claim(self, nothing: str, due: bool = True) -> Claim:
        """The claim; *nothing* says why there is nothing to prove, should that be so."""
        verdict = PASSED
        if self.problems:
            verdict = FAILED
        elif self.unmeasured:
            verdict = NOT_MEASURED
        elif not self.proves:
            verdict, due = NOT_MEASURED, False
            self.notes.insert(0, nothing)
        return Claim(
            id=self.name,
            title=TITLES[self.name],
            procedure=self.procedure,
            thresholds=tuple(dict.fromkeys(self.thresholds)),
            measured=tuple(self.measured),
            verdict=verdict,
            due=due,
            problems=tuple(dict.fromkeys([*self.problems, *self.unmeasured])),
            notes=tuple(dict.fromkeys(self.notes)),
            controls=tuple(self.controls),
            charts=tuple(self.charts),
            tables=tuple(self.tables),
            figures=self.figures,
        )
