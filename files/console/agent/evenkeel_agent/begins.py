"""Which request may begin to change something: one at a time, and none while the agent ends."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import Problem

from .verbs import BusyError, RefusedError


class Begins:
    """The turn to begin. Threads share it."""

    def __init__(self) -> None:
        """Nothing begins yet."""
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        # The key of the request whose turn it is, and what it is called.
        self._beginning = ("", "")
        self._is_ending = False

    @contextlib.contextmanager
    def turn(self, key: str, words: str) -> Iterator[None]:
        """Have the turn. The repetitions of a request wait, to find its action; others are refused at once.

        Args:
            key: of the request.
            words: what others are told.

        Raises:
            BusyError: another one has it.
            RefusedError: the agent ends.
        """
        with self._lock:
            self.check_open()
            is_repeated = key == self._beginning[0]
            if not is_repeated and not self._turn.acquire(blocking=False):
                raise BusyError(self._beginning[1])
            self._beginning = (key, words)
        if is_repeated:
            self._turn.acquire()
        try:
            yield
        finally:
            with self._lock:
                self._beginning = ("", words)
                self._turn.release()

    def check_open(self) -> None:
        """Refuse what begins while the agent ends.

        Raises:
            RefusedError: it ends.
        """
        if self._is_ending:
            raise RefusedError(Problem("agent", "its end", "it running", "try again when it is back"))

    def end(self, seconds: float) -> bool:
        """Let nothing begin any more; whether what had the turn is through.

        Args:
            seconds: to wait at most.
        """
        self._is_ending = True
        if not self._turn.acquire(timeout=seconds):
            return False
        self._turn.release()
        return True
