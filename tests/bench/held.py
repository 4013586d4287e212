"""Stops of nodes whose image knows nothing of the balancer: below hold, and without it.

Builds a stand-in for nginx's official image (tests/bench/nginx), deploys it as two tiers of this machine's cluster,
``held`` and ``bare`` (``leaving: balancer``), and stops their nodes in turn with ``docker stop`` (and starts them
again) and ``docker restart``, as people do; after each of the held tier also a node that was started by hand. The tiers
go on side by side, half of the stops with one GET in four that takes a second, half with quick pages. Load on both
meanwhile: GET and POST.

Command: ``PYTHONPATH=collections python -m tests.bench.held [--stops 20] [--rate 200]
[--extra cluster_name=evenkeel ...]``; with ``--stops 100`` about 18 minutes.
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
from collections import Counter
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
# A node that was started by hand begins with its container.
JOIN_SECONDS = 3.0
GUESTS = "held, by hand"


@dataclasses.dataclass
class Stops:
    """What was done to one tier or to nodes by hand, and how long each stop took."""

    tier: str
    seconds: list[float] = dataclasses.field(default_factory=list)


def _docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"docker {words[0]}: got '{done.stderr.strip()[-200:]}', want it done")
    return done.stdout.strip()


def deploy(extra: Sequence[str]) -> common.Play:
    """Build the image, and have both tiers in the cluster."""
    _docker("build", "--quiet", "--tag", IMAGE, str(CONTEXT))
    tier = {"image": IMAGE, "port": 80, "strip_path": True, "nodes": NODES, "pull": "never"}
    tiers = {"held": {**tier, "path": "/held/"}, "bare": {**tier, "path": "/bare/", "leaving": "balancer"}}
    knobs = (word for pair in extra for word in ("-e", pair))
    return common.play("site.yml", "-e", json.dumps({"cluster_tiers": tiers}), *knobs)


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
        _stop_one(stops, names[number % len(names)], restarts=bool(number % 2))
        time.sleep(REJOIN_SECONDS)


def _stop_one(stops: Stops, name: str, *, restarts: bool) -> None:
    if restarts:
        _docker("restart", name)
        return
    began = time.monotonic()
    _docker("stop", name)
    stops.seconds.append(time.monotonic() - began)
    _docker("start", name)


def _stop_held(stops: Stops, by_hand: Stops, count: int) -> None:
    """The same, and after each a node that was started by hand.

    Not side by side: each start and each end is another configuration of the balancer, which makes other stops longer.
    """
    names = sorted(_nodes(stops.tier))
    for number in range(count):
        _stop_one(stops, names[number % len(names)], restarts=bool(number % 2))
        guest = _docker("run", "--detach", _repository())
        try:
            time.sleep(JOIN_SECONDS)
            began = time.monotonic()
            _docker("stop", guest)
            by_hand.seconds.append(time.monotonic() - began)
        finally:
            _docker("rm", "--force", guest)


def _repository() -> str:
    """The image that the held nodes run, by its second name."""
    image = _docker("inspect", "--format", "{{.Config.Image}}", _nodes("held")[0])
    return image.rpartition(":")[0]


def _measure(count: int, rate: float, web: str, pages: Sequence[str]) -> tuple[list[Outcome], dict[str, Stops]]:
    targets = [Target(tier, f"{web}/{tier}/{page}", f"{web}/{tier}/") for page in pages for tier in ("held", "bare")]
    load = Load(targets, rate)
    done = {name: Stops(name) for name in ("held", "bare", GUESTS)}
    threads = [
        threading.Thread(target=_stop_held, args=(done["held"], done[GUESTS], count)),
        threading.Thread(target=_stop_all, args=(done["bare"], count)),
    ]

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
    parser.add_argument("--stops", type=int, default=20, help="per tier, and of nodes by hand (20)")
    parser.add_argument("--rate", type=float, default=200, help="requests per second, half for each tier (200)")
    parser.add_argument("--web", default="http://127.0.0.1:8080", help="the web entry point")
    parser.add_argument("--extra", nargs="*", default=[], metavar="KNOB=VALUE", help="further knobs of the cluster")
    options = parser.parse_args(argv)
    deploy(options.extra)
    half = -(-options.stops // 2)
    slow = _measure(half, options.rate, options.web, ("", "slow", "", ""))
    quick = _measure(half, options.rate, options.web, ("",))
    rows: list[list[object]] = []
    failed, times = Counter[str](), {}
    for pages, (outcomes, stops) in (("with a slow page", slow), ("quick pages", quick)):
        for name, done in stops.items():
            of_tier = [outcome for outcome in outcomes if outcome.tier == name]
            lost = [outcome for outcome in of_tier if outcome.error]
            failed[name] += len(lost)
            ordered = sorted(done.seconds)
            times[name] = ordered[max(0, round(len(ordered) * 0.95) - 1)]
            requests = [None, None] if name == GUESTS else [len(of_tier), len(lost)]
            rows.append([name, pages, half, *requests, common.median(ordered), times[name]])
            for reason in sorted({f"{outcome.method} {outcome.error}" for outcome in lost}):
                say(f"  {name}: {reason}")
    slowest = max(times["held"], times[GUESTS])
    verdicts = [
        common.verdict("no request of the held tier failed", failed["held"] == 0),
        common.verdict(
            f"a stop of a held node takes at most {STOP_GOAL} s (p95; got {slowest:.2f})", slowest <= STOP_GOAL
        ),
        common.verdict("control: the bare tier lost requests", failed["bare"] > 0),
    ]
    header = ["tier", "load", "stops", "requests", "failed", "stop median s", "stop p95 s"]
    data = {"rows": [dict(zip(header, row, strict=True)) for row in rows]}
    common.report("held", data, [common.table(header, rows)], verdicts)
    return int(failed["held"] > 0 or slowest > STOP_GOAL or failed["bare"] == 0)


if __name__ == "__main__":
    common.run_main(main)
