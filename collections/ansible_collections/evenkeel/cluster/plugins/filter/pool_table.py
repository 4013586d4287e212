# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The pool as a table for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pool_table
short_description: Show the pool as a table
version_added: 0.1.0
author:
  - Evenkeel contributors (!UNKNOWN)
description:
  - Converts the result of M(evenkeel.cluster.node_pool) or M(evenkeel.cluster.node_pool_info) into aligned text lines.
positional: _input
options:
  _input:
    description: The module's result.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the table
  ansible.builtin.debug:
    msg: "{{ pool | evenkeel.cluster.pool_table }}"
"""

RETURN = r"""
_value:
  description: One line per tier, the nodes out of rotation, and the drift.
  type: list
  elements: str
  sample:
    - TIER    DESIRED  RUNNING  IN ROTATION  GUESTS  REVISION      DRIFT
    - static  3        2        2            0       0c1d2e3f4a5b  1 to do
    - "static: would start static-3 (scale up)"
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

_HEADER = ("TIER", "DESIRED", "RUNNING", "IN ROTATION", "GUESTS", "REVISION", "DRIFT")


def align(rows: Sequence[Sequence[object]]) -> list[str]:
    """Columns as wide as their widest cell, two spaces apart."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def pool_table(pool: Mapping[str, Any]) -> list[str]:
    """The lines of the table."""
    reachable = pool["balancer"]["reachable"]
    rows: list[Sequence[object]] = [_HEADER]
    for name, tier in pool["tiers"].items():
        rotation = tier["in_rotation"] if reachable else "unknown"
        drift = f"{len(tier['drift'])} to do" if tier["drift"] else "none"
        rows.append(
            (name, tier["desired"], tier["running"], rotation, tier["guests"], tier["revision"], drift),
        )
    lines = align(rows)
    if not reachable and pool["balancer"]["reason"]:
        lines.append(pool["balancer"]["reason"])
    lines += [
        f"{node['name']}: {node['state']}, {node['balancer_status']} at the balancer"
        for node in pool["nodes"]
        if reachable and not node["in_rotation"]
    ]
    for name, found in [*((n, t["drift"]) for n, t in pool["tiers"].items()), *pool["undeclared"].items()]:
        lines += [f"{name}: would {action}" for action in found]
    return lines


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name to function."""
        return {"pool_table": pool_table}
