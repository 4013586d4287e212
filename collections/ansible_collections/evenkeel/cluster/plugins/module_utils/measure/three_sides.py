# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The same requests from three sides: what clients got, what the balancer logged, what the nodes counted.

One of them may be wrong, or lie; all three at once and alike are not. Images that count nothing leave two sides, and
where the log names the nodes, these two cannot contradict each other about them: both is told, never "agrees".
:func:`compare` is pure; :class:`Sides` reads.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ..cluster.contract import STATS_PORT
from ..core.errors import Finding
from ..core.http_client import REFUSED, get
from ..core.poll import SYSTEM_CLOCK, Clock, wait_until
from ..core.results import SideCounts
from ..core.results import Sides as SidesResult
from ..core.values import whole_number
from ..core.words import HEADER, LOG, NOT_OFFERED, NOT_READ, UNNAMED
from .access_log import AccessLogReader, LogLine
from .counts import Answered, compare_log, counter_findings
from .naming import named_by_log, naming_of, server_name
from .replies import Reply

_READ_SECONDS = 2.0
# A node counts a request just after it has answered it.
_COUNTER_SECONDS = 1.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Member:
    """A node by the three names it has.

    Attributes:
        node: what it calls itself in ``X-Served-By``, if its image sends that.
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
        prefix: what the requests' names begin with; the number of the request follows.
        log: our requests in the access log; None when it was not read.
        counted: node -> requests that it counted meanwhile; nodes without counters are absent.
        notes: what could not be read.
        named_by: how the nodes that answered are known, a word of :mod:`core.words`.
        own_count: whether the nodes offer one; false when none of them does.
    """

    prefix: str = ""
    log: tuple[LogLine, ...] | None = None
    counted: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    named_by: str = HEADER
    own_count: bool = True

    @property
    def logged(self) -> bool:
        """The access log was read."""
        return self.log is not None


@dataclass(frozen=True)
class Agreement:
    """Whether the three sides agree.

    Attributes:
        nodes: node -> counts by side; None where that side was not read.
        log_missing: answered requests that the access log lacks; None when it was not read.
        log_differs: requests that it has with another status or at another node.
        problems: where the sides contradict each other.
        notes: what was not compared.
        own_count: as in :class:`Reading`.
    """

    nodes: Mapping[str, SideCounts]
    log_missing: int | None
    log_differs: int
    problems: tuple[Finding, ...]
    notes: tuple[str, ...]
    own_count: bool = True

    def as_result(self) -> SidesResult:
        """As a module returns it."""
        return {
            "nodes": dict(self.nodes),
            "access_log_missing": self.log_missing,
            "access_log_differs": self.log_differs,
            "own_count_offered": self.own_count,
        }


def compare(
    replies: Sequence[Reply], reading: Reading, members: Sequence[Member], foreign: int | None = None
) -> Agreement:
    """Put what clients got beside what the balancer logged and what the nodes counted.

    Args:
        replies: what became of each request.
        reading: what the other sides say.
        members: the nodes.
        foreign: requests of others meanwhile; None when that was not watched. Without any, a node must have counted
            exactly what clients got from it; with some, at least that.
    """
    answered = [reply for reply in replies if reply.status is not None]
    got = Counter(reply.served_by for reply in answered if reply.served_by)
    by_server = {member.server: member.node for member in members}
    lines = {line.key: line for line in reading.log or ()}
    by_log = reading.named_by == LOG
    # A server that is no member has the name there that its answers were given.
    logged = Counter(
        server_name(line.server, by_server) if by_log else by_server.get(line.server, line.server)
        for line in lines.values()
    )
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
    log = None
    if reading.log is not None:
        seen = [
            Answered(f"{reading.prefix}{reply.index}", reply.status, reply.served_by)
            for reply in replies
            if reply.status is not None
        ]
        # Names from the log agree with the log; only numbers and statuses are left to compare.
        log = compare_log(seen, lines.values(), None if by_log else by_server)
    problems = log.findings() if log else []
    for name, counted in reading.counted.items():
        problems += counter_findings(name, counted, got[name], exact=foreign == 0)
    silent = [name for name in known if name not in reading.counted]
    notes = list(reading.notes)
    if known and not reading.own_count:
        notes.append(f"the node's own count: {NOT_OFFERED} by the image")
    elif silent and known:
        notes.append(f"counts not compared with the counters of {', '.join(silent)}: not read")
    if known and by_log:
        notes.append(
            "nodes are named by the balancer's log, so clients and log are compared by number and status of the answers"
        )
    return Agreement(
        nodes,
        log.missing if log else None,
        log.differing if log else 0,
        tuple(problems),
        tuple(notes),
        reading.own_count,
    )


