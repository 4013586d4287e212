# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The nodes of one cluster on one Docker Engine."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from ..cluster import labels
from ..cluster.engines import DOCKER, PROVIDERS
from ..cluster.node import BROKEN, ENDED, RUNNING, Node, TierBuild, told_apart
from ..core.http_client import health
from ..core.poll import wait_until
from ..traefik.labels import health_check_of, leaving_of
from .alterations import alteration, resources
from .connections import count_open
from .container_spec import node_spec, release_spec
from .docker_client import DockerClient
from .docker_errors import DockerNotFoundError, present
from .docker_tables import open_tables
from .listeners import read_listening
from .port import Alteration, EngineError, Evidence, Image
from .removed_mounts import mount_table, removed_sources

# In all other states of Docker, a container serves nothing and does not recover by itself.
_STATES = {"running": RUNNING, "exited": ENDED}
# Docker's default network, which the balancer is on too.
_BRIDGE = "bridge"
_READERS = 8
# An application's own words about its end may stand above a long list of calls.
_EVIDENCE_LINES = 60
# Docker waits longer from one restart to the next, so an application that ends soon is mostly between two.
_RESTART_SECONDS = 3.0
_RESTART_POLL_SECONDS = 0.05
# The kernel's names of machines -> those of images.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class DockerEngine:
    """All nodes of one cluster; an :class:`engine.port.Engine`."""

    def __init__(
        self,
        cluster: str,
        network: str,
        ports: Mapping[str, int],
        client: DockerClient | None = None,
        *,
        inside: bool = False,
    ) -> None:
        """Nothing is sent yet.

        Args:
            cluster: the cluster's name.
            network: the managed nodes' network.
            ports: tier to the port its nodes listen on, to find a guest's URL.
            client: the Docker Engine; None for the one that the environment names.
            inside: this process runs in a container that is in the managed nodes' network alone; the host is in all.
        """
        self.cluster = cluster
        self.client = client or DockerClient()
        self._network = network
        self._inside = inside
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
        """All containers with the cluster's node labels, in any state, oldest first."""
        found = self.client.containers(labels.selector(self.cluster, labels.NODE))
        # Docker lists the newest first and tells whole seconds: of two in one second, its order must be kept.
        newest_first = sorted(found, key=lambda item: int(item.get("Created", 0)), reverse=True)
        nodes = told_apart(self._node(item) for item in reversed(newest_first))
        return [
            node if node.managed else dataclasses.replace(node, served_by=self._hostname(node.id)) for node in nodes
        ]

    def _node(self, item: Mapping[str, Any]) -> Node:
        found = item["Labels"]
        tier = found.get(labels.TIER, "")
        name = container_name(item)
        managed = found.get(labels.MANAGED) == "true"
        networks = (item.get("NetworkSettings") or {}).get("Networks") or {}
        # The balancer is on the first two: of a guest that is on the bridge and elsewhere, it reaches the former.
        reached = [networks.get(name, {}) for name in (self._network, _BRIDGE)]
        found_at = [str(net["IPAddress"]) for net in (*reached, *networks.values()) if net.get("IPAddress")]
        address = found_at[0] if found_at else ""
        of_6 = [str(net["GlobalIPv6Address"]) for net in networks.values() if net.get("GlobalIPv6Address")]
        service = found.get(labels.SERVICE, "")
        url = found.get(f"traefik.http.services.{service}.loadbalancer.server.url", "")
        if not url and address and tier in self._ports:
            url = f"http://{address}:{self._ports[tier]}"
        made_as = _host_of(url) or name if managed else ""
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
            addresses=tuple(dict.fromkeys([*found_at, *of_6])),
            served_by=made_as,
            url=url,
            leaves=leaving_of(found, service),
            probe=health_check_of(found, service),
            made_as=made_as,
            apart="" if not networks or {self._network, _BRIDGE} & networks.keys() else ", ".join(sorted(networks)),
            beyond=self._inside and bool(networks) and self._network not in networks,
        )

    def _hostname(self, container: str) -> str:
        try:
            return str(self.client.inspect(container)["Config"]["Hostname"])
        except DockerNotFoundError:
            return ""

    def alterations(self, nodes: Iterable[Node], builds: Mapping[str, TierBuild]) -> dict[str, Alteration]:
        """What was changed by hand about managed nodes that have not ended: by Docker's whole record of each."""
        current = [
            node
            for node in nodes
            if node.managed
            and node.state != ENDED
            and node.tier in builds
            and node.revision == builds[node.tier].revision
        ]
        if not current:
            return {}
        with ThreadPoolExecutor(min(len(current), _READERS)) as threads:
            found = dict(zip(current, threads.map(lambda node: self._alteration(node, builds), current), strict=True))
        return {node.id: changed for node, changed in found.items() if changed is not None}

    def _alteration(self, node: Node, builds: Mapping[str, TierBuild]) -> Alteration | None:
        try:
            record = self.client.inspect(node.id)
        except DockerNotFoundError:
            return None
        return alteration(node, record, node_spec(node.own_name, builds[node.tier]))

    def mend(self, node: Node, build: TierBuild) -> None:
        """Give it its name, its networks, its limits and its restart policy back; one that is paused goes on."""
        spec = node_spec(node.own_name, build)
        try:
            record = self.client.inspect(node.id)
            if str(record.get("Name") or node.name).lstrip("/") != spec.name:
                self.client.rename(node.id, spec.name)
            joined = record["NetworkSettings"].get("Networks") or {}
            for network in (spec.network, *spec.also_in):
                if network not in joined:
                    self.client.join(node.id, network)
            self.client.update(node.id, resources(spec))
            if record["State"].get("Paused"):
                self.client.unpause(node.id)
        except DockerNotFoundError as error:
            raise present(f"node {node.name}", error) from error

    def foreign_names(self, names: Iterable[str]) -> dict[str, str]:
        """Which of the names belong to containers that are not this cluster's nodes: name -> image."""
        wanted = set(names)
        owners: dict[str, str] = {}
        for item in self.client.containers():
            if not labels.is_node(item["Labels"] or {}, self.cluster):
                taken = wanted & {entry.lstrip("/") for entry in item.get("Names") or ()}
                owners |= dict.fromkeys(taken, item["Image"])
        return owners

    def mounted_below(self, folder: str) -> set[str]:
        """The folders below this one that any container has mounted, in any state and whatever its labels are."""
        below = f"{folder.rstrip('/')}/"
        mounts = [mount for item in self.client.containers() for mount in item.get("Mounts") or ()]
        return {source for mount in mounts if (source := str(mount.get("Source", ""))).startswith(below)}

    def removed_below(self, folder: str) -> set[str]:
        """The folders below this one that were removed while a container that runs has them mounted."""
        below = f"{folder.rstrip('/')}/"
        having: dict[str, list[str]] = {}
        for item in self.client.containers():
            sources = [str(mount.get("Source", "")) for mount in item.get("Mounts") or ()]
            if found := [source for source in sources if source.startswith(below)]:
                having[str(item["Id"])] = found
        if not having:
            return set()
        with ThreadPoolExecutor(min(len(having), _READERS)) as threads:
            tables = threads.map(self._mount_table, having)
            found_of = zip(having.values(), tables, strict=True)
            return {source for sources, table in found_of for source in removed_sources(table, sources)}

    def _mount_table(self, container: str) -> str:
        try:
            return mount_table(container, int(self.client.inspect(container)["State"].get("Pid") or 0))
        except DockerNotFoundError:
            return ""

    def image(self, reference: str) -> Image | None:
        """The image, or None when it is not on this host."""
        return self.client.image(reference)

    def start(self, name: str, build: TierBuild) -> None:
        """Create and start one managed node."""
        self.client.run(node_spec(name, build))

    def release(self, name: str, build: TierBuild) -> tuple[int | None, str]:
        """Run the tier's release command in a container of its own."""
        mark = f"{labels.RELEASE}={build.tier.name}"
        for left in self.client.containers([*labels.selector(self.cluster), mark]):
            self.client.remove(str(left["Id"]))
        container = self.client.run(release_spec(name, build))
        try:
            return self.client.end_of(container, build.tier.release_seconds), self.client.logs(container)
        finally:
            self.client.remove(container)

    def stop(self, node: str, seconds: int, signal: str = "") -> int | None:
        """Send a signal, wait for its end, and send SIGKILL after that many seconds; the exit code."""
        return self.client.stop(node, seconds, signal)

    def start_again(self, node: str) -> None:
        """Start a node that has ended."""
        self.client.start_again(node)

    def remove(self, node: str) -> None:
        """Remove the node in any state."""
        self.client.remove(node)

    def logs(self, node: str) -> str:
        """Its last log lines, joined to one."""
        return self.client.logs(node)

    def evidence(self, node: str) -> Evidence:
        """Docker's record of the container, the last lines of its log, and where the kernel says that it listens."""
        lines = tuple(self.client.log_lines(node, _EVIDENCE_LINES))
        machine = platform.machine()
        architecture = _ARCHITECTURES.get(machine, machine)
        try:
            record = self._at_its_end(node)
        except EngineError:
            return Evidence(lines, architecture=architecture)
        state, user = record["State"], str((record.get("Config") or {}).get("User") or "")
        pid = int(state.get("Pid") or 0)
        return Evidence(
            lines=lines,
            ended=state.get("Status") != "running",
            exit_code=int(state.get("ExitCode") or 0),
            out_of_memory=bool(state.get("OOMKilled")),
            root=user.partition(":")[0] in {"", "0", "root"},
            listeners=read_listening(pid) if pid else (),
            architecture=architecture,
        )

    def _at_its_end(self, node: str) -> dict[str, Any]:
        """Docker's record of the container; of one that ends again and again, as it is between two starts.

        How a process ended is forgotten as soon as the next one starts.
        """
        found: list[dict[str, Any]] = []

        def look() -> str:
            found.append(self.client.inspect(node))
            runs = found[-1]["State"].get("Status") == "running"
            return "runs" if runs and found[-1].get("RestartCount") else ""

        wait_until(look, _RESTART_SECONDS, _RESTART_POLL_SECONDS)
        return found[-1]

    def health(self, url: str, headers: Mapping[str, str] | None = None) -> int:
        """The status of a GET; the host reaches containers as the balancer does."""
        return health(url, headers)

    def connections(self, nodes: Sequence[Node]) -> int:
        """Counted in the edge's network, which all balancers share."""
        # A node that leaves may listen where its tier did before.
        ports = {node.id: urlsplit(node.url).port or self._ports.get(node.tier, 0) for node in nodes}
        remote = {(address, ports[node.id]) for node in nodes for address in node.addresses}
        edges = self.client.containers(labels.selector(self.cluster, labels.EDGE))
        tables = [open_tables(self.client, str(item["Id"])) for item in edges if item["State"] == "running"]
        return sum(count_open(table, remote) for table in tables)


def _host_of(url: str) -> str:
    """The host in a server's address: the name that a managed node was started under."""
    return url.removeprefix("http://").rpartition(":")[0]


def container_name(item: Mapping[str, Any]) -> str:
    """The name in a record of Docker's list of containers."""
    return str(item["Names"][0]).lstrip("/") if item.get("Names") else str(item["Id"])[:12]
