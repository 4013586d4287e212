# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What modules return and the report reads, key by key.

Producers return these types and consumers take them, so the type checker finds a key that only one side has.
At run time they are plain dictionaries, as Ansible passes them from one module to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, final


@final
class NoResult(TypedDict, total=False):
    """The result of a module that failed before it measured, or that was skipped."""

    msg: str
    skipped: bool


class CheckResult(TypedDict):
    """What all checks return.

    Keys:
        verdict: a word of :mod:`core.verdict`.
        message: the verdict in one line.
        problems: why it is not ``pass``, one line each.
    """

    verdict: str
    message: str
    problems: list[str]


class Quantiles(TypedDict, total=False):
    """How values are spread; only ``count`` when there is none, and no ``count`` where it is known already."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float


# --------------------------------------------------------------------------
# balance_check and sticky_check
# --------------------------------------------------------------------------


class _Observed(TypedDict):
    observed: bool
    attempts: int


class Generation(_Observed, total=False):
    """What the balancer did during a measurement; only ``observed`` and ``attempts`` when its API was not asked.

    Keys:
        before, after: configuration reloads.
        counted: requests that the balancer counted.
        foreign_requests: requests of other clients among them.
        servers: health by server URL.
    """

    before: int
    after: int
    counted: int
    foreign_requests: int
    servers: Mapping[str, str]


class SideCounts(TypedDict):
    """Requests of one node, counted by three sides; None where a side was not read."""

    client: int
    access_log: int | None
    node: int | None


class Sides(TypedDict):
    """Requests counted by clients, access log and nodes.

    Keys:
        own_count_offered: false where the tier's image counts no requests, so that there are two sides.
    """

    nodes: dict[str, SideCounts]
    access_log_missing: int | None
    access_log_differs: int
    own_count_offered: bool


class BalanceControl(TypedDict):
    """The same number of requests to one node, past the balancer."""

    applicable: bool
    failed: bool | None
    url: str | None
    requests: int
    counts: dict[str, int]
    message: str


class BalanceResult(CheckResult):
    """The result of balance_check; ``aspects`` groups the problems by subject, ``named_by`` is of :mod:`core.words`."""

    notes: list[str]
    named_by: str
    method: str
    requests: int
    sent: int
    lost: int
    counts: dict[str, int]
    sequence: list[str]
    statistic: float | None
    p_value: float | None
    latency_ms: Quantiles
    generation: Generation
    control: BalanceControl
    sides: Sides
    aspects: dict[str, list[str]]


class SessionControl(TypedDict):
    """The same clients without cookie jars."""

    applicable: bool
    failed: bool | None
    clients: int
    requests: int
    stayed: int
    moved: int
    sessions: list[list[str]]
    message: str


class CookieSeen(TypedDict):
    """The sticky cookie as the balancer set it."""

    name: str
    attributes: Mapping[str, str]


class StickyResult(CheckResult):
    """The result of sticky_check; ``sessions`` has the node of each answer, client by client."""

    notes: list[str]
    named_by: str
    method: str
    clients: int
    requests: int
    sent: int
    lost: int
    stayed: int
    moved: int
    first_picks: dict[str, int]
    sessions: list[list[str]]
    counts: dict[str, int]
    cookie_seen: CookieSeen | None
    latency_ms: Quantiles
    generation: Generation
    control: SessionControl


# --------------------------------------------------------------------------
# management_check
# --------------------------------------------------------------------------


class ManagementQuestion(TypedDict):
    """One request to the management and its answer."""

    what: str
    url: str
    credentials: str
    want: tuple[int, ...]
    got: int | None
    error: str
    ok: bool
    control: bool


class ManagementResult(CheckResult):
    """The result of management_check."""

    aspects: dict[str, list[str]]
    checks: list[ManagementQuestion]


# --------------------------------------------------------------------------
# node_pool_info
# --------------------------------------------------------------------------


class NodeView(TypedDict):
    """One container of a tier, as Docker and the balancer see it.

    Keys:
        url: its address in the balancer's API.
        direct_url: its tier's path at the node, past the balancer; empty without an address or a declared tier.
        balancer_status: ``UP``, ``DOWN`` or ``not listed``.
        detail: the engine's own word for the state; empty for that of ``state``.
        host: the machine that it runs on; empty on an engine that has only one.
        remark: why the balancer cannot reach it and what to do, in one line; empty if that is not known.
    """

    id: str
    name: str
    tier: str
    managed: bool
    state: str
    revision: str
    image_id: str
    service: str
    address: str
    served_by: str
    url: str
    leaving: bool
    detail: str
    host: str
    direct_url: str
    in_rotation: bool
    balancer_status: str
    remark: str


class _Override(TypedDict, total=False):
    override: str


class TierView(_Override):
    """One declared tier: how many nodes it has by each side, and what a run would do.

    Keys:
        override: the number of nodes set in the console, with the person and the time; empty or absent for none.
    """

    desired: int
    running: int
    in_rotation: int
    guests: int
    service: str
    revision: str
    unknown_servers: list[str]
    drift: list[str]


class BalancerState(TypedDict):
    """Whether the balancer's API answered, its version, or the reason why not."""

    reachable: bool
    version: str
    reason: str


class PartView(TypedDict):
    """One part of the cluster beside its nodes: an address, a container of ours, the routes, files and the like.

    Keys:
        part: its name.
        state: how it was found, in words.
        lines: what is not as it must be, one line each.
        to_do: what a run would change.
    """

    part: str
    state: str
    lines: list[str]
    to_do: list[str]


class _Parts(TypedDict, total=False):
    parts: list[PartView]
    settled: list[str]


class PoolView(_Parts):
    """The pool as declared, as Docker has it, and as the balancer sees it; with ``parts`` where all was looked at.

    Keys:
        settled: the numbers set in the console that a run took back, one line each; of a run alone.
    """

    tiers: dict[str, TierView]
    nodes: list[NodeView]
    undeclared: dict[str, list[str]]
    balancer: BalancerState


class PoolResult(PoolView):
    """The result of node_pool_info; ``agreement`` has a line for each difference."""

    agreement: list[str]


class TierDrift(TypedDict):
    """One tier in numbers: declared, running in Docker, in rotation at the balancer (None where not known).

    Keys:
        override: the number of nodes set in the console, with the person and the time; empty for none.
    """

    tier: str
    declared: int
    override: str
    docker: int | None
    balancer: int | None
    guests: int
    revision: str
    to_do: list[str]


class DriftReport(TypedDict):
    """Whether all is as declared, the balancer's version, the differences, the tiers and the other parts."""

    agreed: bool
    balancer: str
    lines: list[str]
    tiers: list[TierDrift]
    parts: list[PartView]


# --------------------------------------------------------------------------
# provenance_info
# --------------------------------------------------------------------------


class MachineFacts(TypedDict):
    """The Docker host."""

    system: str
    kernel: str
    architecture: str
    processor: str
    cpus: int
    memory_bytes: int
    python: str


class EngineFacts(TypedDict):
    """Docker's versions, empty if it does not answer, and the reason why not."""

    version: str
    api_version: str
    reason: str


class ImageFacts(TypedDict):
    """An image and the containers that were made from it."""

    role: str
    tier: str
    id: str
    tags: list[str]
    digests: list[str]
    containers: list[str]


class ProvenanceResult(TypedDict):
    """The result of provenance_info."""

    machine: MachineFacts
    docker: EngineFacts
    images: list[ImageFacts]
