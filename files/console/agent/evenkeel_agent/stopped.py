"""The nodes that people have stopped here: they stay so, also when the events of that time are gone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.files import write_atomically

# A look that began before a stop may come to its end after it.
_LOOK_SECONDS = 10.0
_MODE = 0o600


class Stopped:
    """The engine's identifiers of these nodes, on disk.

    Args:
        path: of the file; one that cannot be read is as none.
        now: tells the time, in seconds since the epoch.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        """Read the file."""
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            self._nodes = {str(name): float(at) for name, at in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            self._nodes = {}
        self._written = self._nodes

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

    def _become(self, nodes: dict[str, float]) -> None:
        self._nodes = nodes
        if nodes != self._written:
            write_atomically(self._path, json.dumps(nodes) + "\n", _MODE)
            self._written = nodes
