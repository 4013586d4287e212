# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What one Docker Engine tells of a cluster beside its nodes: its other containers, and the network. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..cluster import labels
from .docker_client import DockerClient
from .docker_errors import DockerNotFoundError
from .docker_nodes import container_name

_ROLES = {labels.EDGE, labels.BALANCER, labels.CONSOLE, labels.PORTAINER}
# The balancer leaves out what Docker's own health check has not found healthy.
_UNHEALTHY = ("(health: starting)", "(unhealthy)")


@dataclass(frozen=True)
class PartContainer:
    """One container of ours that is no node.

    Attributes:
        id: Docker's identifier.
        name: its name.
        role: a role of :mod:`cluster.labels`.
        slot: the balancer's slot; empty for others.
        state: Docker's word for its state.
        restarts: how often Docker has started it again.
    """

    id: str
    name: str
    role: str
    slot: str = ""
    state: str = "running"
    restarts: int = 0

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.state == "running"


@dataclass(frozen=True)
class EngineParts:
    """What an engine tells of a cluster beside its nodes.

    Attributes:
        containers: edge, balancers, console and Portainer, in whatever state.
        network: whether the cluster's network is there.
        gateway: the machine's own address in it; empty when there is none.
        data_root: the folder of Docker's data.
        unlisted: ids of the running nodes that the balancer leaves out, because they are not healthy or are in none of
            its networks.
    """

    containers: tuple[PartContainer, ...] = ()
    network: bool = True
    gateway: str = ""
    data_root: str = ""
    unlisted: frozenset[str] = frozenset()

    def of(self, role: str) -> list[PartContainer]:
        """The containers of a role, by name."""
        return sorted((item for item in self.containers if item.role == role), key=lambda item: item.name)


def read_parts(client: DockerClient, cluster: str, network: str) -> EngineParts:
    """Ask Docker for all parts of a cluster.

    Args:
        client: the engine.
        cluster: the cluster's name.
        network: the cluster's network.

    Raises:
        EngineError: it does not answer.
    """
    listed = client.containers(labels.selector(cluster))
    found = _network(client, network)
    return EngineParts(
        containers=tuple(_inspected(client, listed)),
        network=found is not None,
        gateway=_gateway(found or {}),
        data_root=str(client.read("Docker's settings", "/info").get("DockerRootDir") or ""),
        unlisted=frozenset(str(item["Id"]) for item in listed if _is_left_out(item, network)),
    )


def _inspected(client: DockerClient, listed: Iterable[Mapping[str, Any]]) -> Iterable[PartContainer]:
    for item in listed:
        if item["Labels"].get(labels.ROLE) in _ROLES:
            try:
                record = client.inspect(str(item["Id"]))
            except DockerNotFoundError:
                continue  # removed meanwhile
            yield _container(item, record)


def _container(item: Mapping[str, Any], record: Mapping[str, Any]) -> PartContainer:
    state = record["State"]
    return PartContainer(
        id=str(item["Id"]),
        name=container_name(item),
        role=item["Labels"][labels.ROLE],
        slot=item["Labels"].get(labels.SLOT, ""),
        state=str(state["Status"]),
        restarts=int(record.get("RestartCount") or 0),
    )


def _network(client: DockerClient, name: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = client.read(f"network {name}", f"/networks/{name}")
    except DockerNotFoundError:
        return None
    return found


def _gateway(network: Mapping[str, Any]) -> str:
    ranges = (network.get("IPAM") or {}).get("Config") or ()
    return next((str(item["Gateway"]) for item in ranges if "." in str(item.get("Gateway", ""))), "")


def _is_left_out(item: Mapping[str, Any], network: str) -> bool:
    networks = (item.get("NetworkSettings") or {}).get("Networks") or {}
    reached = network in networks or "bridge" in networks
    return not reached or str(item.get("Status") or "").endswith(_UNHEALTHY)
