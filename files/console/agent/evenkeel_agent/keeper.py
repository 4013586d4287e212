"""Holds the declaration: managed nodes that ended or hang are replaced, as ``site.yml`` would do it.

What a person stopped or drained stays, and so does what a guest does. Pure but for its clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .action import INTENT, RESULT
from .verbs import RESTART

#: Seconds that a node must be in trouble before it is replaced.
PATIENCE_SECONDS = 10.0
#: Seconds between two replacements in a tier: the first and the longest; each one doubles it.
FIRST_SECONDS, LONGEST_SECONDS = 10.0, 600.0
#: Seconds without trouble after which the wait of a tier begins with the first again.
CALM_SECONDS = 600.0
_HANGS = frozenset({"hangs", "not ready"})
_ENDED = frozenset({"stopped", "out of memory"})


@dataclass
class _Backoff:
    wait: float = FIRST_SECONDS
    last: float | None = None


class Keeper:
    """Chooses the next node to replace.

    Args:
        now: a clock that only goes forward, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """Nothing was seen yet."""
        self._now = now
        self._since: dict[str, float] = {}
        self._tiers: dict[str, _Backoff] = {}

    def next(
        self,
        nodes: Mapping[str, Mapping[str, Any]],
        left: Callable[[], Collection[str]],
        patience: Callable[[str], float],
    ) -> tuple[str, str] | None:
        """A node to replace now, and its tier; None for none.

        Args:
            nodes: the agent's state of them.
            left: tells those that a person has stopped or drained; asked only if there is one to replace.
            patience: tells the seconds that a tier's nodes get to become ready; for those that run.
        """
        now = self._now()
        broken = [name for name, node in nodes.items() if _is_broken(node)]
        self._since = {name: self._since.get(name, now) for name in broken}
        due = [name for name in broken if self._is_over(name, nodes[name], patience, now)]
        spared = left() if due else ()
        return next(((name, str(nodes[name]["tier"])) for name in due if name not in spared), None)

    def _is_over(self, name: str, node: Mapping[str, Any], patience: Callable[[str], float], now: float) -> bool:
        tier, passed = str(node["tier"]), now - self._since[name]
        if passed < PATIENCE_SECONDS or not self._is_due(tier, now):
            return False
        return is_ended(node) or passed >= patience(tier)

    def began(self, tier: str) -> None:
        """Note that a node of the tier is being replaced: the next one has to wait."""
        now, backoff = self._now(), self._tiers.setdefault(tier, _Backoff())
        calm = backoff.last is None or now - backoff.last > CALM_SECONDS + backoff.wait
        backoff.wait = FIRST_SECONDS if calm else min(2 * backoff.wait, LONGEST_SECONDS)
        backoff.last = now

    def _is_due(self, tier: str, now: float) -> bool:
        backoff = self._tiers.get(tier)
        return backoff is None or backoff.last is None or now - backoff.last >= backoff.wait


def _is_broken(node: Mapping[str, Any]) -> bool:
    return bool(node["managed"]) and (str(node["word"]) in _HANGS or is_ended(node))


def is_ended(node: Mapping[str, Any]) -> bool:
    """Whether a node of the agent's state does not run."""
    word = str(node["word"])
    return word in _ENDED or word.startswith("ended")


def stopped_by_hand(events: Iterable[Mapping[str, Any]], audit: Iterable[Mapping[str, Any]] = ()) -> set[str]:
    """The nodes whose last end was asked for, by ``docker stop`` or here.

    A kill is no such end, nor is the one within a restart: a restart that failed half-way must not keep a node away.

    Args:
        events: the journal's, newest first.
        audit: the audit log's entries, newest first.
    """
    restarts = _restarts(audit)
    seen: set[str] = set()
    found: set[str] = set()
    for event in events:
        node, kind = str(event.get("node", "")), event.get("kind")
        if kind not in {"start", "stop", "restart"} or node in seen:
            continue
        seen.add(node)
        at = float(event.get("at") or 0)
        if kind == "stop" and not any(began <= at <= over for began, over in restarts.get(node, ())):
            found.add(node)
    return found


def _restarts(audit: Iterable[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """Node to the begins and ends of its restarts; one that still goes on has no end."""
    over: dict[str, float] = {}
    found: dict[str, list[tuple[float, float]]] = {}
    for entry in audit:
        action, at = str(entry.get("action", "")), float(entry.get("at") or 0)
        if entry.get("kind") == RESULT:
            over[action] = at
        elif entry.get("kind") == INTENT and entry.get("verb") == RESTART:
            found.setdefault(str(entry.get("node", "")), []).append((at, over.get(action, math.inf)))
    return found
