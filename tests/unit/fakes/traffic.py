"""Requests through the fake balancer to the fake nodes, and what a drill reaches besides: counters, log, balancers."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.http_client import REFUSED, Answer
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.load import Reply, Request
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.ports import DrillPorts
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import Client
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.metrics import Attempts

from .clock import VirtualClock
from .cluster import TIERS, FakeCluster
from .history import Delays
from .node import FakeNode

WEB = "http://localhost"
BASELINE_WEB = "http://baseline"
_PATH = re.compile(r"PathPrefix\(`([^`]*)`\)")
_RULE = re.compile(r"traefik\.http\.routers\.([^.]+)\.rule")


class Traffic:
    """Leads requests as the balancer would, by what it knows at that moment.

    A node that was told to leave still answers. What a protected tier's node refuses goes to another of its nodes; what
    an unprotected one refuses is lost.

    Attributes:
        status: what nodes answer with.
        down: the second balancer does not run.
        bare: tiers whose image knows nothing of us: no name in its answers, no internal pages.
        forgets: says of a request whether the balancer forgets its cookie.
        attempts: service and method to how often requests were sent to its nodes.
        process: when the balancer was started.
    """

    def __init__(self, cluster: FakeCluster, log: Path) -> None:
        self.log = log
        self.status: Callable[[Request], int] = lambda request: HTTPStatus.OK
        self.down = False
        self.bare: set[str] = set()
        self.forgets: Callable[[Request], bool] = lambda request: False
        self.attempts: Counter[tuple[str, str]] = Counter()
        self.process = 1.0
        self._cluster = cluster
        self._turn = itertools.count()
        log.touch()

    def answer(self, request: Request, cookies: dict[str, str]) -> Reply:
        """Send a request to a node; the client's cookies change with it."""
        parts = urlsplit(request.url)
        if self.down and f"{parts.scheme}://{parts.netloc}" == BASELINE_WEB:
            raise ConnectionRefusedError
        service = self._service(parts.path)
        now = self._cluster.clock.now()
        listed = self._cluster.balancer.listed(service, now)
        servers = self._cluster.balancer.in_rotation(service, now) or listed
        if not servers:
            return self._logged(request, Reply(HTTPStatus.SERVICE_UNAVAILABLE, None), "")
        cookie = _cookie(servers[0], service)
        held = next((item for item in servers if item.node.name == cookies.get(cookie)), None)
        if self.forgets(request):
            first = next(item for item in servers if item is not held)
        else:
            first = held or servers[next(self._turn) % len(servers)]
        tried = [first, *(item for item in servers if first.protected and item is not first)]
        node = next((item for item in tried if _serves(item, now)), None)
        self.attempts[f"{service}@docker", request.method] += 1 + (tried.index(node) if node else len(tried) - 1)
        if node is None:
            return self._logged(request, Reply(HTTPStatus.BAD_GATEWAY, None), first.node.url)
        node.counters.requests += 1
        if request.method == "POST":
            node.counters.keys[request.key] = node.counters.keys.get(request.key, 0) + 1
        sets_cookie = bool(cookie) and cookies.get(cookie) != node.node.name
        if sets_cookie:
            cookies[cookie] = node.node.name
        name = None if node.node.tier in self.bare else node.node.served_by
        reply = Reply(self.status(request), name, b"{}", sets_cookie)
        return self._logged(request, reply, node.node.url)

    def counters(self) -> Attempts:
        """What the balancer has counted."""
        return Attempts(self.process, dict(self.attempts))

    def page(self, url: str) -> Answer:
        """An internal page of the node at that address."""
        parts = urlsplit(url)
        found = self._cluster.engine.at_address(parts.hostname or "")
        if found is None or not found.node.running or found.node.tier in self.bare:
            return Answer(0, reason=REFUSED)
        counters = found.counters
        pages: dict[str, dict[str, Any]] = {
            "/stats": {"node": found.node.served_by, "requests": counters.requests, "draining": found.draining},
            "/executions": {
                "forgotten": 0,
                "keys": [{"key": key, "executions": 1, "replays": times - 1} for key, times in counters.keys.items()],
            },
        }
        return Answer(HTTPStatus.OK, json.dumps(pages[parts.path]).encode())

    def _service(self, path: str) -> str:
        """The service that the router with the highest priority leads to; empty for none."""
        fitting = [(priority, service) for rule, priority, service in self._routers() if path.startswith(rule)]
        return max(fitting, default=(0, ""))[1]

    def _routers(self) -> Iterator[tuple[str, int, str]]:
        now = self._cluster.clock.now()
        config = self._cluster.balancer.file_config(now)
        for router in config.get("routers", {}).values():
            failover = config.get("services", {}).get(router["service"], {}).get("failover", {})
            service = str(failover.get("service", "")).partition("@")[0]
            for prefix in _PATH.findall(router["rule"]):
                yield prefix, int(router["priority"]), service
        for item in self._cluster.engine.everything():
            for label, rule in item.labels.items():
                name = _RULE.fullmatch(label)
                if name and item.labels[f"traefik.http.routers.{name[1]}.entrypoints"] == "web":
                    priority = item.labels[f"traefik.http.routers.{name[1]}.priority"]
                    for prefix in _PATH.findall(rule):
                        yield prefix, int(priority), item.labels[f"traefik.http.routers.{name[1]}.service"]

    def _logged(self, request: Request, reply: Reply, url: str) -> Reply:
        line = {
            "request_X-Request-Id": request.key,
            "DownstreamStatus": reply.status,
            "ServiceAddr": urlsplit(url).netloc,
        }
        with self.log.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        return reply


