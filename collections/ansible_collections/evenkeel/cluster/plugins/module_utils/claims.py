# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a report claims, and whether it is proved: pure functions from measurements to claims.

A claim is proved when its measurement passed, its control failed as it must, and all who counted agree. What could not
be measured although it should have been is not proved, and fails the report; what a quick verification does not even
try is told as such.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill_verdict import FAILED, NOT_MEASURED, PASSED
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool_drift import disagreements
from ansible_collections.evenkeel.cluster.plugins.module_utils.procedures import PROCEDURES, Place, Step, place_of
from ansible_collections.evenkeel.cluster.plugins.module_utils.statistics import (
    MIN_SHARES,
    NEGLIGIBLE,
    WHOLE,
    chi_square_uniform,
    clients_for_spread,
    clopper_pearson,
    round_robin_cycles,
    sample_size_for_cycles,
    sample_size_for_failure_rate,
    zero_failures_upper,
)

# Charts
BARS = "bars"
SEQUENCE = "sequence"
SESSIONS = "sessions"
TIMELINE = "timeline"
TIMES = "times"
LOSSES = "losses"

_UNSPREAD = ("hrw", "leasttime")
_SEQUENCE_SHOWN = 60
_CONFIDENCE = 0.95
# What a proof must be able to exclude: that one request in a thousand is lost.
_FAILURE_RATE = 0.001
_ONE_IN_A_BILLION = f"{NEGLIGIBLE:.0e}".replace("e-0", "e-")


@dataclass(frozen=True)
class Control:
    """A measurement that must fail.

    Attributes:
        what: what was done.
        failed: whether it failed as it must; None when there was none.
        told: what it was found guilty of, or what is wrong with it.
    """

    what: str
    failed: bool | None
    told: str = ""


@dataclass(frozen=True)
class Chart:
    """What a chart shows.

    Attributes:
        kind: how it is drawn.
        title: its heading.
        text: the same in words, for those who do not see it.
        data: what is drawn.
        note: how to read it.
    """

    kind: str
    title: str
    text: str
    data: Mapping[str, Any]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Numbers to look up."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class Claim:
    """One claim and its proof.

    Attributes:
        id: short name.
        title: the claim in the words of the text that the project began with.
        procedure: how to repeat it by hand.
        thresholds: what must hold, one line each.
        measured: what was measured, one line each.
        verdict: ``pass``, ``fail`` or ``not measured``.
        due: it should have been measured.
        problems: why it does not hold.
        notes: what a reader must know.
        controls: what had to fail.
        charts: pictures.
        tables: numbers.
        figures: single numbers, to compare two reports by.
    """

    id: str
    title: str
    procedure: tuple[Step, ...] = ()
    thresholds: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    verdict: str = PASSED
    due: bool = True
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def red(self) -> bool:
        """It fails the report."""
        return self.verdict == FAILED or (self.verdict == NOT_MEASURED and self.due)


TITLES = {
    "nodes": "Each tier has several nodes, and declaration, Docker and balancer agree about them",
    "distribution": "The load balancer distributes HTTP requests between these nodes",
    "round-robin": "Requests are distributed in a round-robin fashion",
    "sticky": "Sticky sessions: clients stay with their node where that is declared, and nowhere else",
    "membership": "Nodes can appear or disappear at any time, and the load balancer follows without losing a request",
    "management": "The infrastructure can be monitored and managed, by those who have the password",
}


@dataclass(frozen=True)
class Measurements:
    """What was measured; each part is a module's result, and has only a message where the module gave up.

    Attributes:
        spec: the declared cluster.
        pool: of node_pool_info.
        balance: tier -> of balance_check.
        sticky: tier -> of sticky_check.
        management: of management_check.
        drills: of drill, one each.
        drills_due: drills were asked for.
        user: who may use the dashboard.
    """

    spec: Mapping[str, Any]
    pool: Mapping[str, Any] = field(default_factory=dict)
    balance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sticky: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    management: Mapping[str, Any] = field(default_factory=dict)
    drills: Sequence[Mapping[str, Any]] = ()
    drills_due: bool = False
    user: str = "admin"

    @property
    def tiers(self) -> list[Mapping[str, Any]]:
        """The declared tiers."""
        return list(self.spec["tiers"])

    def running(self, tier: str) -> list[str]:
        """What the running nodes of a tier call themselves."""
        return [node["served_by"] for node in self.pool.get("nodes", ()) if node["tier"] == tier and _runs(node)]

    def in_rotation(self, tier: str) -> list[str]:
        """Those of them that the balancer sends requests to."""
        return [
            node["served_by"] for node in self.pool.get("nodes", ()) if node["tier"] == tier and node["in_rotation"]
        ]


