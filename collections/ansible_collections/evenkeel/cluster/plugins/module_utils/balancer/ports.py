# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What the replacement of a balancer needs of containers and of the balancers' API. Pure types."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ..engine.container_spec import ContainerSpec
from ..engine.port import Image
from ..traefik.api import TraefikApi
from .options import BalancerOptions
from .plan import BalancerContainer, Desired


class Containers(Protocol):
    """The edge and the balancers of one cluster. Every method raises ``EngineError`` when the engine refuses."""

    def connect(self) -> str:
        """The engine's version."""

    def image(self, reference: str) -> Image | None:
        """The image, or None when it is not there."""

    def containers(self) -> list[BalancerContainer]:
        """The edge and all balancers, in whatever state."""

    def in_order(self) -> list[BalancerContainer]:
        """The running balancers in the order in which they began to listen."""

    def options_of(self, container: BalancerContainer) -> BalancerOptions:
        """What a running balancer was made with."""

    def start_edge(self, options: BalancerOptions, revision: str) -> None:
        """Create and start the edge; nothing half-made is left."""

    def start_balancer(self, options: BalancerOptions, desired: Desired, slot: str) -> None:
        """Create and start a balancer in the edge's network; nothing half-made is left."""

    def direct_new_connections(self, edge: str, rank: int, ports: Iterable[int]) -> str:
        """Direct new connections to the balancer with this place in :meth:`in_order`.

        Returns:
            Why that was not possible; empty when it was.
        """

    def address(self, name: str) -> str:
        """The container's address in the cluster's network; empty when it has none."""

    def connect_edge(self, edge: str, network: str) -> None:
        """Let the edge join a network."""

    def mend(self, container: str, spec: ContainerSpec) -> None:
        """Give a container its name, its limits and its restart policy back, while it runs."""

    def unpause(self, container: str) -> None:
        """Let the processes of a paused container run on."""

    def refused(self, options: BalancerOptions) -> str:
        """Why a published port is not served although edge and balancer run; empty if it is."""

    def lost_logs(self, options: BalancerOptions, found: Iterable[BalancerContainer]) -> set[str]:
        """The ids of the running balancers whose access log was removed or moved: nobody reads what they write."""

    def stop(self, container: str, seconds: int) -> int | None:
        """SIGTERM, wait for its end, SIGKILL after that many seconds; the exit code."""

    def remove(self, container: str) -> None:
        """Remove the container whatever its state; one that is gone already is no error."""

    def logs(self, container: str) -> str:
        """Its last log lines, joined to one."""


class BalancerApi(Protocol):
    """One balancer's API. Both methods raise ``TraefikApiError`` when it gives no usable answer."""

    def version(self) -> str:
        """Traefik's version."""

    def all_services(self) -> list[dict[str, Any]]:
        """The records of all services."""


@dataclasses.dataclass(frozen=True)
class Ports:
    """What the balancer is reached through.

    Attributes:
        containers: where edge and balancers run.
        api: makes a client of the API from address, user and password.
    """

    containers: Containers
    api: Callable[[str, str, str], BalancerApi] = TraefikApi
