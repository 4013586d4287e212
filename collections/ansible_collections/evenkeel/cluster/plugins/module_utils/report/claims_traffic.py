# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The claims about requests: that they are distributed, in a round-robin fashion, and that sessions stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.stats import (
    MIN_SHARES,
    NEGLIGIBLE,
    chi_square_uniform,
    clients_for_spread,
    round_robin_cycles,
    sample_size_for_cycles,
)
from .claim import BARS, SEQUENCE, SESSIONS, Chart, Claim, ClaimBuilder, Measurements, Table
from .procedures import ClusterAddresses

_UNSPREAD = ("hrw", "leasttime")
_SEQUENCE_SHOWN = 60
_ONE_IN_A_BILLION = f"{NEGLIGIBLE:.0e}".replace("e-0", "e-")


def distribution_claim(measured: Measurements, place: ClusterAddresses) -> Claim:
    """Every running node answers requests, nobody else does, and three sides count the same."""
    draft = ClaimBuilder("distribution", place)
    draft.thresholds += [
        "every request answered with 200, by nodes of the tier only",
        "every running node of the tier takes part",
        "per node: answers that clients got = requests in the balancer's access log = requests the node counted itself",
    ]
    for tier in measured.tiers:
        name = tier["name"]
        result = measured.balance.get(name, {})
        if "verdict" not in result:
            draft.missing(f"balance of {name}", result)
            continue
        _distribution_of(draft, measured, tier, result)
    return draft.claim("no tier has more than one node in rotation")


def _distribution_of(
    draft: ClaimBuilder, measured: Measurements, tier: Mapping[str, Any], result: Mapping[str, Any]
) -> None:
    name, counts, aspects = tier["name"], result["counts"], _aspects(result)
    draft.problems += [
        f"{name}: {line}" for aspect in ("answers", "observation", "sides") for line in aspects.get(aspect, ())
    ]
    answered = sum(counts.values())
    running = measured.running(name)
    several = len(running) > 1
    if tier["strategy"] in _UNSPREAD:
        draft.notes.append(f"{name}: {tier['strategy']} does not promise to use every node for one client")
    elif several:
        draft.proves = True
        idle = [node for node in running if not counts.get(node)]
        if idle:
            draft.problems.append(
                f"{name}: got 0 of {answered} requests on {', '.join(idle)}, want some on every running node"
                f" (fix: docker logs {idle[0]})"
            )
    else:
        draft.notes.append(f"{name}: {len(running)} node running, nothing to distribute")
    draft.measured.append(
        f"{name}: {answered} of {result['requests']} requests answered"
        + (f" - {_each(counts)}" if counts else " by nodes; the guard answers 503")
    )
    draft.figures |= {
        f"{name}: requests answered": answered,
        f"{name}: requests lost": result.get("lost"),
        f"{name}: latency p95 (ms)": result.get("latency_ms", {}).get("p95"),
    }
    _sides_of(draft, name, result)
    control = result.get("control", {})
    draft.control(
        f"{name}: as many requests to one node, past the balancer, must be found unequal",
        control,
        applies=bool(control.get("applicable")),
    )


