"""Goal R3: a plain ``docker stop`` of a node, by anyone, loses no request.

Measures both tiers through the balancer under an open loop of 400 requests/s (see load.py) while every two seconds one
node is stopped with Docker's plain ten seconds and started again once it has ended. Failed is every answer that is not
2xx, every reset, every time-out, and a POST that was executed twice or not at all: the nodes' own counters, read until
they end, must add up to the POSTs that were answered.

Command: ``python -m tests.bench.stop_under_load [--stops 20] [--rate 400] [--seconds 40] [--control-stops 10]``
Control, in the same run, under the same load: the same applications as a naive pool, whose process ends at once when
told to stop and whose labels know no health check and no retry. It must lose requests.
Exit status: 0 when ours lost nothing and the control lost something; 1 when not, and also when this machine could not
offer the rate or requests failed before the first stop (the run says so; its figures say nothing then).
Goal: 0 failed in 100 stops (``--stops 100``).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import requests
from tests.bench import common, engine
from tests.bench.common import WEB, BenchError, say
from tests.bench.engine import BENCH_LABEL, Container
from tests.bench.load import Load, Outcome, Target

STOP_SECONDS = 10
INTERNAL_PORT = 9180
NAIVE = "naive"
OURS = (
    Target("static", f"{WEB}/", f"{WEB}/echo.php"),
    Target("dynamic", f"{WEB}/api/dates/", f"{WEB}/api/dates/"),
)
CONTROL = (
    Target("static", f"{WEB}/naive/static/", f"{WEB}/naive/static/echo.php"),
    Target("dynamic", f"{WEB}/naive/dynamic/", f"{WEB}/naive/dynamic/"),
)

# The load runs alone for so long before the first stop and after the last node is back.
_LEAD_SECONDS = 2.0
_POLL_SECONDS = 0.1
_BACK_SECONDS = 30.0
# A stop waits for its turn while too few nodes of the tier serve; a run ends at the latest after so long per stop.
_MAX_SECONDS_PER_STOP = 15.0
# What an open loop may miss before the machine counts as too slow: share of the rate, and lateness of 99 % in seconds.
_RATE_SHARE = 0.98
_LATE_SECONDS = 0.25


# --------------------------------------------------------------------------
# Nodes that stop and start
# --------------------------------------------------------------------------


class Pool:
    """The nodes of both tiers, some of them away."""

    def __init__(self, members: dict[str, list[Container]], count_posts: bool) -> None:
        """Hold the nodes.

        Args:
            members: tier to its nodes.
            count_posts: read the nodes' counters (the naive nodes end too fast for it).
        """
        self._members = members
        self._away: set[str] = set()
        self._turn: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._count_posts = count_posts
        self._before = {node.id: _executed(node) for node in self._all()} if count_posts else {}
        self._ended = 0

    def _all(self) -> list[Container]:
        return [node for tier in self._members.values() for node in tier]

    def take(self, tier: str) -> Container | None:
        """The node of the tier that was stopped longest ago; none while only one of the tier serves."""
        with self._lock:
            there = [node for node in self._members[tier] if node.id not in self._away]
            if len(there) < min(2, len(self._members[tier])):
                return None
            node = min(there, key=lambda item: self._turn[item.id])
            self._turn[node.id] = max(self._turn.values(), default=0) + 1
            self._away.add(node.id)
            return node

    def cycle(self, node: Container) -> float:
        """Stop a node, start it again, wait until it serves; the seconds that the stop took.

        Raises:
            BenchError: it does not come back.
        """
        stopping = threading.Event()
        counter = threading.Thread(target=self._follow, args=(node, stopping)) if self._count_posts else None
        if counter:
            counter.start()
        began = time.monotonic()
        try:
            engine.api().stop(node.id, timeout=STOP_SECONDS)
        finally:
            stopping.set()
            if counter:
                counter.join()
        seconds = time.monotonic() - began
        engine.api().start(node.id)
        self._await_back(node)
        with self._lock:
            self._away.discard(node.id)
        return seconds

    def _follow(self, node: Container, stopped: threading.Event) -> None:
        """Read the node's counter until it ends; nothing new reaches it in its last moments."""
        last = 0
        while not stopped.is_set():
            with contextlib.suppress(requests.RequestException, BenchError):
                last = _executed(node)
            stopped.wait(_POLL_SECONDS)
        with self._lock:
            self._ended += last - self._before.get(node.id, 0)
            self._before[node.id] = 0  # its next life counts from nothing

    def _await_back(self, node: Container) -> None:
        deadline = time.monotonic() + _BACK_SECONDS
        while not self._serves(node):
            if time.monotonic() > deadline:
                raise BenchError(f"node {node.name}: got no answer after its restart, want one (fix: docker logs)")
            time.sleep(_POLL_SECONDS)

    def _serves(self, node: Container) -> bool:
        # A started container may have another address.
        found = engine.containers(f"evenkeel.tier={node.tier}", *self._own_label(node))
        now = next((item for item in found if item.id == node.id), None)
        if now is None or not engine.answers(now, engine.PORTS[node.tier]):
            return False
        with self._lock:
            self._members[node.tier] = [now if item.id == node.id else item for item in self._members[node.tier]]
        return not node.url or engine.balancer_status(node.service).get(node.url) == "UP"

    def _own_label(self, node: Container) -> list[str]:
        return [f"{BENCH_LABEL}={NAIVE}"] if BENCH_LABEL in node.labels else ["evenkeel.managed=true"]

    def executed(self) -> int | None:
        """POSTs executed by all nodes in all their lives since the begin."""
        if not self._count_posts:
            return None
        return self._ended + sum(_executed(node) - self._before[node.id] for node in self._all())


