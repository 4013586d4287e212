# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Whether clients, the balancer's access log and the nodes' counters tell the same of the same requests. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..core.errors import Finding
from .access_log import LogLine


@dataclass(frozen=True)
class Answered:
    """A request that was answered, as its client saw it.

    Attributes:
        key: its ``X-Request-Id``.
        status: the HTTP status.
        node: ``X-Served-By``; None when absent.
    """

    key: str
    status: int
    node: str | None


@dataclass(frozen=True)
class LogComparison:
    """The access log beside what the clients saw.

    Attributes:
        answered: requests that were answered, whatever the status.
        logged: how many of our requests the log has.
        missing: answered requests that it lacks.
        differing: answered requests that it has with another status or, where nodes were compared, another node.
        by_node: whether nodes were compared.
    """

    answered: int
    logged: int
    missing: int
    differing: int
    by_node: bool

    def findings(self) -> list[Finding]:
        """Where the log contradicts the clients."""
        if not self.missing and not self.differing:
            return []
        another = "another node or status" if self.by_node else "another status"
        return [
            Finding(
                f"{self.missing} of {self.answered} answered requests missing in the access log, {self.differing} there"
                f" with {another}",
                "all of them as the clients saw them",
                "see the balancer's access log",
            )
        ]


def compare_log(
    answered: Iterable[Answered], log: Iterable[LogLine], nodes: Mapping[str, str] | None = None
) -> LogComparison:
    """Put the access log beside what the clients saw.

    Args:
        answered: the answered requests.
        log: our requests in the log.
        nodes: server as the log calls it -> the node's name, to compare nodes too; a server that is not in it counts
            as a node of its own name. None compares no nodes.
    """
    lines = {line.key: line for line in log}
    total = missing = differing = 0
    for request in answered:
        total += 1
        line = lines.get(request.key)
        if line is None:
            missing += 1
        elif line.status != request.status or (nodes is not None and _node(line, nodes) != (request.node or "")):
            differing += 1
    return LogComparison(total, len(lines), missing, differing, nodes is not None)


def _node(line: LogLine, nodes: Mapping[str, str]) -> str:
    return nodes.get(line.server, line.server)


def counter_findings(node: str, counted: int, answers: int, *, exact: bool = False) -> list[Finding]:
    """Whether a node's counter contradicts its clients.

    Args:
        node: its name.
        counted: requests that it counted.
        answers: answers that clients got from it.
        exact: nothing else was sent to it, so that the two must be equal.
    """
    if counted == answers or (counted > answers and not exact):
        return []
    return [
        Finding(
            f"{counted} requests counted by {node}, {answers} answers from it",
            "as many" if exact else "at least as many",
            f"docker logs {node}",
        )
    ]
