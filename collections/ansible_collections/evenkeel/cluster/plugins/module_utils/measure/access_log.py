# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Our requests in the balancer's access log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.poll import SYSTEM_CLOCK, Clock, wait_until

_POLL_SECONDS = 0.4
_HEAD_BYTES = 512
_LOG_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class LogLine:
    """One of our requests in the balancer's access log."""

    key: str
    status: int
    server: str


def parse_log(lines: Iterable[str], prefix: str) -> list[LogLine]:
    """Our requests among the lines of the access log; a line that cannot be read is passed over."""
    found = []
    for line in lines:
        if prefix not in line:  # most lines of a busy balancer are not ours
            continue
        try:
            item = json.loads(line)
            key = str(item["request_X-Request-Id"])
            if key.startswith(prefix):
                found.append(
                    LogLine(
                        key,
                        int(item["DownstreamStatus"]),
                        str(item.get("ServiceAddr", "")),
                    )
                )
        except (ValueError, KeyError, TypeError):
            continue
    return found


class AccessLogReader:
    """Reads what was added to the access log since it was made, also when the log is rotated meanwhile.

    Args:
        path: the log.
        prefix: what the keys of our requests begin with.
        clock: tells and passes the time.
    """

    def __init__(self, path: Path, prefix: str, clock: Clock = SYSTEM_CLOCK) -> None:
        """Remember where the log ends now."""
        self._path = path
        self._prefix = prefix
        self._clock = clock
        self._offset = _size(path)
        self._head = _head(path)
        self.problem = "" if self._offset is not None else f"access log not compared: got no {path}"

    def read(self, expected: int) -> list[LogLine] | None:
        """Read what the log has of our requests.

        Args:
            expected: how many there should be; the log is given a moment to have them.

        Returns:
            Our requests; None when the log cannot be read, with the reason in ``problem``.
        """
        if self._offset is None:
            return None
        found: list[LogLine] | None = None

        def incomplete() -> str:
            nonlocal found
            found = self._found()
            return "" if found is None or len(found) >= expected else f"{len(found)} of {expected} requests logged"

        wait_until(incomplete, _LOG_PATIENCE_SECONDS, _POLL_SECONDS, self._clock)
        return found

    def _found(self) -> list[LogLine] | None:
        try:
            if self._head and _head(self._path).startswith(self._head):
                return parse_log(_lines(self._path, self._offset or 0), self._prefix)
            # It has been rotated, or was empty: our lines are in any of the files, and nobody else's have our prefix.
            # While a file is copied, a line is in two of them.
            lines = dict.fromkeys(line for file in _files(self._path) for line in _lines(file) if self._prefix in line)
            return parse_log(lines, self._prefix)
        except OSError as error:
            self.problem = f"access log not compared: got {error.strerror} for {error.filename or self._path}"
            return None


def _lines(path: Path, offset: int = 0) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as stream:
        stream.seek(offset)
        yield from stream


def _files(path: Path) -> list[Path]:
    """The log and its rotated files, the oldest first."""
    rotated = [file for file in path.parent.glob(f"{path.name}.*") if file.suffix[1:].isdecimal()]
    return [*sorted(rotated, key=lambda file: -int(file.suffix[1:])), path]


def _head(path: Path) -> bytes:
    """The beginning of the log, which tells it from the one after a rotation; empty when there is none."""
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD_BYTES)
    except OSError:
        return b""


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