def _executed(node: Container) -> int:
    answer = requests.get(f"http://{node.address}:{INTERNAL_PORT}/stats", timeout=2)
    if not answer.ok:
        raise BenchError(f"node {node.name}: got status {answer.status_code} from its counters, want 200")
    return int(answer.json()["executed"])


class Stopper:
    """Stops one node after the other while the load runs."""

    def __init__(self, pool: Pool, stops: int, interval: float) -> None:
        """Prepare.

        Args:
            pool: the nodes.
            stops: how many.
            interval: seconds between two.
        """
        self._pool = pool
        self._stops = stops
        self._interval = interval
        self._cycles: list[Future[float]] = []
        self._abort = threading.Event()
        self._thread = threading.Thread(target=self._work)
        #: When which node was told to stop, and when the last one was back: readings of the monotonic clock.
        self.moments: list[tuple[float, str]] = []
        self.ended: float | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _work(self) -> None:
        tiers = list(engine.PORTS)
        self._abort.wait(_LEAD_SECONDS)
        with ThreadPoolExecutor(sum(1 for _ in self._pool._all())) as threads:
            due = time.monotonic()
            while len(self._cycles) < self._stops and not self._abort.is_set():
                node = self._pool.take(tiers[len(self._cycles) % len(tiers)])
                if node is None:
                    self._abort.wait(_POLL_SECONDS)
                    continue
                self.moments.append((time.monotonic(), node.name))
                self._cycles.append(threads.submit(self._pool.cycle, node))
                due = max(due + self._interval, time.monotonic())
                self._abort.wait(due - time.monotonic())
        self.ended = time.monotonic()

    def finish(self) -> list[float]:
        """Wait for the last node; the seconds that the stops took.

        Raises:
            BenchError: a node did not come back.
        """
        self._abort.set()
        self._thread.join()
        return [cycle.result() for cycle in self._cycles]


# --------------------------------------------------------------------------
# The naive pool
# --------------------------------------------------------------------------


def _naive_labels(tier: str, sticky: bool) -> dict[str, str]:
    name = f"bench-{NAIVE}-{tier}"
    service = f"traefik.http.services.{name}.loadbalancer"
    router = f"traefik.http.routers.{name}"
    return {
        # The balancer takes no other containers.
        "evenkeel.cluster": engine.CLUSTER,
        "evenkeel.role": "node",
        "evenkeel.tier": tier,
        BENCH_LABEL: NAIVE,
        "traefik.enable": "true",
        f"{router}.entrypoints": "web",
        f"{router}.rule": f"PathPrefix(`/naive/{tier}/`)",
        f"{router}.priority": "9000",
        f"{router}.service": name,
        f"{router}.middlewares": name,
        f"traefik.http.middlewares.{name}.stripprefix.prefixes": f"/naive/{tier}",
        f"{service}.server.port": str(engine.PORTS[tier]),
        **({f"{service}.sticky.cookie.name": name.replace("-", "_")} if sticky else {}),
    }


def _naive_image(tier: str, image: str) -> str:
    """The same files and the same start, but not the labels that would make it a node of the tier."""
    api = engine.api()
    config = api.inspect_image(image)["Config"]
    name = f"evenkeel-bench/{NAIVE}-{tier}"
    changes = [
        f"ENTRYPOINT {_json_list(config['Entrypoint'])}",
        f"CMD {_json_list(config['Cmd'])}",
        f"WORKDIR {config['WorkingDir'] or '/'}",
        f"USER {config['User']}",
        *(f"ENV {item}" for item in config["Env"] or []),
    ]
    container = api.create_container(image, labels={**engine.peer_labels(NAIVE)})
    try:
        # From the one call into the other: nothing is kept in between.
        api.import_image_from_stream(api.export(container["Id"]), repository=name, tag="latest", changes=changes)
    finally:
        api.remove_container(container["Id"], force=True, v=True)
    return f"{name}:latest"


