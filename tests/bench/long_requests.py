"""What is open when a node leaves: a request of 20 seconds, a web socket and an event stream.

Tiers of one image that ends at once when it is told to (``tests/zoo/streams``): below hold, with the balancer alone,
and as if it kept our contract, each below hold and with the balancer twice, with a short and with a long
``finish_seconds``. On every node all three are open when it leaves: first all nodes of all tiers are replaced, then
one node per tier is stopped by ``docker stop``, and a guest. A request is begun each second meanwhile, too.

Command: ``PYTHONPATH=collections python -m tests.bench.long_requests``. Afterwards the default cluster is there again.
Control, in the same run: the tier with ``leaving: own``, whose connections must be cut at once.
Goals: with the long ``finish_seconds`` each request is answered; web sockets and streams last ``finish_seconds`` +- 1 s
from the moment that their node is to leave (it is taken out of its tier's servers, or is sent the signal); those of the
control less than 0.1 s.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import aiohttp
from tests.bench import common, engine
from tests.bench.any_image import ANIMALS, build
from tests.bench.common import STATE, WEB, BenchError, say
from tests.bench.examples import docker

from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.naming import cookie_value

ANIMAL = ANIMALS["streams"]
SHORT, LONG = 6, 25
# What hold gives a node that was started by hand.
GUEST_FINISH = 8
REQUEST_SECONDS = 20
TOLERANCE, AT_ONCE = 1.0, 0.1
REQUEST, SOCKET, EVENTS = "request of 20 s", "web socket", "event stream"
CONTROL = "own"
_FINISH = {"held-short": SHORT, "held-long": LONG, "balancer-short": SHORT, "balancer-long": LONG, CONTROL: 0}
_HELD = ("held-short", "held-long")
_NODES = 2
_GUEST = "bench-guest"
_JOIN_SECONDS = 4
_ROUTES = STATE / "balancer/dynamic/tiers.yml"
# A roll starts new nodes before the old ones leave, so requests are begun for as long.
_ROLL_SECONDS = 8
_PATIENCE_SECONDS = 120


@dataclasses.dataclass
class Lasting:
    """One thing that is open while its node leaves. Times are those of the clock, in seconds.

    Attributes:
        tier: of the node.
        node: its name.
        kind: one of ``REQUEST, SOCKET, EVENTS``.
        cookie: the sticky cookie that leads to the node.
        delay: seconds until it is begun.
        heard: when the node was last heard of.
        ended: when it ended.
        status: what a request was answered; 0 for no or no complete answer.
    """

    tier: str
    node: str
    kind: str
    cookie: str
    delay: float = 0.0
    heard: float = 0.0
    ended: float = 0.0
    status: int = 0


def declared() -> str:
    """The tiers, as an argument of a playbook."""
    tiers = {}
    for name, finish in _FINISH.items():
        tier = {"image": ANIMAL.image, "port": ANIMAL.port, "path": f"/{name}/", "strip_path": True, "nodes": _NODES}
        leaving = {"leaving": name.partition("-")[0], "health_path": "/", "confinement": "docker"}
        finishing = {"finish_seconds": finish} if finish else {}
        tiers[name] = {**tier, "sticky": True, "pull": "never", **leaving, **finishing}
    return json.dumps({"cluster_tiers": tiers})


# --------------------------------------------------------------------------
# What is open
# --------------------------------------------------------------------------


def all_kinds(tier: str, node: str, server: str) -> list[Lasting]:
    """One of each, on one node.

    Args:
        tier: its tier.
        node: its name.
        server: its host and port, as the balancer knows it.
    """
    return [Lasting(tier, node, kind, cookie_value(server)) for kind in (REQUEST, SOCKET, EVENTS)]


async def _request(session: aiohttp.ClientSession, url: str, one: Lasting) -> None:
    async with session.get(f"{url}?seconds={REQUEST_SECONDS}") as answer:
        await answer.read()
        one.status, one.heard = answer.status, time.time()


async def _socket(session: aiohttp.ClientSession, url: str, one: Lasting) -> None:
    async with session.ws_connect(f"{url}socket") as socket:
        while True:
            await socket.send_str("here")
            if (await socket.receive()).type is not aiohttp.WSMsgType.TEXT:
                return
            one.heard = time.time()
            await asyncio.sleep(0.05)


async def _events(session: aiohttp.ClientSession, url: str, one: Lasting) -> None:
    async with session.get(f"{url}events") as answer:
        async for _ in answer.content.iter_any():
            one.heard = time.time()


async def _one(one: Lasting) -> None:
    await asyncio.sleep(one.delay)
    headers = {"Cookie": f"evenkeel_{one.tier}={one.cookie}"}
    begin = {REQUEST: _request, SOCKET: _socket, EVENTS: _events}[one.kind]
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as session:
            await asyncio.wait_for(begin(session, f"{WEB}/{one.tier}/", one), _PATIENCE_SECONDS)
    except (aiohttp.ClientError, OSError, asyncio.TimeoutError):
        pass  # cut, which is what is measured
    one.ended = time.time()


async def _all(lasting: Iterable[Lasting]) -> None:
    await asyncio.gather(*(_one(one) for one in lasting))


@contextmanager
def held_open(lasting: Sequence[Lasting]) -> Iterator[None]:
    """Open them, and wait for their ends afterwards.

    Raises:
        BenchError: one of them does not open.
    """
    thread = threading.Thread(target=lambda: asyncio.run(_all(lasting)))
    thread.start()
    try:
        deadline = time.monotonic() + 5
        while any(not one.heard for one in lasting if one.kind != REQUEST):
            if time.monotonic() > deadline:
                raise BenchError("streams: got some that did not open within 5 s, want all (fix: docker logs NODE)")
            time.sleep(0.05)
        yield
    finally:
        thread.join()


# --------------------------------------------------------------------------
# Nodes that leave
# --------------------------------------------------------------------------


class Withdrawals:
    """When each server was taken out of the set that its tier's route leads to, by the file that the run writes."""

    def __init__(self, servers: Iterable[str]) -> None:
        """Nothing is read yet."""
        self.at: dict[str, float] = {}
        self._urls = {server: f"http://{server}" for server in servers}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        listed: set[str] = set()
        while not self._over.wait(0.02):
            text = _ROUTES.read_text(encoding="utf-8")
            now = {server for server, url in self._urls.items() if url in text}
            for server in listed - now:
                self.at.setdefault(server, time.time())
            listed |= now

    def __enter__(self) -> Withdrawals:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()


