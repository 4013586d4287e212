# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Starts a node, and says which option lets it come up when it does not."""

from __future__ import annotations

import dataclasses

from ..cluster.health import TCP
from ..cluster.leaving import HELD
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


def asked(tier: Tier) -> str:
    """What a run and the balancer ask of a node: a page of the application, or of what holds it."""
    probe = tier.probe
    return f"hold (port {probe.port}, {probe.path})" if tier.leaving == HELD else probe.path


def came(tier: Tier, answer: int, own: int) -> tuple[str, str]:
    """What came from a node that is not ready, and what should have come.

    Args:
        tier: its tier.
        answer: the status of its last health answer; 0 for none.
        own: that of the application's own answer, where something holds it.
    """
    seen = f"{_status(answer)} from {asked(tier)}"
    if tier.leaving != HELD:
        return seen, tier.probe.wanted
    if tier.health.kind == TCP:
        return seen, f"port {tier.port} of the application open"
    page = f"{tier.health.path} of the application (port {tier.port})"
    want = f"{tier.probe.wanted} from hold" if tier.health.is_ready(own) else f"{tier.health.wanted} from {page}"
    return f"{seen} and {_status(own)} from {page}", want


def _status(answer: int) -> str:
    return f"status {answer}" if answer else "no answer"


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
