"""Requests per second, latency and errors per tier and per node, from the balancer's access log as it grows.

It has them for every image, also for those that count nothing themselves.

The log may be cut to nothing while it is read (logrotate's ``copytruncate``), and may grow faster than it can be read:
then a part of it is read, and the figures say so.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .moments import moment

#: Bytes that one look reads at most; of more, only the end is read.
MAX_BYTES = 1024 * 1024
#: Seconds that latencies and errors are of.
WINDOW_SECONDS = 60.0
#: Seconds that a rate is the mean of.
RATE_SECONDS = 5.0
_KEPT = 5000
_SERVER_ERROR = 500


@dataclass(frozen=True)
class Figures:
    """Of one tier or node, over :data:`WINDOW_SECONDS`.

    Attributes:
        requests: how many were read.
        rate: requests per second, over :data:`RATE_SECONDS`.
        p50: seconds; None without requests.
        p95: the same.
        errors: share of answers of 5xx, between 0 and 1; None without requests.
    """

    requests: int
    rate: float = 0.0
    p50: float | None = None
    p95: float | None = None
    errors: float | None = None


@dataclass
class _Window:
    answers: deque[tuple[float, float, bool]] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def add(self, at: float, seconds: float, failed: bool) -> None:
        self.answers.append((at, seconds, failed))

    def figures(self, now: float) -> Figures:
        while self.answers and now - self.answers[0][0] > WINDOW_SECONDS:
            self.answers.popleft()
        if not self.answers:
            return Figures(0)
        times = sorted(item[1] for item in self.answers)
        failed = sum(item[2] for item in self.answers)
        recent = sum(1 for _ in itertools.takewhile(lambda item: now - item[0] < RATE_SECONDS, reversed(self.answers)))
        return Figures(
            len(times),
            recent / RATE_SECONDS,
            _percentile(times, 50),
            _percentile(times, 95),
            failed / len(times),
        )


def _percentile(ordered: list[float], percent: int) -> float:
    """By nearest rank."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


class AccessTail:
    """Follows the log from where it ends now.

    Args:
        path: the balancer's access log.
    """

    def __init__(self, path: Path) -> None:
        """Remember its end."""
        self._path = path
        self._tiers: dict[str, _Window] = {}
        self._servers: dict[str, _Window] = {}
        self._part = b""
        self._file = 0
        self._offset = 0
        #: Whether the last look has left a part out.
        self.sampled = False
        self._seek_end()

    def read(self, now: float, services: Mapping[str, str]) -> None:
        """Take what was added.

        Args:
            now: seconds of a clock that goes forward only.
            services: the balancer's service to its tier.
        """
        wall = time.time()
        for line in self._added():
            taken = parse(line)
            if taken is not None and (tier := services.get(taken.service)):
                for windows, key in ((self._tiers, tier), (self._servers, taken.server)):
                    windows.setdefault(key, _Window()).add(now - _age(taken, wall), taken.seconds, taken.failed)

    def tiers(self, now: float) -> dict[str, Figures]:
        """Per tier that had requests since the begin."""
        return {tier: window.figures(now) for tier, window in self._tiers.items()}

    def servers(self, now: float) -> dict[str, Figures]:
        """Per address of a server that had requests in the last time."""
        found = {url: window.figures(now) for url, window in self._servers.items()}
        # Addresses come and go with nodes.
        self._servers = {url: window for url, window in self._servers.items() if found[url].requests}
        return found

    def _seek_end(self) -> None:
        try:
            found = self._path.stat()
        except OSError:
            self._file = self._offset = 0
        else:
            self._file, self._offset = found.st_ino, found.st_size

    def _added(self) -> Iterable[bytes]:
        try:
            with self._path.open("rb") as stream:
                found = os.fstat(stream.fileno())
                if found.st_ino != self._file or found.st_size < self._offset:
                    self._file, self._offset, self._part = found.st_ino, 0, b""
                self.sampled = found.st_size - self._offset > MAX_BYTES
                if self.sampled:
                    self._offset, self._part = found.st_size - MAX_BYTES, b""
                stream.seek(self._offset)
                text = stream.read(MAX_BYTES)
        except OSError:
            return []
        self._offset += len(text)
        *lines, rest = (self._part + text).split(b"\n")
        # A line without an end would be kept for ever.
        self._part = rest if len(rest) < MAX_BYTES else b""
        return lines[1:] if self.sampled else lines


@dataclass(frozen=True)
class Logged:
    """One request as the balancer logged it."""

    service: str
    server: str
    seconds: float
    failed: bool
    at: float | None = None


def _age(request: Logged, wall: float) -> float:
    """Seconds since its end; 0 if that is not known, or cannot be."""
    age = 0.0 if request.at is None else wall - request.at
    return age if 0 <= age <= WINDOW_SECONDS else 0.0


def parse(line: bytes) -> Logged | None:
    """A line of the log; None for one without a server, or that cannot be read."""
    try:
        item: Any = json.loads(line)
        service = str(item["ServiceName"]).partition("@")[0]
        failed = int(item["DownstreamStatus"]) >= _SERVER_ERROR
        seconds = float(item["Duration"]) / 1e9
        began = moment(item.get("StartUTC"))
        at = None if began is None else began + seconds
        return Logged(service, str(item.get("ServiceURL", "")), seconds, failed, at)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
