"""The folders that a node in memory has mounted: while it runs, it keeps them, whatever has their paths by then."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any


class Mounts:
    """The folders of one node.

    Args:
        mounts: as a build's options have them.
    """

    def __init__(self, mounts: Iterable[Mapping[str, Any]] = ()) -> None:
        self.sources = {str(mount["source"]) for mount in mounts}
        self._held: dict[str, int] = {}

    def begin(self) -> None:
        """The node starts."""
        self.end()
        self._held = {path: os.open(path, os.O_RDONLY) for path in self.sources if os.path.isdir(path)}

    def end(self) -> None:
        """The node has ended."""
        for number in self._held.values():
            os.close(number)
        self._held = {}

    def removed(self) -> set[str]:
        """Those that were removed while the node runs."""
        return {path for path, number in self._held.items() if not os.fstat(number).st_nlink}
