# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""How a tier says that its containers are confined and run, named as in compose files. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..cluster.container_options import (
    ALL,
    AS_DOCKER,
    CONFINEMENTS,
    NEEDLESS,
    NO_NEW_PRIVILEGES,
    STRICT,
    ContainerOptions,
    scratch,
)
from . import container_values as values
from .gpus import gpus
from .reader import Reader
from .tier_options import TierOption, choice, names, read_options, whole

_MAX_SHARES = 262_144  # the kernel's own limit
_FEWEST_SHARES = 2

#: ``confinement`` and ``read_only`` are not here: their defaults depend on the tier.
CONTAINER_OPTIONS = (
    TierOption("user", values.user, ""),
    TierOption("group_add", values.groups, []),
    TierOption("tmpfs", values.tmpfs, {}),
    TierOption("cap_add", values.cap_add, []),
    TierOption("cap_drop", values.cap_drop, []),
    TierOption("security_opt", values.security_opt, []),
    TierOption("command", values.arguments, None),
    TierOption("entrypoint", values.arguments, None),
    TierOption("working_dir", values.folder, ""),
    TierOption("init", Reader.flag, False),
    TierOption("extra_hosts", values.extra_hosts, {}),
    TierOption("dns", values.dns, []),
    TierOption("ulimits", values.ulimits, {}),
    TierOption("shm_size", values.size, 0),
    TierOption("sysctls", values.sysctls, {}),
    TierOption("devices", values.devices, []),
    TierOption("gpus", gpus, []),
    TierOption("runtime", values.word(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", "the name of a runtime", "runsc"), ""),
    TierOption("memory_reservation", values.size, 0),
    TierOption("cpu_shares", whole(0, _MAX_SHARES, 0), 0),
    TierOption("labels", values.labels, {}),
    TierOption("platform", values.word(r"linux/[a-z0-9]{1,16}(?:/v[0-9])?", "linux/<architecture>", "linux/amd64"), ""),
    TierOption("stop_signal", values.stop_signal, ""),
    TierOption("networks", values.networks, []),
)
CONTAINER_KEYS = names(CONTAINER_OPTIONS) | {"confinement", "read_only"}
#: What compose files and Docker's commands have and tiers do not -> what says the same, or why there is none.
INSTEAD = {
    "build": "say context",
    "cap": "say cap_add",
    "container_name": "remove it: nodes are named after their tier",
    "deploy": "say nodes, memory and cpus",
    "env": "say environment",
    "env_vars": "say environment",
    "expose": "say port",
    "healthcheck": "say health_path: the balancer asks",
    "hostname": "remove it: a node's name is its host name",
    "ipc": "remove it: nodes never share the host's namespaces",
    "logging": "say log_size and log_files",
    "mem_limit": "say memory",
    "network_mode": "say networks: nodes never share the host's network",
    "pid": "remove it: nodes never share the host's namespaces",
    "pids_limit": "say pids",
    "ports": "say port and path: the balancer publishes",
    "privileged": "say cap_add or devices: nodes are never privileged",
    "replicas": "say nodes",
    "restart": "remove it: nodes are always started again",
    "scale": "say nodes",
    "stop_grace_period": "say stop_seconds",
    "userns_mode": "remove it: nodes never share the host's namespaces",
    "uts": "remove it: nodes never share the host's namespaces",
    "volumes": "say mounts",
}


def read_container(
    reader: Reader, at: str, raw: Mapping[str, Any], *, built: bool, cluster: str, memory: int
) -> ContainerOptions:
    """The options of a tier's containers, completed by its confinement.

    Args:
        reader: collects the problems.
        at: the tier as people know it.
        raw: the tier's options as they were written.
        built: its image is built here, for the contract of this project.
        cluster: the cluster's name, which is its network's.
        memory: the tier's limit in bytes.
    """
    confinement = choice(*CONFINEMENTS)(
        reader, f"{at}.confinement", raw.get("confinement", STRICT if built else AS_DOCKER)
    )
    strict = confinement == STRICT
    said = read_options(reader, at, raw, CONTAINER_OPTIONS)
    _check_together(reader, at, said, cluster, memory)
    added = said["cap_add"]
    dropped = {ALL} if strict else set(NEEDLESS) - set(added)
    dropped |= set(said["cap_drop"])
    return ContainerOptions(
        **{
            **said,
            "confinement": confinement,
            "read_only": reader.flag(f"{at}.read_only", raw.get("read_only", strict)),
            "tmpfs": {**(scratch() if strict else {}), **said["tmpfs"]},
            "cap_drop": [ALL] if ALL in dropped else sorted(dropped),
            "security_opt": [NO_NEW_PRIVILEGES, *said["security_opt"]],
        }
    )


def _check_together(reader: Reader, at: str, said: Mapping[str, Any], cluster: str, memory: int) -> None:
    """What does not go with another option."""
    for name in sorted(set(said["cap_add"]) & set(said["cap_drop"])):
        reader.problem(f"{at}.cap_drop", name, "another than those of cap_add", f"remove {name} from one of them")
    if 0 < said["cpu_shares"] < _FEWEST_SHARES:
        reader.problem(
            f"{at}.cpu_shares", said["cpu_shares"], f"at least {_FEWEST_SHARES}, or 0", f"{at}.cpu_shares: 0"
        )
    if said["memory_reservation"] > memory:
        want = f"at most the tier's memory ({memory} bytes)"
        fix = f"{at}.memory_reservation: {memory}"
        reader.problem(f"{at}.memory_reservation", said["memory_reservation"], want, fix)
    if cluster in said["networks"]:
        reader.problem(f"{at}.networks", cluster, "others, because every node is in the cluster's own", "remove it")
