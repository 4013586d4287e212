# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The edge and the balancers as containers."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

with contextlib.suppress(ImportError):  # the module reports a missing docker SDK
    import docker.errors

from ..engine.docker_client import docker_errors
from ..engine.docker_nodes import DockerPool
from .config import SLOT_VARIABLE, static_name, without_own
from .plan import BalancerContainer, Desired, digest

# The module's own defaults, for a balancer that is renewed as it is.
_CLOSING_SECONDS = 3.0
_READY_SECONDS = 30.0
_EDGE_MEMORY = 32 * 1024**2
_EDGE_PIDS = 8
_TOLD_LENGTH = 200
# Lets a closing listener hand connections that nobody has accepted yet to the other one (Linux 5.14).
_MIGRATE = "net.ipv4.tcp_migrate_req"
# Decides which of a port's listeners gets its new connections: the one with this rank in the order in which they began
# to listen. It joins them for the moment that it takes to say so (a classic BPF program of one instruction, "return K";
# socket(7), SO_ATTACH_REUSEPORT_CBPF). A rank that is out of range leaves the choice to the kernel's hash. In Perl,
# because every Debian has that, and it needs no rights but to be the same user. Go listens on [::] where there is IPv6.
_STEER = r"""
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


@dataclasses.dataclass(frozen=True)
class Options:
    """What edge and balancer are made with.

    Attributes:
        cluster: value of the label ``evenkeel.cluster``.
        network: the cluster's network; the edge is on Docker's default bridge too, where guests are.
        image: the balancer's image.
        edge_image: the edge's; it must have ``sleep`` and ``perl``.
        static: Traefik's static configuration.
        seed: text that makes another balancer when it changes, such as a hash of files that are read at the start only.
        ports: port inside to (address, port) outside.
        user: numeric user of the processes.
        groups: their supplementary groups.
        memory: limit in bytes.
        pids: limit of processes and threads.
        environment: variables of the balancer.
        socket: the Docker socket on the host.
        config_dir: folder that becomes ``/etc/traefik``.
        log_dir: folder that becomes ``/var/log/traefik``.
        stop_seconds: when Docker kills a balancer that is to end.
        closing_seconds: how long a balancer that is replaced asks its clients to connect anew.
        ready_seconds: how long a new one may take.
    """

    cluster: str
    network: str
    image: str
    edge_image: str
    static: dict[str, Any]
    seed: str
    ports: dict[int, tuple[str, int]]
    user: str
    groups: list[str]
    memory: int
    pids: int
    environment: dict[str, str]
    socket: str
    config_dir: Path
    log_dir: Path
    stop_seconds: int
    closing_seconds: float
    ready_seconds: float

    @property
    def edge_file(self) -> Path:
        """The dynamic configuration of what every request passes."""
        return self.config_dir / "dynamic" / "edge.yml"

    def wanted(self, image_id: str) -> Desired:
        """The revisions that follow from the options."""
        edge = {"ports": {str(port): list(outside) for port, outside in self.ports.items()}, "network": self.network}
        names = ("static", "seed", "user", "groups", "memory", "pids", "environment", "socket", "stop_seconds")
        balancer = {name: getattr(self, name) for name in names}
        folders = [str(self.config_dir), str(self.log_dir)]
        return Desired(self.cluster, digest(edge), digest({**balancer, "image": image_id, "folders": folders}))


class BalancerPool(DockerPool):
    """The edge and the balancers of one cluster on one Docker Engine."""

    def holders(self) -> list[BalancerContainer]:
        """The edge and all balancers, in whatever state."""
        with docker_errors("list of containers"):
            found = self._api.containers(all=True, filters={"label": [f"evenkeel.cluster={self._cluster}"]})
        return [_holder(item) for item in found if item["Labels"].get("evenkeel.role") in {"edge", "balancer"}]

    def hold(self, options: Options, revision: str) -> None:
        """Create and start the edge.

        Raises:
            DockerPoolError: Docker refuses; nothing half-made is left.
        """
        api, name = self._api, f"{options.cluster}-edge"
        migrate = Path("/proc/sys") / _MIGRATE.replace(".", "/")
        with docker_errors(f"container {name}"):
            config = api.create_host_config(
                network_mode=options.network,
                port_bindings=dict(options.ports),
                sysctls={_MIGRATE: "1"} if migrate.exists() else None,
                mem_limit=_EDGE_MEMORY,
                pids_limit=_EDGE_PIDS,
                **_locked_down(),
            )
            self._run(
                name,
                lambda created: api.connect_container_to_network(created, "bridge"),
                image=options.edge_image,
                entrypoint=["sleep", "infinity"],
                command=[],
                user=options.user,
                ports=list(options.ports),
                labels=_labels(options.cluster, "edge", revision),
                # It holds nothing that could be lost, and sleep does not listen.
                stop_signal="SIGKILL",
                host_config=config,
            )

    def start_balancer(self, options: Options, wanted: Desired, slot: str) -> None:
        """Create and start a balancer in the edge's network.

        Raises:
            DockerPoolError: Docker refuses; nothing half-made is left.
        """
        api, name = self._api, wanted.balancer_name(slot)
        with docker_errors(f"container {name}"):
            config = api.create_host_config(
                network_mode=f"container:{wanted.edge_name}",
                binds=[
                    f"{options.socket}:/var/run/docker.sock:ro",
                    f"{options.config_dir}:/etc/traefik:ro",
                    f"{options.log_dir}:/var/log/traefik",
                ],
                group_add=options.groups,
                mem_limit=options.memory,
                pids_limit=options.pids,
                **_locked_down(),
            )
            self._run(
                name,
                None,
                image=options.image,
                command=[f"--configFile=/etc/traefik/{static_name(slot)}"],
                user=options.user,
                environment={**options.environment, SLOT_VARIABLE: slot},
                labels={**_labels(options.cluster, "balancer", wanted.balancer), "evenkeel.slot": slot},
                stop_timeout=options.stop_seconds,
                host_config=config,
            )

    def _run(self, name: str, prepare: Callable[[str], None] | None, **settings: Any) -> None:
        created = self._api.create_container(name=name, **settings)["Id"]
        try:
            if prepare is not None:
                prepare(created)
            self._api.start(created)
        except docker.errors.APIError:
            self._api.remove_container(created, force=True, v=True)
            raise

    def start_naive(self, options: Options, slot: str, name: str, labels: Mapping[str, str]) -> str:
        """A second balancer with the same configuration as a slot's, in a network of its own; the container's id.

        Raises:
            DockerPoolError: Docker refuses; nothing half-made is left.
        """
        with docker_errors(f"container {name}"):
            config = self._api.create_host_config(
                network_mode=options.network,
                binds=[f"{options.socket}:/var/run/docker.sock:ro", f"{options.config_dir}:/etc/traefik:ro"],
                # Its access log is nobody's.
                tmpfs={"/var/log/traefik": "mode=1777"},
                group_add=options.groups,
                mem_limit=options.memory,
                pids_limit=options.pids,
                **_locked_down(),
            )
            self._run(
                name,
                None,
                image=options.image,
                command=[f"--configFile=/etc/traefik/{static_name(slot)}"],
                user=options.user,
                environment=options.environment,
                labels=dict(labels),
                stop_timeout=options.stop_seconds,
                host_config=config,
            )
            return str(self._api.inspect_container(name)["Id"])

    def options_of(self, holder: BalancerContainer) -> Options:
        """What a balancer that runs was made with.

        Raises:
            DockerPoolError: it is gone.
        """
        with docker_errors(f"container {holder.name}"):
            found = self._api.inspect_container(holder.id)
        config, host = found["Config"], found["HostConfig"]
        binds = {inside: outside for outside, inside in (bind.split(":")[:2] for bind in host["Binds"])}
        folder = Path(binds["/etc/traefik"])
        variables = dict(item.split("=", 1) for item in config["Env"] or [])
        return Options(
            cluster=self._cluster,
            network=self._network,
            image=config["Image"],
            edge_image="",
            static=without_own(json.loads((folder / static_name(holder.slot)).read_text(encoding="utf-8"))),
            seed="",
            ports={},
            user=config["User"],
            groups=list(host["GroupAdd"] or []),
            memory=host["Memory"],
            pids=host["PidsLimit"],
            environment={name: value for name, value in variables.items() if name != SLOT_VARIABLE},
            socket=binds["/var/run/docker.sock"],
            config_dir=folder,
            log_dir=Path(binds["/var/log/traefik"]),
            stop_seconds=config.get("StopTimeout") or 45,
            closing_seconds=_CLOSING_SECONDS,
            ready_seconds=_READY_SECONDS,
        )

    def steer(self, edge: str, rank: int, ports: Iterable[int]) -> str:
        """Let new connections go to the balancer that has been listening second-longest, say, with rank 1.

        Returns:
            Why that was not possible; empty when it was.
        """
        command = ["perl", "-e", _STEER, str(rank), *(str(port) for port in ports)]
        with docker_errors(f"command in {edge}"):
            made = self._api.exec_create(edge, command)["Id"]
            output = self._api.exec_start(made)
            status = self._api.exec_inspect(made)["ExitCode"]
        return "" if status == 0 else " ".join(output.decode(errors="replace").split())[-_TOLD_LENGTH:]

    def in_order(self) -> list[BalancerContainer]:
        """The balancers that run, in the order in which they started: that in which they began to listen."""
        began = {}
        for holder in self.holders():
            if holder.slot and holder.running:
                with docker_errors(f"container {holder.name}"):
                    began[holder] = self._api.inspect_container(holder.id)["State"]["StartedAt"]
        return sorted(began, key=lambda holder: str(began[holder]))

    def address(self, name: str) -> str:
        """The container's address in the cluster's network; empty when it has none."""
        with docker_errors(f"container {name}"):
            networks = self._api.inspect_container(name)["NetworkSettings"]["Networks"]
        return str((networks.get(self._network) or {}).get("IPAddress") or "")


def _holder(item: Mapping[str, Any]) -> BalancerContainer:
    labels = item["Labels"]
    mode = str((item.get("HostConfig") or {}).get("NetworkMode") or "")
    return BalancerContainer(
        id=item["Id"],
        name=item["Names"][0].lstrip("/") if item.get("Names") else item["Id"][:12],
        slot=labels.get("evenkeel.slot", ""),
        state=item["State"],
        revision=labels.get("evenkeel.revision", ""),
        network=mode.removeprefix("container:") if mode.startswith("container:") else "",
    )


def _labels(cluster: str, role: str, revision: str) -> dict[str, str]:
    return {"evenkeel.cluster": cluster, "evenkeel.role": role, "evenkeel.revision": revision}


def _locked_down() -> dict[str, Any]:
    return {
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "restart_policy": {"Name": "unless-stopped"},
    }
