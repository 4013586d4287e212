"""Rates, latencies and nodes in rotation over the last hour, in memory, bounded. Pure."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

#: Seconds that can be asked for, to seconds of one step.
SPANS = {300: 5, 3600: 30}
#: Nodes that are remembered; of more, those that were seen last.
MAX_NODES = 2000
# A look that is later than this leaves a gap: what was meanwhile is not known.
_GAP_SECONDS = 16.0


class _Ring:
    """One value per step: the mean of what came in it. NaN for none."""

    def __init__(self, step: int, size: int) -> None:
        self._step = step
        self._values, self._counts = array("f", [math.nan] * size), array("H", [0] * size)
        self._newest = 0

    def add(self, at: float, value: float | None) -> None:
        number = int(at // self._step)
        size = len(self._values)
        if number < self._newest - math.ceil(_GAP_SECONDS / self._step):
            self._clear()  # the clock was set back: what is newer was never measured
        if number <= self._newest - size:
            return
        for gone in range(max(self._newest + 1, number - size + 1), number + 1):
            self._values[gone % size], self._counts[gone % size] = math.nan, 0
        self._newest = max(self._newest, number)
        if value is None:
            return
        place = number % size
        count = self._counts[place]
        before = 0.0 if count == 0 else self._values[place]
        self._values[place] = (before * count + value) / (count + 1)
        self._counts[place] = min(count + 1, 60_000)

    def _clear(self) -> None:
        size = len(self._values)
        self._values, self._counts = array("f", [math.nan] * size), array("H", [0] * size)
        self._newest = 0

    def values(self, until: int) -> list[float | None]:
        """Oldest first, up to the step of this number, without it."""
        size = len(self._values)
        found: list[float | None] = []
        for number in range(until - size, until):
            value = self._values[number % size] if self._newest - size < number <= self._newest else math.nan
            found.append(None if math.isnan(value) else round(value, 2))
        return found


class _Series:
    """One figure over all spans."""

    def __init__(self) -> None:
        self.rings = {span: _Ring(step, span // step) for span, step in SPANS.items()}

    def add(self, moments: Iterable[float], value: float | None) -> None:
        for at in moments:
            for ring in self.rings.values():
                ring.add(at, value)


class History:
    """What the looks have measured, per tier and per node."""

    def __init__(self) -> None:
        """Nothing was measured yet."""
        self._tiers: dict[str, dict[str, _Series]] = {}
        self._nodes: dict[str, dict[str, _Series]] = {}
        self._tier_of: dict[str, str] = {}
        self._seen: dict[str, float] = {}
        self._last: float | None = None

    def add(self, state: Mapping[str, Any]) -> None:
        """Take the figures of a look.

        Args:
            state: the agent's.
        """
        at = float(state["at"])
        moments = self._moments(at)
        for name, tier in state.get("tiers", {}).items():
            series = self._tiers.setdefault(name, {figure: _Series() for figure in ("rate", "p95", "in_rotation")})
            for figure, item in series.items():
                item.add(moments, tier[figure])
        for name, node in state.get("nodes", {}).items():
            self._seen[name], self._tier_of[name] = at, node["tier"]
            series = self._nodes.setdefault(name, {figure: _Series() for figure in ("rate", "p95")})
            for figure, item in series.items():
                item.add(moments, node[figure])
        self._last = at
        self._forget(at)

    def _moments(self, at: float) -> list[float]:
        """This look, and the steps since the one before: while nobody watches, looks are rarer than steps."""
        step = min(SPANS.values())
        if self._last is None or not 0 < at - self._last <= _GAP_SECONDS:
            return [at]
        first = int(self._last // step) + 1
        return [*(number * step for number in range(first, int(at // step))), at]

    def _forget(self, now: float) -> None:
        # One that was seen later than now is of the time before the clock was set back.
        old = [name for name, at in self._seen.items() if not -_GAP_SECONDS <= now - at <= max(SPANS)]
        if len(self._seen) > MAX_NODES:
            old += sorted(self._seen, key=lambda name: self._seen[name])[: len(self._seen) - MAX_NODES]
        for name in old:
            for part in (self._seen, self._nodes, self._tier_of):
                part.pop(name, None)

    def of(self, tier: str, span: int, now: float) -> dict[str, Any]:
        """What was measured of a tier and its nodes; None where nothing was.

        Args:
            tier: its name.
            span: one of :data:`SPANS`, in seconds.
            now: seconds since the epoch.
        """
        step = SPANS[span]
        until = int(now // step)

        def shown(series: Mapping[str, _Series]) -> dict[str, list[float | None]]:
            return {figure: item.rings[span].values(until) for figure, item in series.items()}

        nodes = [name for name, of in self._tier_of.items() if of == tier and now - self._seen[name] <= span]
        return {
            "step": step,
            "until": until * step,
            "tier": shown(self._tiers.get(tier, {})),
            "nodes": {name: shown(self._nodes[name]) for name in nodes},
        }
