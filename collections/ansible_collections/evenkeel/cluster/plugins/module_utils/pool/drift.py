# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Where declaration, Docker and the balancer differ. Pure functions of node_pool_info's result."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.errors import Problem
from ..core.results import DriftReport, NoResult, PartView, PoolView, TierDrift, TierView

_MEND = "ansible-playbook site.yml"


def disagreements(view: PoolView) -> list[str]:
    """Where the three sides differ, one line each."""
    if not view["balancer"]["reachable"]:
        return [view["balancer"]["reason"] or "balancer API: got no answer, want one (fix: docker ps)"]
    lines: list[str] = []
    for name, tier in view["tiers"].items():
        out = [
            f"{node['name']} is {node['detail'] or node['state']}, {node['balancer_status']} at the balancer"
            for node in view["nodes"]
            if node["tier"] == name and not node["in_rotation"]
        ]
        named = ": " + "; ".join(out) if out else ""
        if override := tier.get("override", ""):
            want = f"the declared {tier['desired']}"
            fix = f"{_MEND} goes back to it, or settle it in the console"
            lines.append(str(Problem(f"tier {name}", override, want, fix)))
        if tier["running"] != tier["desired"]:
            lines.append(
                f"tier {name}: got {tier['running']} nodes running{named}, want {tier['desired']}{_to_do(tier)}"
                " (fix: ansible-playbook site.yml)"
            )
        if tier["in_rotation"] != tier["running"]:
            lines.append(
                f"tier {name}: got {tier['in_rotation']} of {tier['running']} running nodes in rotation{named},"
                " want all (fix: docker logs of the node named)"
            )
        lines += [
            f"tier {name}: got server {url} in the balancer, want only running nodes (fix: see which labels name it)"
            for url in tier["unknown_servers"]
        ]
        if tier["drift"] and tier["running"] == tier["desired"]:
            lines.append(
                f"tier {name}: got drift ({'; '.join(tier['drift'])}), want none (fix: ansible-playbook site.yml)"
            )
    lines += [node["remark"] for node in view["nodes"] if node["remark"]]
    for name, found in view["undeclared"].items():
        lines.append(f"tier {name}: got {'; '.join(found)}, want no trace of it (fix: ansible-playbook site.yml)")
    return lines


def part_differences(parts: Iterable[PartView]) -> list[str]:
    """Where the other parts of the cluster are not as declared, one line each."""
    lines: list[str] = []
    for part in parts:
        lines += part["lines"]
        if part["to_do"]:
            lines.append(str(Problem(part["part"], f"drift ({'; '.join(part['to_do'])})", "none", _MEND)))
    return lines


def _to_do(tier: TierView) -> str:
    return f", so a run would {'; '.join(tier['drift'])}" if tier["drift"] else ""


def drift_report(view: PoolView | NoResult) -> DriftReport:
    """The declared counts beside those of Docker and the balancer, and the other parts, for programs and the report.

    Without a view, because the module failed, it has the module's message and no tiers.
    """
    if "tiers" not in view:
        return {
            "agreed": False,
            "balancer": "",
            "lines": [str(view.get("msg", "not looked at"))],
            "tiers": [],
            "parts": [],
        }
    reachable = view["balancer"]["reachable"]
    parts = view.get("parts", [])
    lines = [*disagreements(view), *part_differences(parts)]
    return {
        "agreed": not lines,
        "balancer": view["balancer"]["version"],
        "lines": lines,
        "tiers": [
            *(_tier_drift(name, tier, reachable) for name, tier in view["tiers"].items()),
            *(_undeclared(name, found) for name, found in view["undeclared"].items()),
        ],
        "parts": list(parts),
    }


def _tier_drift(name: str, tier: TierView, reachable: bool) -> TierDrift:
    return {
        "tier": name,
        "declared": tier["desired"],
        "override": tier.get("override", ""),
        "docker": tier["running"],
        "balancer": tier["in_rotation"] if reachable else None,
        "guests": tier["guests"],
        "revision": tier["revision"],
        "to_do": list(tier["drift"]),
    }


def _undeclared(name: str, found: list[str]) -> TierDrift:
    return {
        "tier": name,
        "declared": 0,
        "override": "",
        "docker": None,
        "balancer": None,
        "guests": 0,
        "revision": "",
        "to_do": found,
    }
