# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Thin I/O: the edge and the balancers as containers of one Docker Engine."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..cluster import labels
from ..cluster.names import balancer_name, edge_name
from ..engine.alterations import resources
from ..engine.container_spec import ContainerSpec
from ..engine.docker_client import DockerClient
from ..engine.docker_errors import DockerNotFoundError, present
from ..engine.docker_nodes import container_name
from ..engine.port import Image
from .config import ACCESS_LOG
from .host_view import born, ended_proxies, has_lost_log, is_blind, network_of
from .options import BalancerOptions
from .plan import BalancerContainer, Desired
from .specs import MIGRATE, balancer_spec, baseline_balancer_spec, edge_spec, options_from, static_file

_OUTPUT_LENGTH = 200
# Selects which of a port's listeners gets its new connections: the one with this rank in the order in which they began
# to listen. The process joins them only for the moment that it takes to attach the selection (a classic BPF program of
# one instruction, "return K"; socket(7), SO_ATTACH_REUSEPORT_CBPF). A rank that is out of range leaves the choice to
# the kernel's hash. Perl is in every Debian, and needs no right but to be the same user. Go listens on [::] where there
# is IPv6.
_SELECT_LISTENER = r"""
use Socket;
my ($rank, @ports) = @ARGV;
my $program = pack("SCCL", 6, 0, 0, $rank);
for my $port (@ports) {
  my $six = socket(my $socket, AF_INET6, SOCK_STREAM, 0);
  $six or socket($socket, AF_INET, SOCK_STREAM, 0) or die "socket: $!";
  my $any = $six ? pack_sockaddr_in6($port, "\0" x 16) : pack_sockaddr_in($port, INADDR_ANY);
  setsockopt($socket, 41, 26, 0) if $six;
  for my $option (SO_REUSEADDR, 15) { setsockopt($socket, SOL_SOCKET, $option, 1) or die "option $option: $!" }
  bind($socket, $any) or die "bind $port: $!";
  listen($socket, 1024) or die "listen $port: $!";
  setsockopt($socket, SOL_SOCKET, 51, pack("Sx![P]P", 1, $program)) or die "attach: $!";
}
"""


