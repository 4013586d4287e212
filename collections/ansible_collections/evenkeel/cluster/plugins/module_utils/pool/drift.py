# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Where declaration, Docker and the balancer differ. Pure functions from what node_pool_info tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def disagreements(view: Mapping[str, Any]) -> list[str]:
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
        if tier["running"] != tier["desired"]:
            lines.append(
                f"tier {name}: got {tier['running']} nodes running{named}, want {tier['desired']}"
                " (fix: ansible-playbook site.yml)"
            )
        if tier["in_rotation"] != tier["running"]:
            lines.append(
                f"tier {name}: got {tier['in_rotation']} of {tier['running']} running nodes in rotation{named},"
                " want all (fix: docker logs of the node named)"
            )
        lines += [
            f"tier {name}: got server {url} in the balancer, want only running nodes (fix: see who labelled it)"
            for url in tier["unknown_servers"]
        ]
        if tier["drift"] and tier["running"] == tier["desired"]:
            lines.append(
                f"tier {name}: got drift ({'; '.join(tier['drift'])}), want none (fix: ansible-playbook site.yml)"
            )
    for name, found in view["undeclared"].items():
        lines.append(f"tier {name}: got {'; '.join(found)}, want no trace of it (fix: ansible-playbook site.yml)")
    return lines


def drift_report(view: Mapping[str, Any]) -> dict[str, Any]:
    """What is declared beside what Docker and the balancer have, for programs and for the report.

    A look that did not come about (its result has only a message) gives that message and no tiers.
    """
    if "tiers" not in view:
        return {"agreed": False, "balancer": "", "lines": [str(view.get("msg", "not looked at"))], "tiers": []}
    reachable = bool(view["balancer"]["reachable"])
    lines = disagreements(view)
    return {
        "agreed": not lines,
        "balancer": str(view["balancer"].get("version", "")),
        "lines": lines,
        "tiers": [
            {
                "tier": name,
                "declared": tier["desired"],
                "docker": tier["running"],
                "balancer": tier["in_rotation"] if reachable else None,
                "guests": tier["guests"],
                "revision": tier["revision"],
                "to_do": list(tier["drift"]),
            }
            for name, tier in view["tiers"].items()
        ]
        + [
            {"tier": name, "declared": 0, "docker": None, "balancer": None, "guests": 0, "revision": "", "to_do": found}
            for name, found in view["undeclared"].items()
        ],
    }
