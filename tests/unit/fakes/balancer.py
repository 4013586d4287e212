"""A balancer that learns late: of starts and ends after one delay, of health after another, of routes after a third."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.poll import Clock
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.api import TraefikApiError
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.route_file import RouteFile, RouteTable
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.routes import Route

from .engine import FakeEngine
from .node import FakeNode

UP = "UP"
DOWN = "DOWN"


class FakeRoutes:
    """The real route file, and when it said what: keeps :class:`engine.port.Routes`."""

    def __init__(self, path: Path, clock: Clock, provider: str = "docker") -> None:
        self.path = path
        self.calls: list[str] = []
        self.fails: Callable[[str], bool] = lambda call: False
        self._file = RouteFile(path, provider)
        self._clock = clock
        self._texts: list[tuple[float, str]] = []
        # What is read last must be noted last.
        self._lock = threading.Lock()

    def table(self) -> RouteTable:
        return self._file.table()

    def of(self, tier: str) -> Route | None:
        return self._file.of(tier)

    def point_to(self, changes: Mapping[str, Route | None]) -> None:
        for tier, route in changes.items():
            call = f"route {tier} to {route.service if route else 'none'}"
            self.calls.append(call)
            if self.fails(call):
                raise OSError(f"{call}: no space left")
        self._file.point_to(changes)
        self.note()

    def note(self) -> None:
        """Remember what the file says from now on; for a test that writes it itself.

        A file that cannot be read changes nothing, as with Traefik.
        """
        with self._lock, contextlib.suppress(ValueError):
            text = self.path.read_text(encoding="utf-8")
            json.loads(text or "{}")
            self._texts.append((self._clock.now(), text))

    def text(self, at: float) -> str:
        """What the file said then; before the first change, what it said first."""
        if not self._texts:
            return ""
        return next((text for when, text in reversed(self._texts) if when <= at), self._texts[0][1])


class FakeBalancer:
    """Keeps :class:`engine.port.BalancerView`, and what a swap asks of the balancer's API beyond it.

    It works its answers out from what it could have seen by now: labels of containers, health, the text of the route
    file. A server counts as ``UP`` from when it is listed until its first probe, as Traefik has it.

    Attributes:
        fails: refuses a call, such as ``server_status shop-1234abcd``.
        ghosts: servers are listed for ever.
        probes: name of a node -> what its probes came to, whatever it answers; None lets them be made.
        broken: whether a service is dropped because its containers contradict each other.
        extra: more servers than the engine has: service -> URL -> state.
    """

    def __init__(self, engine: FakeEngine, routes: FakeRoutes, version: str = "3.7.15") -> None:
        self.calls: list[str] = []
        self.fails: Callable[[str], bool] = lambda call: False
        self.ghosts = False
        self.probes: Mapping[str, bool] | None = None
        self.broken: Callable[[str], bool] = lambda service: False
        self.extra: dict[str, dict[str, str]] = {}
        self._engine = engine
        self._routes = routes
        self._version = version

    def _call(self, call: str) -> float:
        """Note the call, or refuse it; the time."""
        self.calls.append(call)
        if self.fails(call):
            raise TraefikApiError("no answer", "an answer", "check that it runs")
        return self._engine.clock.now()

    # -- BalancerView ------------------------------------------------------------------

    def version(self) -> str:
        self._call("version")
        return self._version

    def server_status(self, service: str) -> dict[str, str]:
        now = self._call(f"server_status {service}")
        found = {item.node.url: self._state(item, now) for item in self.listed(service, now)}
        return {**found, **self.extra.get(service, {})}

    def server_up(self, service: str) -> dict[str, bool]:
        now = self._call(f"server_up {service}")
        if self.probes is not None:
            listed = self.listed(service, now)
            return {item.node.url: self.probes[item.node.name] for item in listed if item.node.name in self.probes}
        return {
            item.node.url: self._state(item, now) == UP
            for item in self.listed(service, now)
            if item.protected and self._is_probed(item, now)
        }

    def set_status(self, service: str) -> dict[str, str]:
        now = self._call(f"set_status {service}")
        servers = self.set_of(service, now)
        known = {item.node.url: self._state(item, now) for item in self._engine.everything()}
        return {url: known.get(url, DOWN) for url in servers}

    def router(self, name: str) -> dict[str, Any] | None:
        now = self._call(f"router {name}")
        found = self.routers(now).get(name)
        return None if found is None else {**found, "service": f"{found['service']}@file", "provider": "file"}

    # -- what a swap asks ----------------------------------------------------------------

    def all_services(self) -> list[dict[str, Any]]:
        now = self._call("all_services")
        services = sorted({item.node.service for item in self._engine.everything() if item.node.service})
        return [
            {
                "name": f"{service}@{self._engine.provider}",
                "provider": self._engine.provider,
                "serverStatus": {item.node.url: self._state(item, now) for item in listed},
            }
            for service in services
            if (listed := self.listed(service, now))
        ]

    # -- what it knows -------------------------------------------------------------------

    def routers(self, now: float) -> dict[str, dict[str, Any]]:
        """The routers of the route file, as it was read last."""
        return dict(self.file_config(now).get("routers", {}))

    def file_config(self, now: float) -> dict[str, Any]:
        """What the route file says of HTTP, as it was read last."""
        text = self._routes.text(now - self._engine.delays.route)
        return dict(json.loads(text or "{}").get("http", {}))

    def set_of(self, service: str, now: float) -> list[str]:
        """The servers that the route file names for a service, as it was read last."""
        found = self.file_config(now).get("services", {}).get(service, {})
        return [server["url"] for server in found.get("loadBalancer", {}).get("servers", [])]

    def listed(self, service: str, now: float) -> list[FakeNode]:
        """The servers of a service: one per address, the youngest."""
        if self.broken(service):
            return []
        seen = now - self._engine.delays.notice
        found: dict[str, FakeNode] = {}
        for item in sorted(self._engine.everything(), key=lambda item: item.node.id):
            if item.node.service == service and (self.ghosts or item.present.value(seen)):
                found[item.node.url] = item
        return list(found.values())

    def in_rotation(self, service: str, now: float) -> list[FakeNode]:
        """The servers that get requests."""
        return [item for item in self.listed(service, now) if self._state(item, now) == UP]

    def _is_probed(self, item: FakeNode, now: float) -> bool:
        listed_since = item.present.since(now - self._engine.delays.notice) + self._engine.delays.notice
        return listed_since <= now - self._engine.delays.probe

    def _state(self, item: FakeNode, now: float) -> str:
        if self.ghosts or not item.protected or not self._is_probed(item, now):
            return UP
        return UP if item.health.value(now - self._engine.delays.probe) == HTTPStatus.OK else DOWN
