# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What has to happen to replace the balancer without refusing a connection. Pure: no I/O.

The edge is a container that only holds the network: the published ports and the addresses. Balancers share its network
and listen on the same ports side by side (``SO_REUSEPORT``), in one of two slots. A new one starts beside the old one;
when it knows all that the old one knows, the old one asks its clients to connect anew, and ends.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .config import SLOTS

REMOVE = "remove"
START_EDGE = "hold"
START = "start"
CANCEL_DRAIN = "keep open"
RETIRE = "retire"


@dataclasses.dataclass(frozen=True)
class BalancerContainer:
    """One of the containers: the edge (``slot`` is empty) or a balancer."""

    id: str
    name: str
    slot: str
    state: str
    revision: str
    network: str = ""

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self.state == "running"


@dataclasses.dataclass(frozen=True)
class Desired:
    """What is declared: revisions of the edge (ports, network) and of the balancer (image, options, configuration)."""

    cluster: str
    edge: str
    balancer: str

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

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.kind} {self.name} ({self.reason})"


def plan(wanted: Desired, holders: Iterable[BalancerContainer], closing: str) -> list[BalancerAction]:
    """The steps from what is there to what is declared.

    Args:
        wanted: what is declared.
        holders: the edge and all balancers, in whatever state.
        closing: the slot whose balancer asks its clients to connect anew; empty for none.
    """
    found = sorted(holders, key=lambda holder: holder.name)
    edge = next((holder for holder in found if holder.name == wanted.edge_name), None)
    balancers = [holder for holder in found if holder.name != wanted.edge_name]
    actions: list[BalancerAction] = []
    if edge is None or not edge.running or edge.revision != wanted.edge:
        # Without its network a balancer serves nobody: all are made anew.
        reason = "has no network" if edge is None or not edge.running else "ports or network changed"
        actions += [BalancerAction(REMOVE, holder.name, reason, holder.id) for holder in balancers]
        if edge is not None:
            why = "ports or network changed" if edge.running else f"is {edge.state}"
            actions.append(BalancerAction(REMOVE, edge.name, why, edge.id))
        actions.append(BalancerAction(START_EDGE, wanted.edge_name, "holds ports and addresses"))
        balancers = []
    else:
        astray = [holder for holder in balancers if not holder.running or holder.network != edge.id]
        actions += [
            BalancerAction(
                REMOVE, holder.name, f"is {holder.state}" if not holder.running else "has another network", holder.id
            )
            for holder in astray
        ]
        balancers = [holder for holder in balancers if holder not in astray]
    return actions + _plan_balancers(wanted, balancers, closing)


def _plan_balancers(wanted: Desired, running: Sequence[BalancerContainer], closing: str) -> list[BalancerAction]:
    fresh = [holder for holder in running if holder.revision == wanted.balancer]
    actions: list[BalancerAction] = []
    if fresh:
        slot = fresh[0].slot
        if closing == slot:
            actions.append(BalancerAction(CANCEL_DRAIN, fresh[0].name, "was to be retired", fresh[0].id, slot))
    else:
        taken = {holder.slot for holder in running}
        slot = next((name for name in SLOTS if name not in taken), "")
        if not slot:  # both of an earlier revision: one too many
            slot = running[-1].slot
            actions.append(BalancerAction(RETIRE, running[-1].name, "one too many", running[-1].id, slot))
            running = running[:-1]
        reason = "image or configuration changed" if running else "first start"
        actions.append(BalancerAction(START, wanted.balancer_name(slot), reason, slot=slot))
    actions += [
        BalancerAction(RETIRE, holder.name, "is replaced", holder.id, holder.slot)
        for holder in running
        if holder.slot != slot
    ]
    return actions


def plan_renewal(wanted: Desired, holders: Iterable[BalancerContainer]) -> list[BalancerAction]:
    """Replace the balancer that runs although nothing about it changed; nothing when there is not exactly one."""
    running = [holder for holder in holders if holder.slot and holder.running]
    if len(running) != 1:
        return []
    (old,) = running
    slot = next(name for name in SLOTS if name != old.slot)
    return [
        BalancerAction(START, wanted.balancer_name(slot), "is renewed", slot=slot),
        BalancerAction(RETIRE, old.name, "is renewed", old.id, old.slot),
    ]


def plan_removal(holders: Iterable[BalancerContainer]) -> list[BalancerAction]:
    """Remove everything, the edge last: the others are in its network."""
    ordered = sorted(holders, key=lambda holder: (not holder.slot, holder.name))
    return [BalancerAction(REMOVE, holder.name, "the cluster is taken down", holder.id) for holder in ordered]


def digest(content: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits that change exactly when the content does."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def lacking(old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of services of which the new balancer does not yet know all servers that the old one has in rotation.

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
    wanted: Desired, holders: Iterable[BalancerContainer], actions: Iterable[BalancerAction]
) -> list[BalancerContainer]:
    """The containers as they will be after the actions."""
    found = {holder.name: holder for holder in holders}
    for action in actions:
        if action.kind in {REMOVE, RETIRE}:
            found.pop(action.name, None)
        elif action.kind == START_EDGE:
            found[action.name] = BalancerContainer("", action.name, "", "running", wanted.edge)
        elif action.kind == START:
            found[action.name] = BalancerContainer("", action.name, action.slot, "running", wanted.balancer)
    return list(found.values())
