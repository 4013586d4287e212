"""What is remembered of nodes on disk, for the next agent."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.files import write_atomically

_MODE = 0o600
_Kept = TypeVar("_Kept")


class KeptNodes(Generic[_Kept]):
    """The engine's identifiers of nodes to what is remembered of each.

    Args:
        path: of the file; one that cannot be read is as none.
        read: makes what is remembered of its JSON; a ValueError or TypeError if it is something else.
        now: tells the time, in seconds since the epoch.
    """

    def __init__(self, path: Path, read: Callable[[Any], _Kept], now: Callable[[], float] = time.time) -> None:
        """Read the file."""
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            self._nodes = {str(name): read(kept) for name, kept in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            self._nodes = {}
        self._written = self._nodes

    def _become(self, nodes: dict[str, _Kept]) -> None:
        self._nodes = nodes
        if nodes != self._written:
            write_atomically(self._path, json.dumps(nodes) + "\n", _MODE)
            self._written = nodes
