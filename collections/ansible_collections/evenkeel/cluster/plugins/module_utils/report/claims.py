# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a report claims, and whether it is proved: pure functions from measurements to claims.

A claim is proved when its measurement passed, its control failed as it must, and all who counted agree. What could not
be measured although it should have been is not proved, and fails the report; what a quick verification does not even
try is told as such.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.verdict import FAILED, NOT_MEASURED, PASSED
from ..pool.drift import disagreements
from .claim import BARS, Chart, Claim, ClaimBuilder, Measurements, Table
from .claims_membership import membership_claim
from .claims_traffic import distribution_claim, round_robin_claim, sticky_claim
from .procedures import ClusterAddresses, addresses_of


def claims_of(measured: Measurements) -> list[Claim]:
    """All claims, in the order of the text that the project began with."""
    place = addresses_of(measured.spec, measured.user)
    return [
        nodes_claim(measured, place),
        distribution_claim(measured, place),
        round_robin_claim(measured, place),
        sticky_claim(measured, place),
        membership_claim(measured, place),
        management_claim(measured, place),
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


def nodes_claim(measured: Measurements, place: ClusterAddresses) -> Claim:
    """Each tier has the nodes that it declares; Docker runs them and the balancer uses them."""
    draft = ClaimBuilder("nodes", place)
    pool = measured.pool
    draft.thresholds.append("per tier: nodes declared = running in Docker = in rotation at the balancer, and no others")
    if "tiers" not in pool:
        draft.missing("pool", pool)
        return draft.claim("")
    draft.problems += disagreements(pool)
    declared = [tier["name"] for tier in measured.tiers]
    tiers = sorted(pool["tiers"], key=lambda name: declared.index(name) if name in declared else len(declared))
    for name in tiers:
        tier = pool["tiers"][name]
        guests = f", {tier['guests']} of them guests" if tier["guests"] else ""
        draft.measured.append(
            f"{name}: {tier['desired']} declared, {tier['running']} running{guests}, {tier['in_rotation']} in rotation"
        )
        draft.figures |= {f"{name}: nodes in rotation": tier["in_rotation"]}
    draft.proves = any(tier["desired"] > 1 for tier in pool["tiers"].values())
    if not draft.problems and pool["tiers"]:
        draft.control(*_one_node_more(pool, tiers[0]), applies=True)
    draft.charts.append(
        Chart(
            BARS,
            "Nodes per tier",
            "; ".join(draft.measured),
            {
                "groups": tiers,
                "series": {
                    "declared": [pool["tiers"][name]["desired"] for name in tiers],
                    "running in Docker": [pool["tiers"][name]["running"] for name in tiers],
                    "in rotation": [pool["tiers"][name]["in_rotation"] for name in tiers],
                },
                "unit": "nodes",
            },
        )
    )
    draft.tables.append(
        Table(
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
                    str(node.get("id", ""))[:12],
                )
                for node in pool["nodes"]
            ),
        )
    )
    return draft.claim("no tier declares more than one node")


def _one_node_more(pool: Mapping[str, Any], name: str) -> tuple[str, dict[str, Any]]:
    """The same comparison with a declaration that is wrong by one node; it must disagree."""
    wrong = copy.deepcopy(dict(pool))
    wrong["tiers"][name]["desired"] += 1
    found = disagreements(wrong)
    return (
        f"the same comparison with one node of {name} too many declared must find it",
        {"failed": bool(found), "message": found[0] if found else "it found nothing"},
    )


def management_claim(measured: Measurements, place: ClusterAddresses) -> Claim:
    """Dashboard, API and Portainer answer with the password, and refuse without."""
    draft = ClaimBuilder("management", place)
    result = measured.management
    draft.thresholds.append("with the password every page answers 200; without it, and with a wrong one, 401 or 403")
    if not place.portainer:
        draft.notes.append("Portainer is not part of this cluster (cluster_portainer: false)")
    if "verdict" not in result:
        draft.missing("management", result)
        return draft.claim("")
    draft.proves = True
    draft.problems += result["aspects"]["access"]
    checks = result["checks"]
    let_in = [check for check in checks if not check["control"]]
    refused = [check for check in checks if check["control"]]
    draft.measured.append(
        f"{sum(check['ok'] for check in let_in)} of {len(let_in)} pages answered with the password:"
        f" {', '.join(dict.fromkeys(check['what'] for check in let_in))}"
    )
    right = sum(check["ok"] for check in refused)
    draft.control(
        "the same questions without the password, or with a wrong one, must be refused",
        {
            "failed": right == len(refused) and bool(refused),
            "message": f"{right} of {len(refused)} refused"
            if right == len(refused)
            else result["aspects"]["control"][0],
        },
        applies=True,
    )
    draft.figures |= {"questions refused without the password": right}
    draft.tables.append(
        Table(
            "Questions",
            ("asked", "credentials", "want", "got"),
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
    )
    return draft.claim("")
