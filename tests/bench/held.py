"""Stops of nodes whose image knows nothing of the balancer: below hold, and without it.

Builds a stand-in for nginx's official image (tests/bench/nginx), deploys it as two tiers of this machine's cluster,
``held`` and ``bare`` (``leaving: balancer``), and stops their nodes in turn with ``docker stop`` (and starts them
again) and ``docker restart``, as people do. Load on both meanwhile: GET, one in four takes a second, and POST.

Command: ``python -m tests.bench.held [--stops 20] [--rate 100] [--extra cluster_name=evenkeel ...]``.
Control: the bare tier, which must lose requests in the same run.
Goals: no request of the held tier fails, and a stop takes at most 3.5 s (p95), measured without the slow page.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench import common
from tests.bench.common import BenchError, say
from tests.bench.load import Load, Outcome, Target

CONTEXT = Path(__file__).with_name("nginx")
IMAGE = "evenkeel-bench/nginx:1"
NODES = 3
STOP_GOAL = 3.5
# From a start until the balancer has the node in rotation, with some patience.
REJOIN_SECONDS = 2.0


@dataclasses.dataclass
class Stops:
    """What was done to one tier, and how long each stop took."""

    tier: str
    seconds: list[float] = dataclasses.field(default_factory=list)


def _docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"docker {words[0]}: got '{done.stderr.strip()[-200:]}', want it done")
    return done.stdout.strip()


def _deploy(extra: Sequence[str]) -> None:
    _docker("build", "--quiet", "--tag", IMAGE, str(CONTEXT))
    tier = {"image": IMAGE, "port": 80, "strip_path": True, "nodes": NODES, "pull": "never"}
    tiers = {"held": {**tier, "path": "/held/"}, "bare": {**tier, "path": "/bare/", "leaving": "balancer"}}
    common.play(
        "site.yml", "-e", json.dumps({"cluster_tiers": tiers}), *(word for pair in extra for word in ("-e", pair))
    )


def _nodes(tier: str) -> list[str]:
    return _docker(
        "ps",
        "--filter",
        f"label=evenkeel.tier={tier}",
        "--filter",
        "label=evenkeel.managed=true",
        "--format",
        "{{.Names}}",
    ).split()


def _stop_all(stops: Stops, count: int) -> None:
    """Stop nodes of one tier in turn, each second time as a restart."""
    names = sorted(_nodes(stops.tier))
    for number in range(count):
        name = names[number % len(names)]
        began = time.monotonic()
        if number % 2:
            _docker("restart", name)
        else:
            _docker("stop", name)
            stops.seconds.append(time.monotonic() - began)
            _docker("start", name)
        time.sleep(REJOIN_SECONDS)


def _measure(count: int, rate: float, web: str, pages: Sequence[str]) -> tuple[list[Outcome], dict[str, Stops]]:
    done = {tier: Stops(tier) for tier in ("held", "bare")}
    targets = [Target(tier, f"{web}/{tier}/{page}", f"{web}/{tier}/") for page in pages for tier in done]
    load = Load(targets, rate)
    threads = [threading.Thread(target=_stop_all, args=(stops, count)) for stops in done.values()]

    def go_on(seconds: float) -> bool:
        if seconds >= 1 and not threads[0].ident:
            for thread in threads:
                thread.start()
        return seconds < 1 or any(thread.is_alive() for thread in threads)

    asyncio.run(load.run(go_on))
    return load.outcomes, done


def main(argv: Sequence[str] | None = None) -> int:
    """Deploy, measure, judge."""
    parser = argparse.ArgumentParser(description="stop nodes of an image that knows nothing of the balancer")
    parser.add_argument("--stops", type=int, default=20, help="per tier (20)")
    parser.add_argument("--rate", type=float, default=200, help="requests per second, half for each tier (200)")
    parser.add_argument("--web", default="http://127.0.0.1:8080", help="the web entry point")
    parser.add_argument("--extra", nargs="*", default=[], metavar="KNOB=VALUE", help="further knobs of the cluster")
    options = parser.parse_args(argv)
    _deploy(options.extra)
    slow = _measure(options.stops, options.rate, options.web, ("", "slow", "", ""))
    quick = _measure(options.stops, options.rate, options.web, ("",))
    rows, failed, times = [], {"held": 0, "bare": 0}, {}
    for pages, (outcomes, stops) in (("with a slow page", slow), ("quick pages", quick)):
        for tier, done in stops.items():
            of_tier = [outcome for outcome in outcomes if outcome.tier == tier]
            lost = [outcome for outcome in of_tier if outcome.error]
            failed[tier] += len(lost)
            ordered = sorted(done.seconds)
            times[tier] = ordered[max(0, round(len(ordered) * 0.95) - 1)]
            median = f"{common.median(ordered):.2f}"
            rows.append([tier, pages, options.stops, len(of_tier), len(lost), median, f"{times[tier]:.2f}"])
            for reason in sorted({f"{outcome.method} {outcome.error}" for outcome in lost}):
                say(f"  {tier}: {reason}")
    verdicts = [
        common.verdict("no request of the held tier failed", failed["held"] == 0),
        common.verdict(f"a stop of a held node takes at most {STOP_GOAL} s (p95)", times["held"] <= STOP_GOAL),
        common.verdict("control: the bare tier lost requests", failed["bare"] > 0),
    ]
    header = ["tier", "load", "stops", "requests", "failed", "stop median s", "stop p95 s"]
    data = {"rows": [dict(zip(header, row, strict=True)) for row in rows]}
    common.report("held", data, [common.table(header, rows)], verdicts)
    return int(failed["held"] > 0 or times["held"] > STOP_GOAL or failed["bare"] == 0)


if __name__ == "__main__":
    common.run_main(main)
