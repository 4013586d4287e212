# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What the rest of the library needs of an engine, a balancer and its routes. Pure types.

An engine is where nodes run. Two implementations keep this contract: the Docker engine, and the fake of the unit tests.
``tests/contract`` asks the same of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..cluster.node import Node, TierBuild
from ..core.errors import EvenkeelError
from ..traefik.route_file import RouteTable
from ..traefik.routes import Route


class EngineError(EvenkeelError):
    """The engine refused or did not answer; the message is one line for people."""


@dataclass(frozen=True)
class Image:
    """An image that nodes can be made from.

    Attributes:
        id: the engine's identifier.
        labels: what its containers inherit.
        content: names what is in it, the same on every host that has it; part of a node's revision.
    """

    id: str
    labels: Mapping[str, str] = field(default_factory=dict)
    content: str = ""


class Engine(Protocol):
    """Where nodes run. Every method may be called from several threads at once."""

    @property
    def provider(self) -> str:
        """What follows ``@`` in the balancer's names of the nodes' services."""
        ...

    @property
    def network(self) -> str:
        """The managed nodes' network."""
        ...

    def connect(self) -> str:
        """The engine's version.

        Raises:
            EngineError: it does not answer.
        """
        ...

    def nodes(self) -> list[Node]:
        """All nodes and guests of the cluster, in whatever state.

        Raises:
            EngineError: it does not answer.
        """
        ...

    def foreign_names(self, names: Iterable[str]) -> dict[str, str]:
        """Which of the names are taken by what is no node of this cluster: name -> image."""
        ...

    def image(self, reference: str) -> Image | None:
        """The image, or None when a node cannot be made from it here."""
        ...

    def start(self, name: str, build: TierBuild) -> None:
        """Make and start one managed node.

        Raises:
            EngineError: the engine refuses; nothing half-made is left.
        """
        ...

    def stop(self, node: str, seconds: int) -> int | None:
        """SIGTERM, wait for its end, SIGKILL after that many seconds.

        Returns:
            The exit code; None when it vanished meanwhile.
        """
        ...

    def start_again(self, node: str) -> None:
        """Start a node that has ended; from then on it is started again when it crashes.

        Raises:
            EngineError: it is gone, or the engine refuses.
        """
        ...

    def remove(self, node: str) -> None:
        """Remove the node whatever its state; one that is gone already is no error."""
        ...

    def logs(self, node: str) -> str:
        """Its last log lines, joined to one."""
        ...

    def health(self, url: str) -> int:
        """The status of a GET from where the balancer is; 0 when there is no answer soon."""
        ...


class Faults(Protocol):
    """What only a drill does to nodes. Every method raises :class:`EngineError` when it does not come about."""

    def kill(self, node: str) -> None:
        """SIGKILL, as in a crash."""
        ...

    def freeze(self, node: str) -> None:
        """Stop every process of the node, as in a hang: its sockets stay open and nothing answers."""
        ...

    def thaw(self, node: str) -> None:
        """Let it go on; one that is not frozen is no error."""
        ...

    def run_guest(self, image: str, run: str) -> str:
        """Start a container from the image as a person does; its id."""
        ...

    def of_drills(self) -> list[str]:
        """The ids of all nodes and guests that drills made, also earlier drills."""
        ...

    def bare_image(self, image: str, name: str) -> str:
        """Make an image with the same files and the same start, but without labels; its id."""
        ...

    def remove_image(self, reference: str) -> None:
        """Remove an image; one that is not there is no error."""
        ...


class FaultyEngine(Engine, Faults, Protocol):
    """An engine on which a drill can play."""


class BalancerView(Protocol):
    """What the balancer knows of the nodes."""

    def version(self) -> str:
        """Its version.

        Raises:
            TraefikApiError: it does not answer.
        """
        ...

    def server_status(self, service: str) -> dict[str, str]:
        """Server URL -> ``UP`` or ``DOWN`` by its active health check; {} for a service that it does not know."""
        ...

    def server_up(self, service: str) -> dict[str, bool]:
        """Server URL -> whether its last probe was answered; {} before the first one."""
        ...

    def router(self, name: str) -> dict[str, Any] | None:
        """Its record of a router; None when there is none."""
        ...


class Routes(Protocol):
    """Where the tiers' paths lead."""

    def table(self) -> RouteTable:
        """All routes as they are now."""
        ...

    def of(self, tier: str) -> Route | None:
        """Where the tier's path leads now."""
        ...

    def point_to(self, tier: str, route: Route | None) -> None:
        """Let the tier's path lead to the route, or drop it."""
        ...
