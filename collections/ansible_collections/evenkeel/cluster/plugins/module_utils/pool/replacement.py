# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The plan that replaces some managed nodes, and leaves all others as they are. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ..cluster.node import Node
from .plan import DRAIN, REMOVE, START, PoolAction, TierTarget, free_names

_STEP_GONE, _STEP_NEW = 0, 1


def replacements(nodes: Iterable[Node], targets: Iterable[TierTarget], ids: Collection[str]) -> list[PoolAction]:
    """Actions that give each of these nodes a successor.

    One that has ended, or does not answer while others do, is removed first, as in :func:`plan.plan`; else it drains
    when its successor is in rotation.

    Args:
        nodes: all nodes and guests of the cluster.
        targets: the declared tiers.
        ids: the engine's identifiers; those of guests, and of tiers that are not declared, are passed over.
    """
    members = list(nodes)
    actions: list[PoolAction] = []
    for target in targets:
        actions += _of_tier(target, [node for node in members if node.tier == target.name], ids)
    return actions


def _of_tier(target: TierTarget, members: Sequence[Node], ids: Collection[str]) -> list[PoolAction]:
    gone = sorted((node for node in members if node.managed and node.id in ids), key=lambda node: node.number)
    others = any(node.running and not node.silent and not node.leaving for node in members if node not in gone)
    first = [node for node in gone if others or not node.running]
    later = [node for node in gone if node not in first]
    taken = {name for node in members if node not in first for name in (node.name, node.own_name, node.copy_of)}
    starts = [
        PoolAction(START, target.name, name, _STEP_NEW, f"replaces {node.name}")
        for name, node in zip(free_names(target.prefix, taken, len(gone)), gone, strict=True)
    ]
    return [
        *(PoolAction(REMOVE, target.name, node.name, _STEP_GONE, _why(node), node.id) for node in first),
        *starts,
        *(PoolAction(DRAIN, target.name, node.name, _STEP_NEW, _why(node), node.id) for node in later),
    ]


def _why(node: Node) -> str:
    return "does not answer" if node.running else f"is {node.condition}"
