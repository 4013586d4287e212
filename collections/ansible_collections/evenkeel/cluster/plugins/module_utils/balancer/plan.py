# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The steps that replace the balancer without refusing a connection. Pure: no I/O.

The edge is a container that only holds the network: the published ports and the addresses. Balancers share its network
and listen on the same ports side by side (``SO_REUSEPORT``), in one of two slots. A new balancer starts beside the old
one; when it has all servers of the old one, the old one drains: it asks its clients to reconnect, and stops.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .config import SLOTS

REMOVE = "remove"
UNPAUSE = "unpause"
MEND = "mend"
CONNECT = "connect"
WRITE = "write"
START_EDGE = "start edge"
START = "start"
CANCEL_DRAIN = "cancel drain of"
RETIRE = "retire"
#: Docker's default network, where guests are.
BRIDGE = "bridge"


@dataclasses.dataclass(frozen=True)
class BalancerContainer:
    """The edge or a balancer.

    Attributes:
        id: Docker's identifier.
        name: its name.
        slot: the balancer's slot; empty for the edge.
        state: Docker's word for its state.
        revision: identifies what it was made with.
        network: the id of the container whose network it shares; empty for the edge.
        started: when its process began by the machine's clock, as text that sorts by time; empty when not known.
        pid: its process; 0 for none.
        born: when its process began by a clock that nobody sets, in ticks; 0 when not known.
        namespace: identifies the network that its process is in; empty when not known.
        networks: the networks that it has joined; those of a balancer are the edge's.
        blind: folders that it has mounted are no longer those of the host.
        made_as: the name that it was started under; empty if that is the one it has.
        settings: ``HostConfig`` of Docker's record; empty when not known.
        altered: what was changed by hand since its start, in words; empty for nothing.
        mendable: what was changed can be set back while it runs.
    """

    id: str
    name: str
    slot: str
    state: str
    revision: str
    network: str = ""
    started: str = ""
    pid: int = 0
    born: int = 0
    namespace: str = ""
    networks: frozenset[str] = frozenset()
    blind: bool = False
    made_as: str = ""
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False, repr=False)
    altered: str = ""
    mendable: bool = True

    @property
    def own_name(self) -> str:
        """The name that it was started under."""
        return self.made_as or self.name

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.state == "running"

    @property
    def alive(self) -> bool:
        """Whether it has a process that runs or can run on."""
        return self.state in {"running", "paused"}


@dataclasses.dataclass(frozen=True)
class Desired:
    """What is declared.

    Attributes:
        cluster: the cluster's name.
        edge: revision of the edge: ports, network, folders.
        balancer: revision of the balancer: image, options, configuration.
        networks: those that the edge has joined.
    """

    cluster: str
    edge: str
    balancer: str
    networks: frozenset[str] = frozenset()

    @property
    def edge_name(self) -> str:
        """The container that holds the network."""
        return f"{self.cluster}-edge"

    def balancer_name(self, slot: str) -> str:
        """The container of a slot."""
        return f"{self.cluster}-balancer-{slot}"


@dataclasses.dataclass(frozen=True)
class BalancerAction:
    """One step; they are carried out in order."""

    kind: str
    name: str
    reason: str
    id: str = ""
    slot: str = ""
    network: str = ""

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.kind} {self.name} ({self.reason})"


def plan(
    desired: Desired, containers: Iterable[BalancerContainer], draining: str, refused: str = ""
) -> list[BalancerAction]:
    """The steps from what is there to what is declared.

    Args:
        desired: what is declared.
        containers: the edge and all balancers, in whatever state.
        draining: the slot whose balancer asks its clients to reconnect; empty for none.
        refused: why a published port is not served although all runs; empty if it is.
    """
    found = sorted(containers, key=lambda container: container.name)
    edge = _edge_of(desired, found)
    balancers = [container for container in found if container is not edge]
    why = _edge_unusable(desired, edge) or refused
    if edge is None or why:
        return _start_over(desired, edge, balancers, why)
    unusable = {balancer: why for balancer in balancers if (why := _balancer_unusable(balancer, edge))}
    usable = [balancer for balancer in balancers if balancer not in unusable]
    return [
        *_mend_edge(desired, edge),
        *(BalancerAction(REMOVE, balancer.name, why, balancer.id) for balancer, why in unusable.items()),
        *(BalancerAction(UNPAUSE, item.name, "is paused", item.id) for item in usable if not item.running),
        *(
            BalancerAction(MEND, item.own_name, item.altered, item.id, item.slot)
            for item in (edge, *usable)
            if item.altered and item.mendable
        ),
        *_plan_balancers(desired, usable, draining),
    ]


def _edge_of(desired: Desired, found: Sequence[BalancerContainer]) -> BalancerContainer | None:
    """The edge, whatever its name is now; of several the one that serves."""
    edges = [container for container in found if container.own_name == desired.edge_name]
    used = {container.network for container in found}
    return min(edges, key=lambda it: (not it.alive, it.id not in used, it.name != it.own_name), default=None)


def _edge_unusable(desired: Desired, edge: BalancerContainer | None) -> str:
    """Why another edge is needed; empty if this one will do."""
    if edge is None:
        return "there is none"
    if not edge.alive:
        return f"is {edge.state}"
    if edge.revision != desired.edge:
        return "ports, network or folders changed"
    return "its folders were removed" if edge.blind else ""


