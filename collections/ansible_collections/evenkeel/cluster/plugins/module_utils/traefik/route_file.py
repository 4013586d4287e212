# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The balancer's route file, replaced as a whole at each change."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.files import write_atomically
from .routes import Route, active_routes, render, routes_config


@dataclass(frozen=True)
class RouteTable:
    """The routes that the balancer has.

    Attributes:
        routes: tier to route.
        current: the file is just as this version writes it; one of an earlier version must be written again.
    """

    routes: dict[str, Route]
    current: bool = True


class RouteFile:
    """The file from which the balancer reads the tiers' routes.

    Args:
        path: the file; a missing file has no routes.
        provider: the balancer's provider that finds the nodes.
    """

    def __init__(self, path: Path, provider: str) -> None:
        """Nothing is read yet; the file is read by each call."""
        self._path = path
        self._provider = provider
        self._lock = threading.Lock()

    def table(self) -> RouteTable:
        """The routes as the file has them now."""
        text = self._path.read_text(encoding="utf-8") if self._path.is_file() else ""
        routes = active_routes(text)
        return RouteTable(routes, current=not text or text == self._rendered(routes))

    def of(self, tier: str) -> Route | None:
        """The tier's route now; None when it has none."""
        return self.table().routes.get(tier)

    def point_to(self, changes: Mapping[str, Route | None]) -> None:
        """Set or drop routes, and replace the file at once: the balancer sees all of the changes or none.

        Args:
            changes: tier to its new route; None to drop it.

        Raises:
            OSError: the file cannot be written.
        """
        with self._lock:
            routes = self.table().routes
            for tier, route in changes.items():
                if route is None:
                    routes.pop(tier, None)
                else:
                    routes[tier] = route
            write_atomically(self._path, self._rendered(routes))

    def _rendered(self, routes: dict[str, Route]) -> str:
        return render(routes_config([routes[name] for name in sorted(routes)], self._provider))
