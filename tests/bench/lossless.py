"""Goals R1 to R7 and P4: a million requests while the cluster changes.

Runs the drill at full length: 100 cycles of growing and shrinking, 100 rolling updates of the tiers in turn, 100 plain
``docker stop``, 20 changes of policy, 100 kills, 20 hangs, guests, and 20 replacements of the balancer. Long scenarios
are cut into several drills, because each drill compares the counters of every node.

Command: ``python -m tests.bench.lossless [--rate 600] [--share 1.0] [scale roll ...]``; ``--share 0.1`` does a tenth.
Control, in the same run: the first drill of each scenario sends the same load to an unprotected
baseline (nodes, or a balancer), which must lose requests; otherwise the drill fails.
Goals: 0 failed; after kills only POSTs in flight; nothing executed twice; no session moves without need;
join p95 <= 1 s, leave p95 <= 2 s.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import re
from collections.abc import Sequence
from typing import Any

from tests.bench import common
from tests.bench.common import BenchError, say

DRILL_MODULE = "evenkeel.cluster.drill"
JOIN_GOAL, LEAVE_GOAL, OUT_GOAL = 1.0, 2.0, 2.0
# The drill judges losses; times are judged here, over all drills.
PATIENT = {"join_p95": 30, "leave_p95": 30, "out": 30, "late_p99": 1.0, "rate_share": 0.95}


@dataclasses.dataclass(frozen=True)
class Part:
    """What is done of one scenario.

    Attributes:
        goal: of the project's list of goals.
        scenario: of the drill's.
        events: how many in all; a cycle of growing and shrinking is two.
        chunk: how many in one drill.
        interval: seconds from one to the next, at least.
        surge: percent of a tier replaced at the same time.
    """

    goal: str
    scenario: str
    events: int
    chunk: int
    interval: float
    surge: int = 25


PARTS = (
    Part("R1", "scale", 200, 50, 2.5),
    Part("R2", "roll", 100, 50, 0.5, surge=100),
    Part("R3", "stop", 100, 50, 0.5),
    Part("R4", "policy", 20, 20, 0.5),
    Part("R6", "kill", 100, 50, 0.5),
    Part("R7", "hang", 20, 20, 1.0),
    Part("guests", "guest", 40, 40, 0.5),
    Part("balancer", "balancer", 20, 20, 0.5),
)


@dataclasses.dataclass
class Sum:
    """One scenario's drills, added up. Times are each drill's p95 in seconds; the worst is reported."""

    requests: int = 0
    events: int = 0
    failed: int = 0
    in_flight: int = 0
    twice: int = 0
    missing: int = 0
    moved: int = 0
    join: list[float] = dataclasses.field(default_factory=list)
    leave: list[float] = dataclasses.field(default_factory=list)
    out: list[float] = dataclasses.field(default_factory=list)
    control: str = "none"
    verdicts: list[str] = dataclasses.field(default_factory=list)

    def add(self, result: dict[str, Any]) -> None:
        """Add a drill's result."""
        drill = result["drill"]
        self.requests += drill["requests"]["sent"]
        self.events += len(drill["events"])
        self.failed += drill["requests"]["failed"]
        self.in_flight += drill["requests"]["failed_in_flight"]
        self.twice += drill["posts"]["twice"]
        self.missing += drill["posts"]["missing"]
        self.moved += drill["sessions"]["moved_foreign"]
        for mine, key in ((self.join, "join_seconds"), (self.leave, "leave_seconds"), (self.out, "out_seconds")):
            if drill[key].get("p95") is not None:
                mine.append(drill[key]["p95"])
        if "control" in result:
            lost = re.search(r"(\d+) of (\d+) requests lost", result["control"]["message"])
            self.control = f"{lost[1]} of {lost[2]}" if lost else result["control"]["message"]
        self.verdicts.append(result["verdict"])


