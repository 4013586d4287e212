"""Health answers of a look: each address is asked once, and of many that hang only some."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, cast

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import Engine

#: Addresses without an answer that are asked again in one look. Each of them takes the whole time limit of a request.
AGAIN = 64


class Probes:
    """What the addresses have answered, in this look and in the one before. Threads may share it."""

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self._lock = threading.Lock()
        self._answers: dict[str, int] = {}
        # Silent address to the number of the look that has asked it.
        self._silent: dict[str, int] = {}
        self._left: dict[str, int] = {}
        self._look = 0

    def of(self, engine: Engine) -> Engine:
        """The engine for the next look."""
        with self._lock:
            self._look += 1
            self._answers = {}
            longest_ago = sorted(self._silent, key=lambda url: self._silent[url])
            self._left = {url: self._silent[url] for url in longest_ago[AGAIN:]}
            self._silent = {}
        return cast("Engine", _Probing(engine, self))

    def answer(self, engine: Engine, url: str, headers: Mapping[str, str] | None) -> int:
        """The status of the address; 0 for none.

        Args:
            engine: asks it.
            url: the address.
            headers: of the request, always the same for the address.
        """
        with self._lock:
            if url in self._answers:
                return self._answers[url]
            if url in self._left:
                self._silent[url] = self._left[url]
                return 0
        found = engine.health(url, headers)
        with self._lock:
            self._answers[url] = found
            if found == 0:
                self._silent[url] = self._look
        return found


class _Probing:
    """An engine whose addresses are asked through a :class:`Probes`."""

    def __init__(self, engine: Engine, probes: Probes) -> None:
        self._engine = engine
        self._probes = probes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def health(self, url: str, headers: Mapping[str, str] | None = None) -> int:
        return self._probes.answer(self._engine, url, headers)
