# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The balancer's route file, replaced as a whole at each change."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core.files import write_atomically
from .routes import Route, render, route_rule, routes_config


class RouteFile:
    """The balancer's route file: which tier's path leads to which service."""

    def __init__(self, path: Path, hosts: Sequence[str], routes: Mapping[str, Route]) -> None:
        """Hold the routes; the file is written only by :meth:`lead`."""
        self._path = path
        self._hosts = list(hosts)
        self._routes = dict(routes)
        self._lock = threading.Lock()

    def text(self) -> str:
        """What the file should say now."""
        ordered = [self._routes[name] for name in sorted(self._routes)]
        return render(routes_config(ordered, self._hosts))

    def rule(self, route: Route) -> str:
        """The rule that the balancer shows for the route."""
        return route_rule(route, self._hosts)

    def of(self, tier: str) -> Route | None:
        """Where the tier's path leads now."""
        return self._routes.get(tier)

    def lead(self, tier: str, route: Route | None) -> None:
        """Let the tier's path lead to the route, or drop it, and replace the file at once."""
        with self._lock:
            if route is None:
                self._routes.pop(tier, None)
            else:
                self._routes[tier] = route
            write_atomically(self._path, self.text())
