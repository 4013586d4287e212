"""A journal on disk: one JSON object per line, bounded, readable after a crash."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

_MODE = 0o600


class Journal:
    """Appends entries, and keeps the newest.

    Two files share the space: when the first is half of it, it replaces the second.

    Args:
        path: of the newer file; the older one has ``.1`` behind its name.
        limit: bytes of both together.
    """

    def __init__(self, path: Path, limit: int) -> None:
        """Nothing is written yet. The number of the next entry goes on from the last one that can be read."""
        self._path = path
        self._older = path.with_name(f"{path.name}.1")
        self._limit = limit
        self._lock = threading.Lock()
        self._number = max((int(entry["number"]) for entry in self._entries()), default=0)
        self._torn = True

    def add(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Write an entry; it is on disk when this returns.

        Returns:
            The entry with its ``number``.

        Raises:
            OSError: it cannot be written, for example because the disk is full; then there is no part of it.
        """
        with self._lock:
            numbered = {"number": self._number + 1, **entry}
            line = json.dumps(numbered, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
            if self._torn and _is_torn(self._path):
                line = b"\n" + line
            self._make_room(len(line))
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
            try:
                before = os.fstat(descriptor).st_size
                try:
                    self._write(descriptor, line)
                except OSError:
                    os.ftruncate(descriptor, before)
                    raise
            finally:
                os.close(descriptor)
            self._number += 1
            self._torn = False
            return numbered

    def page(self, before: int | None = None, count: int = 200, **having: str) -> list[dict[str, Any]]:
        """Entries, newest first.

        Args:
            before: only those with a smaller number; None for the newest.
            count: how many at most.
            having: only those with these values.
        """
        found = (
            entry
            for entry in self._entries()
            if (before is None or entry["number"] < before)
            and all(entry.get(name) == value for name, value in having.items())
        )
        return list(itertools.islice(found, count))

    def newest(self, is_wanted: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any] | None:
        """The newest of the entries that are wanted; None for none."""
        return next((entry for entry in self._entries() if is_wanted(entry)), None)

    def _make_room(self, size: int) -> None:
        if self._path.is_file() and self._path.stat().st_size + size > self._limit // 2:
            self._path.replace(self._older)

    @staticmethod
    def _write(descriptor: int, line: bytes) -> None:
        done = 0
        while done < len(line):
            done += os.write(descriptor, line[done:])
        os.fsync(descriptor)

    def _entries(self) -> Iterator[dict[str, Any]]:
        """All, newest first; lines that a crash has cut are left out."""
        for path in (self._path, self._older):
            try:
                lines = path.read_bytes().splitlines()
            except FileNotFoundError:
                continue
            for line in reversed(lines):
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict) and isinstance(entry.get("number"), int):
                    yield entry


def _is_torn(path: Path) -> bool:
    """Whether the last line has no end, because its writer was killed."""
    try:
        with path.open("rb") as stream:
            if not stream.seek(0, os.SEEK_END):
                return False
            stream.seek(-1, os.SEEK_END)
            return stream.read(1) != b"\n"
    except FileNotFoundError:
        return False