class Sides:
    """Watches the other two sides of a load.

    Args:
        members: the nodes whose counters are read.
        access_log: the balancer's access log; empty reads none.
        clock: tells and passes the time.
        names_only: read no counter, and the log only if answers do not name their nodes.
    """

    def __init__(
        self, members: Sequence[Member], access_log: str, clock: Clock = SYSTEM_CLOCK, *, names_only: bool = False
    ) -> None:
        """Remember what to watch; nothing is read yet."""
        self.members = members
        self._access_log = access_log
        self._clock = clock
        self._names_only = names_only
        self.reading = Reading()

    @property
    def servers(self) -> dict[str, str]:
        """Server, as the access log has it, to the name of its node."""
        return {member.server: member.node for member in self.members}

    def watch(self, send: Callable[[str], list[Reply]]) -> list[Reply]:
        """Send, between two readings; the last call's reading is kept.

        Args:
            send: sends the load; gets what the requests' names begin with.

        Returns:
            What clients got, with the names of the nodes: by header, or else by the access log.
        """
        prefix = f"check-{time.time_ns():x}-"
        log = AccessLogReader(Path(self._access_log), prefix, self._clock) if self._access_log else None
        before, own_count = ({}, True) if self._names_only else self._counters()
        replies = send(prefix)
        answered = [reply for reply in replies if reply.status is not None]
        nameless = naming_of((reply.served_by for reply in answered), logged=False) == UNNAMED
        lines = log.read(len(answered)) if log and (nameless or not self._names_only) else None
        if nameless and lines is not None:
            replies = named_by_log(replies, lines, prefix, self.servers)
        counted = self._settled(before, Counter(reply.served_by for reply in replies if reply.served_by))
        self.reading = Reading(
            prefix=prefix,
            log=None if lines is None else tuple(lines),
            counted=counted,
            notes=(log.problem,) if log and log.problem else (),
            named_by=(UNNAMED if lines is None else LOG) if nameless else HEADER,
            own_count=own_count,
        )
        return replies

    def _settled(self, before: Mapping[str, int], wanted: Mapping[str, int]) -> dict[str, int]:
        """Read until the nodes have counted what clients got from them."""
        counted: dict[str, int] = {}

        def late() -> str:
            nonlocal counted
            after, __ = self._counters()
            counted = {node: after[node] - before[node] for node in before if node in after}
            missing = [node for node, count in counted.items() if count < wanted.get(node, 0)]
            return f"not all requests counted by {', '.join(missing)}" if missing else ""

        wait_until(late, _COUNTER_SECONDS, _POLL_SECONDS, self._clock)
        return counted

    def _counters(self) -> tuple[dict[str, int], bool]:
        """What the nodes have counted so far, and whether their image counts at all."""
        readings = {member.node: read_counter(member.stats) for member in self.members if member.stats}
        counted = {node: count for node, count in readings.items() if isinstance(count, int)}
        return counted, not readings or set(readings.values()) != {NOT_OFFERED}


def read_counter(url: str) -> int | str:
    """How many requests a node has counted so far; else why it does not say, :data:`NOT_OFFERED` or :data:`NOT_READ`.

    Nothing listens there, or something else does: then its image has no counter. A node may also just not answer.
    """
    answer = get(url, _READ_SECONDS)
    if not answer.status:
        return NOT_OFFERED if answer.reason == REFUSED else NOT_READ
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return NOT_READ
    counters = answer.json() if answer.ok else None
    counted = whole_number(counters.get("requests")) if isinstance(counters, dict) else None
    return NOT_OFFERED if counted is None else counted