def drill(part: Part, events: int, rate: float, *, control: bool) -> dict[str, Any]:
    """One drill; its result, also when it fails.

    Raises:
        BenchError: it gave none.
    """
    variables = {
        "drill_scenario": part.scenario,
        "drill_events": events,
        "drill_interval": part.interval,
        "drill_rate": rate,
        "drill_time_limit": 1800,
        "drill_control": control,
        "drill_thresholds": PATIENT,
        "drill_surge_percent": part.surge,
    }
    played = common.attempt("playbooks/drill.yml", "-e", json.dumps(variables))
    result = played.results.get(DRILL_MODULE, {})
    if "drill" not in result:
        raise BenchError(f"drill {part.scenario}: got '{result.get('msg', 'nothing')}', want figures (fix: see above)")
    return result


def measure(part: Part, share: float, rate: float) -> Sum:
    """All drills of one scenario."""
    total = Sum()
    wanted = max(2, math.ceil(part.events * share))
    while wanted > 0:
        events = min(wanted, part.chunk)
        result = drill(part, events, rate, control=not total.verdicts)
        total.add(result)
        wanted -= events
        say(f"{part.scenario}: {total.events} events, {total.requests} requests: {result['message']}")
    return total


def verdicts_of(sums: dict[str, Sum]) -> list[str]:
    """What the goals say."""
    lines = []
    for part in PARTS:
        if part.scenario not in sums:
            continue
        total = sums[part.scenario]
        good = total.failed == total.twice == total.missing == total.moved == 0 and set(total.verdicts) == {"pass"}
        lines.append(
            common.verdict(f"{part.goal} {part.scenario}: {total.failed} of {total.requests} failed, goal 0", good)
        )
    join = max((max(total.join) for total in sums.values() if total.join), default=0.0)
    leave = max((max(total.leave) for total in sums.values() if total.leave), default=0.0)
    out = max((max(total.out) for total in sums.values() if total.out), default=0.0)
    return [
        *lines,
        common.verdict(f"P4: worst join p95 {join:.2f} s, goal <= {JOIN_GOAL:g}", join <= JOIN_GOAL),
        common.verdict(f"P4: worst leave p95 {leave:.2f} s, goal <= {LEAVE_GOAL:g}", leave <= LEAVE_GOAL),
        common.verdict(f"R7: worst out p95 {out:.2f} s, goal <= {OUT_GOAL:g}", out <= OUT_GOAL),
    ]


def worst(values: Sequence[float]) -> str:
    """The greatest, or a dash."""
    return f"{max(values):.2f}" if values else "-"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    scenarios = [part.scenario for part in PARTS]
    parser = argparse.ArgumentParser(description="a million requests while the cluster changes")
    parser.add_argument(
        "scenarios", nargs="*", metavar="scenario", help=f"of {', '.join(scenarios)}; all when not given"
    )
    parser.add_argument("--rate", type=float, default=600.0, help="requests per second")
    parser.add_argument("--share", type=float, default=1.0, help="share of the events to perform")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.scenarios) - set(scenarios))
    if unknown:
        parser.error(f"scenario: got {', '.join(unknown)}, want {', '.join(scenarios)}")
    common.play("playbooks/scale.yml")
    sums: dict[str, Sum] = {}
    for part in PARTS:
        if not options.scenarios or part.scenario in options.scenarios:
            sums[part.scenario] = measure(part, options.share, options.rate)
    rows = [
        [
            name,
            str(total.events),
            str(total.requests),
            str(total.failed),
            str(total.in_flight),
            str(total.twice + total.missing),
            str(total.moved),
            worst(total.join),
            worst(total.leave),
            worst(total.out),
            total.control,
        ]
        for name, total in sums.items()
    ]
    titles = ["", "events", "requests", "failed", "in flight", "POSTs twice or missing", "sessions moved"]
    titles += ["join p95, s", "leave p95, s", "out p95, s", "control lost"]
    say(f"{sum(total.requests for total in sums.values())} requests in all")
    verdicts = verdicts_of(sums)
    raw = {name: dataclasses.asdict(total) for name, total in sums.items()}
    common.report("lossless", {"options": vars(options), "figures": raw}, [common.table(titles, rows)], verdicts)
    return 0 if all(line.startswith("met") for line in verdicts) else 1


if __name__ == "__main__":
    common.run_main(main)
