"""A value that changes with the time of a clock, how long things take, and what a node counts."""

from __future__ import annotations

import dataclasses


class History:
    """A value over time."""

    def __init__(self) -> None:
        self._changes: list[tuple[float, int]] = []

    def set(self, at: float, value: int) -> None:
        """From then on it is this value; what was to come later is forgotten."""
        self._changes = [change for change in self._changes if change[0] < at]
        self._changes.append((at, value))

    def then(self, at: float, value: int) -> None:
        """Later it will be this value, unless it is set before."""
        self._changes.append((at, value))

    def value(self, at: float) -> int:
        """What it was then; 0 before the first change."""
        return next((value for when, value in reversed(self._changes) if when <= at), 0)

    def since(self, at: float) -> float:
        """When the value of then came."""
        return next((when for when, _ in reversed(self._changes) if when <= at), float("-inf"))


@dataclasses.dataclass
class Counters:
    """What a node counts from its start to its end."""

    requests: int = 0
    keys: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Delays:
    """How long things take, in seconds of the clock.

    Attributes:
        start: until the engine has started a node.
        ready: from then until the node answers its health check.
        drain: from SIGTERM to the node's end.
        notice: until the balancer has learned of a start or an end.
        probe: until the balancer has learned of another health.
        route: until the balancer has read the routes.
    """

    start: float = 0.05
    ready: float = 0.1
    drain: float = 0.3
    notice: float = 0.1
    probe: float = 0.2
    route: float = 0.1
