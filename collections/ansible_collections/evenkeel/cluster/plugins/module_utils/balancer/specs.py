# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Edge and balancers as container specifications, and the way back: what a running balancer was made with. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..cluster import labels
from ..cluster.engines import DOCKER
from ..core.values import parse_size
from ..engine.container_spec import ContainerSpec
from .config import ACCESS_LOG, SLOT_VARIABLE, SOCKETS, static_name, without_own
from .grace import USUAL_STOP_SECONDS
from .options import NUMBERS, BalancerOptions
from .plan import BRIDGE, Desired
from .watch import HOLDER, WATCH_FILE

#: Lets a closing listener hand connections that it has not accepted yet to the other one (Linux 5.14).
MIGRATE = "net.ipv4.tcp_migrate_req"
#: Also when Docker stopped it: it takes that for the wish of a person when it starts again after a crash.
_RESTART = "always"
_EDGE_MEMORY = 32 * 1024**2
# Docker's exec adds some threads to the two processes.
_EDGE_PIDS = 32
_CONFIG = "/etc/traefik"
_LOG = str(Path(ACCESS_LOG).parent)


def edge_spec(options: BalancerOptions, revision: str, *, migrate: bool) -> ContainerSpec:
    """The container that holds the published ports and the addresses, and watches the balancer.

    Args:
        options: what it is made with.
        revision: identifies that.
        migrate: whether the kernel has :data:`MIGRATE`.
    """
    return ContainerSpec(
        name=f"{options.cluster}-edge",
        image=options.edge_image,
        network=options.network,
        # Guests are on the default bridge.
        also_in=(BRIDGE,),
        labels=_labels(options.cluster, labels.EDGE, revision),
        user=options.user,
        groups=options.groups,
        entrypoint=("perl", "-e", HOLDER),
        command=(f"{_CONFIG}/{WATCH_FILE}",),
        memory=_EDGE_MEMORY,
        pids=_EDGE_PIDS,
        ports={f"{port}/tcp": outside for port, outside in options.ports.items()},
        sysctls={MIGRATE: "1"} if migrate else {},
        mounts=_sockets(options),
        binds=(f"{options.config_dir}:{_CONFIG}:ro", f"{options.log_dir}:{_LOG}"),
        restart=_RESTART,
        # It has nothing to lose: who stops it need not wait until process 1 has heard SIGTERM.
        stop_signal="SIGKILL",
    )


def balancer_spec(options: BalancerOptions, desired: Desired, slot: str) -> ContainerSpec:
    """A balancer in the edge's network."""
    return ContainerSpec(
        name=desired.balancer_name(slot),
        image=options.image,
        network=f"container:{desired.edge_name}",
        labels={**_labels(options.cluster, labels.BALANCER, desired.balancer), labels.SLOT: slot},
        environment={**options.environment, SLOT_VARIABLE: slot},
        user=options.user,
        groups=options.groups,
        command=_command(slot),
        memory=options.memory,
        pids=options.pids,
        mounts=_sockets(options),
        binds=(f"{options.config_dir}:{_CONFIG}:ro", f"{options.log_dir}:{_LOG}"),
        restart=_RESTART,
        stop_timeout=options.stop_seconds,
        log_size=options.log_size,
        log_files=options.log_files,
    )


def baseline_balancer_spec(
    options: BalancerOptions, slot: str, name: str, its_labels: Mapping[str, str]
) -> ContainerSpec:
    """A second balancer with the same configuration as a slot's, in the cluster's network instead of the edge's."""
    return ContainerSpec(
        name=name,
        image=options.image,
        network=options.network,
        labels=its_labels,
        environment=options.environment,
        user=options.user,
        groups=options.groups,
        command=_command(slot),
        memory=options.memory,
        pids=options.pids,
        mounts=_sockets(options),
        binds=(f"{options.config_dir}:{_CONFIG}:ro",),
        # Its access log is not read.
        tmpfs={_LOG: "mode=1777"},
        stop_timeout=options.stop_seconds,
        log_size=options.log_size,
        log_files=options.log_files,
    )


def _labels(cluster: str, role: str, revision: str) -> dict[str, str]:
    return {labels.CLUSTER: cluster, labels.ROLE: role, labels.REVISION: revision}


def _command(slot: str) -> tuple[str, ...]:
    return (f"--configFile={_CONFIG}/{static_name(slot)}",)


def _sockets(options: BalancerOptions) -> tuple[dict[str, Any], ...]:
    folder = str(Path(options.socket).parent)
    # Without what is mounted below it: the networks of other containers would live on with it.
    return ({"source": folder, "target": SOCKETS, "read_only": True, "recursive": False},)


def static_file(record: Mapping[str, Any], slot: str) -> Path:
    """Where a running balancer has its static configuration from, by Docker's record of it."""
    return Path(_outside(record)[_CONFIG]) / static_name(slot)


def options_from(cluster: str, network: str, record: Mapping[str, Any], static: Mapping[str, Any]) -> BalancerOptions:
    """What a running balancer was made with.

    Args:
        cluster: the cluster's name.
        network: the cluster's network.
        record: Docker's record of the container.
        static: its static configuration, as it is in :func:`static_file`.

    Returns:
        The options that make a balancer like it; what only an edge is made with is empty.
    """
    config, host, outside = record["Config"], record["HostConfig"], _outside(record)
    variables = dict(item.split("=", 1) for item in config["Env"] or [])
    return BalancerOptions(
        cluster=cluster,
        network=network,
        image=config["Image"],
        edge_image="",
        static=without_own(static),
        seed="",
        ports={},
        user=config["User"],
        groups=tuple(host["GroupAdd"] or ()),
        memory=host["Memory"],
        pids=host["PidsLimit"],
        environment={name: value for name, value in variables.items() if name != SLOT_VARIABLE},
        socket=_socket(record, static),
        config_dir=Path(outside[_CONFIG]),
        log_dir=Path(outside[_LOG]),
        stop_seconds=config.get("StopTimeout") or USUAL_STOP_SECONDS,
        drain_seconds=NUMBERS["drain_seconds"].default,
        ready_seconds=NUMBERS["ready_seconds"].default,
        **_log_limits(host.get("LogConfig") or {}),
    )


def _socket(record: Mapping[str, Any], static: Mapping[str, Any]) -> str:
    """The Docker socket on the host."""
    folder = next(mount["Source"] for mount in record["HostConfig"]["Mounts"] if mount["Target"] == SOCKETS)
    return str(Path(folder) / Path(static["providers"][DOCKER]["endpoint"]).name)


def _log_limits(made: Mapping[str, Any]) -> dict[str, int]:
    limits = made.get("Config") or {}
    if made.get("Type") != "json-file" or "max-size" not in limits:
        return {"log_size": 0}
    size = parse_size(limits["max-size"]) or 0
    return {"log_size": size, "log_files": int(limits.get("max-file", 1))}


def _outside(record: Mapping[str, Any]) -> dict[str, str]:
    """Folder inside to folder outside."""
    return {inside: outside for outside, inside in (bind.split(":")[:2] for bind in record["HostConfig"]["Binds"])}
