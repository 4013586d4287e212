# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The parts of a claim, and the measurements that claims are made from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..cluster.node import RUNNING
from ..core.drill_results import DrillResult, RefusedDrill
from ..core.results import BalanceResult, ManagementResult, NodeView, NoResult, PoolResult, StickyResult
from ..core.verdict import FAILED, NOT_MEASURED, PASSED
from ..core.words import HEADER
from .addresses import ClusterAddresses, addresses_of
from .chart_data import Chart
from .procedures import PROCEDURES, Step

_FIX = re.compile(r" \(fix: .*\)$")


@dataclass(frozen=True)
class Control:
    """A measurement that must fail.

    Attributes:
        what: what was done.
        failed: whether it failed, as it must; None when there was no control.
        told: the fault that it found, or what is wrong with the control.
    """

    what: str
    failed: bool | None
    told: str = ""


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
        title: the claim in the words of the original lab text.
        procedure: how to repeat the measurement by hand.
        thresholds: what must hold, one line each.
        measured: what was measured, one line each.
        verdict: ``pass``, ``fail`` or ``not measured``.
        due: it should have been measured.
        problems: why it does not hold.
        notes: what a reader must know.
        controls: measurements that must fail.
        charts: charts.
        tables: tables.
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
    """The results of the measuring modules; a module that failed early gives only a message.

    Attributes:
        spec: the declared cluster.
        pool: result of node_pool_info.
        balance: result of balance_check per tier.
        sticky: result of sticky_check per tier.
        management: result of management_check.
        drills: results of drill.
        drills_due: drills should have been run.
        user: user of the dashboard.
        portainer_password: file with Portainer's password; empty for the one in the state folder.
    """

    spec: Mapping[str, Any]
    pool: PoolResult | NoResult = field(default_factory=NoResult)
    balance: Mapping[str, BalanceResult | NoResult] = field(default_factory=dict)
    sticky: Mapping[str, StickyResult | NoResult] = field(default_factory=dict)
    management: ManagementResult | NoResult = field(default_factory=NoResult)
    drills: Sequence[DrillResult | RefusedDrill] = ()
    drills_due: bool = False
    user: str = "admin"
    portainer_password: str = ""

    @property
    def addresses(self) -> ClusterAddresses:
        """The addresses and files of the cluster."""
        unnamed = {
            name
            for results in (self.balance, self.sticky)
            for name, result in results.items()
            if "named_by" in result and result["named_by"] != HEADER
        }
        return addresses_of(self.spec, self.user, self.portainer_password, unnamed)

    @property
    def tiers(self) -> list[Mapping[str, Any]]:
        """The declared tiers."""
        return list(self.spec["tiers"])

    def balance_of(self, tier: str) -> BalanceResult | NoResult:
        """The tier's result of balance_check."""
        return self.balance.get(tier, NoResult())

    def sticky_of(self, tier: str) -> StickyResult | NoResult:
        """The tier's result of sticky_check."""
        return self.sticky.get(tier, NoResult())

    def running(self, tier: str) -> list[str]:
        """Names of the tier's running nodes, as they send them in ``X-Served-By``."""
        return [node["served_by"] for node in self._nodes(tier) if node["state"] == RUNNING]

    def _nodes(self, tier: str) -> list[NodeView]:
        if "nodes" not in self.pool:
            return []
        return [node for node in self.pool["nodes"] if node["tier"] == tier]


class ClaimBuilder:
    """Collects the parts of a claim."""

    def __init__(self, name: str, addresses: ClusterAddresses) -> None:
        """Begin a claim without measurements."""
        self.name = name
        self.procedure = tuple(PROCEDURES[name](addresses))
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
        self.unmeasurable: list[str] = []

    def missing(self, what: str, result: NoResult | RefusedDrill) -> None:
        """Note a measurement that should have been made and was not."""
        # A check is skipped when node_pool_info gave no nodes to check.
        reason = result.get("msg") or ("the pool is not known" if result.get("skipped") else "no result")
        self.unmeasured.append(f"{what}: not measured: {reason}")

    def control(self, what: str, failed: bool | None, message: str) -> None:
        """Note a control; one that did not fail is a problem of the claim."""
        # The fault that a control found is no problem to fix.
        self.controls.append(Control(what, bool(failed), _FIX.sub("", message)))
        if not failed:
            self.problems.append(f"control: {what}: {message or 'it did not fail'}")

    def claim(self, unproved: str, due: bool = True) -> Claim:
        """The claim.

        Args:
            unproved: why nothing was proved; a note of the claim if nothing was.
            due: it should have been measured.
        """
        verdict = PASSED
        if self.problems:
            verdict = FAILED
        elif self.unmeasured:
            verdict = NOT_MEASURED
        elif self.unmeasurable:
            # Not every image lets clients see which node answered. That is no fault of the cluster's.
            verdict, due = NOT_MEASURED, False
            self.notes.insert(0, "; ".join(self.unmeasurable))
        elif not self.proves:
            verdict, due = NOT_MEASURED, False
            self.notes.insert(0, unproved)
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
