# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The pool as a table for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.results import PartView, PoolView

_PARTS_HEADER = ("PART", "STATE", "DRIFT")
_HEADER = ("TIER", "DESIRED", "RUNNING", "IN ROTATION", "GUESTS", "REVISION", "DRIFT")


def align(rows: Sequence[Sequence[object]]) -> list[str]:
    """Columns as wide as their widest cell, two spaces apart."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def pool_table(pool: PoolView) -> list[str]:
    """One line per tier and other part, then what is not as it must be and what a run would do."""
    reachable = pool["balancer"]["reachable"]
    rows: list[Sequence[object]] = [_HEADER]
    for name, tier in pool["tiers"].items():
        rotation = tier["in_rotation"] if reachable else "unknown"
        drift = f"{len(tier['drift'])} to do" if tier["drift"] else "none"
        rows.append((name, tier["desired"], tier["running"], rotation, tier["guests"], tier["revision"], drift))
    # Of an engine that does not answer, no tier is known.
    lines = align(rows) if pool["tiers"] else []
    if not reachable and pool["balancer"]["reason"]:
        lines.append(pool["balancer"]["reason"])
    lines += [
        f"{node['name']}: {node['detail'] or node['state']}, {node['balancer_status']} at the balancer"
        for node in pool["nodes"]
        if reachable and not node["in_rotation"]
    ]
    lines += [node["remark"] for node in pool["nodes"] if node["remark"]]
    lines += pool.get("settled", [])
    for name, tier in pool["tiers"].items():
        if override := tier.get("override", ""):
            lines.append(f"{name}: {override}, declared {tier['desired']}")
    for name, found in [*((n, t["drift"]) for n, t in pool["tiers"].items()), *pool["undeclared"].items()]:
        lines += [f"{name}: would {action}" for action in found]
    return [*lines, *parts_table(pool.get("parts", []))]


def parts_table(parts: Sequence[PartView]) -> list[str]:
    """One line per part, then what is not as it must be and what a run would do."""
    if not parts:
        return []
    lines = align([_PARTS_HEADER, *((part["part"], part["state"], _drift(part)) for part in parts)])
    for part in parts:
        lines += [*part["lines"], *(f"{part['part']}: would {action}" for action in part["to_do"])]
    return lines


def _drift(part: PartView) -> str:
    if part["to_do"]:
        return f"{len(part['to_do'])} to do"
    return "differs" if part["lines"] else "none"
