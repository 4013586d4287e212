"""The nodes that people have told to drain, and which person it was: on disk, for the next agent."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from .kept_nodes import KeptNodes

# The balancer needs some time to take a node out, and a look that began before that may come to its end after it.
_LOOK_SECONDS = 30.0


class Drained(KeptNodes[tuple[str, float]], Mapping[str, str]):
    """The engine's identifiers of these nodes to the person.

    Args:
        path: of the file; one that cannot be read is as none.
        now: tells the time, in seconds since the epoch.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        """Read the file."""
        super().__init__(path, _pair, now)

    def __getitem__(self, node: str) -> str:
        """The person."""
        return self._nodes[node][0]

    def __iter__(self) -> Iterator[str]:
        """The nodes; what changes meanwhile is not seen."""
        return iter(self._nodes)

    def __len__(self) -> int:
        """How many they are."""
        return len(self._nodes)

    def add(self, node: str, person: str) -> None:
        """Remember a node.

        Raises:
            WriteError: the file cannot be written; it is remembered until the agent ends.
        """
        with self._lock:
            self._become({**self._nodes, node: (person, self._now())})

    def remove(self, node: str) -> None:
        """Forget a node.

        Raises:
            WriteError: the file cannot be written; it is forgotten until the agent ends.
        """
        with self._lock:
            self._become({name: kept for name, kept in self._nodes.items() if name != node})

    def keep_only(self, nodes: Collection[str], at: float) -> None:
        """Forget all that serve again, or are gone.

        Args:
            nodes: those that are there and out of rotation.
            at: when that was seen.

        Raises:
            WriteError: the file cannot be written; they are forgotten until the agent ends.
        """
        with self._lock:
            kept = {name: each for name, each in self._nodes.items() if name in nodes or at - each[1] < _LOOK_SECONDS}
            self._become(kept)


def _pair(kept: Any) -> tuple[str, float]:
    person, at = kept
    return str(person), float(at)
