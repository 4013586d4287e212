"""Goals R6, R7, R8 together: how the balancer treats a killed node, a hanging node, and one broken URL.

Measures settings of ``max_failures``: after this many failures within 0.3 s, the balancer takes a node out of rotation
until its next health check; 0 = health checks only. The last setting is judged, the others are for comparison. For
each, under an open loop with sticky clients and POSTs (see ``playbooks/drill.yml``):

* nodes are killed with SIGKILL one after the other, and started again;
* nodes are frozen one after the other, until the balancer has noticed;
* one URL that answers 500 gets 20 requests a second, half of them from a sticky client, so always on the same node.
  All other URLs get their usual load; then a tenth of it, so that fewer good answers come in between.

Command: ``python -m tests.bench.crash [--settings 0 10 40] [--kills 20] [--hangs 6] [--seconds 20] [--rate 400]``
Both tiers are sticky here, to count the sessions that leave a healthy node.
Control, in the same run: another setting must lose requests or sessions, to show that the measurement notices losses.
The broken URL must have answered 500 each time.
Goals: R6 no GET failed and no POST executed twice; R7 out of rotation within 2 s; R8 no request to another URL failed.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
import yaml
from tests.bench import common
from tests.bench.common import ROOT, WEB, BenchError, say

DRILL_MODULE = "evenkeel.cluster.drill"
BROKEN = f"{WEB}/api/dates/broken"
_BROKEN_RATE = 20
# Here the drill only measures; the verdict is made below.
_NO_LIMIT = dict.fromkeys(
    ("failed", "failed_in_flight", "twice", "missing", "moved", "join_p95", "leave_p95", "out"), 10**6
)


def write_setting(path: Path, max_failures: int, nodes: int) -> None:
    """Write the declared tiers, with this setting and number of nodes, as extra variables."""
    defaults = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text(encoding="utf-8"))
    tiers = {
        name: {**tier, "nodes": nodes, "max_failures": max_failures, "sticky": True}
        for name, tier in defaults["cluster_tiers"].items()
    }
    path.write_text(yaml.safe_dump({"cluster_tiers": tiers}), encoding="utf-8")


def drill(setting: Path, scenario: str, events: int, rate: float, seconds: float = 1) -> dict[str, Any]:
    """One drill of both tiers; its figures, with what failed per method and kind of client."""
    with tempfile.TemporaryDirectory(prefix="bench-drill-") as folder:
        variables = {
            "drill_scenario": scenario,
            "drill_events": events,
            "drill_duration": seconds,
            "drill_rate": rate,
            "drill_time_limit": 60 + seconds + 15 * events,
            "drill_control": False,
            "drill_folder": folder,
            "drill_thresholds": _NO_LIMIT,
        }
        run = common.play("playbooks/drill.yml", "-e", f"@{setting}", "-e", json.dumps(variables))
        figures = dict(run.results[DRILL_MODULE]["drill"])
        (raw,) = Path(folder).glob("*.jsonl.gz")
        figures["failed"] = _failed(raw)
    return figures


def _failed(raw: Path) -> dict[str, int]:
    """Failed requests by method, and by whether their client's cookie named a node."""
    counts = {"GET": 0, "GET sticky": 0, "POST": 0, "POST sticky": 0}
    with gzip.open(raw, "rt", encoding="utf-8") as stream:
        for line in stream:
            record = json.loads(line)
            if record["error"]:
                counts[record["method"] + (" sticky" if record["home"] else "")] += 1
    return counts


class BrokenUrl:
    """Asks for the broken URL at a steady pace, in turn as a new client and as a sticky one, until the block ends."""

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self.answers: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        with requests.Session() as sticky:
            for ask in itertools.cycle((requests.get, sticky.get)):
                if self._over.wait(1 / _BROKEN_RATE):
                    return
                self.answers.append(ask(BROKEN, timeout=10).status_code)

    def __enter__(self) -> BrokenUrl:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()


