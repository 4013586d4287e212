"""Goal P3: from 40 nodes to 4 under load, without losing a request.

Measures ``playbooks/scale.yml`` (the pool module's plan and apply, which end when the nodes that leave have drained,
ended, and left the balancer's list) under an open loop of 400 requests/s to that tier (see load.py).

Command: ``python -m tests.bench.scale_down [--nodes 40] [--left 4] [--rounds 3] [--rate 400] [--swarm]``
Peers, in turn in every round, behind the same balancer, with the same application: docker compose ``--scale`` and, when
asked for, a Swarm service, as is common: an image that ends at once on SIGTERM, labels without health check or
retry. An engine that has left a Swarm resolves no container's name until it is restarted (Docker 20.10), so ``--swarm``
is for one round, at the end.
Control, in the same run: at least one of the peers must lose requests, to show that the load notices losses; and all
nodes must have answered before the first one leaves.
Goal: <= 8 s, 0 failed.
"""

from __future__ import annotations

import abc
import argparse
import asyncio
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests
from docker.types import ServiceMode
from tests.bench import common, engine, peers
from tests.bench.common import WEB, BenchError, median, say
from tests.bench.engine import BENCH_LABEL
from tests.bench.load import Load, Target

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_faults import DockerDrillEngine

GOAL_SECONDS = 6.0
OURS = Target("dynamic", f"{WEB}/api/dates/", f"{WEB}/api/dates/")
BASELINE = Target("naive", f"{WEB}/bench/", f"{WEB}/bench/")
BASELINE_IMAGE = "evenkeel-bench/naive"
_PORT = engine.PORTS["dynamic"]
_LEAD_SECONDS = 2.0
_TURNS = 6
_GONE_SECONDS = 120.0


def baseline_labels(peer: str) -> dict[str, str]:
    """Labels that only put a container into the balancer's list."""
    return {
        BENCH_LABEL: peer,
        "evenkeel.cluster": engine.CLUSTER,
        "evenkeel.role": "node",
        "evenkeel.tier": "bench",
        "traefik.enable": "true",
        "traefik.http.routers.bench.entrypoints": "web",
        "traefik.http.routers.bench.rule": "PathPrefix(`/bench/`)",
        "traefik.http.routers.bench.priority": "100000",
        "traefik.http.routers.bench.middlewares": "bench",
        "traefik.http.routers.bench.service": "bench",
        "traefik.http.middlewares.bench.stripprefix.prefixes": "/bench",
        "traefik.http.services.bench.loadbalancer.server.port": str(_PORT),
    }


class Pool(abc.ABC):
    """A tool that can run many nodes and scale them down."""

    #: Value of the label on the containers, and the name in the table.
    key: str
    title: str
    target = BASELINE

    @abc.abstractmethod
    def start(self, count: int) -> None:
        """Start *count* nodes that serve."""

    @abc.abstractmethod
    def shrink(self, left: int) -> float:
        """Scale down to *left* nodes; seconds until the others are gone."""

    def end(self) -> None:
        """Remove all."""
        engine.remove_all(f"{BENCH_LABEL}={self.key}")

    def _await_gone(self, left: int) -> None:
        deadline = time.monotonic() + _GONE_SECONDS
        while len(engine.containers(f"{BENCH_LABEL}={self.key}")) > left:
            if time.monotonic() > deadline:
                raise BenchError(f"{self.title}: got more than {left} containers, want {left} (fix: docker ps)")
            time.sleep(0.05)


class Ours(Pool):
    """The pool module."""

    key = "ours"
    title = "pool module, drained"
    target = OURS

    def start(self, count: int) -> None:
        """Scale up."""
        common.scale(3, count)

    def shrink(self, left: int) -> float:
        """Scale down; the module's own time."""
        timings: dict[str, Any] = common.scale(3, left).results[common.POOL_MODULE]["timings"]
        return float(timings["plan"] + timings["apply"])

    def end(self) -> None:
        """Nothing to remove: the nodes are the cluster's."""


