# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Which node answered a drill's requests, where its answers do not say so: by the balancer's access log. Pure."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..cluster.node import Node
from ..core.words import LOG
from ..measure.access_log import LogLine
from ..measure.naming import naming_of, server_name
from .records import Record

#: The node behind a server of the log at a time of the load; None when it is not known.
NodeAt = Callable[[str, float], "str | None"]

# A time before the load.
_BEFORE = -1.0


@dataclasses.dataclass
class _Stay:
    """A node at a server's address, from when it was first seen there until it was last seen there."""

    node: str
    since: float
    until: float

    def distance(self, at: float) -> float:
        """Seconds between a time and the stay."""
        return max(self.since - at, at - self.until, 0.0)


class ServerNames:
    """Remembers which node was behind which server. A guest has no name there, and its address is given again."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._stays: dict[str, list[_Stay]] = {}

    def seen(self, nodes: Iterable[Node], at: float) -> None:
        """These nodes run at that time."""
        for node in nodes:
            server = node.url.partition("://")[2].rstrip("/")
            if not server or not node.served_by:
                continue
            stays = self._stays.setdefault(server, [])
            if not stays or stays[-1].node != node.served_by:
                stays.append(_Stay(node.served_by, at, at))
            stays[-1].until = at

    def node(self, server: str, at: float) -> str | None:
        """The node behind a server at that time; of a server that was never seen, its host."""
        stays = self._stays.get(server, ())
        nearest = min(stays, key=lambda stay: stay.distance(at), default=None)
        return server_name(server, {server: nearest.node} if nearest else {})


def named_records(
    records: Sequence[Record], greetings: Sequence[Record], log: Iterable[LogLine] | None, node_at: NodeAt
) -> tuple[list[Record], dict[str, str]]:
    """The records with their nodes, and how these are known.

    Args:
        records: what became of the requests.
        greetings: the same of those before the load, which gave clients their cookies; their times are not of the load.
        log: all these requests in the access log; None when it was not read.
        node_at: the node behind a server.

    Returns:
        The records in their order; tier to a word of :mod:`core.words`.
    """
    by_tier: dict[str, list[Record]] = defaultdict(list)
    before = [dataclasses.replace(record, sent=_BEFORE, done=_BEFORE) for record in greetings]
    for record in (*before, *records):
        by_tier[record.tier].append(record)
    named_by = {
        tier: naming_of((record.node for record in mine), logged=log is not None) for tier, mine in by_tier.items()
    }
    servers = {line.key: line.server for line in log or ()}
    named: dict[str, Record] = {}
    for tier, by in named_by.items():
        if by == LOG:
            found = [_named(record, servers, node_at) for record in by_tier[tier]]
            named |= {record.key: record for record in _with_homes(found)}
    return [named.get(record.key, record) for record in records], named_by


def _named(record: Record, servers: Mapping[str, str], node_at: NodeAt) -> Record:
    server = servers.get(record.key, "") if record.status is not None else ""
    return dataclasses.replace(record, node=node_at(server, record.done) if server else None)


def _with_homes(records: Sequence[Record]) -> list[Record]:
    """The records of a tier with the node that the client's cookie stood for when each left."""
    given: dict[int, list[tuple[float, str]]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.done):
        if record.sets_cookie and record.node is not None:
            given[record.client].append((record.done, record.node))

    def home(record: Record) -> str | None:
        cookies = given[record.client]
        latest = bisect_left(cookies, record.sent, key=lambda cookie: cookie[0])
        return cookies[latest - 1][1] if latest else None

    return [dataclasses.replace(record, home=home(record)) for record in records]
