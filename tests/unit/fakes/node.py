"""One node of the engine in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import Node

from .history import Counters, History
from .mounts import Mounts


class FakeNode:
    """One node: as the engine lists it, and what it did when."""

    def __init__(self, node: Node, node_labels: Mapping[str, str]) -> None:
        self.node = node
        self.labels = dict(node_labels)
        self.counters = Counters()
        #: 1 while it is there for whatever follows the engine.
        self.present = History()
        #: The status of its health answer; 0 while there is none.
        self.health = History()
        self.draining = False
        #: Its address while it is off the network.
        self.detached = ""
        #: Limits that were changed by hand, and whether they can be set back.
        self.limits = ""
        self.mendable = True
        self.mounts = Mounts()

    def put(self, **differs: object) -> None:
        """Change what the engine lists of it."""
        self.node = dataclasses.replace(self.node, **differs)  # type: ignore[arg-type]

    @property
    def protected(self) -> bool:
        """Whether the balancer probes it, and sends what it refuses to another node."""
        return any("healthcheck" in label for label in self.labels)
