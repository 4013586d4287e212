# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The plan that replaces some managed nodes, and leaves all others as they are. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ..cluster.node import Node
from ..core.errors import EvenkeelError, Problem
from .plan import DRAIN, REMOVE, START, PoolAction, TierTarget, free_names

_STEP_GONE, _STEP_NEW, _STEP_AFTER = 0, 1, 2


class UndeployedError(EvenkeelError):
    """A node would be the first one of its revision, which is a matter of a run."""


def replacements(nodes: Iterable[Node], targets: Iterable[TierTarget], ids: Collection[str]) -> list[PoolAction]:
    """Actions that give each of these nodes a successor.

    One that has ended, or does not answer while others do, is removed first, as in :func:`plan.plan`; else it drains
    when its successor is in rotation. Where a node must not run twice, it ends before its successor starts. One that
    serves again, or drains, is passed over.

    Args:
        nodes: all nodes and guests of the cluster.
        targets: the declared tiers.
        ids: the engine's identifiers; those of guests, and of tiers that are not declared, are passed over.

    Raises:
        UndeployedError: no node has the declared revision.
    """
    members = list(nodes)
    actions: list[PoolAction] = []
    for target in targets:
        actions += _of_tier(target, [node for node in members if node.tier == target.name], ids)
    return actions


def _of_tier(target: TierTarget, members: Sequence[Node], ids: Collection[str]) -> list[PoolAction]:
    named = (node for node in members if node.managed and node.id in ids)
    gone = sorted((node for node in named if node.silent or not node.running), key=lambda node: node.number)
    if not gone:
        return []
    _check_deployed(target, members)
    others = any(node.running and not node.silent and not node.leaving for node in members if node not in gone)
    first = [node for node in gone if not node.running or (others and not target.replace)]
    later = [node for node in gone if node not in first]
    step = _STEP_AFTER if target.replace else _STEP_NEW
    taken = {name for node in members if node not in first for name in (node.name, node.own_name, node.copy_of)}
    starts = [
        PoolAction(START, target.name, name, step, f"replaces {node.name}")
        for name, node in zip(free_names(target.prefix, taken, len(gone)), gone, strict=True)
    ]
    ends = [PoolAction(DRAIN, target.name, node.name, _STEP_NEW, _why(node), node.id) for node in later]
    return [
        *(PoolAction(REMOVE, target.name, node.name, _STEP_GONE, _why(node), node.id) for node in first),
        *(ends + starts if target.replace else starts + ends),
    ]


def _check_deployed(target: TierTarget, members: Sequence[Node]) -> None:
    deployed = (target.revision, target.service)
    if not any(node.managed and (node.revision, node.service) == deployed for node in members):
        got = "no node of the declared revision"
        want = "one that a run has started, before others are replaced"
        raise UndeployedError(Problem(f"tier {target.name}", got, want, "ansible-playbook site.yml"))


def _why(node: Node) -> str:
    return "does not answer" if node.running else f"is {node.condition}"
