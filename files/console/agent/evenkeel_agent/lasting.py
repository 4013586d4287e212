"""Since when nodes are in their state, and tiers differ from the declaration. Pure."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any


class Lasting:
    """What the looks have seen begin."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        # Node to its word and since when, and tier to since when; None for what was so at the first look already.
        self._words: dict[str, tuple[str, float | None]] | None = None
        self._drifts: dict[str, float | None] = {}

    def add(
        self,
        at: float,
        nodes: Mapping[str, MutableMapping[str, Any]],
        tiers: Mapping[str, MutableMapping[str, Any]],
    ) -> None:
        """Take a look, and add ``changed`` to its nodes and ``drift_since`` to its tiers, both None for not known.

        Args:
            at: the time of the look, in seconds since the epoch.
            nodes: all of the nodes, by identifier.
            tiers: all of the tiers, by name.
        """
        before = self._words
        self._words = {}
        for name, node in nodes.items():
            word, since = node["word"], None
            if before is not None:
                was, since = before.get(name, ("", None))
                since = at if was != word else _not_after(since, at)
            self._words[name] = (word, since)
            node["changed"] = since
        begins = None if before is None else at
        drifts = {name: _not_after(self._drifts.get(name, begins), at) for name, tier in tiers.items() if tier["drift"]}
        self._drifts = drifts
        for name, tier in tiers.items():
            tier["drift_since"] = drifts.get(name)


def _not_after(since: float | None, at: float) -> float | None:
    """What began later than now began before the clock was set back."""
    return since if since is None else min(since, at)
