# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a drill reaches the cluster through. Pure types; the real ones are in :mod:`adapters`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..core.http_client import Answer
from ..engine.port import BalancerView, FaultyEngine, Routes
from ..pool.context import Ports
from ..traefik.metrics import Attempts
from .load import Sender


class Balancers(Protocol):
    """What only a drill does to balancers. Every method raises :class:`EvenkeelError` when it does not come about."""

    def renew(self) -> None:
        """Replace the balancer by one that is made like it, without loss."""

    def start_baseline(self, run: str) -> tuple[str, str]:
        """Start a second balancer with the same routes, for the drill of that name; its id and its URL."""

    def stop(self, balancer: str, seconds: int) -> None:
        """SIGTERM, and SIGKILL after that many seconds."""

    def start_again(self, balancer: str) -> None:
        """Start one that has ended."""

    def remove(self, balancer: str) -> None:
        """Remove it; one that is gone is no error."""


@dataclass(frozen=True)
class DrillPorts:
    """What a drill is reached through.

    Attributes:
        engine: where the nodes run, and what a drill does to them.
        routes: where the tiers' paths lead.
        balancer: makes a client of the balancer's API.
        balancers: the balancers as a drill changes them.
        read: asks a node's internal page.
        sender: makes what sends requests.
        attempts: the balancer's counters of requests that it sent to nodes.
    """

    engine: FaultyEngine
    routes: Routes
    balancer: Callable[[], BalancerView]
    balancers: Balancers
    read: Callable[[str], Answer]
    sender: Callable[[], Sender]
    attempts: Callable[[], Attempts]

    @property
    def pool(self) -> Ports:
        """What a reconciliation needs of it."""
        return Ports(self.engine, self.routes, self.balancer)
