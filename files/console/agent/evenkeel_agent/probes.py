"""Health answers of a look: each address is asked once, and no look waits for one that was silent before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, cast

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import Engine

#: Silent addresses that are asked again at once. Each of them takes the whole time limit of a request.
AGAIN = 64


class Probes:
    """What the addresses have answered, in this look and in the one before. Threads may share it.

    Args:
        answered: called from another thread when an address that was silent has answered; the next look asks it.
        threads: ask silent addresses again.
    """

    def __init__(self, answered: Callable[[], None], threads: Executor | None = None) -> None:
        """Nothing is asked yet."""
        self._answered = answered
        self._threads = threads or ThreadPoolExecutor(AGAIN, thread_name_prefix="probe")
        self._lock = threading.Lock()
        self._answers: dict[str, int] = {}
        # Those without an answer in the look before, and in this one.
        self._was_silent: set[str] = set()
        self._silent: set[str] = set()
        self._asking: set[str] = set()

    def of(self, engine: Engine) -> Engine:
        """The engine for the next look."""
        with self._lock:
            self._answers = {}
            self._was_silent, self._silent = self._silent, set()
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
            if url in self._was_silent:
                self._answers[url] = 0
                self._silent.add(url)
                if url not in self._asking:
                    self._asking.add(url)
                    self._threads.submit(self._again, engine, url, headers)
                return 0
        found = engine.health(url, headers)
        with self._lock:
            self._answers[url] = found
            if found == 0:
                self._silent.add(url)
        return found

    def _again(self, engine: Engine, url: str, headers: Mapping[str, str] | None) -> None:
        found = 0
        try:
            found = engine.health(url, headers)
        finally:
            with self._lock:
                self._asking.discard(url)
                if found:
                    self._silent.discard(url)
                    self._was_silent.discard(url)
        if found:
            self._answered()


class _Probing:
    """An engine whose addresses are asked through a :class:`Probes`."""

    def __init__(self, engine: Engine, probes: Probes) -> None:
        self._engine = engine
        self._probes = probes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def health(self, url: str, headers: Mapping[str, str] | None = None) -> int:
        return self._probes.answer(self._engine, url, headers)