def broken_url(setting: Path, seconds: float, rate: float) -> dict[str, Any]:
    """The usual load beside one broken URL.

    Raises:
        BenchError: the URL was not broken.
    """
    with BrokenUrl() as broken:
        figures = drill(setting, "steady", 1, rate, seconds)
    if not broken.answers or set(broken.answers) != {500}:
        raise BenchError(f"{BROKEN}: got {sorted(set(broken.answers))}, want 500 only (fix: see the dynamic tier)")
    return {**figures, "broken": len(broken.answers)}


def measure(options: argparse.Namespace, max_failures: int, folder: Path) -> dict[str, Any]:
    """All three faults with one setting."""
    setting = folder / f"max_failures_{max_failures}.yml"
    write_setting(setting, max_failures, options.nodes)
    common.play("site.yml", "-e", f"@{setting}")
    common.settle()
    found = {
        "kill": drill(setting, "kill", options.kills, options.rate),
        "hang": drill(setting, "hang", options.hangs, options.rate),
        "broken": broken_url(setting, options.seconds, options.rate),
        "quiet": broken_url(setting, options.seconds, options.rate / 10),
    }
    say(f"max_failures {max_failures}: {json.dumps(brief(found))}")
    return found


def brief(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a setting cost, in a few figures."""
    kill, hang, broken, quiet = found["kill"], found["hang"], found["broken"], found["quiet"]
    return {
        "kill: GET": kill["failed"]["GET"] + kill["failed"]["GET sticky"],
        "of these sticky": kill["failed"]["GET sticky"],
        "kill: POST": kill["failed"]["POST"] + kill["failed"]["POST sticky"],
        "POST twice": kill["posts"]["twice"] + hang["posts"]["twice"],
        "moved without need": kill["sessions"]["moved_foreign"],
        "hang: out, s": hang["out_seconds"].get("max"),
        "hang: failed": sum(hang["failed"].values()),
        "broken URL: others failed": sum(broken["failed"].values()) + sum(quiet["failed"].values()),
        "sessions moved": broken["sessions"]["moved_foreign"],
        "moved, a tenth of the load": quiet["sessions"]["moved_foreign"],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description="killed and hanging nodes and a broken URL, per setting of max_failures"
    )
    parser.add_argument("--settings", type=int, nargs="+", default=[0, 10, 40])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--hangs", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=20, help="of the load beside the broken URL")
    parser.add_argument("--rate", type=float, default=400)
    parser.add_argument("--nodes", type=int, default=3, help="per tier")
    options = parser.parse_args(argv)
    found: dict[int, dict[str, Any]] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            for setting in options.settings:
                found[setting] = measure(options, setting, Path(folder))
    finally:
        common.play("site.yml")
    rows = {setting: brief(figures) for setting, figures in found.items()}
    header = ["max_failures", *next(iter(rows.values()))]
    best = rows[options.settings[-1]]
    counted = ("kill: GET", "broken URL: others failed", "sessions moved", "moved, a tenth of the load")
    lost = {setting: sum(row[figure] for figure in counted) for setting, row in rows.items()}
    moved = best["sessions moved"] + best["moved, a tenth of the load"]
    verdicts = [
        common.verdict(
            f"R6: {best['kill: GET']} GET failed, {best['POST twice']} POST twice, goal 0", lost_nothing(best)
        ),
        common.verdict(
            f"R7: out of rotation after {best['hang: out, s']} s, goal 2 s", (best["hang: out, s"] or 99) <= 2
        ),
        common.verdict(
            f"R8: {best['broken URL: others failed']} requests to other URLs failed, goal 0",
            best["broken URL: others failed"] == 0,
        ),
        common.verdict(f"R5: {moved} sessions moved by a broken URL, goal 0", moved == 0),
        common.verdict(f"control: requests and sessions lost per setting {lost}, one must lose", any(lost.values())),
    ]
    tables = [common.table(header, [[setting, *row.values()] for setting, row in rows.items()])]
    common.report(
        "crash",
        {"options": vars(options), "figures": {str(key): value for key, value in found.items()}},
        tables,
        verdicts,
    )
    return 0 if all(line.startswith("met") for line in verdicts) else 1


def lost_nothing(row: Mapping[str, Any]) -> bool:
    """Whether killed nodes cost no GET, and no POST ran twice."""
    return bool(row["kill: GET"] == 0 and row["POST twice"] == 0)


if __name__ == "__main__":
    common.run_main(main)
