# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The balancer's route file, replaced as a whole at each change."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.files import write_atomically
from .routes import Route, active_routes, render, routes_config


def last_of(path: Path) -> Path:
    """Where the text is kept that was written last: for a new balancer, if the file cannot be read by then."""
    return path.with_name(f"{path.name}.last")


def text_to_start_with(path: Path) -> str | None:
    """What the file must have before a balancer starts; None where it can be read.

    A balancer reads none of its folder's files when one of them is broken. What was written last is what a running one
    still has.

    Args:
        path: the route file.
    """
    if not path.is_file() or _is_readable(_text(path)):
        return None
    last = _text(last_of(path))
    return last if last and _is_readable(last) else render({})


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except ValueError:
        return "no text"


def _is_readable(text: str) -> bool:
    if not text:
        return True
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


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
        text = _text(self._path) if self._path.is_file() else ""
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
            text = self._rendered(routes)
            write_atomically(self._path, text)
            # The routes are there; that they could not be kept a second time is no reason to fail.
            with contextlib.suppress(OSError):
                write_atomically(last_of(self._path), text)

    def _rendered(self, routes: dict[str, Route]) -> str:
        return render(routes_config([routes[name] for name in sorted(routes)], self._provider))
