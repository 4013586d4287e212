"""The nodes that people have stopped here: they stay so, also when the events of that time are gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from .kept_nodes import KeptNodes

# A look that began before a stop may come to its end after it.
_LOOK_SECONDS = 10.0


class Stopped(KeptNodes[float]):
    """The engine's identifiers of these nodes, on disk.

    Args:
        path: of the file; one that cannot be read is as none.
        now: tells the time, in seconds since the epoch.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        """Read the file."""
        super().__init__(path, float, now)

    @property
    def nodes(self) -> frozenset[str]:
        """Their identifiers."""
        with self._lock:
            return frozenset(self._nodes)

    def add(self, nodes: Iterable[str]) -> None:
        """Remember nodes.

        Raises:
            WriteError: the file cannot be written; they are remembered until the agent ends.
        """
        with self._lock:
            self._become({**self._nodes, **{name: self._now() for name in nodes if name not in self._nodes}})

    def forget(self, ended: Collection[str], at: float) -> None:
        """Forget all that have started again, or are gone.

        Args:
            ended: the nodes that are there and do not run.
            at: when that was seen.

        Raises:
            WriteError: the file cannot be written; they are forgotten until the agent ends.
        """
        with self._lock:
            self._become({n: since for n, since in self._nodes.items() if n in ended or at - since < _LOOK_SECONDS})