def _json_list(words: Sequence[str] | None) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words or []) + "]"


@contextlib.contextmanager
def naive_pool(count: int) -> Iterator[dict[str, list[Container]]]:
    """So many naive nodes per tier behind the balancer, removed at the end with their images."""
    images: list[str] = []
    try:
        for tier in engine.PORTS:
            made = engine.template(tier)
            images.append(_naive_image(tier, made.image))
            naive = dataclasses.replace(made, image=images[-1])
            for number in range(1, count + 1):
                name = f"bench-{NAIVE}-{tier}-{number}"
                labels = _naive_labels(tier, sticky=tier == "static")
                engine.create_and_start(naive, name, labels, stop_signal="SIGKILL")
        members = {tier: _await_naive(tier, count) for tier in engine.PORTS}
        for target in CONTROL:
            _await_route(target)
        yield members
    finally:
        engine.remove_all(f"{BENCH_LABEL}={NAIVE}")
        for image in images:
            engine.api().remove_image(image, force=True)


def _await_naive(tier: str, count: int) -> list[Container]:
    labels = (f"{BENCH_LABEL}={NAIVE}", f"evenkeel.tier={tier}")
    engine.await_serving(labels, count, engine.PORTS[tier])
    return engine.containers(*labels)


def _await_route(target: Target) -> None:
    deadline = time.monotonic() + _BACK_SECONDS
    while not requests.get(target.get, timeout=5).ok:
        if time.monotonic() > deadline:
            raise BenchError(f"control: got no route to {target.get}, want one (fix: see the balancer's log)")
        time.sleep(_POLL_SECONDS)


# --------------------------------------------------------------------------
# Measure and report
# --------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Result:
    """One load with its stops."""

    outcomes: list[Outcome]
    seconds: float
    moments: list[tuple[float, str]]
    stop_seconds: list[float]
    executed: int | None

    @property
    def failed(self) -> list[Outcome]:
        """Requests without a good answer, and POSTs that a node had executed before."""
        return [item for item in self.outcomes if item.error or item.repeated]

    @property
    def failed_early(self) -> int:
        """Failures before the first stop: what loses requests then is not the stop."""
        first = self.moments[0][0] if self.moments else 0.0
        return sum(1 for item in self.failed if item.at + item.late + item.seconds < first)

    @property
    def posts(self) -> int:
        """POSTs with a good answer."""
        return sum(1 for item in self.outcomes if item.method == "POST" and not item.error)

    @property
    def miscounted(self) -> int:
        """POSTs executed too often (or, negative, too rarely) according to the nodes."""
        return 0 if self.executed is None else self.executed - self.posts

    @property
    def sent_per_second(self) -> float:
        """What left, per second."""
        return len(self.outcomes) / self.seconds

    def late(self, share: float) -> float:
        """So large a share of the requests left at most this many seconds after they were due."""
        return quantile([item.late for item in self.outcomes], share)

    def latency(self, share: float) -> float:
        """Quantile of the answers' seconds."""
        return quantile([item.seconds for item in self.outcomes if not item.error], share)

    def offered(self, rate: float) -> bool:
        """Whether this machine sent what was asked for."""
        return self.sent_per_second >= _RATE_SHARE * rate and self.late(0.99) <= _LATE_SECONDS


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all values does not exceed (nearest rank); NaN for none."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


def measure(targets: Sequence[Target], pool: Pool, options: argparse.Namespace, stops: int) -> Result:
    """Run the load until all stops are through, at least for the seconds asked for."""
    load = Load(targets, options.rate)
    stopper = Stopper(pool, stops, options.interval)
    bound = options.seconds + stops * _MAX_SECONDS_PER_STOP

    def go_on(now: float) -> bool:
        if now > bound:
            return False
        return stopper.ended is None or now < max(options.seconds, stopper.ended - load.began + _LEAD_SECONDS)

    stopper.start()
    try:
        asyncio.run(load.run(go_on))
    finally:
        took = stopper.finish()
    if len(took) < stops:
        raise BenchError(f"stops: got {len(took)} within {bound:.0f} s, want {stops} (fix: try fewer, or more nodes)")
    moments = [(at - load.began, node) for at, node in stopper.moments]
    return Result(load.outcomes, load.seconds, moments, took, pool.executed())


