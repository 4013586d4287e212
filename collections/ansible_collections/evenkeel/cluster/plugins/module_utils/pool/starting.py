# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Starts a node, and says which option lets it come up when it does not."""

from __future__ import annotations

import dataclasses

from ..cluster.node import Node, TierBuild
from ..cluster.spec import Tier
from ..core.errors import Problem
from ..engine.port import Engine, EngineError
from .start_faults import in_words, remedy

_SHOWN_LINES = 8
_SHOWN_LETTERS = 200
_KEEPS = "; the nodes that ran before keep serving"


def start_node(engine: Engine, name: str, build: TierBuild) -> None:
    """Make and start one managed node.

    Raises:
        EngineError: the engine refuses; the line names the option that it refuses, where it says so.
    """
    try:
        engine.start(name, build)
    except EngineError as error:
        problem = error.problems[0]
        option = in_words(build.tier, [str(error)])
        if not option or not isinstance(problem, Problem):
            raise
        raise EngineError(dataclasses.replace(problem, fix=option)) from error


def why_not(engine: Engine, tier: Tier, node: Node | None, answer: int, otherwise: str) -> str:
    """What a node printed last, and what to do.

    Args:
        engine: where it runs.
        tier: its tier.
        node: the node; None when there is none.
        answer: the status of its last health answer; 0 for none.
        otherwise: what to do where nothing tells.
    """
    if node is None:
        return f"last log lines: none (fix: {otherwise}{_KEEPS})"
    evidence = engine.evidence(node.id)
    logs = " | ".join(line[:_SHOWN_LETTERS] for line in evidence.lines[-_SHOWN_LINES:]) or "none"
    return f"last log lines: {logs} (fix: {remedy(tier, evidence, answer) or otherwise}{_KEEPS})"
