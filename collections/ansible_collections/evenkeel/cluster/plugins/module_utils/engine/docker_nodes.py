# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The nodes of one cluster on one Docker Engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..cluster import labels
from ..cluster.engines import DOCKER, PROVIDERS
from ..cluster.node import BROKEN, ENDED, RUNNING, Node, TierBuild
from ..core.http_client import health
from .container_spec import node_spec
from .docker_client import DockerClient, DockerNotFoundError
from .port import Image

# In all other states of Docker, a container serves nothing and does not recover by itself.
_STATES = {"running": RUNNING, "exited": ENDED}


class DockerEngine:
    """All nodes of one cluster; an :class:`engine.port.Engine`."""

    def __init__(
        self, cluster: str, network: str, ports: Mapping[str, int], client: DockerClient | None = None
    ) -> None:
        """Nothing is sent yet.

        Args:
            cluster: the cluster's name.
            network: the managed nodes' network.
            ports: tier to the port its nodes listen on, to find a guest's URL.
            client: the Docker Engine; None for the one that the environment names.
        """
        self.cluster = cluster
        self.client = client or DockerClient()
        self._network = network
        self._ports = dict(ports)

    @property
    def provider(self) -> str:
        """The balancer's provider that finds containers."""
        return PROVIDERS[DOCKER]

    @property
    def network(self) -> str:
        """The managed nodes' network."""
        return self._network

    def connect(self) -> str:
        """The engine's version."""
        return self.client.connect()

    def nodes(self) -> list[Node]:
        """All containers with the cluster's node labels, in any state."""
        return [self._node(item) for item in self.client.containers(labels.selector(self.cluster, labels.NODE))]

    def _node(self, item: Mapping[str, Any]) -> Node:
        found = item["Labels"]
        tier = found.get(labels.TIER, "")
        name = container_name(item)
        managed = found.get(labels.MANAGED) == "true"
        networks = (item.get("NetworkSettings") or {}).get("Networks") or {}
        own = networks.get(self._network, {}).get("IPAddress")
        address = own or next((net["IPAddress"] for net in networks.values() if net.get("IPAddress")), "")
        service = found.get(labels.SERVICE, "")
        url = found.get(f"traefik.http.services.{service}.loadbalancer.server.url", "")
        if not url and address and tier in self._ports:
            url = f"http://{address}:{self._ports[tier]}"
        return Node(
            id=item["Id"],
            name=name,
            tier=tier,
            managed=managed,
            state=_STATES.get(item["State"], BROKEN),
            detail=item["State"],
            revision=found.get(labels.REVISION, "") if managed else "",
            image_id=item["ImageID"],
            service=service,
            address=address,
            served_by=name if managed else self._hostname(item["Id"]),
            url=url,
        )

    def _hostname(self, container: str) -> str:
        try:
            return str(self.client.inspect(container)["Config"]["Hostname"])
        except DockerNotFoundError:
            return ""

    def foreign_names(self, names: Iterable[str]) -> dict[str, str]:
        """Which of the names belong to containers that are not this cluster's nodes: name -> image."""
        wanted = set(names)
        owners: dict[str, str] = {}
        for item in self.client.containers():
            if not labels.is_node(item["Labels"] or {}, self.cluster):
                taken = wanted & {entry.lstrip("/") for entry in item.get("Names") or ()}
                owners |= dict.fromkeys(taken, item["Image"])
        return owners

    def image(self, reference: str) -> Image | None:
        """The image, or None when it is not on this host."""
        return self.client.image(reference)

    def start(self, name: str, build: TierBuild) -> None:
        """Create and start one managed node."""
        self.client.run(node_spec(name, build))

    def stop(self, node: str, seconds: int) -> int | None:
        """Send SIGTERM, wait for its end, and send SIGKILL after that many seconds; the exit code."""
        return self.client.stop(node, seconds)

    def start_again(self, node: str) -> None:
        """Start a node that has ended."""
        self.client.start_again(node)

    def remove(self, node: str) -> None:
        """Remove the node in any state."""
        self.client.remove(node)

    def logs(self, node: str) -> str:
        """Its last log lines, joined to one."""
        return self.client.logs(node)

    def health(self, url: str) -> int:
        """The status of a GET; the host reaches containers as the balancer does."""
        return health(url)


def container_name(item: Mapping[str, Any]) -> str:
    """The name in a record of Docker's list of containers."""
    return str(item["Names"][0]).lstrip("/") if item.get("Names") else str(item["Id"])[:12]
