# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""How many nodes a tier may have whose node must not run twice. Pure."""

from __future__ import annotations

from ..core.errors import Problem, quote
from .names import node_variable
from .spec import REPLACE


def count_problem(tier: str, nodes: int, roll: str) -> Problem | None:
    """What is wrong with this number of nodes; None if nothing is.

    Args:
        tier: its name.
        nodes: how many it shall have.
        roll: one of :data:`spec.ROLLS`.
    """
    if roll != REPLACE or nodes <= 1:
        return None
    count = node_variable(tier)
    want = "at most 1, because roll: replace is for an application that must not run twice"
    return Problem(count, quote(nodes), want, f"-e {count}=1, or remove cluster_tiers.{tier}.roll")