def _cookie(item: FakeNode, service: str) -> str:
    return item.labels.get(f"traefik.http.services.{service}.loadbalancer.sticky.cookie.name", "")


def _serves(item: FakeNode, now: float) -> bool:
    return item.node.running and (item.draining or item.health.value(now) == HTTPStatus.OK)


class FakeSender:
    """Keeps :class:`drill.load.Sender`; its load drives the clock.

    Args:
        traffic: answers.
        clock: is driven from :meth:`open` to :meth:`close`.
        seconds: what sending one request takes this machine.
    """

    def __init__(self, traffic: Traffic, clock: VirtualClock, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self._traffic = traffic
        self._clock = clock
        self._cookies: dict[int, dict[str, str]] = {}
        self._driven = contextlib.ExitStack()

    def open(self, clients: Sequence[Client]) -> None:
        """Begin."""
        self._cookies = {client.number: {} for client in clients}
        self._driven.enter_context(self._clock.driven())

    async def send(self, request: Request) -> Reply:
        """Answer at once."""
        if self.seconds:
            self._clock.sleep(self.seconds)
        cookies = self._cookies[request.client.number] if request.client.sticky else {}
        return self._traffic.answer(request, cookies)

    async def close(self) -> None:
        """End."""
        self._driven.close()


class FakeBalancers:
    """Keeps :class:`drill.ports.Balancers`: there is a second balancer, which can be away.

    Attributes:
        fails: refuses a call.
        interrupts: the second balancer refuses connections while it is stopped.
    """

    def __init__(self, traffic: Traffic, clock: VirtualClock) -> None:
        self.calls: list[str] = []
        self.fails: Callable[[str], bool] = lambda call: False
        self.interrupts = True
        self._traffic = traffic
        self._clock = clock

    def _call(self, call: str) -> None:
        self.calls.append(call)
        if self.fails(call):
            raise EvenkeelError(f"{call}: got 'no', want success (fix: see dockerd's log)")

    def renew(self) -> None:
        self._call("renew")
        self._clock.sleep(0.5)

    def start_baseline(self, run: str) -> tuple[str, str]:
        self._call("start baseline")
        return "balancer-1", BASELINE_WEB

    def stop(self, balancer: str, seconds: int) -> None:
        self._call(f"stop {balancer} {seconds}")
        self._traffic.down = self.interrupts
        self._clock.sleep(0.3)

    def start_again(self, balancer: str) -> None:
        self._call(f"start again {balancer}")
        self._clock.sleep(0.3)
        self._traffic.down = False

    def remove(self, balancer: str) -> None:
        self._call(f"remove {balancer}")


class DrilledCluster(FakeCluster):
    """A cluster with clients.

    Args:
        folder: for its files.
        tiers: other tiers than the usual ones.
    """

    def __init__(self, folder: Path, tiers: Mapping[str, Mapping[str, Any]] = TIERS) -> None:
        # A node's counters are read twice while it drains, as long as that takes in a real cluster.
        super().__init__(folder, delays=Delays(drain=1.5), tiers=tiers)
        self.traffic = Traffic(self, folder / "access.log")
        self.balancers = FakeBalancers(self.traffic, self.clock)
        self.sender = FakeSender(self.traffic, self.clock)
        self.drill_ports = DrillPorts(
            engine=self.engine,
            routes=self.routes,
            balancer=lambda: self.balancer,
            balancers=self.balancers,
            read=self.traffic.page,
            sender=lambda: self.sender,
            attempts=self.traffic.counters,
        )
