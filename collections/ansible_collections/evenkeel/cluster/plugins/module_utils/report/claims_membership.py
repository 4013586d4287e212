# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The claim that nodes appear and disappear without a lost request, from drills."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..core.drill_results import DrillCounts, DrillResult, EventResult, LoadFigures, RefusedDrill
from ..core.results import NoResult
from ..core.stats import WHOLE, clopper_pearson, sample_size_for_failure_rate, zero_failures_upper
from ..core.verdict import FAILED, PASSED
from ..core.words import NOT_OFFERED
from .addresses import ClusterAddresses
from .chart_data import CONTROL, LOSSES, OURS, TIMELINE, TIMES, Chart, EventData, LossBar, TimesData
from .claim import Claim, ClaimBuilder, Control, Measurements, Table

_CONFIDENCE = 0.95
# A proof must exclude that one request in a thousand is lost.
_FAILURE_RATE = 0.001

Named = dict[str, DrillResult]


def membership_claim(measured: Measurements, addresses: ClusterAddresses) -> Claim:
    """Under load, nodes come and go without a lost request."""
    builder = ClaimBuilder("membership", addresses)
    builder.thresholds += [
        "no request lost while nodes join, leave, are replaced or are stopped; when a node is killed or frozen, only"
        " requests in flight on it",
        "no POST executed twice, where its image says what it executed; no session moved away from a node that was"
        " there",
        "every answered request is in the balancer's access log, and no node counted fewer requests than clients got"
        " answers from it",
        "the same load on an unprotected baseline must lose requests",
    ]
    ran: Named = {}
    for number, drill in enumerate(measured.drills, 1):
        name = _drill_name(drill, number, measured.drills)
        if "drill" not in drill:
            builder.missing(f"drill {name}", drill)
            continue
        builder.proves = True
        ran[name] = drill
        _add_drill(builder, name, drill)
    if ran:
        _add_totals(builder, ran)
    elif measured.drills_due and not measured.drills:
        builder.missing("drills", NoResult(msg="none was run"))
    return builder.claim(
        "a quick verification changes nothing, so it does not measure this (ansible-playbook playbooks/prove.yml does)"
    )


def _drill_name(drill: DrillResult | RefusedDrill, number: int, drills: Sequence[DrillResult | RefusedDrill]) -> str:
    message = str(drill.get("message", ""))
    scenario = drill.get("scenario") or message.partition("drill ")[2].partition(" ")[0]
    again = sum(other is not drill and other.get("scenario") == scenario for other in drills)
    return f"{scenario or 'drill'} {number}" if again or not scenario else scenario


def _add_drill(builder: ClaimBuilder, name: str, drill: DrillResult) -> None:
    ours, verdict = drill["drill"], drill["verdict"]
    lines = [f"{name}: {line}" for line in drill["problems"] or [drill["message"]]]
    if verdict == FAILED:
        builder.problems += lines
    elif verdict != PASSED:
        builder.unmeasured += lines
    builder.measured.append(drill["message"])
    builder.notes += [f"{name}: {line}" for line in ours["notes"]]
    if ours["counts"]["access_log"] is None:
        builder.unmeasured.append(f"{name}: not measured: the access log could not be read")
    control = drill.get("control")
    if control is not None:
        builder.controls.append(
            Control(f"{name}: an unprotected baseline must lose requests", control["failed"], control["message"])
        )
        if not control["failed"]:
            builder.problems.append(f"control: {name}: {control['message']}")
    builder.figures |= {
        f"{name}: requests sent": ours["requests"]["sent"],
        f"{name}: requests failed": ours["requests"]["failed"],
        f"{name}: join p95 (s)": ours["join_seconds"].get("p95"),
        f"{name}: leave p95 (s)": ours["leave_seconds"].get("p95"),
        f"{name}: latency p99 (ms)": ours["latency_ms"].get("p99"),
    }
    if ours["timeline"]["answered"]:
        builder.charts.append(_timeline_chart(name, ours))
    builder.tables += [_events_table(name, ours["events"]), _counts_table(name, ours["counts"])]


def _counts_table(name: str, counts: DrillCounts) -> Table:
    return Table(
        f"Requests per node: {name}",
        ("node", "clients", "node's counter", "read to its end"),
        tuple(
            (node, both["answers"], NOT_OFFERED, "-")
            if both["counted"] is None
            else (node, both["answers"], both["counted"], "no" if node in counts["incomplete"] else "yes")
            for node, both in counts["nodes"].items()
        ),
    )


def _events_table(name: str, events: Iterable[EventResult]) -> Table:
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
                    f"{span['answered_per_second']:.0f}"
                    for span in (event["load"]["before"], event["load"]["during"], event["load"]["after"])
                ),
            )
            for event in events
        ),
    )


