# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a long run tells while it goes on: lines that are appended to a file at once, or else kept for the result."""

from __future__ import annotations

import os
import threading
from typing import Any, Protocol

from .errors import printable

# Whatever stands at the path, it is not followed and not waited for.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
_MODE = 0o600


class HasLine(Protocol):
    """Something that happened, and the line that tells it."""

    @property
    def line(self) -> str:
        """One line for people; empty for what is not told."""


class Progress:
    """Takes lines from any thread. A file that cannot be written to ends the file, never the run."""

    def __init__(self, path: str | None = None) -> None:
        """Prepare; the file is not touched before there is a line.

        Args:
            path: the file to append to; None or empty for none.
        """
        self._path = path
        self._descriptor: int | None = None
        self._lock = threading.Lock()
        #: What was told and is in no file.
        self.kept: list[str] = []

    def tell(self, line: str) -> None:
        """Append the line to the file at once, or keep it."""
        text = printable(line)
        with self._lock:
            if not self._appended(text):
                self.kept.append(text)

    def tell_step(self, step: HasLine) -> None:
        """Append or keep the line of something that happened; one that has no line is not told."""
        if step.line:
            self.tell(step.line)

    def result(self) -> dict[str, Any]:
        """What was told and is in no file, for the module's result; nothing when there is none."""
        return {"progress": self.kept} if self.kept else {}

    def _appended(self, text: str) -> bool:
        if not self._path:
            return False
        try:
            if self._descriptor is None:
                # Open until the process ends: the reader may have removed the name by then.
                self._descriptor = os.open(self._path, _FLAGS, _MODE)
            os.write(self._descriptor, f"{text}\n".encode())
        except (OSError, ValueError):
            self._path = None
        return self._path is not None


def no_progress(_line: str) -> None:
    """Tell nothing."""


def timed(what: str, at: float) -> str:
    """What happened, and when."""
    return f"{what} {at:.1f} s"
