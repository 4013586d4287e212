# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The claims about requests: that they are distributed, in a round-robin fashion, and that sessions are sticky."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.results import BalanceResult, SideCounts, StickyResult
from ..core.stats import (
    MIN_SHARES,
    NEGLIGIBLE,
    chi_square_uniform,
    clients_for_spread,
    round_robin_cycles,
    sample_size_for_cycles,
)
from ..core.verdict import NOT_MEASURED
from ..core.words import LOG, NAMED_BY, NOT_OFFERED, NOT_READ, UNNAMED
from .addresses import ClusterAddresses
from .chart_data import BARS, SEQUENCE, SESSIONS, Chart
from .claim import Claim, ClaimBuilder, Measurements, Table

# With these strategies one client need not reach every node.
_UNSPREAD = ("hrw", "leasttime")
_SEQUENCE_SHOWN = 60
_ONE_IN_A_BILLION = f"{NEGLIGIBLE:.0e}".replace("e-0", "e-")


def _unmeasurable(builder: ClaimBuilder, result: BalanceResult | StickyResult) -> None:
    """Note a tier whose answers cannot be judged: by the image's nature, or because nothing named the nodes."""
    if result["named_by"] == UNNAMED:
        # The balancer's log names the nodes of any image, so it should have been read.
        builder.unmeasured.append(result["message"])
    else:
        builder.unmeasurable.append(result["message"])


def distribution_claim(measured: Measurements, addresses: ClusterAddresses) -> Claim:
    """Every running node of a tier answers requests, nothing else does, and three sides count the same."""
    builder = ClaimBuilder("distribution", addresses)
    builder.thresholds += [
        "every request is answered with 200, by a node of its tier",
        "every running node of the tier answers some",
        "per node: answers that clients got = requests in the balancer's access log = requests that the node counted,"
        " where its image counts them",
    ]
    for tier in measured.tiers:
        result = measured.balance_of(tier["name"])
        if "verdict" not in result:
            builder.missing(f"balance of {tier['name']}", result)
            continue
        if result["verdict"] == NOT_MEASURED:
            _unmeasurable(builder, result)
            continue
        _add_distribution(builder, measured, tier, result)
    return builder.claim("no tier has more than one node in rotation")


def _add_distribution(
    builder: ClaimBuilder, measured: Measurements, tier: Mapping[str, Any], result: BalanceResult
) -> None:
    name, counts = tier["name"], result["counts"]
    builder.problems += [
        f"{name}: {line}" for aspect in ("answers", "observation", "sides") for line in result["aspects"][aspect]
    ]
    answered = sum(counts.values())
    running = measured.running(name)
    if tier["strategy"] in _UNSPREAD:
        builder.notes.append(f"{name}: {tier['strategy']} does not promise to use every node for one client")
    elif len(running) > 1:
        builder.proves = True
        idle = [node for node in running if not counts.get(node)]
        if idle:
            builder.problems.append(
                f"{name}: got 0 of {answered} requests on {', '.join(idle)}, want some on every running node"
                f" (fix: docker logs {idle[0]})"
            )
    else:
        builder.notes.append(f"{name}: {len(running)} node running, so there is nothing to distribute")
    builder.measured.append(
        f"{name}: {answered} of {result['requests']} requests answered"
        + (f" - {_listed(counts)} ({_named(result)})" if counts else " by nodes; the guard answers 503")
    )
    builder.figures |= {
        f"{name}: requests answered": answered,
        f"{name}: requests lost": result["lost"],
        f"{name}: latency p95 (ms)": result["latency_ms"].get("p95"),
    }
    _add_sides(builder, name, result)
    if result["control"]["applicable"]:
        builder.control(
            f"{name}: the same number of requests to one node, past the balancer, must be found unequal",
            result["control"]["failed"],
            result["control"]["message"],
        )


