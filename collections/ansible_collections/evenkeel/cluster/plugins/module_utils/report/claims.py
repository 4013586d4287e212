# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a report claims, and whether it is proved: pure functions from measurements to claims.

A claim is proved when its measurement passed, its control failed as it must, and all counts agree. A measurement that
should have been made and was not fails the report. What a quick verification does not try is noted.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from ..core.results import ManagementQuestion, NodeView, PoolResult, TierView
from ..core.verdict import FAILED, NOT_MEASURED, PASSED
from ..pool.drift import disagreements
from .addresses import ClusterAddresses
from .chart_data import BARS, BarsData, Chart
from .claim import Claim, ClaimBuilder, Measurements, Table
from .claims_membership import membership_claim
from .claims_traffic import distribution_claim, round_robin_claim, sticky_claim


def claims_of(measured: Measurements) -> list[Claim]:
    """All claims, in the order of the original lab text."""
    addresses = measured.addresses
    return [
        nodes_claim(measured, addresses),
        distribution_claim(measured, addresses),
        round_robin_claim(measured, addresses),
        sticky_claim(measured, addresses),
        membership_claim(measured, addresses),
        management_claim(measured, addresses),
    ]


def overall(claims: Sequence[Claim]) -> tuple[str, str]:
    """The verdict of all claims together, and the same in one line."""
    red = [claim.id for claim in claims if claim.red]
    proved = sum(claim.verdict == PASSED for claim in claims)
    left = [claim.id for claim in claims if claim.verdict == NOT_MEASURED and not claim.red]
    text = f"{proved} of {len(claims)} claims proved"
    if red:
        text += f"; not proved: {', '.join(red)}"
    if left:
        text += f"; not measured: {', '.join(left)}"
    return (FAILED if red else PASSED), text


def nodes_claim(measured: Measurements, addresses: ClusterAddresses) -> Claim:
    """Each tier has the nodes that it declares; Docker runs them and the balancer uses them."""
    builder = ClaimBuilder("nodes", addresses)
    pool = measured.pool
    builder.thresholds.append("per tier: nodes declared = running in Docker = in rotation at the balancer")
    if "tiers" not in pool:
        builder.missing("pool", pool)
        return builder.claim("")
    builder.problems += disagreements(pool)
    declared = [tier["name"] for tier in measured.tiers]
    order = sorted(pool["tiers"], key=lambda name: declared.index(name) if name in declared else len(declared))
    tiers = {name: pool["tiers"][name] for name in order}
    for name, tier in tiers.items():
        guests = f", {tier['guests']} of them guests" if tier["guests"] else ""
        builder.measured.append(
            f"{name}: {tier['desired']} declared, {tier['running']} running{guests}, {tier['in_rotation']} in rotation"
        )
        builder.figures |= {f"{name}: nodes in rotation": tier["in_rotation"]}
    builder.proves = any(tier["desired"] > 1 for tier in tiers.values())
    if not builder.problems and tiers:
        _one_node_more(builder, pool, order[0])
    builder.charts.append(Chart(BARS, "Nodes per tier", "; ".join(builder.measured), _nodes_per_tier(tiers)))
    builder.tables.append(_nodes_table(pool["nodes"]))
    return builder.claim("no tier declares more than one node")


def _nodes_per_tier(tiers: dict[str, TierView]) -> BarsData:
    return {
        "groups": list(tiers),
        "series": {
            "declared": [tier["desired"] for tier in tiers.values()],
            "running in Docker": [tier["running"] for tier in tiers.values()],
            "in rotation": [tier["in_rotation"] for tier in tiers.values()],
        },
        "unit": "nodes",
    }


def _nodes_table(nodes: Sequence[NodeView]) -> Table:
    return Table(
        "Nodes",
        ("node", "tier", "state", "at the balancer", "address", "revision", "container"),
        tuple(
            (
                node["name"],
                node["tier"] + ("" if node["managed"] else " (guest)"),
                node["state"],
                node["balancer_status"],
                node["address"],
                node["revision"],
                node["id"][:12],
            )
            for node in nodes
        ),
    )


def _one_node_more(builder: ClaimBuilder, pool: PoolResult, name: str) -> None:
    """The control: the same comparison with a declaration that is wrong by one node."""
    wrong = copy.deepcopy(pool)
    wrong["tiers"][name]["desired"] += 1
    found = disagreements(wrong)
    builder.control(
        f"the same comparison, with one node too many declared for {name}, must find a difference",
        bool(found),
        found[0] if found else "it found none",
    )


def management_claim(measured: Measurements, addresses: ClusterAddresses) -> Claim:
    """Dashboard, API, console and Portainer answer with the password, and refuse without."""
    builder = ClaimBuilder("management", addresses)
    result = measured.management
    builder.thresholds.append("with the password every page answers 200; without it, and with a wrong one, 401 or 403")
    if addresses.console is None:
        builder.notes.append("the console is not part of this cluster (cluster_console: false)")
    if addresses.portainer is None:
        builder.notes.append("Portainer is not part of this cluster (cluster_portainer: false)")
    if "verdict" not in result:
        builder.missing("management", result)
        return builder.claim("")
    builder.proves = True
    builder.problems += result["aspects"]["access"]
    admitted = [check for check in result["checks"] if not check["control"]]
    refused = [check for check in result["checks"] if check["control"]]
    builder.measured.append(
        f"{sum(check['ok'] for check in admitted)} of {len(admitted)} pages answered with the password:"
        f" {', '.join(dict.fromkeys(check['what'] for check in admitted))}"
    )
    right = sum(check["ok"] for check in refused)
    builder.control(
        "the same requests without the password, or with a wrong one, must be refused",
        right == len(refused) > 0,
        f"{right} of {len(refused)} refused" if right == len(refused) else result["aspects"]["control"][0],
    )
    builder.figures |= {"questions refused without the password": right}
    builder.tables.append(_questions_table(result["checks"]))
    return builder.claim("")


def _questions_table(checks: Sequence[ManagementQuestion]) -> Table:
    return Table(
        "Requests",
        ("address", "credentials", "want", "got"),
        tuple(
            (
                check["url"],
                check["credentials"],
                " or ".join(str(status) for status in check["want"]),
                check["got"] if check["got"] is not None else check["error"],
            )
            for check in checks
        ),
    )
