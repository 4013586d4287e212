# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Carries a balancer's plan out: thin I/O around :mod:`balancer_plan`, with both balancers' APIs as the judges."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

with contextlib.suppress(ImportError):  # the module reports a missing docker SDK
    import docker.errors

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer_plan import (
    HOLD,
    KEEP_OPEN,
    REMOVE,
    RETIRE,
    SLOT_VARIABLE,
    SLOTS,
    START,
    Action,
    Holder,
    Wanted,
    digest,
    edge_config,
    lacking,
    plan_renewal,
    static_config,
    without_own,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.docker_pool import DockerPool, told
from ansible_collections.evenkeel.cluster.plugins.module_utils.reconcile import write_atomically
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik_api import TraefikApi, TraefikApiError

_POLL_SECONDS = 0.1
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


class BalancerError(Exception):
    """A step did not come about; one line ``what: got ..., want ... (fix: ...)``."""


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

    def wanted(self, image_id: str) -> Wanted:
        """The revisions that follow from the options."""
        edge = {"ports": {str(port): list(outside) for port, outside in self.ports.items()}, "network": self.network}
        names = ("static", "seed", "user", "groups", "memory", "pids", "environment", "socket", "stop_seconds")
        balancer = {name: getattr(self, name) for name in names}
        folders = [str(self.config_dir), str(self.log_dir)]
        return Wanted(self.cluster, digest(edge), digest({**balancer, "image": image_id, "folders": folders}))


class BalancerPool(DockerPool):
    """The edge and the balancers of one cluster on one Docker Engine."""

    def holders(self) -> list[Holder]:
        """The edge and all balancers, in whatever state."""
        with told("list of containers"):
            found = self._api.containers(all=True, filters={"label": [f"evenkeel.cluster={self._cluster}"]})
        return [_holder(item) for item in found if item["Labels"].get("evenkeel.role") in {"edge", "balancer"}]

    def hold(self, options: Options, revision: str) -> None:
        """Create and start the edge.

        Raises:
            DockerPoolError: Docker refuses; nothing half-made is left.
        """
        api, name = self._api, f"{options.cluster}-edge"
        migrate = Path("/proc/sys") / _MIGRATE.replace(".", "/")
        with told(f"container {name}"):
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

    def start_balancer(self, options: Options, wanted: Wanted, slot: str) -> None:
        """Create and start a balancer in the edge's network.

        Raises:
            DockerPoolError: Docker refuses; nothing half-made is left.
        """
        api, name = self._api, wanted.balancer_name(slot)
        with told(f"container {name}"):
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
        with told(f"container {name}"):
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

    def options_of(self, holder: Holder) -> Options:
        """What a balancer that runs was made with.

        Raises:
            DockerPoolError: it is gone.
        """
        with told(f"container {holder.name}"):
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
        with told(f"command in {edge}"):
            made = self._api.exec_create(edge, command)["Id"]
            output = self._api.exec_start(made)
            status = self._api.exec_inspect(made)["ExitCode"]
        return "" if status == 0 else " ".join(output.decode(errors="replace").split())[-_TOLD_LENGTH:]

    def in_order(self) -> list[Holder]:
        """The balancers that run, in the order in which they started: that in which they began to listen."""
        began = {}
        for holder in self.holders():
            if holder.slot and holder.running:
                with told(f"container {holder.name}"):
                    began[holder] = self._api.inspect_container(holder.id)["State"]["StartedAt"]
        return sorted(began, key=lambda holder: str(began[holder]))

    def address(self, name: str) -> str:
        """The container's address in the cluster's network; empty when it has none."""
        with told(f"container {name}"):
            networks = self._api.inspect_container(name)["NetworkSettings"]["Networks"]
        return str((networks.get(self._network) or {}).get("IPAddress") or "")


def _holder(item: Mapping[str, Any]) -> Holder:
    labels = item["Labels"]
    mode = str((item.get("HostConfig") or {}).get("NetworkMode") or "")
    return Holder(
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


def static_name(slot: str) -> str:
    """The file with a slot's static configuration, in the configuration folder."""
    return f"traefik-{slot}.yml"


class BalancerSwap:
    """Carries a plan out."""

    def __init__(self, pool: BalancerPool, options: Options, wanted: Wanted, api: Callable[[str], TraefikApi]) -> None:
        """Prepare; nothing is done yet.

        Args:
            pool: the containers.
            options: what they are made with.
            wanted: their revisions.
            api: makes a client of the API at an address.
        """
        self._pool = pool
        self._options = options
        self._wanted = wanted
        self._api = api
        self.done: list[Action] = []
        self.warnings: list[str] = []

    def apply(self, actions: Sequence[Action], balancers: Sequence[Holder]) -> None:
        """Carry the actions out in order.

        Args:
            actions: the plan.
            balancers: what runs now; a new balancer must know what the first of them knows.

        Raises:
            BalancerError: a new balancer does not get ready; it is removed, and the old one keeps serving.
        """
        work: dict[str, Callable[[Action], None]] = {
            REMOVE: lambda action: self._pool.remove(action.id),
            HOLD: lambda _: self._pool.hold(self._options, self._wanted.edge),
            START: lambda action: self._start(action, balancers),
            KEEP_OPEN: lambda _: self.close(""),
            RETIRE: self._retire,
        }
        for action in actions:
            work[action.kind](action)
            self.done.append(action)

    def close(self, slot: str) -> None:
        """Let the balancer of the slot ask its clients to connect anew; empty lets none."""
        text = edge_config(slot)
        path = self._options.edge_file
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text)

    def _start(self, action: Action, balancers: Sequence[Holder]) -> None:
        slot = action.slot
        self.close("")
        running = self._pool.in_order()
        if running:
            self._lead_to(running[0])  # a balancer listens before it has its routes
        config = static_config(self._options.static, slot)
        write_atomically(
            self._options.config_dir / static_name(slot), json.dumps(config, indent=2, sort_keys=True) + "\n"
        )
        self._pool.start_balancer(self._options, self._wanted, slot)
        others = [
            holder.slot for holder in balancers if holder.slot in SLOTS and holder.slot != slot and holder.running
        ]
        try:
            self._await(action.name, slot, others[0] if others else "")
        except (BalancerError, TraefikApiError):
            for holder in self._pool.holders():
                if holder.name == action.name:
                    self._pool.remove(holder.id)
            raise

    def _await(self, name: str, slot: str, old_slot: str) -> None:
        """Until the new balancer answers and knows all that the old one has in rotation."""
        address = self._pool.address(self._wanted.edge_name)
        new = self._api(f"http://{address}:{SLOTS[slot]}")
        old = self._api(f"http://{address}:{SLOTS[old_slot]}") if old_slot else None
        deadline = time.monotonic() + self._options.ready_seconds
        while True:
            holder = next((item for item in self._pool.holders() if item.name == name), None)
            problem = self._unready(holder, new, old)
            if not problem:
                return
            if time.monotonic() > deadline or holder is None or not holder.running:
                logs = self._pool.logs(holder.id) if holder else "none"
                keeps = "; the old balancer keeps serving" if old_slot else ""
                raise BalancerError(
                    f"balancer {name}: got {problem}, want it ready within {self._options.ready_seconds:g} s; last log"
                    f" lines: {logs} (fix: mend its configuration{keeps})"
                )
            time.sleep(_POLL_SECONDS)

    def _unready(self, holder: Holder | None, new: TraefikApi, old: TraefikApi | None) -> str:
        """Why the new balancer cannot take over yet; empty when it can."""
        if holder is None or not holder.running:
            return f"state {holder.state}" if holder else "no container"
        try:
            new.version()
            services = new.all_services()
        except TraefikApiError as error:
            return str(error)
        if old is None:
            return ""
        missing = lacking(old.all_services(), services)
        return f"no servers yet for {missing[0]}" if missing else ""

    def _retire(self, action: Action) -> None:
        """Let the clients go to the other balancer, then end this one and let it finish what is in flight."""
        others = [holder for holder in self._pool.in_order() if holder.slot != action.slot]
        if others:
            self._lead_to(others[0])
            self.close(action.slot)
            # No fact tells that a client has finished with an idle connection: it is given this long.
            time.sleep(self._options.closing_seconds)
        self._pool.stop(action.id, self._options.stop_seconds)
        self._pool.remove(action.id)
        self.close("")

    def _lead_to(self, holder: Holder) -> None:
        """Let all new connections go to this balancer."""
        rank = [other.id for other in self._pool.in_order()].index(holder.id)
        ports = [_port(entry) for entry in self._options.static["entryPoints"].values() if _is_shared(entry)]
        problem = self._pool.steer(self._wanted.edge_name, rank, ports)
        if problem:
            self.warnings.append(
                f"new connections: got '{problem}', want them led to {holder.name} alone while the balancer is"
                " replaced; some may have met one without routes (fix: an edge image with perl, Linux 4.5 or newer)"
            )


def _is_shared(entry: Mapping[str, Any]) -> bool:
    return entry.get("reusePort") is True and not str(entry.get("address", "")).startswith("127.")


def _port(entry: Mapping[str, Any]) -> int:
    return int(str(entry["address"]).rpartition(":")[2])


def renew(pool: BalancerPool, api: Callable[[str], TraefikApi]) -> None:
    """Replace the balancer that runs by one that is made like it.

    Raises:
        BalancerError: there is not exactly one, or the new one does not get ready.
        DockerPoolError: Docker refuses.
    """
    holders = pool.holders()
    running = [holder for holder in holders if holder.slot and holder.running]
    edge = next((holder for holder in holders if not holder.slot and holder.running), None)
    if len(running) != 1 or edge is None:
        raise BalancerError(
            f"balancer: got {len(running)} that run, want one and its edge (fix: ansible-playbook site.yml)"
        )
    wanted = Wanted(edge.name.removesuffix("-edge"), edge.revision, running[0].revision)
    swap = BalancerSwap(pool, pool.options_of(running[0]), wanted, api)
    swap.apply(plan_renewal(wanted, holders), running)
    if swap.warnings:
        raise BalancerError(swap.warnings[0])
