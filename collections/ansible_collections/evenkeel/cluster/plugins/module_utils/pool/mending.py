# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Sets back what was changed by hand about nodes, and waits until they serve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..cluster.node import Node, TierBuild
from ..core.errors import EvenkeelError
from ..engine.port import Engine
from .rotation import ReconcileError, RotationWatch


def mend(
    engine: Engine,
    watch: RotationWatch,
    build: TierBuild,
    nodes: Sequence[Node],
    each: Callable[[Callable[[Node], None], Iterable[Node]], None],
) -> dict[str, str]:
    """Mend the nodes side by side.

    Args:
        engine: where they run.
        watch: waits until they are in rotation.
        build: what they are made with.
        nodes: the nodes.
        each: calls a function for all items, side by side.

    Returns:
        Identifier of a node that could not be mended -> why.

    Raises:
        TraefikApiError: the balancer cannot be asked.
    """
    failed: dict[str, str] = {}

    def mend_one(node: Node) -> None:
        try:
            engine.mend(node, build)
        except EvenkeelError as error:
            failed[node.id] = str(error)

    each(mend_one, nodes)
    waiting = {node.own_name: node.id for node in nodes if node.id not in failed}
    entered: set[str] = set()
    try:
        watch.enter(build.tier, waiting.keys(), probed=True, entered=entered.add)
    except ReconcileError as error:
        failed |= {identifier: str(error) for name, identifier in waiting.items() if name not in entered}
    return failed
