# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The claim that nodes appear and disappear without a lost request, from drills."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core.stats import WHOLE, clopper_pearson, sample_size_for_failure_rate, zero_failures_upper
from ..core.verdict import FAILED, PASSED
from .claim import LOSSES, TIMELINE, TIMES, Chart, Claim, ClaimBuilder, Control, Measurements, Table
from .procedures import ClusterAddresses

_CONFIDENCE = 0.95
# What a proof must be able to exclude: that one request in a thousand is lost.
_FAILURE_RATE = 0.001


def membership_claim(measured: Measurements, place: ClusterAddresses) -> Claim:
    """Under load, nodes come and go without a lost request."""
    draft = ClaimBuilder("membership", place)
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


def _drill_of(draft: ClaimBuilder, name: str, drill: Mapping[str, Any]) -> None:
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


def _all_drills(draft: ClaimBuilder, ran: Sequence[Mapping[str, Any]], drills: Sequence[Mapping[str, Any]]) -> None:
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


def _times_chart(draft: ClaimBuilder, ran: Sequence[Mapping[str, Any]]) -> None:
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
