"""The balancer is told of a change every 250 ms, while nodes of other tiers are replaced and stopped.

Each change makes the balancer build all its services again, in which every server counts as up until its next probe:
a node that leaves is asked again. A tier below hold and one without are replaced (``playbooks/roll.yml``), and their
nodes are stopped by ``docker stop`` and started again, each under load, one request in twenty taking a second; of the
held tier guests are stopped, too. The changes are another tier's as the balancer sees it: a file with a route and with
servers, one to four, beside those that runs write. Containers that come and go would be less exact, and a run would
remove them.

Command: ``PYTHONPATH=collections python -m tests.bench.storm [--rounds 2] [--rate 60]``. Afterwards the default
cluster is there again.
Control, in the same run: the same image with ``leaving: own``, as if it kept our contract, which must lose requests;
and the balancer must have read a new configuration at least twice per second.
Goal: no request of the held tier fails.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import requests
from tests.bench import common, engine
from tests.bench.any_image import ANIMALS, CONTROL, SLOW_EVERY, await_ready, build
from tests.bench.common import DASHBOARD, STATE, WEB, BenchError, say
from tests.bench.examples import docker as command
from tests.bench.load import Load, Outcome, Target

EVERY_SECONDS = 0.25
RELOADS_GOAL = 2.0
HELD, NAIVE = "held", "naive"
_FILE = STATE / "balancer/dynamic/storm.yml"
_MOST_SERVERS = 4
_NODES = 3
# From a start until the balancer has a node without hold in rotation, with some patience.
_REJOIN_SECONDS = 2.0


def declared() -> str:
    """Both tiers, as an argument of a playbook."""
    animals = {HELD: ANIMALS["node"], NAIVE: CONTROL}
    tiers = {
        name: {
            "image": animal.image,
            "port": animal.port,
            "path": f"/{name}/",
            "strip_path": True,
            "sticky": True,
            "nodes": _NODES,
            "pull": "never",
            **animal.options,
        }
        for name, animal in animals.items()
    }
    return json.dumps({"cluster_tiers": tiers})


# --------------------------------------------------------------------------
# The storm
# --------------------------------------------------------------------------


def reloads() -> int:
    """How many configurations the balancer has read.

    Raises:
        BenchError: it does not say so.
    """
    password = (STATE / "secrets/dashboard_password").read_text(encoding="utf-8").strip()
    text = requests.get(f"{DASHBOARD}/metrics", auth=("admin", password), timeout=5).text
    found = re.search(r"^traefik_config_reloads_total (\S+)$", text, re.MULTILINE)
    if found is None:
        raise BenchError("balancer: got no traefik_config_reloads_total in /metrics, want it (fix: make up)")
    return int(float(found[1]))


class Storm:
    """Another tier, as the balancer sees it: a route and servers that are others every 250 ms."""

    def __init__(self) -> None:
        """Nothing is written yet."""
        self.changes = 0
        self.seconds = 0.0
        self.reloads = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._blow)

    def _blow(self) -> None:
        began = time.monotonic()
        while not self._over.wait(max(0.0, began + self.changes * EVERY_SECONDS - time.monotonic())):
            self.changes += 1
            servers = [{"url": f"http://storm-{number}:3000"} for number in range(1 + self.changes % _MOST_SERVERS)]
            routes = {
                "routers": {f"storm-{self.changes % 2}": {"rule": "PathPrefix(`/storm/`)", "service": "storm"}},
                "services": {"storm": {"loadBalancer": {"servers": servers}}},
            }
            # In one step, or the balancer may read half of it.
            half = _FILE.with_suffix(".half")
            half.write_text(json.dumps({"http": routes}), encoding="utf-8")
            half.chmod(0o644)
            half.replace(_FILE)
        self.seconds = time.monotonic() - began

    def __enter__(self) -> Storm:
        """Begin."""
        self.reloads = -reloads()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End; the route is gone."""
        self._over.set()
        self._thread.join()
        _FILE.unlink(missing_ok=True)
        self.reloads += reloads()


# --------------------------------------------------------------------------
# What is done meanwhile
# --------------------------------------------------------------------------


class Diary:
    """What was done when, for failures that need a reason."""

    def __init__(self) -> None:
        """Its time begins."""
        self.lines: list[str] = []
        self._began = time.monotonic()

    @contextmanager
    def noted(self, what: str) -> Iterator[None]:
        """Note how long it took."""
        began = time.monotonic() - self._began
        yield
        self.lines.append(f"{began:.1f} to {time.monotonic() - self._began:.1f}: {what}")