def _start_over(
    desired: Desired, edge: BalancerContainer | None, balancers: Sequence[BalancerContainer], why: str
) -> list[BalancerAction]:
    """Without the edge's network no balancer gets a connection: all start again."""
    gone = edge is None or not edge.alive
    reason = "has no network" if gone else "its edge is replaced"
    actions = [BalancerAction(REMOVE, balancer.name, reason, balancer.id) for balancer in balancers]
    if edge is not None:
        actions.append(BalancerAction(REMOVE, edge.name, why, edge.id))
    actions.append(BalancerAction(START_EDGE, desired.edge_name, "holds ports and addresses"))
    return actions + _plan_balancers(desired, (), "")


def _mend_edge(desired: Desired, edge: BalancerContainer) -> list[BalancerAction]:
    actions = [] if edge.running else [BalancerAction(UNPAUSE, edge.name, "is paused", edge.id)]
    return actions + [
        BalancerAction(CONNECT, edge.name, f"is not in network {network}", edge.id, network=network)
        for network in sorted(desired.networks - edge.networks)
    ]


def _balancer_unusable(balancer: BalancerContainer, edge: BalancerContainer) -> str:
    """Why a balancer gets no connection; empty if it can."""
    if not balancer.alive:
        return f"is {balancer.state}"
    if balancer.network != edge.id:
        return "has another network"
    # An edge that ends takes its network along; what was in it runs on without one.
    return "its network has gone" if _is_cut_off(balancer, edge) else ""


def _is_cut_off(balancer: BalancerContainer, edge: BalancerContainer) -> bool:
    if balancer.namespace and edge.namespace:
        return balancer.namespace != edge.namespace
    # Only root may look into a network. The machine's clock is the last resort: it may have been set back meanwhile.
    if balancer.born and edge.born:
        return balancer.born < edge.born
    return balancer.started < edge.started


def _plan_balancers(desired: Desired, running: Sequence[BalancerContainer], draining: str) -> list[BalancerAction]:
    fresh = [item for item in running if item.revision == desired.balancer and not item.blind and item.mendable]
    actions: list[BalancerAction] = []
    if fresh:
        slot = fresh[0].slot
        if draining == slot:
            actions.append(BalancerAction(CANCEL_DRAIN, fresh[0].name, "is as declared again", fresh[0].id, slot))
    else:
        taken = {balancer.slot for balancer in running}
        slot = next((name for name in SLOTS if name not in taken), "")
        if not slot:  # both are of earlier revisions
            slot = running[-1].slot
            actions.append(BalancerAction(RETIRE, running[-1].name, "one too many", running[-1].id, slot))
            running = running[:-1]
        actions.append(BalancerAction(START, desired.balancer_name(slot), _start_reason(running), slot=slot))
    actions += [
        BalancerAction(RETIRE, balancer.name, "is replaced", balancer.id, balancer.slot)
        for balancer in running
        if balancer.slot != slot
    ]
    return actions


def _start_reason(running: Sequence[BalancerContainer]) -> str:
    if not running:
        return "none runs"
    if running[0].blind:
        return "its folders were removed"
    return "image or configuration changed" if running[0].mendable else running[0].altered


def plan_renewal(desired: Desired, containers: Iterable[BalancerContainer]) -> list[BalancerAction]:
    """Replace the running balancer although nothing about it changed; nothing when there is not exactly one."""
    running = [container for container in containers if container.slot and container.running]
    if len(running) != 1:
        return []
    (old,) = running
    slot = next(name for name in SLOTS if name != old.slot)
    return [
        BalancerAction(START, desired.balancer_name(slot), "is renewed", slot=slot),
        BalancerAction(RETIRE, old.name, "is renewed", old.id, old.slot),
    ]


def plan_removal(containers: Iterable[BalancerContainer]) -> list[BalancerAction]:
    """Remove everything, the edge last: the others are in its network."""
    ordered = sorted(containers, key=lambda container: (not container.slot, container.name))
    return [BalancerAction(REMOVE, item.name, "the cluster is taken down", item.id) for item in ordered]


def digest(content: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits that change exactly when the content does."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def lacking(old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of services of which the new balancer does not yet have all servers that the old one has in rotation.

    Args:
        old: records of the old balancer's services, as its API gives them.
        new: those of the new one.
    """
    known = {str(record["name"]): _up(record) for record in new}
    return sorted(
        str(record["name"])
        for record in old
        if str(record["name"]) not in known or not _up(record) <= known[str(record["name"])]
    )


def _up(record: Mapping[str, Any]) -> set[str]:
    status = record.get("serverStatus") or {}
    return {str(url) for url, state in status.items() if state == "UP"}


def predict(
    desired: Desired, containers: Iterable[BalancerContainer], actions: Iterable[BalancerAction]
) -> list[BalancerContainer]:
    """The containers as they will be after the actions."""
    found = list(containers)
    for action in actions:
        if action.kind in {REMOVE, RETIRE}:
            found = [item for item in found if item.id != action.id]
        elif action.kind == UNPAUSE:
            found = [dataclasses.replace(it, state="running") if it.id == action.id else it for it in found]
        elif action.kind == MEND:
            found = [
                dataclasses.replace(it, name=it.own_name, altered="") if it.id == action.id else it for it in found
            ]
        elif action.kind == START_EDGE:
            found.append(BalancerContainer("", action.name, "", "running", desired.edge))
        elif action.kind == START:
            found.append(BalancerContainer("", action.name, action.slot, "running", desired.balancer))
    return found


def summary(containers: Iterable[BalancerContainer]) -> list[str]:
    """One line per container, for people."""
    ordered = sorted(containers, key=lambda container: container.name)
    return [f"{item.name}: {item.state}, revision {item.revision}" for item in ordered]
