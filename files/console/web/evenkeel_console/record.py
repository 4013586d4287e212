"""The record of logins, logouts, passwords and tokens: one JSON object per line, bounded."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .store import MODE

#: Bytes of both files together.
LIMIT = 4 * 1024 * 1024


class Record:
    """Appends entries, and keeps the newest. Two files share the space.

    Args:
        path: of the newer file; the older one has ``.1`` behind its name.
        limit: bytes of both together.
    """

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        """Nothing is written yet."""
        self._path = path
        self._older = path.with_name(f"{path.name}.1")
        self._limit = limit
        self._lock = threading.Lock()
        self._number = max((entry["number"] for entry in self._entries()), default=0)

    def add(self, at: float, kind: str, actor: str, **more: str) -> None:
        """Write an entry. A full disk is told in the log of the process, and keeps no person out."""
        with self._lock:
            self._number += 1
            entry = {"number": self._number, "at": at, "kind": kind, "actor": actor, **more}
            content = json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
            try:
                if self._path.is_file() and self._path.stat().st_size + len(content) > self._limit // 2:
                    self._path.replace(self._older)
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, MODE)
                with os.fdopen(descriptor, "ab") as file:
                    file.write(content)
            except OSError as error:
                print(f"{self._path}: got '{error.strerror}', want an entry (fix: free space)", file=sys.stderr)

    def page(self, before: int, count: int, **having: str) -> list[dict[str, Any]]:
        """Entries, newest first.

        Args:
            before: only those with a smaller number.
            count: how many at most.
            having: only those with these values.
        """
        found = [
            entry
            for entry in self._entries()
            if entry["number"] < before and all(entry.get(name) == value for name, value in having.items())
        ]
        return found[: -count - 1 : -1]

    def _entries(self) -> Iterator[dict[str, Any]]:
        for path in (self._older, self._path):
            try:
                lines = path.read_bytes().splitlines()
            except OSError:
                continue
            for content in lines:
                try:
                    entry = json.loads(content)
                except ValueError:
                    continue
                if isinstance(entry, dict) and isinstance(entry.get("number"), int):
                    yield entry
