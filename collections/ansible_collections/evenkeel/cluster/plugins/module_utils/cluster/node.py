# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""One node of a tier: what the engine reports of it, and what its container is made with. Pure data."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class NodeOptions:
    """The options a managed node's container is made with; the same for all nodes of a tier.

    ``memory`` is in bytes, ``stop_timeout`` in seconds, ``nano_cpus`` in billionths of a CPU (0 = no limit).
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


@dataclasses.dataclass(frozen=True)
class Node:
    """One container of a tier, as Docker reports it; ``leaving`` = it runs, but says that it was told to leave."""

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

    @property
    def number(self) -> int:
        """The n of ``<tier>-<n>``; 0 for a guest."""
        suffix = self.name.rpartition("-")[2]
        return int(suffix) if self.managed and suffix.isascii() and suffix.isdigit() else 0

    @property
    def kind(self) -> str:
        """``node`` for a managed one, else ``guest``."""
        return "node" if self.managed else "guest"