def _add_sides(builder: ClaimBuilder, name: str, result: BalanceResult) -> None:
    sides = result["sides"]["nodes"]
    if not sides:
        return
    if result["sides"]["access_log_missing"] is None:
        builder.unmeasured.append(f"{name}: not measured: the access log could not be read")
    silent = [node for node, counts in sides.items() if counts["node"] is None]
    if not result["sides"]["own_count_offered"]:
        builder.notes.append(
            f"{name}: the node's own count: {NOT_OFFERED} by this image; only clients and access log are compared"
        )
    elif silent:
        builder.notes.append(f"{name}: no counters at {', '.join(silent)}; only clients and access log are compared")
    if result["named_by"] == LOG:
        builder.notes.append(
            f"{name}: the balancer's log names the nodes, so it cannot contradict clients about them; both are compared"
            " by number and status of the answers"
        )
    unknown = NOT_READ if result["sides"]["own_count_offered"] else NOT_OFFERED
    builder.charts.append(_sides_chart(name, sides, unknown))
    builder.tables.append(
        Table(
            f"Requests per node: {name}",
            ("node", "clients", "access log", "node's counter"),
            tuple((node, *_cells(counts, unknown)) for node, counts in sides.items()),
        )
    )


def _sides_chart(name: str, sides: Mapping[str, SideCounts], unknown: str) -> Chart:
    fair = sum(counts["client"] for counts in sides.values()) / len(sides)
    each = (f"{node}: {', '.join(map(str, _cells(counts, unknown)))}" for node, counts in sides.items())
    return Chart(
        BARS,
        f"Requests per node: {name}",
        f"Requests per node of {name}, counted by clients, access log and node: {'; '.join(each)}."
        f" Equal shares are {fair:.4g} each.",
        {
            "groups": list(sides),
            "series": {
                "clients": [counts["client"] for counts in sides.values()],
                "access log": [counts["access_log"] for counts in sides.values()],
                "node's counter": [counts["node"] for counts in sides.values()],
            },
            "unit": "requests",
            "expected": fair,
        },
    )


def _cells(counts: SideCounts, unknown: str) -> list[object]:
    """A row; *unknown* stands for a count of its own that a node does not tell."""
    log, own = counts["access_log"], counts["node"]
    return [counts["client"], NOT_READ if log is None else log, unknown if own is None else own]


def _named(result: BalanceResult | StickyResult) -> str:
    """How it is known which node answered."""
    return NAMED_BY[result["named_by"]]


def round_robin_claim(measured: Measurements, addresses: ClusterAddresses) -> Claim:
    """Within one configuration generation, every cycle visits every node once."""
    builder = ClaimBuilder("round-robin", addresses)
    builder.thresholds.append(
        "in the order of sending, every cycle of n answers names each of the n nodes once; counts differ by 2 at most,"
        " because a measurement may begin and end within a cycle; exact, no tolerance"
    )
    builder.thresholds.append("meanwhile neither the balancer's configuration nor a node's health changes")
    exact = []
    for tier in measured.tiers:
        name, result = tier["name"], measured.balance_of(tier["name"])
        if tier["strategy"] != "wrr":
            builder.notes.append(f"{name}: declares {tier['strategy']}, not round robin")
        elif "verdict" not in result:
            builder.missing(f"balance of {name}", result)
        elif result["verdict"] == NOT_MEASURED:
            _unmeasurable(builder, result)
        elif len(result["counts"]) > 1:
            _add_round_robin(builder, name, result)
            exact.append(result["method"] == "exact")
        else:
            builder.notes.append(f"{name}: fewer than two nodes in rotation")
    # Requests of other clients or a change make the order meaningless. Then nothing is claimed, not something weaker.
    builder.proves = bool(exact) and all(exact)
    return builder.claim("not every tier that declares round robin for several nodes could be judged exactly")


def _add_round_robin(builder: ClaimBuilder, name: str, result: BalanceResult) -> None:
    counts = result["counts"]
    builder.problems += [f"{name}: {line}" for aspect in ("answers", "shares") for line in result["aspects"][aspect]]
    generation = result["generation"]
    if result["method"] == "exact":
        builder.measured.append(
            f"{name}: {result['requests']} requests one after the other, {_listed(counts)} ({_named(result)});"
            f" configuration generation"
            f" {generation.get('before', 'not observed')} before and {generation.get('after', 'not observed')} after"
        )
    else:
        builder.notes.append(f"{name}: not judged exactly: {'; '.join(result['notes']) or 'disturbed'}")
    builder.thresholds.append(
        f"{name}: at least {sample_size_for_cycles(len(counts))} requests, so that a random choice among"
        f" {len(counts)} nodes would pass with a probability below {_ONE_IN_A_BILLION}"
    )
    if result["p_value"] is not None:
        builder.figures[f"{name}: chi-square p"] = result["p_value"]
    builder.figures[f"{name}: spread (most - fewest)"] = max(counts.values()) - min(counts.values())
    sequence = result["sequence"][:_SEQUENCE_SHOWN]
    builder.charts.append(
        Chart(
            SEQUENCE,
            f"Which node answered which request: {name}",
            f"The nodes that answered the first {len(sequence)} requests to {name}, in order: {', '.join(sequence)}.",
            {"nodes": list(counts), "sequence": sequence, "offset": round_robin_cycles(sequence, counts).offset},
            "Grey and white bands are cycles: each must hold every node once.",
        )
    )
    if result["control"]["applicable"]:
        builder.control(
            f"{name}: the same number of requests to one node, past the balancer, must be found out of order",
            result["control"]["failed"],
            result["control"]["message"],
        )


