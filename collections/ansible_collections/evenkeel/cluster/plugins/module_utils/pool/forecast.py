# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The pool as text, and as it will be after a plan, for the diff. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from ..cluster.node import RUNNING, Node
from .plan import DRAIN, MEND, REMOVE, START, PoolAction, TierTarget


def summary(nodes: Iterable[Node]) -> list[str]:
    """The pool as sorted text lines, one per container, for diff mode."""
    return sorted(
        f"{node.name} {node.kind} of {node.tier}: {node.condition}"
        + (f", revision {node.revision}" if node.revision else "")
        + (f", {node.service}" if node.service else "")
        + (f", {node.altered}" if node.altered else "")
        for node in nodes
    )


def predict(nodes: Iterable[Node], actions: Iterable[PoolAction], targets: Iterable[TierTarget]) -> list[Node]:
    """The nodes as they will be after the actions, for the diff and for property tests."""
    wanted = {target.name: target for target in targets}
    pool = {(node.id or node.name): node for node in nodes}
    for action in actions:
        if action.kind in {REMOVE, DRAIN}:
            pool.pop(action.id or action.node, None)
        elif action.kind == MEND:
            node = pool[action.id]
            pool[action.id] = dataclasses.replace(node, name=node.own_name, state=RUNNING, detail="", altered="")
        elif action.kind == START:
            target = wanted[action.tier]
            pool[action.node] = Node(
                id="",
                name=action.node,
                tier=action.tier,
                managed=True,
                state=RUNNING,
                revision=target.revision,
                image_id=target.image_id,
                service=target.service,
                made_as=action.node,
            )
    return list(pool.values())