def stop_nodes(tier: str, diary: Diary) -> None:
    """Stop each node of a tier by hand, and start it again."""
    for node in engine.nodes(tier):
        with diary.noted(f"stop {node.name}"):
            command("stop", node.name)
        command("start", node.name)
        if tier == HELD:
            await_ready(node.name)
        else:
            time.sleep(_REJOIN_SECONDS)


def stop_guests(diary: Diary) -> None:
    """Start guests of the held tier, and stop them by hand."""
    guests = [command("run", "--detach", f"evenkeel/{HELD}") for _ in range(_NODES)]
    time.sleep(_REJOIN_SECONDS + 1)
    for guest in guests:
        with diary.noted("stop a guest"):
            command("stop", guest)
        command("rm", "--force", guest)


def play_round(tier: str, diary: Diary) -> None:
    """Replace all nodes of a tier, then stop all, and guests where there are any."""
    with diary.noted(f"roll {tier}"):
        common.play("playbooks/roll.yml", "-e", declared(), "-e", f"tier={tier}")
    acts: list[Callable[[], None]] = [partial(stop_nodes, tier, diary)]
    if tier == HELD:
        acts.append(partial(stop_guests, diary))
    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(act) for act in acts]:
            done.result()


@dataclasses.dataclass
class Found:
    """What became of one tier's requests, and the storm meanwhile."""

    storm: Storm
    diary: Diary
    outcomes: list[Outcome]

    @property
    def lost(self) -> list[Outcome]:
        """Requests without a complete answer of 2xx."""
        return [outcome for outcome in self.outcomes if outcome.error]


def measure(tier: str, rounds: int, rate: float) -> Found:
    """All rounds of one tier under load and storm.

    Not of both at the same time: what the balancer spends on sending requests of the other one again is missing here.
    """
    usual, slow = (Target(tier, url, url, counts=False) for url in (f"{WEB}/{tier}/", f"{WEB}/{tier}/slow"))
    load, over, diary = Load([slow, *[usual] * (SLOW_EVERY - 1)], rate), threading.Event(), Diary()
    thread = threading.Thread(target=lambda: asyncio.run(load.run(lambda _: not over.is_set())))
    with Storm() as storm:
        thread.start()
        try:
            for number in range(rounds):
                play_round(tier, diary)
                failed = sum(bool(outcome.error) for outcome in load.outcomes)
                say(f"{tier}: round {number + 1} of {rounds}, {failed} of {len(load.outcomes)} requests failed")
            time.sleep(1)
        finally:
            over.set()
            thread.join()
    return Found(storm, diary, load.outcomes)


def main(argv: Sequence[str] | None = None) -> int:
    """Deploy, measure, judge."""
    parser = argparse.ArgumentParser(description="stops and rolls while the balancer is told of a change every 250 ms")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rate", type=float, default=60, help="requests per second (60)")
    options = parser.parse_args(argv)
    build(ANIMALS["node"])
    try:
        common.play("site.yml", "-e", declared())
        found = {tier: measure(tier, options.rounds, options.rate) for tier in (HELD, NAIVE)}
    finally:
        common.play("site.yml")
    rows = []
    for tier, guests in ((HELD, _NODES), (NAIVE, 0)):
        each, stopped = found[tier], options.rounds * (_NODES + guests)
        pace = each.storm.reloads / each.storm.seconds
        rows.append([tier, options.rounds * _NODES, stopped, len(each.outcomes), len(each.lost), pace])
    failed = {tier: len(each.lost) for tier, each in found.items()}
    pace = found[HELD].storm.reloads / found[HELD].storm.seconds
    goals = {
        f"no request of the held tier failed (got {failed[HELD]})": failed[HELD] == 0,
        f"control: the tier without hold lost requests (got {failed[NAIVE]})": failed[NAIVE] > 0,
        f"control: {RELOADS_GOAL:g} new configurations a second (got {pace:.2f})": pace >= RELOADS_GOAL,
    }
    lost = [dataclasses.asdict(outcome) for each in found.values() for outcome in each.lost]
    errors = Counter(f"{outcome['tier']}: {outcome['method']} {outcome['error']}" for outcome in lost)
    for error, count in errors.items():
        say(f"  {error}: {count}")
    header = ["tier", "replaced", "docker stop", "requests", "failed", "configurations/s"]
    data = {
        "rows": rows,
        "errors": errors,
        "lost": lost,
        "diary": {tier: each.diary.lines for tier, each in found.items()},
    }
    common.report("storm", data, [common.table(header, rows)], [common.verdict(*goal) for goal in goals.items()])
    return 0 if all(goals.values()) else 1


if __name__ == "__main__":
    common.run_main(main)
