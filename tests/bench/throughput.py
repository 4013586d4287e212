"""Goal P5: what our edge costs in throughput: access log, metrics, retry, health checks, failover.

Measures requests per second that wrk gets through our balancer from each tier (static: one small file; dynamic: a JSON
document), with 64 connections kept open, beside the same Traefik with nothing but a router and the same servers, in
turn, several rounds each. The file is the worst case: the less a request costs elsewhere, the more the balancer counts.

Command: ``python -m tests.bench.throughput [--rounds 5] [--seconds 10] [--connections 64] [--tiers static dynamic]``
Needs wrk: ``apt-get install wrk``.
Control, in the same run: one server directly, with half as many connections, which must be faster than both for the
file, or something else was measured; and every answer must be 2xx.
Goal: ours >= 0.95 x bare Traefik (medians).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import requests
from tests.bench import common, engine
from tests.bench.common import BenchError, median, say
from tests.bench.engine import BENCH_LABEL

GOAL = 0.95
# Tier to what is asked for, at our balancer and at a node.
PATHS = {"static": ("/favicon.svg", "/favicon.svg"), "dynamic": ("/api/dates/", "/")}
BARE = "bench-bare-traefik"
_READY_SECONDS = 20.0


@dataclasses.dataclass(frozen=True)
class Rate:
    """What wrk got: requests per second, and its slowest percent in ms."""

    per_second: float
    p99: float


def wrk(url: str, seconds: int, connections: int) -> Rate:
    """One run of wrk.

    Raises:
        BenchError: not every answer was 2xx, or wrk did not run.
    """
    command = ["wrk", "--threads=2", f"--connections={connections}", f"--duration={seconds}s", "--latency"]
    done = subprocess.run(
        [*command, "--header=Host: localhost", url], capture_output=True, text=True, check=False, timeout=seconds + 30
    )
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    if (
        done.returncode != 0
        or rate is None
        or p99 is None
        or "Non-2xx" in done.stdout
        or "Socket errors" in done.stdout
    ):
        told = " ".join((done.stdout + done.stderr).split())[-300:]
        raise BenchError(f"wrk {url}: got '{told}', want answers with 2xx only (fix: curl {url})")
    return Rate(float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]])


class BareTraefik:
    """The same Traefik with a router, a service with the same servers, and nothing else; removed at the end."""

    def __init__(self, image: str, servers: Sequence[str], path: str, folder: Path) -> None:
        """Prepare; nothing runs yet."""
        self._image = image
        self._path = path
        self._servers = list(servers)
        self._folder = folder

    def __enter__(self) -> str:
        """Start it; its address."""
        servers = [{"url": url} for url in self._servers]
        routes = {
            "routers": {"bare": {"rule": "PathPrefix(`/`)", "service": "bare"}},
            "services": {"bare": {"loadBalancer": {"servers": servers}}},
        }
        self._folder.chmod(0o755)
        (self._folder / "routes.yml").write_text(json.dumps({"http": routes}), encoding="utf-8")
        api = engine.api()
        made = api.create_container(
            self._image,
            name=BARE,
            command=["--entryPoints.web.address=:8000", "--providers.file.filename=/etc/bare/routes.yml"],
            labels=engine.peer_labels("bare-traefik"),
            host_config=api.create_host_config(
                network_mode=engine.CLUSTER, binds=[f"{self._folder}:/etc/bare:ro"], mem_limit="1g"
            ),
        )
        api.start(made["Id"])
        return address(BARE, self._path)

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        engine.remove_all(f"{BENCH_LABEL}=bare-traefik")


def address(container: str, path: str) -> str:
    """The address of a balancer's web entry point, not through a published port.

    Raises:
        BenchError: it does not answer.
    """
    networks = engine.api().inspect_container(container)["NetworkSettings"]["Networks"]
    url = f"http://{networks[engine.CLUSTER]['IPAddress']}:8000{path}"
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        try:
            if requests.get(url, headers={"Host": "localhost"}, timeout=2).ok:
                return url
        except requests.RequestException:
            pass
        time.sleep(0.2)
    raise BenchError(f"{container}: got no 2xx from {url}, want one (fix: docker logs {container})")


def measure(options: argparse.Namespace, tier: str, folder: Path) -> dict[str, list[Rate]]:
    """All three in turn, so that a change of the machine's pace affects all."""
    servers = [f"http://{node.address}:{engine.PORTS[tier]}" for node in engine.nodes(tier)]
    if not servers:
        raise BenchError(f"tier {tier}: got no node, want at least one (fix: make up)")
    (balancer,) = engine.containers(f"evenkeel.cluster={engine.CLUSTER}", "evenkeel.role=balancer")
    image = engine.api().inspect_container(balancer.id)["Config"]["Image"]
    figures: dict[str, list[Rate]] = {"ours": [], "bare": [], "direct": []}
    ours, direct = PATHS[tier]
    with BareTraefik(image, servers, direct, folder) as bare:
        targets = {"ours": address(f"{engine.CLUSTER}-edge", ours), "bare": bare, "direct": servers[0] + direct}
        # A node that has 64 connections may close some of them, so a single one gets half as many.
        connections = {name: options.connections // (2 if name == "direct" else 1) for name in targets}
        for name, url in targets.items():
            wrk(url, 2, connections[name])  # warm
        for number in range(options.rounds):
            order = list(targets) if number % 2 == 0 else list(reversed(targets))
            for name in order:
                common.settle()
                figures[name].append(wrk(targets[name], options.seconds, connections[name]))
            told = ", ".join(f"{name} {figures[name][-1].per_second:.0f}/s" for name in targets)
            say(f"round {number + 1} of {options.rounds}: {tier}: {told}")
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="throughput of the balancer beside the same Traefik with nothing on")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--tiers", nargs="+", choices=list(PATHS), default=list(PATHS))
    options = parser.parse_args(argv)
    if shutil.which("wrk") is None:
        raise BenchError("wrk: got none, want it installed (fix: apt-get install wrk)")
    figures: dict[str, dict[str, list[Rate]]] = {}
    for tier in options.tiers:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            figures[tier] = measure(options, tier, Path(folder))
    titles = {"ours": "our balancer", "bare": "the same Traefik, nothing on", "direct": "one node, directly (control)"}
    rows: list[list[object]] = []
    verdicts = []
    for tier, measured in figures.items():
        rates = {name: median([rate.per_second for rate in values]) for name, values in measured.items()}
        p99 = {name: median([rate.p99 for rate in values]) for name, values in measured.items()}
        rows += [[f"{tier}: {titles[name]}", rates[name], rates[name] / rates["bare"], p99[name]] for name in titles]
        ratio = rates["ours"] / rates["bare"]
        verdicts.append(common.verdict(f"P5 {tier}: ours / bare = {ratio:.2f}, goal >= {GOAL}", ratio >= GOAL))
        if tier == "static":
            faster = rates["direct"] > max(rates["ours"], rates["bare"])
            verdicts.append(common.verdict("control: directly is faster than through any balancer", faster))
    raw = {
        tier: {name: [dataclasses.asdict(rate) for rate in values] for name, values in measured.items()}
        for tier, measured in figures.items()
    }
    tables = [common.table(["", "requests/s", "x bare", "p99, ms"], rows)]
    common.report("throughput", {"options": vars(options), "figures": raw}, tables, verdicts)
    return 0 if all(line.startswith("met") for line in verdicts) else 1


if __name__ == "__main__":
    common.run_main(main)