def signals(since: float) -> dict[str, float]:
    """Name of each container that was sent a signal since then, to the time of the first."""
    told = docker("events", "--since", f"{since:.3f}", "--until", f"{time.time():.3f}", "--filter", "event=kill",
                  "--format", "{{.TimeNano}} {{.Actor.Attributes.name}}")  # fmt: skip
    found: dict[str, float] = {}
    for line in told.splitlines():
        at, name = line.split()
        found.setdefault(name, int(at) / 1e9)
    return found


def by_roll() -> tuple[list[Lasting], dict[str, float]]:
    """Replace all nodes; what was open on them, and when each was to leave."""
    lasting, servers = [], {}
    for tier in _FINISH:
        for node in engine.nodes(tier):
            servers[node.name] = node.url.removeprefix("http://")
            here = all_kinds(tier, node.name, servers[node.name])
            lasting += here
            lasting += [dataclasses.replace(here[0], delay=second) for second in range(1, _ROLL_SECONDS)]
    began = time.time()
    with held_open(lasting), Withdrawals(servers.values()) as out:
        common.play("playbooks/roll.yml", "-e", declared(), "-e", "node_pool_surge_percent=100")
        told = signals(began)
    return lasting, {name: out.at.get(server, told[name]) for name, server in servers.items()}