def _timeline_chart(name: str, ours: LoadFigures) -> Chart:
    series, events = ours["timeline"], ours["events"]
    width = series["bin_seconds"]
    listed = ", ".join(f"{event['kind']} at {event['began']:.0f} s" for event in events)
    medians = [value for value in series["p50_ms"] if value is not None]
    return Chart(
        TIMELINE,
        f"Membership, throughput and latency: {name}",
        f"{len(series['answered']) * width:.0f} s of load with {len(events)} events ({listed or 'none'}):"
        f" {sum(series['answered'])} requests answered, {sum(series['failed'])} failed;"
        f" median latency between {min(medians, default=0):.1f} and {max(medians, default=0):.1f} ms per {width:g} s.",
        {"timeline": series, "events": [_event_data(event) for event in events]},
        "Grey: the time of an event; its number is its row in the table of events. Some requests are slow on purpose;"
        " they are the slowest answers.",
    )


def _event_data(event: EventResult) -> EventData:
    return {
        "kind": event["kind"],
        "tier": event["tier"],
        "began": event["began"],
        "ended": event["ended"],
        "left": dict(event["left"]),
        "joined": dict(event["joined"]),
    }


def _add_totals(builder: ClaimBuilder, ran: Named) -> None:
    sent = sum(drill["drill"]["requests"]["sent"] for drill in ran.values())
    failed = sum(drill["drill"]["requests"]["failed"] for drill in ran.values())
    need = sample_size_for_failure_rate(_FAILURE_RATE, _CONFIDENCE)
    builder.thresholds.append(
        f"at least {need} requests in all drills: if none of them is lost, the failure rate is below"
        f" {_FAILURE_RATE * WHOLE:g} % with {_CONFIDENCE * WHOLE:g} % confidence"
    )
    if sent < need:
        builder.unmeasured.append(
            f"all drills: not measured: {sent} requests are too few, want {need} (fix: more events)"
        )
    if sent:
        if failed:
            low, high = clopper_pearson(failed, sent, _CONFIDENCE)
            bound = f"failure rate between {low:.2g} and {high:.2g}"
        else:
            bound = f"failure rate below {zero_failures_upper(sent, _CONFIDENCE):.2g}"
        builder.measured.append(
            f"all drills: {failed} of {sent} requests lost, {bound}"
            f" (Clopper-Pearson, {_CONFIDENCE * WHOLE:g} % confidence)"
        )
    _add_times(builder, list(ran.values()))
    builder.charts.append(_losses_chart(ran))


def _losses_chart(ran: Named) -> Chart:
    bars: list[LossBar] = []
    for name, drill in ran.items():
        loads: dict[str, LoadFigures | None] = {OURS: drill["drill"], CONTROL: drill.get("control")}
        for who, part in loads.items():
            if part is not None and part["requests"]["sent"]:
                sent = part["requests"]["sent"]
                lost = part["requests"]["failed"] + part["requests"]["failed_in_flight"]
                low, high = clopper_pearson(lost, sent, _CONFIDENCE)
                bars.append({"drill": name, "who": who, "sent": sent, "lost": lost, "low": low, "high": high})
    words = {OURS: "cluster", CONTROL: "unprotected baseline"}
    return Chart(
        LOSSES,
        "Requests lost by the cluster and by the unprotected baseline",
        "; ".join(f"{one['drill']}, {words[one['who']]}: {one['lost']} of {one['sent']}" for one in bars) + ".",
        {"bars": bars},
    )


def _add_times(builder: ClaimBuilder, ran: Sequence[DrillResult]) -> None:
    data: TimesData = {
        "times": {
            "join": sorted(value for drill in ran for value in drill["drill"]["join_times"]),
            "leave": sorted(value for drill in ran for value in drill["drill"]["leave_times"]),
        },
        "limits": {"join": _limit(ran, "join_p95"), "leave": _limit(ran, "leave_p95")},
    }
    words = {"join": "from a node's start to its first answer", "leave": "from the order to leave to the last request"}
    lines = [
        f"{len(values)} times {words[kind]}: median {values[len(values) // 2]:.2f} s, longest {values[-1]:.2f} s"
        for kind, values in data["times"].items()
        if values
    ]
    if lines:
        builder.measured += lines
        builder.charts.append(Chart(TIMES, "How long nodes take to join and to leave", "; ".join(lines) + ".", data))


def _limit(ran: Sequence[DrillResult], name: str) -> float | None:
    limits = [drill["thresholds"][name] for drill in ran if name in drill.get("thresholds", {})]
    return max(limits) if limits else None