def _runs(node: Mapping[str, Any]) -> bool:
    return bool(node["state"] == "running")


def claims_of(measured: Measurements) -> list[Claim]:
    """All claims, in the order of the text that the project began with."""
    place = place_of(measured.spec, measured.user)
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


class _Draft:
    """Collects what a claim consists of."""

    def __init__(self, name: str, place: Place) -> None:
        self.name = name
        self.procedure = tuple(PROCEDURES[name](place))
        self.thresholds: list[str] = []
        self.measured: list[str] = []
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.controls: list[Control] = []
        self.charts: list[Chart] = []
        self.tables: list[Table] = []
        self.figures: dict[str, float | None] = {}
        self.proves = False
        self.unmeasured: list[str] = []

    def missing(self, what: str, result: Mapping[str, Any]) -> None:
        """Something that should have been measured was not."""
        # A measurement that was skipped had nobody to ask.
        reason = result.get("msg") or ("the pool is not known" if result.get("skipped") else "no result")
        self.unmeasured.append(f"{what}: not measured: {reason}")

    def control(self, what: str, control: Mapping[str, Any], applies: bool) -> None:
        """Take a control in; one that did not fail is a problem of the claim."""
        if applies:
            # What it was found guilty of is no trouble to be mended.
            told = re.sub(r" \(fix: .*\)$", "", str(control.get("message", "")))
            self.controls.append(Control(what, bool(control.get("failed")), told))
            if not control.get("failed"):
                self.problems.append(f"control: {what}: {control.get('message') or 'it did not fail'}")

    def claim(self, nothing: str, due: bool = True) -> Claim:
        """The claim; *nothing* says why there is nothing to prove, should that be so."""
        verdict = PASSED
        if self.problems:
            verdict = FAILED
        elif self.unmeasured:
            verdict = NOT_MEASURED
        elif not self.proves:
            verdict, due = NOT_MEASURED, False
            self.notes.insert(0, nothing)
        return Claim(
            id=self.name,
            title=TITLES[self.name],
            procedure=self.procedure,
            thresholds=tuple(dict.fromkeys(self.thresholds)),
            measured=tuple(self.measured),
            verdict=verdict,
            due=due,
            problems=tuple(dict.fromkeys([*self.problems, *self.unmeasured])),
            notes=tuple(dict.fromkeys(self.notes)),
            controls=tuple(self.controls),
            charts=tuple(self.charts),
            tables=tuple(self.tables),
            figures=self.figures,
        )


