# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Which node answered a request: by the header of the answer, or else by the balancer's access log. Pure.

The log tells it of every image: it keeps the name of a request that its client chose, and the server that answered it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..core.errors import Finding
from ..core.words import HEADER, LOG, UNNAMED
from .access_log import LogLine
from .replies import Reply
from .sessions import cookies_named

# Traefik's cookie is the beginning of the hash of the server's address.
_COOKIE_LENGTH = 16


def naming_of(names: Iterable[str | None], *, logged: bool) -> str:
    """How the nodes of some answers of one tier are known.

    Args:
        names: what the header of each answer says; None where it is absent.
        logged: the access log was read.
    """
    if any(names):
        return HEADER
    return LOG if logged else UNNAMED


def server_name(server: str, servers: Mapping[str, str]) -> str | None:
    """The node that the log means; None when it means none.

    Args:
        server: as the log has it, host and port.
        servers: server to the name of its node. The host of any other server stands for itself.
    """
    return servers.get(server) or server.rpartition(":")[0] or server or None


def named_by_log(
    replies: Iterable[Reply], lines: Iterable[LogLine], prefix: str, servers: Mapping[str, str]
) -> list[Reply]:
    """The replies with the names of their nodes from the access log; one that the log lacks stays without.

    Args:
        replies: what clients got.
        lines: our requests in the log.
        prefix: what the requests' names begin with; the number of the request follows.
        servers: server, as the log has it, to the name of its node.
    """
    by_key = {line.key: line.server for line in lines}

    def node(reply: Reply) -> str | None:
        server = by_key.get(f"{prefix}{reply.index}", "") if reply.status is not None else ""
        return server_name(server, servers)

    return [replace(reply, served_by=node(reply)) for reply in replies]


def cookie_value(server: str) -> str:
    """What the balancer's sticky cookie says for a server, host and port."""
    return hashlib.sha256(f"http://{server}".encode()).hexdigest()[:_COOKIE_LENGTH]


def confirm_cookies(
    replies: Sequence[Reply], cookie: str, servers: Mapping[str, str]
) -> tuple[list[Finding], tuple[str, ...]]:
    """Whether the cookies that were set stand for the nodes that the log names: a witness of its own.

    Args:
        replies: what clients got, named by the log.
        cookie: the sticky cookie's name.
        servers: server, as the log has it, to the name of its node.

    Returns:
        What contradicts, and notes.
    """
    by_value = {cookie_value(server): node for server, node in servers.items()}
    told = [
        (reply, by_value[item.value])
        for reply in replies
        for item in cookies_named(reply, cookie)
        if reply.served_by and item.value in by_value
    ]
    others = [(reply, node) for reply, node in told if node != reply.served_by]
    if others:
        reply, node = others[0]
        return [
            Finding(
                f"{len(others)} of {len(told)} cookies for another node than the access log names (first: {node} by"
                f" the cookie, {reply.served_by} by the log, at request {reply.index + 1})",
                "the same node by both",
                "see the balancer's access log",
            )
        ], ()
    if not told:
        return [], ()
    return [], (f"{len(told)} of {len(told)} cookies stand for the nodes that the balancer's log names",)