def sticky_claim(measured: Measurements, addresses: ClusterAddresses) -> Claim:
    """Clients with cookie jars stay on their node in sticky tiers, and move in the others."""
    builder = ClaimBuilder("sticky", addresses)
    for tier in measured.tiers:
        name, result = tier["name"], measured.sticky_of(tier["name"])
        if "verdict" not in result:
            builder.missing(f"sticky sessions of {name}", result)
            continue
        if result["verdict"] == NOT_MEASURED:
            _unmeasurable(builder, result)
            continue
        builder.problems += [f"{name}: {line}" for line in result["problems"]]
        builder.notes += [f"{name}: {line}" for line in result["notes"]]
        if result["method"] == "sessions":
            builder.proves = True
            _add_sessions(builder, tier, result)
        else:
            builder.measured.append(result["message"])
    return builder.claim("no tier has more than one node in rotation")


def _add_sessions(builder: ClaimBuilder, tier: Mapping[str, Any], result: StickyResult) -> None:
    name, clients, picks = tier["name"], result["clients"], result["first_picks"]
    builder.thresholds += _session_thresholds(tier, len(picks))
    builder.measured.append(
        f"{name}: {clients} clients with a cookie jar each, {result['requests']} requests: {result['stayed']} stayed,"
        f" {result['moved']} moved; first nodes {_listed(picks)} ({_named(result)})"
    )
    builder.figures |= {
        f"{name}: clients that stayed": result["stayed"],
        f"{name}: clients that moved": result["moved"],
    }
    if len(picks) >= MIN_SHARES and any(picks.values()):
        builder.figures[f"{name}: first picks, chi-square p"] = chi_square_uniform(picks).p_value
    seen = result["cookie_seen"]
    if seen:
        flags = "; ".join(f"{key}={value}" if value else key for key, value in seen["attributes"].items())
        builder.measured.append(f"{name}: Set-Cookie: {seen['name']}=...; {flags}")
    builder.charts.append(_sessions_chart(name, result))
    if result["control"]["applicable"]:
        builder.control(
            f"{name}: the same clients without cookie jars must be found to move",
            result["control"]["failed"],
            result["control"]["message"],
        )


def _session_thresholds(tier: Mapping[str, Any], nodes: int) -> list[str]:
    name, cookie = tier["name"], tier["cookie"]["name"]
    if not tier["sticky"]:
        return [f"{name}: no cookie {cookie}, and clients with cookie jars move between nodes"]
    thresholds = [
        f"{name}: every client stays on its first node, clients spread over all nodes, and the cookie {cookie} is set"
        " with its flags"
    ]
    if nodes >= MIN_SHARES:
        thresholds.append(
            f"{name}: at least {clients_for_spread(nodes)} clients, so that all would begin on one of {nodes} nodes"
            f" by chance with a probability below {_ONE_IN_A_BILLION}"
        )
    return thresholds


def _sessions_chart(name: str, result: StickyResult) -> Chart:
    control = result["control"]
    return Chart(
        SESSIONS,
        f"Which client was answered by which node: {name}",
        f"{result['clients']} clients of {name} with a cookie jar: {result['stayed']} stayed on one node,"
        f" {result['moved']} moved."
        + (
            f" Without a cookie jar: {control['stayed']} stayed, {control['moved']} moved."
            if control["sessions"]
            else ""
        ),
        {"nodes": list(result["first_picks"]), "sessions": result["sessions"], "control": control["sessions"]},
        "A row is a client; a number is how many of its requests that node answered.",
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