class Compose(Pool):
    """docker compose."""

    key = "compose"
    title = "docker compose --scale"

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        """Write the project's file."""
        service = {"image": BASELINE_IMAGE, "labels": baseline_labels(self.key), "networks": ["pool"]}
        project = {
            "services": {"node": service},
            "networks": {"pool": {"name": engine.CLUSTER, "external": True}},
        }
        file = folder / "compose.yml"
        file.write_text(json.dumps(project), encoding="utf-8")
        self._command = [*command, "--project-name", "bench-compose", "--file", str(file)]

    def _scale(self, count: int) -> None:
        words = [*self._command, "up", "--detach", "--no-recreate", "--scale", f"node={count}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode != 0:
            raise BenchError(f"docker compose: got '{done.stderr.strip()[-300:]}', want success (fix: see above)")

    def start(self, count: int) -> None:
        """Up."""
        self._scale(count)

    def shrink(self, left: int) -> float:
        """Up with fewer."""
        began = time.perf_counter()
        self._scale(left)
        self._await_gone(left)
        return time.perf_counter() - began


class Swarm(Pool):
    """A Swarm service on this one node; its tasks' labels are the containers' own."""

    key = "swarm"
    title = "Swarm service"

    def __init__(self) -> None:
        """Prepare; the Swarm is made with the service."""
        self._client: Any = docker.from_env()
        self._service: Any = None

    def start(self, count: int) -> None:
        """Make a Swarm of this engine, and the service."""
        self._client.swarm.init(advertise_addr="127.0.0.1", listen_addr="127.0.0.1:2377")
        self._service = self._client.services.create(
            BASELINE_IMAGE,
            name="bench-swarm",
            mode=ServiceMode("replicated", replicas=count),
            container_labels=baseline_labels(self.key),
        )

    def shrink(self, left: int) -> float:
        """Scale the service, and wait until only *left* run."""
        began = time.perf_counter()
        self._service.reload()
        self._service.scale(left)
        self._await_gone(left)
        return time.perf_counter() - began

    def end(self) -> None:
        """Remove the service and leave the Swarm."""
        if self._service is not None:
            self._service.remove()
            self._await_gone(0)
        if self._client.info()["Swarm"]["LocalNodeState"] == "active":
            self._client.swarm.leave(force=True)
        super().end()


def await_all(pool: Pool, count: int) -> None:
    """Wait until *count* nodes have answered through the balancer.

    Raises:
        BenchError: they do not.
    """
    seen: set[str] = set()
    deadline = time.monotonic() + 60
    while len(seen) < count:
        answer = requests.get(pool.target.get, timeout=5)
        if answer.ok:
            seen.add(answer.headers.get("X-Served-By", ""))
        if time.monotonic() > deadline:
            raise BenchError(f"control: got answers of {len(seen)} nodes, want {count} (fix: docker ps)")


def under_load(pool: Pool, rate: float, work: Callable[[], float]) -> dict[str, float]:
    """Do the work while the load runs; its seconds, and what became of the requests."""
    load = Load([pool.target], rate)
    over = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(load.run(lambda _: not over.is_set())))
    thread.start()
    try:
        time.sleep(_LEAD_SECONDS)
        seconds = work()
        time.sleep(_LEAD_SECONDS)
    finally:
        over.set()
        thread.join()
    failed = sum(bool(outcome.error) for outcome in load.outcomes)
    achieved = len(load.outcomes) / load.seconds
    return {"seconds": seconds, "requests": len(load.outcomes), "failed": failed, "rate": achieved}


def measure(pool: Pool, options: argparse.Namespace) -> dict[str, float]:
    """One round of one pool."""
    try:
        pool.start(options.nodes)
        await_all(pool, options.nodes)
        common.settle()
        return under_load(pool, options.rate, lambda: pool.shrink(options.left))
    finally:
        pool.end()


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="from many nodes to few under load, beside other tools")
    parser.add_argument("--nodes", type=int, default=40)
    parser.add_argument("--left", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=400.0)
    parser.add_argument("--swarm", action="store_true", help="a Swarm too; restart Docker afterwards")
    options = parser.parse_args(argv)
    drill_engine = DockerDrillEngine(engine.CLUSTER, engine.CLUSTER, {})
    drill_engine.connect()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, engine.Restored():
        common.play("playbooks/scale.yml")
        drill_engine.bare_image(engine.template("dynamic").image, BASELINE_IMAGE)
        compose = peers.find_compose()
        pools: list[Pool] = [Ours()]
        if compose:
            pools.append(Compose(compose[0], Path(folder)))
        if options.swarm:
            pools.append(Swarm())
        results: dict[str, list[dict[str, float]]] = {pool.key: [] for pool in pools}
        try:
            for number in range(options.rounds):
                for pool in pools[number % len(pools) :] + pools[: number % len(pools)]:
                    results[pool.key].append(measure(pool, options))
                    say(f"round {number + 1} of {options.rounds}: {pool.title}: {results[pool.key][-1]}")
        finally:
            drill_engine.remove_image(f"{BASELINE_IMAGE}:latest")
    return report(options, pools, results)


def report(options: argparse.Namespace, pools: Sequence[Pool], results: dict[str, list[dict[str, float]]]) -> int:
    """Medians, losses, and whether the goal is met."""
    rows = [
        [
            pool.title,
            median([round_["seconds"] for round_ in results[pool.key]]),
            str(int(sum(round_["failed"] for round_ in results[pool.key]))),
            str(int(sum(round_["requests"] for round_ in results[pool.key]))),
        ]
        for pool in pools
    ]
    ours = median([round_["seconds"] for round_ in results["ours"]])
    lost = {key: sum(round_["failed"] for round_ in rounds) for key, rounds in results.items()}
    slow = min(round_["rate"] for rounds in results.values() for round_ in rounds)
    verdicts = [
        common.verdict(f"P3: {ours:.2f} s, goal <= {GOAL_SECONDS:g}", ours <= GOAL_SECONDS),
        common.verdict(f"P3: {lost['ours']:g} failed, goal 0", lost["ours"] == 0),
        common.verdict("control: a peer lost requests", any(lost[key] for key in lost if key != "ours")),
        common.verdict(f"load: at least {slow:.0f} of {options.rate:g}/s offered", slow >= 0.95 * options.rate),
    ]
    header = ["", f"{options.nodes} -> {options.left}, s", "failed", "of requests"]
    data = {"options": vars(options), "rounds": results}
    common.report("scale_down", data, [common.table(header, rows)], verdicts)
    return 0 if all(line.startswith("met") for line in verdicts) else 1


if __name__ == "__main__":
    common.run_main(main)
