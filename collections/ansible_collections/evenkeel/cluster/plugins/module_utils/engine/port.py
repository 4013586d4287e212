# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What the rest of the library needs from an engine, a balancer and its routes. Pure types.

An engine is where nodes run. There are two implementations: the Docker engine, and the fake of the unit tests.
``tests/contract`` checks both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
        content: identifies what is in it, the same on every host; part of a node's revision.
    """

    id: str
    labels: Mapping[str, str] = field(default_factory=dict)
    content: str = ""


@dataclass(frozen=True)
class Alteration:
    """What was changed by hand about a node since its start.

    Attributes:
        words: each change, for people.
        mendable: :meth:`Engine.mend` sets all of it back.
    """

    words: tuple[str, ...]
    mendable: bool = True


@dataclass(frozen=True)
class Listener:
    """A socket that waits for connections: where, as an address without a name."""

    address: str
    port: int


@dataclass(frozen=True)
class Evidence:
    """What an engine knows of a node that did not come up.

    Attributes:
        lines: the last lines that it printed, oldest first.
        ended: its process has ended, perhaps to be started again.
        exit_code: with what, at its last end.
        out_of_memory: the kernel killed one of its processes for want of memory.
        root: it was started as user 0.
        listeners: where its processes listen; None where that is not known.
        architecture: of the machine, as images name it; empty where that is not known.
    """

    lines: tuple[str, ...] = ()
    ended: bool = False
    exit_code: int = 0
    out_of_memory: bool = False
    root: bool = True
    listeners: tuple[Listener, ...] | None = None
    architecture: str = ""


class Engine(Protocol):
    """Where nodes run. Every method may be called from several threads at once."""

    @property
    def provider(self) -> str:
        """The suffix, after ``@``, of the nodes' services in the balancer."""

    @property
    def network(self) -> str:
        """The managed nodes' network."""

    def connect(self) -> str:
        """The engine's version.

        Raises:
            EngineError: it does not answer.
        """

    def nodes(self) -> list[Node]:
        """All nodes and guests of the cluster, in any state; copies of managed nodes are told apart.

        Raises:
            EngineError: it does not answer.
        """

    def alterations(self, nodes: Iterable[Node], builds: Mapping[str, TierBuild]) -> dict[str, Alteration]:
        """What was changed by hand about managed nodes that have not ended.

        Args:
            nodes: as :meth:`nodes` gives them.
            builds: tier to what its nodes are made with; nodes of another revision are not looked at.

        Returns:
            Identifier to what was changed; a node as it was made is missing.

        Raises:
            EngineError: it does not answer.
        """

    def mend(self, node: Node, build: TierBuild) -> None:
        """Set back what was changed by hand about a managed node; its processes run on.

        Raises:
            EngineError: it is gone, or the engine refuses.
        """

    def foreign_names(self, names: Iterable[str]) -> dict[str, str]:
        """The names that are taken by anything but a node of this cluster: name -> image."""

    def mounted_below(self, folder: str) -> set[str]:
        """The folders below this one that anything of the engine has mounted, running or not.

        Raises:
            EngineError: it does not answer.
        """

    def removed_below(self, folder: str) -> set[str]:
        """Those of the folders below this one that something running has mounted, and that were removed since.

        Another folder of that name may be there by now. Without root's rights this finds none.

        Raises:
            EngineError: it does not answer.
        """

    def image(self, reference: str) -> Image | None:
        """The image, or None when it is not here."""

    def start(self, name: str, build: TierBuild) -> None:
        """Make and start one managed node.

        Raises:
            EngineError: the engine refuses; nothing half-made is left.
        """

    def release(self, name: str, build: TierBuild) -> tuple[int | None, str]:
        """Run the tier's release command to its end, and remove what it ran in; so is what a killed run left of it.

        Args:
            name: of what it runs in.
            build: the tier's.

        Returns:
            The exit code, None when its time was over; and the last lines that it printed, joined to one.

        Raises:
            EngineError: the engine refuses or does not answer.
        """

    def stop(self, node: str, seconds: int, signal: str = "") -> int | None:
        """Ask the node to end, wait for it, and send SIGKILL after that many seconds.

        Args:
            node: the engine's identifier.
            seconds: the time that it gets.
            signal: which asks it; empty for the node's own, which is usually SIGTERM.

        Returns:
            The exit code; None when it was removed meanwhile.

        Raises:
            EngineError: the engine refuses or does not answer.
        """

    def start_again(self, node: str) -> None:
        """Start a node that has ended; the engine restarts it again if it crashes.

        Raises:
            EngineError: it is gone, or the engine refuses.
        """

    def remove(self, node: str) -> None:
        """Remove the node in any state; one that is gone already is no error.

        Raises:
            EngineError: the engine refuses or does not answer.
        """

    def logs(self, node: str) -> str:
        """Its last log lines, joined to one; empty when they cannot be read."""

    def evidence(self, node: str) -> Evidence:
        """Why it may not have come up; what cannot be read is missing."""

    def health(self, url: str, headers: Mapping[str, str] | None = None) -> int:
        """The status of a GET, sent from where the balancer is; 0 for no answer within a second.

        Args:
            url: what is asked for.
            headers: sent with it; ``Host`` replaces that of the address.
        """

    def connections(self, nodes: Sequence[Node]) -> int:
        """How many connections the balancer has open to these nodes' own ports.

        Raises:
            EngineError: that cannot be told.
        """


class Faults(Protocol):
    """What only a drill does to nodes. Every method raises :class:`EngineError` when it fails."""

    def kill(self, node: str) -> None:
        """SIGKILL, as in a crash."""

    def freeze(self, node: str) -> None:
        """Stop every process of the node, as in a hang: its sockets stay open and nothing answers."""

    def thaw(self, node: str) -> None:
        """Let its processes run on; one that is not frozen is no error."""

    def run_guest(self, image: str, run: str) -> str:
        """Start a container from the image as a user does by hand; its id."""

    def of_drills(self) -> list[str]:
        """The ids of all nodes and guests that drills made, earlier ones included."""

    def bare_image(self, image: str, name: str) -> str:
        """Make an image with the same files and the same command, but with no labels but a drill's; its id."""

    def remove_image(self, reference: str) -> None:
        """Remove an image; a missing one is no error."""


class FaultyEngine(Engine, Faults, Protocol):
    """An engine that a drill can use."""


class BalancerView(Protocol):
    """What the balancer reports about the nodes. Every method raises ``TraefikApiError`` when it does not answer."""

    def version(self) -> str:
        """Its version."""

    def server_status(self, service: str) -> dict[str, str]:
        """Server URL -> ``UP`` or ``DOWN`` by its active health check; {} for an unknown service."""

    def server_up(self, service: str) -> dict[str, bool]:
        """Server URL -> whether its last probe was answered; {} before the first one."""

    def set_status(self, service: str) -> dict[str, str]:
        """As :meth:`server_status`, of a service that the routes define with its servers."""

    def router(self, name: str) -> dict[str, Any] | None:
        """Its record of a router; None when there is none."""


class Routes(Protocol):
    """The balancer's routes."""

    def table(self) -> RouteTable:
        """All routes as they are now."""

    def of(self, tier: str) -> Route | None:
        """The tier's route now; None when it has none."""

    def point_to(self, changes: Mapping[str, Route | None]) -> None:
        """Set routes, tier by tier, in one write; None drops one."""