def describe(name: str, result: Result) -> None:
    """Print the first failures with the stops before them."""
    for item in sorted(result.failed, key=lambda each: each.at)[:10]:
        before = [f"{item.at - at:.2f} s after the stop of {node}" for at, node in result.moments if at <= item.at]
        reason = item.error or "executed before"
        say(
            f"  {name}: {item.at:7.2f} s {item.method} {item.tier}: {reason}; {before[-1] if before else 'no stop yet'}"
        )


def row(name: str, result: Result) -> list[object]:
    """The line of the table."""
    failed = Counter(item.method for item in result.failed)
    return [
        name,
        len(result.outcomes),
        result.sent_per_second,
        result.late(0.99) * 1000,
        len(result.stop_seconds),
        common.median(result.stop_seconds),
        failed["GET"],
        failed["POST"],
        "-" if result.executed is None else f"{result.executed}/{result.posts}",
        result.latency(0.5) * 1000,
        result.latency(0.99) * 1000,
        result.latency(1.0) * 1000,
    ]


def raw(result: Result) -> dict[str, Any]:
    """What is saved."""
    return {
        "requests": len(result.outcomes),
        "seconds": result.seconds,
        "sent_per_second": result.sent_per_second,
        "late_p99_seconds": result.late(0.99),
        "stops": [{"at": at, "node": node} for at, node in result.moments],
        "stop_seconds": result.stop_seconds,
        "posts_answered": result.posts,
        "posts_executed": result.executed,
        "latency_seconds": {str(share): result.latency(share) for share in (0.5, 0.9, 0.99, 0.999, 1.0)},
        "failed": [dataclasses.asdict(item) for item in result.failed],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="docker stop of nodes under load, ours and naive ones")
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--control-stops", type=int, default=10)
    parser.add_argument("--rate", type=float, default=400.0, help="requests per second")
    parser.add_argument("--seconds", type=float, default=40.0, help="least duration of the load on ours")
    parser.add_argument("--interval", type=float, default=2.0, help="seconds between two stops")
    parser.add_argument("--nodes", type=int, default=3, help="per tier")
    options = parser.parse_args(argv)
    with engine.Restored():
        common.scale(options.nodes, options.nodes)
        common.settle()
        ours = measure(OURS, Pool({tier: engine.nodes(tier) for tier in engine.PORTS}, True), options, options.stops)
        say(f"ours: {len(ours.outcomes)} requests, {len(ours.stop_seconds)} stops, {len(ours.failed)} failed")
        describe("ours", ours)
        with naive_pool(options.nodes) as members:
            common.settle()
            options.seconds = min(options.seconds, options.control_stops * options.interval)
            control = measure(CONTROL, Pool(members, False), options, options.control_stops)
        say(f"control: {len(control.outcomes)} requests, {len(control.failed)} failed")
        describe("control", control)
    return conclude(options, ours, control)


def conclude(options: argparse.Namespace, ours: Result, control: Result) -> int:
    """Print, save and judge."""
    # Fewer than answered is no fault of the pool: a stopped node's last executions end with its counter, unread.
    repeated = max(ours.miscounted, 0)
    lossless = not ours.failed and repeated == 0
    offered = {"ours": ours.offered(options.rate), "control": control.offered(options.rate)}
    lines = [
        common.verdict(f"R3: {len(ours.failed)} of {len(ours.outcomes)} requests failed, goal 0", not ours.failed),
        common.verdict(f"R3: {repeated} executions more than the {ours.posts} answered POSTs, goal 0", not repeated),
        common.verdict(f"control: {len(control.failed)} failed, must be more than 0", bool(control.failed)),
        *(
            f"{name}: {result.failed_early} failed before the first stop; the figures say nothing"
            for name, result in (("ours", ours), ("control", control))
            if result.failed_early
        ),
        *(
            f"{name}: this machine could not offer {options.rate:g} requests/s; the figures say nothing"
            for name, enough in offered.items()
            if not enough
        ),
    ]
    header = ["", "requests", "sent/s", "late p99, ms", "stops", "stop, s", "GET failed", "POST failed"]
    header += ["executed/answered", "p50, ms", "p99, ms", "max, ms"]
    tables = [common.table(header, [row("ours", ours), row("naive (control)", control)])]
    data = {"rate": options.rate, "nodes_per_tier": options.nodes, "ours": raw(ours), "control": raw(control)}
    common.report("stop_under_load", data, tables, lines)
    sound = all(offered.values()) and not ours.failed_early and not control.failed_early
    return 0 if lossless and control.failed and sound else 1


if __name__ == "__main__":
    common.run_main(main)
