"""CPU and memory of nodes, as ``docker stats`` has them, when somebody asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from .moments import moment

MAX_NODES = 60
_AT_ONCE = 8
# A share of the processor is of a time; of a shorter one, it jumps.
_LEAST_SECONDS, _LONGEST_SECONDS = 0.4, 30.0
_TIMEOUT = aiohttp.ClientTimeout(total=5.0)


@dataclass(frozen=True)
class Reading:
    """What Docker said once.

    Attributes:
        at: seconds since the epoch.
        busy: seconds of processor time since the container's start.
        memory: bytes; None if Docker does not say.
    """

    at: float
    busy: float
    memory: int | None


@dataclass(frozen=True)
class _Known:
    last: Reading
    cpu: float | None


class Samples:
    """Asks Docker about containers, side by side, and remembers what share of the processor needs: the reading before.

    Args:
        socket: Docker's.
    """

    def __init__(self, socket: Path) -> None:
        """Nothing is asked yet."""
        self._socket = socket
        self._known: dict[str, _Known] = {}
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def take(self, nodes: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Per node ``cpu``, in percent of one core, and ``memory``, in bytes; None for what is not known.

        A node that was not asked of late is asked twice.

        Args:
            nodes: identifiers, :data:`MAX_NODES` at most.
        """
        wanted = list(dict.fromkeys(nodes))
        self._forget()
        connector = aiohttp.UnixConnector(str(self._socket), limit=_AT_ONCE)
        async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session:
            new = [node for node in wanted if node not in self._known]
            await asyncio.gather(*(self._ask(session, node) for node in wanted))
            if again := [node for node in new if node in self._known]:
                await asyncio.sleep(_LEAST_SECONDS)
                await asyncio.gather(*(self._ask(session, node) for node in again))
        nothing = {"cpu": None, "memory": None}
        return {
            node: {"cpu": self._known[node].cpu, "memory": self._known[node].last.memory}
            if node in self._known
            else nothing
            for node in wanted
        }

    def _forget(self) -> None:
        now = time.time()
        self._known = {node: item for node, item in self._known.items() if abs(now - item.last.at) < _LONGEST_SECONDS}

    async def _ask(self, session: aiohttp.ClientSession, node: str) -> None:
        url = f"http://docker/containers/{node}/stats"
        async with self._free:
            try:
                async with session.get(url, params={"stream": "false", "one-shot": "true"}) as answer:
                    found = reading(await answer.json()) if answer.status == 200 else None
            except (aiohttp.ClientError, OSError, ValueError, TimeoutError):
                found = None
        if found is None:
            self._known.pop(node, None)
            return
        before = self._known.get(node)
        if before is None or found.busy < before.last.busy:
            self._known[node] = _Known(found, None)
        elif found.at - before.last.at >= _LEAST_SECONDS:
            share = 100 * (found.busy - before.last.busy) / (found.at - before.last.at)
            self._known[node] = _Known(found, round(share, 1))


def reading(stats: Mapping[str, Any]) -> Reading | None:
    """What Docker's answer says; None for a container that does not run, or an answer of another kind."""
    try:
        at = moment(stats["read"])
        busy = float(stats["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9
        memory = stats.get("memory_stats") or {}
        # A container that runs has used some.
        return Reading(at, busy, _memory(memory)) if at is not None and busy > 0 else None
    except (KeyError, TypeError, ValueError):
        return None


def _memory(memory: Mapping[str, Any]) -> int | None:
    """Without the page cache that is free to go, as the command ``docker stats`` shows it."""
    if "usage" not in memory:
        return None
    usage, details = int(memory["usage"]), memory.get("stats") or {}
    for name in ("total_inactive_file", "inactive_file"):  # of control groups v1 and v2
        inactive = int(details.get(name) or 0)
        if 0 < inactive < usage:
            return usage - inactive
    return usage
