# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What one Docker Engine tells of a cluster beside its nodes: edge, balancers, Portainer, the network. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..cluster import labels
from .docker_client import DockerClient, DockerNotFoundError
from .docker_nodes import container_name

_ROLES = {labels.EDGE, labels.BALANCER, labels.PORTAINER}
# What the kernel adds to the source of a mount that was removed, in /proc/<pid>/mountinfo.
_REMOVED = "//deleted"
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
        networks: the names of its networks.
        stale: the folders and files inside whose source on the host was removed, or replaced by another one.
    """

    id: str
    name: str
    role: str
    slot: str = ""
    state: str = "running"
    restarts: int = 0
    networks: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.state == "running"


@dataclass(frozen=True)
class EngineParts:
    """What an engine tells of a cluster beside its nodes.

    Attributes:
        containers: edge, balancers and Portainer, in whatever state.
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


def read_parts(client: DockerClient, cluster: str, network: str, proc: Path = Path("/proc")) -> EngineParts:
    """Ask Docker for all parts of a cluster.

    Args:
        client: the engine.
        cluster: the cluster's name.
        network: the cluster's network.
        proc: the kernel's folder of processes.

    Raises:
        EngineError: it does not answer.
    """
    listed = client.containers(labels.selector(cluster))
    found = _network(client, network)
    return EngineParts(
        containers=tuple(_inspected(client, listed, proc)),
        network=found is not None,
        gateway=_gateway(found or {}),
        data_root=str(client.read("Docker's settings", "/info").get("DockerRootDir") or ""),
        unlisted=frozenset(str(item["Id"]) for item in listed if _is_left_out(item, network)),
    )


def _inspected(client: DockerClient, listed: Iterable[Mapping[str, Any]], proc: Path) -> Iterable[PartContainer]:
    for item in listed:
        if item["Labels"].get(labels.ROLE) in _ROLES:
            try:
                record = client.inspect(str(item["Id"]))
            except DockerNotFoundError:
                continue  # removed meanwhile
            yield _container(item, record, proc)


def _container(item: Mapping[str, Any], record: Mapping[str, Any], proc: Path) -> PartContainer:
    state = record["State"]
    return PartContainer(
        id=str(item["Id"]),
        name=container_name(item),
        role=item["Labels"][labels.ROLE],
        slot=item["Labels"].get(labels.SLOT, ""),
        state=str(state["Status"]),
        restarts=int(record.get("RestartCount") or 0),
        networks=tuple(sorted((record.get("NetworkSettings") or {}).get("Networks") or {})),
        stale=stale_mounts(_mountinfo(proc, int(state.get("Pid") or 0))),
    )


def _mountinfo(proc: Path, pid: int) -> str:
    try:
        return (proc / str(pid) / "mountinfo").read_text(encoding="utf-8", errors="replace") if pid else ""
    except OSError:  # another user's process, or it has ended
        return ""


def stale_mounts(mountinfo: str) -> tuple[str, ...]:
    """Where a process still has what is no longer on the host, from the text of its /proc/<pid>/mountinfo."""
    lines = (line.split(" ") for line in mountinfo.splitlines())
    return tuple(sorted(fields[4] for fields in lines if len(fields) > 4 and fields[3].endswith(_REMOVED)))


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
