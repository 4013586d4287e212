# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What runs once before the first node of a revision, such as the migration of a database."""

from __future__ import annotations

from ..cluster.names import node_prefix
from ..cluster.node import TierBuild
from ..core.errors import Problem
from ..engine.port import Engine
from .rotation import ReconcileError


def release(engine: Engine, cluster: str, build: TierBuild) -> None:
    """Run the tier's release command, in the image and with the options of its nodes.

    A run that was killed may have run it already: it must be one that can be repeated.

    Args:
        engine: where it runs.
        cluster: the cluster's name.
        build: what the tier's nodes are made with.

    Raises:
        ReconcileError: it failed or took too long; no node was started.
        EngineError: the engine refuses or does not answer.
    """
    tier = build.tier
    code, log = engine.release(f"{node_prefix(cluster, tier.name)}release", build)
    if code == 0:
        return
    got = f"no end within {tier.release_seconds} s" if code is None else f"exit code {code}"
    raise ReconcileError(
        Problem(
            f"release_command of tier {tier.name}",
            f"{got}, last log lines: {log or 'none'}",
            "exit code 0",
            "mend what it says, or raise release_seconds; no node was started",
        )
    )