def _aspects(result: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    """Problems by what they concern; those of a result that does not tell concern the answers."""
    found = result.get("aspects")
    return found if isinstance(found, Mapping) else {"answers": result.get("problems", ())}


def _sides_of(draft: ClaimBuilder, name: str, result: Mapping[str, Any]) -> None:
    sides = result.get("sides", {}).get("nodes", {})
    if not sides:
        return
    if result["sides"].get("access_log_missing") is None:
        draft.unmeasured.append(f"{name}: not measured: the access log, to compare with")
    silent = [node for node, counts in sides.items() if counts["node"] is None]
    if silent:
        draft.notes.append(f"{name}: no counters to read at {', '.join(silent)}; compared with the access log only")
    nodes = list(sides)
    total = sum(counts["client"] for counts in sides.values())
    fair = total / len(nodes)
    rows = tuple(
        (node, *(_dash(counts[side]) for side in ("client", "access_log", "node"))) for node, counts in sides.items()
    )
    draft.charts.append(
        Chart(
            BARS,
            f"Requests per node: {name}",
            f"Requests per node of {name}, counted by clients, access log and node: "
            + "; ".join(f"{row[0]}: {row[1]}, {row[2]}, {row[3]}" for row in rows)
            + f". Equal shares are {fair:.4g} each.",
            {
                "groups": nodes,
                "series": {
                    "clients": [counts["client"] for counts in sides.values()],
                    "access log": [counts["access_log"] for counts in sides.values()],
                    "node's counter": [counts["node"] for counts in sides.values()],
                },
                "unit": "requests",
                "expected": fair,
            },
        )
    )
    draft.tables.append(Table(f"Requests per node: {name}", ("node", "clients", "access log", "node's counter"), rows))


def _dash(value: object) -> object:
    return "not read" if value is None else value


def round_robin_claim(measured: Measurements, place: ClusterAddresses) -> Claim:
    """Inside one configuration generation, every cycle visits every node once."""
    draft = ClaimBuilder("round-robin", place)
    draft.thresholds.append(
        "in the order of sending, every cycle of n answers names each of the n nodes once; counts differ by 2 at most,"
        " because a measurement may begin and end inside a cycle; exact, no tolerance"
    )
    draft.thresholds.append("the balancer's configuration and the nodes' health do not change meanwhile")
    judged = []
    for tier in measured.tiers:
        name, result = tier["name"], measured.balance.get(tier["name"], {})
        if tier["strategy"] != "wrr":
            draft.notes.append(f"{name}: declares {tier['strategy']}, not round robin")
        elif "verdict" not in result:
            draft.missing(f"balance of {name}", result)
        elif len(result["counts"]) > 1:
            _round_robin_of(draft, name, result)
            judged.append(result.get("method") == "exact")
        else:
            draft.notes.append(f"{name}: fewer than two nodes in rotation")
    # Beside the requests of others, or changes, order means nothing: then nothing is claimed, not something weaker.
    draft.proves = bool(judged) and all(judged)
    return draft.claim("not every tier that declares round robin for several nodes could be judged exactly")


def _round_robin_of(draft: ClaimBuilder, name: str, result: Mapping[str, Any]) -> None:
    aspects, counts = _aspects(result), result["counts"]
    nodes = len(counts)
    draft.problems += [f"{name}: {line}" for aspect in ("answers", "shares") for line in aspects.get(aspect, ())]
    generation = result.get("generation", {})
    if result.get("method") == "exact":
        draft.measured.append(
            f"{name}: {result['requests']} requests one after the other, {_each(counts)}; configuration generation"
            f" {generation.get('before', 'not observed')} before and {generation.get('after', 'not observed')} after"
        )
    else:
        draft.notes.append(f"{name}: not judged exactly: {'; '.join(result.get('notes', ())) or 'disturbed'}")
    need = sample_size_for_cycles(nodes)
    draft.thresholds.append(
        f"{name}: at least {need} requests, so that a random choice among {nodes} nodes would pass with a probability"
        f" below {_ONE_IN_A_BILLION}"
    )
    if result.get("p_value") is not None:
        draft.figures[f"{name}: chi-square p"] = result["p_value"]
    draft.figures[f"{name}: spread (most - fewest)"] = max(counts.values()) - min(counts.values())
    sequence = list(result.get("sequence", ()))[:_SEQUENCE_SHOWN]
    draft.charts.append(
        Chart(
            SEQUENCE,
            f"Which node answered which request: {name}",
            f"The nodes that answered the first {len(sequence)} requests to {name}, in order: {', '.join(sequence)}.",
            {"nodes": list(counts), "sequence": sequence, "offset": round_robin_cycles(sequence, counts).offset},
            "Grey and white bands are cycles: each must hold every node once.",
        )
    )
    control = result.get("control", {})
    draft.control(
        f"{name}: as many requests to one node, past the balancer, must be found out of order",
        control,
        applies=bool(control.get("applicable")),
    )


def sticky_claim(measured: Measurements, place: ClusterAddresses) -> Claim:
    """Clients with cookie jars stay where that is declared, and move where it is not."""
    draft = ClaimBuilder("sticky", place)
    for tier in measured.tiers:
        name, result = tier["name"], measured.sticky.get(tier["name"], {})
        if "verdict" not in result:
            draft.missing(f"sticky sessions of {name}", result)
            continue
        draft.problems += [f"{name}: {line}" for line in result.get("problems", ())]
        draft.notes += [f"{name}: {line}" for line in result.get("notes", ())]
        if result.get("method") == "sessions":
            draft.proves = True
            _sessions_of(draft, tier, result)
        else:
            draft.measured.append(str(result["message"]))
    return draft.claim("no tier has more than one node in rotation")


def _sessions_of(draft: ClaimBuilder, tier: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    name, clients, picks = tier["name"], result["clients"], result["first_picks"]
    cookie = tier["cookie"]["name"]
    control = result.get("control", {})
    nodes = len(picks)
    if tier["sticky"]:
        draft.thresholds.append(
            f"{name}: every client stays on its first node, clients spread over all nodes, and the cookie {cookie} is"
            " set with its flags"
        )
        if nodes >= MIN_SHARES:
            draft.thresholds.append(
                f"{name}: at least {clients_for_spread(nodes)} clients, so that all would begin on one of {nodes} nodes"
                f" by chance with a probability below {_ONE_IN_A_BILLION}"
            )
    else:
        draft.thresholds.append(f"{name}: no cookie {cookie}, and clients with cookie jars move between nodes")
    draft.measured.append(
        f"{name}: {clients} clients with a cookie jar each, {result['requests']} requests: {result['stayed']} stayed,"
        f" {result['moved']} moved; first picks {_each(picks)}"
    )
    draft.figures |= {f"{name}: clients that stayed": result["stayed"], f"{name}: clients that moved": result["moved"]}
    if nodes >= MIN_SHARES and sum(picks.values()):
        draft.figures[f"{name}: first picks, chi-square p"] = chi_square_uniform(picks).p_value
    seen = result.get("cookie_seen")
    if seen:
        flags = "; ".join(f"{key}={value}" if value else key for key, value in seen["attributes"].items())
        draft.measured.append(f"{name}: Set-Cookie: {seen['name']}=...; {flags}")
    without = [list(session) for session in control.get("sessions", ())]
    sessions = [list(session) for session in result["sessions"]]
    draft.charts.append(
        Chart(
            SESSIONS,
            f"Which client was answered by which node: {name}",
            f"{clients} clients of {name} with a cookie jar: {result['stayed']} stayed on one node,"
            f" {result['moved']} moved."
            + (f" Without a cookie jar: {control['stayed']} stayed, {control['moved']} moved." if without else ""),
            {"nodes": list(picks), "sessions": sessions, "control": without},
            "A row is a client; a number is how many of its requests that node answered.",
        )
    )
    draft.control(
        f"{name}: the same clients without cookie jars must be found to move",
        control,
        applies=bool(control.get("applicable")),
    )


def _each(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