def by_stop() -> tuple[list[Lasting], dict[str, float]]:
    """Stop a node of each tier, and a guest, as people do; what was open on them, and when each was to leave."""
    lasting = []
    for tier in (*_HELD, CONTROL):
        node = engine.nodes(tier)[0]
        lasting += all_kinds(tier, node.name, node.url.removeprefix("http://"))
    docker("run", "--detach", "--name", _GUEST, "--label", f"{engine.BENCH_LABEL}=guest", f"evenkeel/{_HELD[0]}")
    try:
        address = docker("inspect", "--format", "{{.NetworkSettings.Networks.bridge.IPAddress}}", _GUEST)
        time.sleep(_JOIN_SECONDS)
        lasting += all_kinds(_HELD[0], _GUEST, f"{address}:{ANIMAL.port}")
        began = time.time()
        with held_open(lasting):
            time.sleep(0.3)
            with ThreadPoolExecutor() as threads:
                list(threads.map(lambda name: docker("stop", name), {one.node for one in lasting}))
    finally:
        docker("rm", "--force", _GUEST)
    return lasting, signals(began)


# --------------------------------------------------------------------------
# Judgement
# --------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Row:
    """What became of one kind on one tier's nodes.

    Attributes:
        tier: the tier, or ``guest``.
        way: how the nodes left.
        kind: what was open.
        finish: seconds that they had; 0 for the control.
        answered: how many of the requests were answered.
        lasted: seconds from the leave to the end of each; NaN if it ended before.
    """

    tier: str
    way: str
    kind: str
    finish: float
    answered: int
    lasted: tuple[float, ...]

    @property
    def cells(self) -> list[object]:
        """Of the table."""
        answered = f"{self.answered} of {len(self.lasted)}" if self.kind == REQUEST else None
        times = f"{min(self.lasted):.2f} to {max(self.lasted):.2f}" if self.kind != REQUEST else None
        return [f"{self.tier}, {self.way}", self.kind, self.finish or "at once", answered, times]

    @property
    def good(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.kind == REQUEST:
            return self.answered == len(self.lasted) if self.finish >= LONG else None
        if not self.finish:
            return all(seconds < AT_ONCE for seconds in self.lasted)
        return all(abs(seconds - self.finish) <= TOLERANCE for seconds in self.lasted)


def rows_of(way: str, lasting: Sequence[Lasting], left: Mapping[str, float]) -> list[Row]:
    """The rows of one way to leave, by tier and kind."""
    groups: dict[tuple[str, str], list[Lasting]] = {}
    for one in lasting:
        tier = "guest" if one.node == _GUEST else one.tier
        groups.setdefault((tier, one.kind), []).append(one)
    rows = []
    for (tier, kind), found in groups.items():
        finish = _FINISH.get(tier, GUEST_FINISH)
        answered = sum(one.status == 200 for one in found)
        rows.append(Row(tier, way, kind, finish, answered, tuple(one.heard - left[one.node] for one in found)))
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Deploy, measure, judge."""
    argparse.ArgumentParser(description="requests, web sockets and event streams when their node leaves").parse_args(
        argv
    )
    build(ANIMAL)
    try:
        common.play("site.yml", "-e", declared())
        say("all nodes are replaced")
        rows = rows_of("replaced", *by_roll())
        say("nodes are stopped by hand")
        rows += rows_of("docker stop", *by_stop())
    finally:
        common.play("site.yml")
    header = ["tier", "open", "finish_seconds", "answered", "lasted, s"]
    goals = {
        f"with {LONG} s to finish, each request is answered": [row.good for row in rows if row.kind == REQUEST],
        f"web sockets and streams last finish_seconds +- {TOLERANCE:g} s": [
            row.good for row in rows if row.kind != REQUEST and row.finish
        ],
        f"control: those of the tier {CONTROL} last less than {AT_ONCE:g} s": [
            row.good for row in rows if row.kind != REQUEST and not row.finish
        ],
    }
    met = {what: all(good is not False for good in found) and any(found) for what, found in goals.items()}
    data = {"rows": [dataclasses.asdict(row) for row in rows]}
    table = common.table(header, [row.cells for row in rows])
    common.report("long-requests", data, [table], [common.verdict(*goal) for goal in met.items()])
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    common.run_main(main)