class BalancerPool:
    """The edge and the balancers of one cluster on one Docker Engine; a :class:`ports.Containers`."""

    def __init__(
        self, cluster: str, network: str, client: DockerClient | None = None, sysctls: Path = Path("/proc/sys")
    ) -> None:
        """Nothing is sent yet.

        Args:
            cluster: the cluster's name.
            network: the cluster's network.
            client: the Docker Engine; None for the one that the environment names.
            sysctls: where the kernel's parameters are.
        """
        self._cluster = cluster
        self._network = network
        self._client = client or DockerClient()
        self._sysctls = sysctls

    def connect(self) -> str:
        """The engine's version."""
        return self._client.connect()

    def image(self, reference: str) -> Image | None:
        """The image, or None when it is not on this host."""
        return self._client.image(reference)

    def containers(self) -> list[BalancerContainer]:
        """The edge and all balancers, in whatever state."""
        found: list[BalancerContainer] = []
        for item in self._client.containers(labels.selector(self._cluster)):
            if item["Labels"].get(labels.ROLE) in {labels.EDGE, labels.BALANCER}:
                with contextlib.suppress(DockerNotFoundError):  # it has gone meanwhile
                    found.append(_container(self._cluster, item, self._client.inspect(item["Id"])))
        return found

    def in_order(self) -> list[BalancerContainer]:
        """The running balancers in the order in which they started, which is that in which they began to listen."""
        running = [container for container in self.containers() if container.slot and container.running]
        return sorted(running, key=lambda container: (container.born, container.started))

    def start_edge(self, options: BalancerOptions, revision: str) -> None:
        """Create and start the edge."""
        migrate = self._sysctls / MIGRATE.replace(".", "/")
        self._client.run(edge_spec(options, revision, migrate=migrate.exists()))

    def start_balancer(self, options: BalancerOptions, desired: Desired, slot: str) -> None:
        """Create and start a balancer in the edge's network."""
        self._client.run(balancer_spec(options, desired, slot))

    def start_baseline(self, options: BalancerOptions, slot: str, name: str, its_labels: Mapping[str, str]) -> str:
        """Start a second balancer with a slot's configuration, in the cluster's network; the container's id."""
        return self._client.run(baseline_balancer_spec(options, slot, name, its_labels))

    def options_of(self, container: BalancerContainer) -> BalancerOptions:
        """What a running balancer was made with.

        Raises:
            EngineError: it is gone.
            OSError: its static configuration cannot be read.
        """
        record = self._client.inspect(container.id)
        static: dict[str, Any] = json.loads(static_file(record, container.slot).read_text(encoding="utf-8"))
        return options_from(self._cluster, self._network, record, static)

    def direct_new_connections(self, edge: str, rank: int, ports: Iterable[int]) -> str:
        """Direct new connections to the balancer with this place in :meth:`in_order`."""
        command = ["perl", "-e", _SELECT_LISTENER, str(rank), *(str(port) for port in ports)]
        status, output = self._client.execute(edge, command)
        return "" if status == 0 else " ".join(output.split())[-_OUTPUT_LENGTH:] or f"exit code {status}"

    def address(self, name: str) -> str:
        """The container's address in the cluster's network; empty when it has none."""
        networks = self._client.inspect(name)["NetworkSettings"]["Networks"]
        return str((networks.get(self._network) or {}).get("IPAddress") or "")

    def connect_edge(self, edge: str, network: str) -> None:
        """Let the edge join a network."""
        self._client.join(edge, network)

    def mend(self, container: str, spec: ContainerSpec) -> None:
        """Give a container its name, its limits and its restart policy back, while it runs."""
        try:
            if str(self._client.inspect(container)["Name"]).lstrip("/") != spec.name:
                self._client.rename(container, spec.name)
            self._client.update(container, resources(spec))
        except DockerNotFoundError as error:
            raise present(f"container {spec.name}", error) from error

    def unpause(self, container: str) -> None:
        """Let the processes of a paused container run on."""
        self._client.unpause(container)

    def refused(self, options: BalancerOptions) -> str:
        """Why a published port is not served although edge and balancer run; empty if it is.

        What the machine itself sends to a published port passes a process of Docker's, which ends when it has no more
        file descriptors, and is not started again.
        """
        ended = ended_proxies(options.ports.values())
        return f"Docker's proxy of port {', '.join(map(str, ended))} has ended" if ended else ""

    def lost_logs(self, options: BalancerOptions, found: Iterable[BalancerContainer]) -> set[str]:
        """The ids of the running balancers whose access log was removed or moved: nobody reads what they write."""
        if (options.static.get("accessLog") or {}).get("filePath") != ACCESS_LOG:
            return set()
        log = options.log_dir / Path(ACCESS_LOG).name
        return {item.id for item in found if item.slot and item.running and has_lost_log(item.pid, ACCESS_LOG, log)}

    def stop(self, container: str, seconds: int) -> int | None:
        """SIGTERM, wait for its end, SIGKILL after that many seconds; the exit code, None when it vanished."""
        return self._client.stop(container, seconds)

    def start_again(self, container: str) -> None:
        """Start a container that has ended."""
        self._client.start_again(container)

    def remove(self, container: str) -> None:
        """Remove the container whatever its state; one that is gone already is no error."""
        self._client.remove(container)

    def logs(self, container: str) -> str:
        """Its last log lines, joined to one."""
        return self._client.logs(container)


def _container(cluster: str, item: Mapping[str, Any], record: Mapping[str, Any]) -> BalancerContainer:
    """One container, from the list's record of it and from its own."""
    found = item["Labels"]
    mode = str((item.get("HostConfig") or {}).get("NetworkMode") or "")
    state = record.get("State") or {}
    pid = int(state.get("Pid") or 0)
    slot = found.get(labels.SLOT, "")
    # Names may be changed by hand, labels may not.
    made_as = edge_name(cluster) if found.get(labels.ROLE) == labels.EDGE else balancer_name(cluster, slot)
    return BalancerContainer(
        id=item["Id"],
        name=container_name(item),
        slot=slot,
        state=item["State"],
        revision=found.get(labels.REVISION, ""),
        network=mode.removeprefix("container:") if mode.startswith("container:") else "",
        started=str(state.get("StartedAt") or "").rstrip("Z"),
        networks=frozenset((record.get("NetworkSettings") or {}).get("Networks") or ()),
        pid=pid,
        born=born(pid),
        namespace=network_of(pid),
        blind=is_blind(pid, record.get("Mounts") or ()),
        made_as=made_as if slot or found.get(labels.ROLE) == labels.EDGE else "",
        settings=record.get("HostConfig") or {},
    )
