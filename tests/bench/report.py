"""How long a report takes: one of 100,000 requests, and a quick one. Needs no cluster.

usage: PYTHONPATH=collections python -m tests.bench.report
"""

from __future__ import annotations

import datetime
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.unit.made_measurements import drill, measurements, provenance

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import Record
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.timeline import timeline
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.write import write_report

ROOT = Path(__file__).resolve().parents[2]
RATE, REQUESTS, ROUNDS = 400, 100_000, 3
# Limits in seconds.
FULL_LIMIT, QUICK_LIMIT = 3.0, 1.5


def big_drill() -> dict[str, Any]:
    """A drill with this number of requests; as in a real one, its timeline is made from single records."""
    records = [
        Record(
            f"k-{n}",
            n / RATE,
            n / RATE,
            n / RATE + 0.002 + (n % 97) / 1e4,
            ("static", "dynamic")[n % 2],
            "GET",
            0,
            200,
            f"{('static', 'dynamic')[n % 2]}-{n % 6 // 2 + 1}",
        )
        for n in range(REQUESTS)
    ]
    found = drill("mixed", REQUESTS // RATE)
    found["drill"]["timeline"] = timeline(records, RATE, REQUESTS / RATE)
    found["drill"]["events"] *= 60
    found["drill"]["join_times"] = [0.1 + n / 100 for n in range(60)]
    found["drill"]["leave_times"] = [0.3 + n / 200 for n in range(60)]
    return found


def seconds(folder: str, *drills: dict[str, Any]) -> float:
    """The shortest of some rounds."""
    measured = measurements(*drills)
    best = float("inf")
    for number in range(ROUNDS):
        params = {
            "folder": f"{folder}/{len(drills)}-{number}",
            "templates": str(ROOT / "roles/evidence/templates"),
            "root": str(ROOT),
            "kind": "full" if drills else "quick",
            "cluster": measured.spec,
            "pool": measured.pool,
            "balance": measured.balance,
            "sticky": measured.sticky,
            "management": measured.management,
            "drills": list(drills),
            "provenance": provenance(),
            "variables": {},
            "user": "admin",
            "portainer_password_file": None,
            "raw": [],
        }
        began = time.perf_counter()
        write_report(params, datetime.datetime.now(datetime.timezone.utc), "2.19", write=True)
        best = min(best, time.perf_counter() - began)
    return best


def main() -> int:
    """Measure, print, and fail when a limit is not kept."""
    big = big_drill()
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            (f"report of a drill with {REQUESTS:,} requests", seconds(folder, big), FULL_LIMIT),
            ("quick report", seconds(folder), QUICK_LIMIT),
        ]
    for what, took, limit in rows:
        print(f"{what}: {took:.2f} s (at most {limit:g} s)")
    return int(any(took > limit for _, took, limit in rows))


if __name__ == "__main__":
    sys.exit(main())
