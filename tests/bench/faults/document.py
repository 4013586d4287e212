"""The catalogue as a page: docs/faults.md from the rows and from what was measured last. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.faults.catalogue import LEFT_OUT, ROWS, by_name
from tests.bench.faults.fault import CLOCK, PORTAINER, PRUNE, Fault, Measured, restored
from tests.bench.faults.judge import judge

HEAD = Path(__file__).with_name("head.md")


def render(campaign: Mapping[str, Any]) -> str:
    """The page.

    Args:
        campaign: the measurements with the machine, the rate and the seed, as the runner saves them.
    """
    seen: dict[str, list[Measured]] = {}
    for data in campaign.get("measured", ()):
        seen.setdefault(data["name"], []).append(restored(data))
    parts = [_head(campaign), _machine(campaign, seen)]
    for group in dict.fromkeys(row.group for row in ROWS):
        rows = [row for row in ROWS if row.group == group]
        parts.append("\n".join([f"## {group[0].upper()}{group[1:]}", "", *_table(rows, seen)]))
    parts.append(_left_out())
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def merged(before: Mapping[str, Any], campaign: Mapping[str, Any]) -> dict[str, Any]:
    """A record with the rows of a campaign in the place of what it had of them."""
    played = {data["name"] for data in campaign["measured"]}
    known = {row.name for row in ROWS}
    kept = [data for data in before.get("measured", ()) if data["name"] in known - played]
    return {**campaign, "rows": [], "measured": [*kept, *campaign["measured"]]}


def _head(campaign: Mapping[str, Any]) -> str:
    text = HEAD.read_text(encoding="utf-8")
    controls = str(sum(bool(row.control) for row in ROWS))
    text = text.replace("COUNT", str(len(ROWS))).replace("CONTROLS", controls)
    return text.replace("RATE", f"{campaign.get('rate', 100):g}")


def _machine(campaign: Mapping[str, Any], seen: Mapping[str, Sequence[Measured]]) -> str:
    good = sum(not judge(by_name(name), one) for name, rounds in seen.items() for one in rounds)
    total = sum(map(len, seen.values()))
    facts = "; ".join(f"{key} {value}" for key, value in campaign.get("machine", {}).items())
    rounds = campaign.get("rounds", 0)
    return (
        f"Measured: {len(seen)} of {len(ROWS)} rows, {good} of {total} times as they say; the last campaign had"
        f" {rounds} {'round' if rounds == 1 else 'rounds'} and seed {campaign.get('seed', '-')} ({facts}).\n"
    )


def _table(rows: Sequence[Fault], seen: Mapping[str, Sequence[Measured]]) -> list[str]:
    header = ["fault", "must", "may lose", "as it says", "serves, s", "lost GET", "lost POST", "moved", "remark"]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for row in rows:
        cells = [
            f"`{row.name}`: {row.done}",
            row.must,
            row.allowed,
            *_figures(row, seen.get(row.name, ())),
            row.because,
        ]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return lines


def _figures(row: Fault, rounds: Sequence[Measured]) -> list[str]:
    if not rounds:
        return ["not played", "", "", "", ""]
    good = sum(not judge(row, one) for one in rounds)
    slowest = [one.serves for one in rounds]
    serves = "-" if None in slowest else f"{max(value for value in slowest if value is not None):.1f}"
    worst = [max(getattr(one, name) for one in rounds) for name in ("lost", "posts", "moved")]
    return [f"{good} of {len(rounds)}", serves, *map(str, worst)]


def _left_out() -> str:
    lines = ["## Rows that are not played unless asked for", ""]
    for need in (CLOCK, PRUNE, PORTAINER):
        names = ", ".join(f"`{row.name}`" for row in ROWS if need in row.needs)
        lines.append(f"* {names}: {LEFT_OUT[need]}.")
    return "\n".join(lines) + "\n"
