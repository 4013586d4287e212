# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""One node of a tier: what the engine reports of it, and what it is made with. Pure data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from .container_options import ContainerOptions
from .health import HealthCheck
from .leaving import OWN
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
    ``log_size`` in bytes per file (0 = the engine's own way of logging). ``container`` has the rest; its labels and its
    scratch space are in ``labels`` and ``tmpfs`` already.
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
    container: ContainerOptions = dataclasses.field(default_factory=ContainerOptions)


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
        addresses: all that it has, in every network and of both kinds: a name may lead to any of them.
        served_by: its name in the header ``X-Served-By`` of its answers.
        url: its address in the balancer's list of servers.
        leaves: how it leaves, one of ``cluster.leaving.LEAVING``, whatever its tier declares by now.
        probe: how the balancer asks it whether it serves, whatever its tier declares by now; None if that is not known.
        leaving: it drains: it still runs, and its health check answers 503.
        silent: a managed one that runs and is not in rotation, whose health check answers neither 200 nor 503.
        host: the machine that it runs on; empty on an engine that has only one.
        made_as: the name that a managed one was started under, by which the balancer knows it; empty for a guest.
        copy_of: of a guest with the labels of a managed node, as management tools copy them: that node's name.
        altered: what was changed by hand about a managed one since its start, in words; empty for nothing.
        mendable: what was changed can be set back while it runs.
        apart: the networks it is on, when the balancer is on none of them; empty otherwise.
        beyond: the balancer reaches it, and this process does not: only the balancer can tell whether it answers.
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
    addresses: tuple[str, ...] = ()
    served_by: str = ""
    url: str = ""
    leaves: str = OWN
    probe: HealthCheck | None = dataclasses.field(default=None, compare=False)
    leaving: bool = False
    silent: bool = False
    detail: str = ""
    host: str = ""
    made_as: str = ""
    copy_of: str = ""
    altered: str = ""
    mendable: bool = True
    apart: str = ""
    beyond: bool = False

    @property
    def own_name(self) -> str:
        """The name that it was started under; for a guest, the one it has."""
        return self.made_as or self.name

    @property
    def number(self) -> int:
        """The n of ``<tier>-<n>``; 0 for a guest."""
        suffix = self.own_name.rpartition("-")[2]
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


def told_apart(nodes: Iterable[Node]) -> list[Node]:
    """The nodes; of several managed ones that were started under one name, all but one are copies.

    The node is the one that has the name; if none has, the oldest.

    Args:
        nodes: oldest first.
    """
    found = list(nodes)
    genuine: dict[str, str] = {}
    for node in [*(node for node in found if node.name == node.made_as), *found]:
        genuine.setdefault(node.own_name, node.id)
    return [
        dataclasses.replace(node, managed=False, revision="", made_as="", copy_of=node.made_as)
        if node.managed and genuine[node.own_name] != node.id
        else node
        for node in found
    ]
