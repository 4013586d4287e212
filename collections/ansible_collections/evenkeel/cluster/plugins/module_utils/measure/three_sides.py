# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The same requests from three sides: what clients got, what the balancer logged, what the nodes counted.

One of them may be wrong, or lie; all three at once and alike are not. :func:`compare` is pure; :class:`Sides` reads.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

with contextlib.suppress(ImportError):  # check_target reports what is missing
    import requests

from ..cluster.contract import STATS_PORT
from ..core.errors import Finding
from ..core.results import SideCounts
from ..core.results import Sides as SidesResult
from .access_log import AccessLogReader, LogLine
from .replies import Reply

_READ_SECONDS = 2.0
# A node counts a request just after it has answered it.
_PATIENCE_SECONDS = 1.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Member:
    """A node by the three names it has.

    Attributes:
        node: what it calls itself in ``X-Served-By``.
        server: how the access log calls it, host and port.
        stats: where its own counters are; empty when they cannot be asked.
    """

    node: str
    server: str
    stats: str


def members_of(entries: Iterable[Mapping[str, Any]], port: int = STATS_PORT) -> tuple[Member, ...]:
    """The members among the nodes that node_pool_info lists.

    Raises:
        ValueError: an entry lacks ``served_by``, ``url`` or ``address``.
    """
    found = []
    for entry in entries:
        missing = [key for key in ("served_by", "url", "address") if not isinstance(entry.get(key), str)]
        if missing:
            raise ValueError(f"members: got an entry without {missing[0]}, want those of node_pool_info")
        address = entry["address"]
        found.append(
            Member(
                node=entry["served_by"],
                server=entry["url"].partition("://")[2].rstrip("/"),
                stats=f"http://{address}:{port}/stats" if address else "",
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class Reading:
    """What the other two sides say.

    Attributes:
        prefix: the begin of the requests' names; the number of the request follows.
        log: our requests in the access log; None when it was not read.
        counted: node -> requests that it counted meanwhile; nodes without counters are absent.
        notes: what could not be read.
    """

    prefix: str = ""
    log: tuple[LogLine, ...] | None = None
    counted: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Agreement:
    """Whether the three sides agree.

    Attributes:
        nodes: node -> counts by side; None where that side was not read.
        log_missing: answered requests that the access log lacks; None when it was not read.
        log_differs: requests that it has with another status or at another node.
        problems: where the sides contradict each other.
        notes: what was not compared.
    """

    nodes: Mapping[str, SideCounts]
    log_missing: int | None
    log_differs: int
    problems: tuple[Finding, ...]
    notes: tuple[str, ...]

    def as_result(self) -> SidesResult:
        """As a module returns it."""
        return {
            "nodes": dict(self.nodes),
            "access_log_missing": self.log_missing,
            "access_log_differs": self.log_differs,
        }


def compare(
    replies: Sequence[Reply], reading: Reading, members: Sequence[Member], foreign: int | None = None
) -> Agreement:
    """Put what clients got beside what the balancer logged and what the nodes counted.

    Args:
        replies: what became of each request.
        reading: what the other sides say.
        members: the nodes.
        foreign: requests of others meanwhile; None when nobody watched. Without any, a node must have counted
            exactly what clients got from it; with some, at least that.
    """
    answered = [reply for reply in replies if reply.status is not None]
    got = Counter(reply.served_by for reply in answered if reply.served_by)
    by_server = {member.server: member.node for member in members}
    lines = {line.key: line for line in reading.log or ()}
    logged = Counter(by_server.get(line.server, line.server) for line in lines.values())
    known = [member.node for member in members]
    names = [*known, *sorted(name for name in got if name not in known)]
    nodes: dict[str, SideCounts] = {
        name: {
            "client": got[name],
            "access_log": None if reading.log is None else logged[name],
            "node": reading.counted.get(name),
        }
        for name in names
    }
    missing = differs = 0
    if reading.log is not None:
        for reply in answered:
            line = lines.get(f"{reading.prefix}{reply.index}")
            if line is None:
                missing += 1
            elif line.status != reply.status or by_server.get(line.server, line.server) != (reply.served_by or ""):
                differs += 1
    problems = [*_judge_log(missing, differs, len(answered)), *_judge_counters(nodes, foreign)]
    silent = [name for name in known if name not in reading.counted]
    notes = list(reading.notes)
    if silent and known:
        notes.append(f"counts not compared with the counters of {', '.join(silent)}: not read")
    return Agreement(nodes, None if reading.log is None else missing, differs, tuple(problems), tuple(notes))


def _judge_log(missing: int, differs: int, answered: int) -> list[Finding]:
    if not missing and not differs:
        return []
    return [
        Finding(
            f"{missing} of {answered} answered requests missing in the access log, {differs} there with another node or"
            " status",
            "all of them as the clients saw them",
            "see the balancer's access log",
        )
    ]


def _judge_counters(nodes: Mapping[str, SideCounts], foreign: int | None) -> list[Finding]:
    problems = []
    for name, counts in nodes.items():
        counted, client = counts["node"], counts["client"]
        if counted is None:
            continue
        if counted < client or (counted > client and foreign == 0):
            problems.append(
                Finding(
                    f"{counted} requests counted by {name}, {client} answers from it",
                    "as many" if foreign == 0 else "at least as many",
                    f"docker logs {name}",
                )
            )
    return problems


class Sides:
    """Watches the other two sides of a load.

    Args:
        members: the nodes whose counters are read.
        access_log: the balancer's access log; empty reads none.
    """

    def __init__(self, members: Sequence[Member], access_log: str) -> None:
        """Remember what to watch; nothing is read yet."""
        self.members = members
        self._access_log = access_log
        self.reading = Reading()

    def watch(self, send: Callable[[str], list[Reply]]) -> list[Reply]:
        """Send, between two readings; the last call's reading is kept.

        Args:
            send: sends the load; gets the begin of the requests' names.
        """
        prefix = f"check-{time.time_ns():x}-"
        log = AccessLogReader(Path(self._access_log), prefix) if self._access_log else None
        before = self._counters()
        replies = send(prefix)
        answered = [reply for reply in replies if reply.status is not None]
        counted = self._settled(before, Counter(reply.served_by for reply in answered if reply.served_by))
        lines = log.read(len(answered)) if log else None
        notes = (log.problem,) if log and log.problem else ()
        self.reading = Reading(prefix, None if lines is None else tuple(lines), counted, notes)
        return replies

    def _settled(self, before: Mapping[str, int], wanted: Mapping[str, int]) -> dict[str, int]:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            after = self._counters()
            counted = {node: after[node] - before[node] for node in before if node in after}
            late = any(count < wanted.get(node, 0) for node, count in counted.items())
            if not late or time.monotonic() > deadline:
                return counted
            time.sleep(_POLL_SECONDS)

    def _counters(self) -> dict[str, int]:
        readings = {member.node: read_counter(member.stats) for member in self.members if member.stats}
        return {node: count for node, count in readings.items() if count is not None}


def read_counter(url: str) -> int | None:
    """How many requests a node has counted so far; None when it does not say."""
    try:
        answer = requests.get(url, timeout=_READ_SECONDS, headers={"Connection": "close"}, proxies={"http": ""})
        return int(answer.json()["requests"]) if answer.ok else None
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return None
