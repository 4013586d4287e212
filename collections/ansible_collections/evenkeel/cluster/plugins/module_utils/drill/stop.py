# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""How a drill notices that it is to end early: by a signal, or because nothing reads its result any more."""

from __future__ import annotations

import os
import select
import signal
import threading
from types import FrameType

from ..core.poll import SYSTEM_CLOCK, Clock

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Ansible sends SIGINT and SIGTERM for one Ctrl-C.
_ONE_REQUEST_SECONDS = 2.0
_STDOUT = 1


class Stop:
    """Notices that the drill is to end; a second request, by a signal, ends it at once."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        """Nothing is noticed yet."""
        self._clock = clock
        self.event = threading.Event()
        self.reason = ""
        self._signalled: float | None = None

    def listen(self, output: int = _STDOUT) -> None:
        """Take the signals over, and watch whether the result is still read. Main thread only.

        Ctrl-C reaches a module on another host by no signal, and on this one not always: Ansible passes it on in
        Python, where a second signal may come in between. But in all cases the module's output is not read any more.

        Args:
            output: where the result is written to. A file has no reader that could go.
        """
        for number in SIGNALS:
            signal.signal(number, self._noticed)
        # Of its own, since what this process writes to may be replaced meanwhile.
        watched = os.dup(output)
        threading.Thread(target=self._watch, args=(watched,), name="stop", daemon=True).start()

    def _noticed(self, number: int, _frame: FrameType | None) -> None:
        now = self._clock.now()
        if self._signalled is None:
            self._signalled = now
        elif now - self._signalled > _ONE_REQUEST_SECONDS:
            raise KeyboardInterrupt
        self._end(f"a signal ({signal.Signals(number).name})")

    def _watch(self, output: int) -> None:
        poll = select.poll()
        # Asked for nothing, it tells only that the other end is closed (POLLERR, POLLHUP).
        poll.register(output, 0)
        poll.poll()
        self._end("the end of the run that waits for the result")

    def _end(self, reason: str) -> None:
        if not self.event.is_set():
            self.reason = reason
            self.event.set()