def _each(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


# --------------------------------------------------------------------------
# Several nodes per tier
# --------------------------------------------------------------------------


def nodes_claim(measured: Measurements, place: Place) -> Claim:
    """Each tier has the nodes that it declares; Docker runs them and the balancer uses them."""
    draft = _Draft("nodes", place)
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


# --------------------------------------------------------------------------
# Requests are distributed
# --------------------------------------------------------------------------


def distribution_claim(measured: Measurements, place: Place) -> Claim:
    """Every running node answers requests, nobody else does, and three sides count the same."""
    draft = _Draft("distribution", place)
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


def _distribution_of(draft: _Draft, measured: Measurements, tier: Mapping[str, Any], result: Mapping[str, Any]) -> None:
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


def _sides_of(draft: _Draft, name: str, result: Mapping[str, Any]) -> None:
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


# --------------------------------------------------------------------------
# Round robin
# --------------------------------------------------------------------------


def round_robin_claim(measured: Measurements, place: Place) -> Claim:
    """Inside one configuration generation, every cycle visits every node once."""
    draft = _Draft("round-robin", place)
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


def _round_robin_of(draft: _Draft, name: str, result: Mapping[str, Any]) -> None:
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


# --------------------------------------------------------------------------
# Sticky sessions
# --------------------------------------------------------------------------


def sticky_claim(measured: Measurements, place: Place) -> Claim:
    """Clients with cookie jars stay where that is declared, and move where it is not."""
    draft = _Draft("sticky", place)
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


def _sessions_of(draft: _Draft, tier: Mapping[str, Any], result: Mapping[str, Any]) -> None:
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


# --------------------------------------------------------------------------
# Membership
# --------------------------------------------------------------------------


def membership_claim(measured: Measurements, place: Place) -> Claim:
    """Under load, nodes come and go without a lost request."""
    draft = _Draft("membership", place)
    draft.thresholds += [
        "no request lost while nodes join, leave, are replaced or are stopped; where a node is killed or frozen, none"
        " but those in flight on it",
        "no POST executed twice; no session moved from a node that is there",
        "every answered request in the balancer's access log, and no node counted less than clients got from it",
        "the same load on nodes without our contract must lose requests",
    ]
    for number, drill in enumerate(measured.drills, 1):
        name = _drill_name(drill, number, measured.drills)
        if "drill" not in drill:
            draft.missing(f"drill {name}", drill)
            continue
        draft.proves = True
        _drill_of(draft, name, drill)
    ran = [drill for drill in measured.drills if "drill" in drill]
    if ran:
        _all_drills(draft, ran, measured.drills)
    elif measured.drills_due and not measured.drills:
        draft.missing("drills", {"msg": "none was run"})
    return draft.claim(
        "a quick verification changes nothing, so it does not measure this (ansible-playbook playbooks/prove.yml does)"
    )


def _drill_name(drill: Mapping[str, Any], number: int, drills: Sequence[Mapping[str, Any]]) -> str:
    scenario = str(drill.get("scenario") or str(drill.get("message", "")).partition("drill ")[2].partition(" ")[0])
    again = sum(other is not drill and other.get("scenario") == scenario for other in drills)
    return f"{scenario or 'drill'} {number}" if again or not scenario else scenario


def _drill_of(draft: _Draft, name: str, drill: Mapping[str, Any]) -> None:
    ours, control = drill["drill"], drill.get("control")
    verdict = drill.get("verdict")
    lines = [f"{name}: {line}" for line in drill.get("problems", ())]
    if verdict == FAILED:
        draft.problems += lines or [f"{name}: {drill.get('message', 'failed')}"]
    elif verdict != PASSED:
        draft.unmeasured += lines or [f"{name}: {drill.get('message', 'not measured')}"]
    draft.measured.append(str(drill.get("message", "")))
    draft.notes += [f"{name}: {line}" for line in ours.get("notes", ())]
    counts = ours["counts"]
    if counts["access_log"] is None:
        draft.unmeasured.append(f"{name}: not measured: the access log, to compare with")
    if control is not None:
        draft.controls.append(
            Control(
                f"{name}: nodes without our contract must lose requests", bool(control["failed"]), control["message"]
            )
        )
        if not control["failed"]:
            draft.problems.append(f"control: {name}: {control['message']}")
    requests = ours["requests"]
    draft.figures |= {
        f"{name}: requests sent": requests["sent"],
        f"{name}: requests failed": requests["failed"],
        f"{name}: join p95 (s)": ours["join_seconds"].get("p95"),
        f"{name}: leave p95 (s)": ours["leave_seconds"].get("p95"),
        f"{name}: latency p99 (ms)": ours["latency_ms"].get("p99"),
    }
    if ours.get("timeline", {}).get("answered"):
        draft.charts.append(_timeline_chart(name, ours))
    draft.tables.append(_events_table(name, ours["events"]))
    draft.tables.append(
        Table(
            f"Requests per node: {name}",
            ("node", "clients", "node's counter", "read to its end"),
            tuple(
                (node, both["answers"], both["counted"], "no" if node in counts["incomplete"] else "yes")
                for node, both in counts["nodes"].items()
            ),
        )
    )


def _events_table(name: str, events: Iterable[Mapping[str, Any]]) -> Table:
    return Table(
        f"Events: {name}",
        ("at", "event", "tier", "left", "joined", "failed meanwhile", "answered per second: before, during, after"),
        tuple(
            (
                f"{event['began']:.1f} s",
                event["kind"],
                event["tier"] or "all",
                ", ".join(event["left"]) or "-",
                ", ".join(event["joined"]) or "-",
                event["load"]["during"]["failed"],
                ", ".join(
                    f"{event['load'][span]['answered_per_second']:.0f}" for span in ("before", "during", "after")
                ),
            )
            for event in events
        ),
    )


def _timeline_chart(name: str, ours: Mapping[str, Any]) -> Chart:
    series, events = ours["timeline"], ours["events"]
    width = series["bin_seconds"]
    told = ", ".join(f"{event['kind']} at {event['began']:.0f} s" for event in events)
    middle = [value for value in series["p50_ms"] if value is not None]
    return Chart(
        TIMELINE,
        f"Membership, throughput and latency: {name}",
        f"{len(series['answered']) * width:.0f} s of load with {len(events)} events ({told or 'none'}):"
        f" {sum(series['answered'])} requests answered, {sum(series['failed'])} failed;"
        f" median latency between {min(middle, default=0):.1f} and {max(middle, default=0):.1f} ms per {width:g} s.",
        {
            "timeline": series,
            "events": [
                {
                    "kind": event["kind"],
                    "tier": event["tier"],
                    "began": event["began"],
                    "ended": event["ended"],
                    "left": dict(event["left"]),
                    "joined": dict(event["joined"]),
                }
                for event in events
            ],
        },
        "Grey: an event goes on; its number is its place in the table of events. Some requests are slow on purpose, and"
        " so are the slowest answers.",
    )


def _all_drills(draft: _Draft, ran: Sequence[Mapping[str, Any]], drills: Sequence[Mapping[str, Any]]) -> None:
    sent = sum(drill["drill"]["requests"]["sent"] for drill in ran)
    need = sample_size_for_failure_rate(_FAILURE_RATE, _CONFIDENCE)
    draft.thresholds.append(
        f"at least {need} requests in all drills, so that none lost of them means fewer than"
        f" {_FAILURE_RATE * WHOLE:g} % of all, with {_CONFIDENCE * WHOLE:g} % confidence"
    )
    if sent < need:
        draft.unmeasured.append(
            f"all drills: not measured: {sent} requests are too few, want {need} (fix: more events)"
        )
    failed = sum(drill["drill"]["requests"]["failed"] for drill in ran)
    if sent:
        if failed:
            low, high = clopper_pearson(failed, sent, _CONFIDENCE)
            bound = f"failure rate between {low:.2g} and {high:.2g}"
        else:
            bound = f"failure rate below {zero_failures_upper(sent, _CONFIDENCE):.2g}"
        draft.measured.append(
            f"all drills: {failed} of {sent} requests lost, {bound}"
            f" (Clopper-Pearson, {_CONFIDENCE * WHOLE:g} % confidence)"
        )
    _times_chart(draft, ran)
    bars = []
    for number, drill in enumerate(drills, 1):
        if "drill" not in drill:
            continue
        name = _drill_name(drill, number, drills)
        for who, part in (("ours", drill["drill"]), ("control", drill.get("control"))):
            if part is not None and part["requests"]["sent"]:
                n = part["requests"]["sent"]
                lost = part["requests"]["failed"] + part["requests"]["failed_in_flight"]
                low, high = clopper_pearson(lost, n, _CONFIDENCE)
                bars.append({"drill": name, "who": who, "sent": n, "lost": lost, "low": low, "high": high})
    words = {"ours": "with our contract", "control": "without"}
    draft.charts.append(
        Chart(
            LOSSES,
            "Requests lost, with and without our contract",
            "; ".join(f"{bar['drill']}, {words[str(bar['who'])]}: {bar['lost']} of {bar['sent']}" for bar in bars)
            + ".",
            {"bars": bars},
        )
    )


def _times_chart(draft: _Draft, ran: Sequence[Mapping[str, Any]]) -> None:
    times = {
        "join": sorted(value for drill in ran for value in drill["drill"].get("join_times", ())),
        "leave": sorted(value for drill in ran for value in drill["drill"].get("leave_times", ())),
    }
    limits = {
        "join": _limit(ran, "join_p95"),
        "leave": _limit(ran, "leave_p95"),
    }
    if not any(times.values()):
        return
    words = {"join": "from a node's start to its first answer", "leave": "from the order to leave to the last request"}
    told = [
        f"{len(values)} times {words[kind]}: median {values[len(values) // 2]:.2f} s, longest {values[-1]:.2f} s"
        for kind, values in times.items()
        if values
    ]
    draft.measured += told
    draft.charts.append(
        Chart(
            TIMES, "How long nodes take to join and to leave", "; ".join(told) + ".", {"times": times, "limits": limits}
        )
    )


def _limit(ran: Sequence[Mapping[str, Any]], name: str) -> float | None:
    limits = [drill["thresholds"][name] for drill in ran if name in drill.get("thresholds", {})]
    return max(limits) if limits else None


# --------------------------------------------------------------------------
# Management
# --------------------------------------------------------------------------


def management_claim(measured: Measurements, place: Place) -> Claim:
    """Dashboard, API and Portainer answer with the password, and refuse without."""
    draft = _Draft("management", place)
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
