# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Carries a balancer's plan out: thin I/O around :mod:`balancer_plan`, with both balancers' APIs as the judges."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
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
    static_config,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.docker_pool import DockerPool, told
from ansible_collections.evenkeel.cluster.plugins.module_utils.reconcile import write_atomically
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik_api import TraefikApi, TraefikApiError

_POLL_SECONDS = 0.1
_EDGE_MEMORY = 16 * 1024**2
_EDGE_PIDS = 8
# Lets a closing listener hand connections that nobody has accepted yet to the other one (Linux 5.14).
_MIGRATE = "net.ipv4.tcp_migrate_req"


class BalancerError(Exception):
    """A step did not come about; one line ``what: got ..., want ... (fix: ...)``."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What edge and balancer are made with.

    Attributes:
        cluster: value of the label ``evenkeel.cluster``.
        network: the cluster's network; the edge is on Docker's default bridge too, where guests are.
        image: the balancer's image; it must have ``sleep`` for the edge.
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
                image=options.image,
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
        others = [holder for holder in self._pool.holders() if holder.running and holder.slot not in {action.slot, ""}]
        if others:
            self.close(action.slot)
            # No fact tells that a client has finished with an idle connection: it is given this long.
            time.sleep(self._options.closing_seconds)
        self._pool.stop(action.id, self._options.stop_seconds)
        self._pool.remove(action.id)
        self.close("")
