# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""One node of a tier: what the engine reports of it, and what it is made with. Pure data."""

from __future__ import annotations

import dataclasses
from typing import Any

from .logs import LOG_FILES, LOG_SIZE
from .spec import Tier

# States of a node, the same for every engine.
STARTING = "starting"
RUNNING = "running"
#: Its process has ended.
ENDED = "ended"
#: It serves nothing and does not recover by itself: half-made, paused, in a loop of restarts.
BROKEN = "broken"


@dataclasses.dataclass(frozen=True)
class NodeOptions:
    """The options a managed node is made with; the same for all nodes of a tier.

    ``memory`` is in bytes, ``stop_timeout`` in seconds, ``nano_cpus`` in billionths of a CPU (0 = no limit),
    ``log_size`` in bytes per file (0 = the engine's own way of logging).
    """

    network: str
    environment: dict[str, str]
    labels: dict[str, str]
    memory: int
    nano_cpus: int
    pids: int
    stop_timeout: int
    mounts: tuple[dict[str, Any], ...]
    tmpfs: dict[str, str]
    log_size: int = LOG_SIZE
    log_files: int = LOG_FILES


@dataclasses.dataclass(frozen=True)
class TierBuild:
    """All that is needed to make a node of one tier."""

    tier: Tier
    image: str
    image_id: str
    revision: str
    options: NodeOptions


@dataclasses.dataclass(frozen=True)
class Node:
    """One node of a tier, as the engine reports it.

    Attributes:
        id: the engine's identifier.
        name: its name.
        tier: the tier it serves.
        managed: a reconciliation started it; otherwise it is a guest, started by hand.
        state: one of :data:`STARTING`, :data:`RUNNING`, :data:`ENDED`, :data:`BROKEN`.
        detail: the engine's own word for its state; empty when that is *state*.
        revision: identifies the image and options it was made with; empty for a guest.
        image_id: the engine's identifier of its image.
        service: the balancer's service that it belongs to.
        address: its address in the cluster's network; empty when it has none.
        served_by: its name in the header ``X-Served-By`` of its answers.
        url: its address in the balancer's list of servers.
        leaving: it drains: it still runs, and its health check answers 503.
        silent: a managed one that runs and is not in rotation, whose health check answers neither 200 nor 503.
        host: the machine that it runs on; empty on an engine that has only one.
    """

    id: str
    name: str
    tier: str
    managed: bool
    state: str
    revision: str = ""
    image_id: str = ""
    service: str = ""
    address: str = ""
    served_by: str = ""
    url: str = ""
    leaving: bool = False
    silent: bool = False
    detail: str = ""
    host: str = ""

    @property
    def number(self) -> int:
        """The n of ``<tier>-<n>``; 0 for a guest."""
        suffix = self.name.rpartition("-")[2]
        return int(suffix) if self.managed and suffix.isascii() and suffix.isdigit() else 0

    @property
    def kind(self) -> str:
        """``node`` for a managed one, else ``guest``."""
        return "node" if self.managed else "guest"

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.state == RUNNING

    @property
    def condition(self) -> str:
        """Its state in the engine's own word, for people."""
        return self.detail or self.state
