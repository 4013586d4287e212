# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The options of our containers as data, so that hardening, limits and stop time can be tested. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..cluster import labels
from ..cluster.logs import LOG_FILES, LOG_SIZE
from ..cluster.node import TierBuild
from ..traefik.labels import server_url_labels


@dataclass(frozen=True)
class ContainerSpec:
    """One container. The defaults are those of a hardened container.

    Attributes:
        name: its name.
        image: reference of its image.
        network: the network mode: a network, or ``container:<name>`` to share another one's.
        labels: its labels, besides those of its image.
        environment: its variables.
        hostname: its host name; empty for the engine's choice.
        user: numeric user; empty for the image's.
        groups: additional groups.
        entrypoint: replaces the image's; None for the image's.
        command: replaces the image's; None for the image's.
        read_only: the root file system cannot be written to.
        cap_drop: Linux capabilities that it does not have.
        cap_add: Linux capabilities that it has beside the engine's own or in spite of ``ALL`` in *cap_drop*.
        security_opt: options of the kernel's security modules.
        memory: bytes.
        nano_cpus: billionths of a CPU; 0 for no limit.
        pids: processes and threads; 0 for no limit.
        tmpfs: folder -> mount options of scratch space.
        mounts: ``{source, target, read_only}`` each; a source that begins with ``/`` is a folder, else a volume; with
            ``recursive: False`` without what is mounted below it.
        binds: ``outside:inside[:ro]`` each.
        ports: port inside with its protocol -> address and port outside.
        sysctls: kernel parameters of its network.
        also_in: further networks that it joins before it starts.
        restart: when it is started again.
        stop_signal: the signal that asks it to end; empty for the image's.
        stop_timeout: seconds until SIGKILL; 0 for the engine's own.
        log_size: bytes per file of what it prints; 0 for the engine's own way of logging.
        log_files: how many of these are kept.
        working_dir: where it starts; empty for the image's.
        init: the engine's own first process reaps and forwards signals.
        extra_hosts: host name -> address.
        dns: addresses of name servers; empty for the engine's.
        ulimits: name -> soft and hard limit.
        shm_size: bytes of /dev/shm; 0 for the engine's own.
        devices: ``outside:inside:permissions`` each.
        gpus: ``{driver, count, device_ids, capabilities, options}`` each.
        runtime: what runs it; empty for the engine's own.
        memory_reservation: bytes; 0 for none.
        cpu_shares: its weight when CPUs are short; 0 for the engine's own.
        platform: of its image; empty for the machine's.
        healthcheck: the engine makes the image's own health check, if it has one.
    """

    name: str
    image: str
    network: str
    labels: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    hostname: str = ""
    user: str = ""
    groups: Sequence[str | int] = ()
    entrypoint: Sequence[str] | None = None
    command: Sequence[str] | None = None
    read_only: bool = True
    cap_drop: Sequence[str] = ("ALL",)
    cap_add: Sequence[str] = ()
    security_opt: Sequence[str] = ("no-new-privileges",)
    memory: int | str = 0
    nano_cpus: int = 0
    pids: int = 0
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mapping[str, Any]] = ()
    binds: Sequence[str] = ()
    ports: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    also_in: Sequence[str] = ()
    restart: str = "unless-stopped"
    stop_signal: str = ""
    stop_timeout: int = 0
    log_size: int = LOG_SIZE
    log_files: int = LOG_FILES
    working_dir: str = ""
    init: bool = False
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    dns: Sequence[str] = ()
    ulimits: Mapping[str, Sequence[int]] = field(default_factory=dict)
    shm_size: int = 0
    devices: Sequence[str] = ()
    gpus: Sequence[Mapping[str, Any]] = ()
    runtime: str = ""
    memory_reservation: int = 0
    cpu_shares: int = 0
    platform: str = ""
    healthcheck: bool = True


def node_spec(name: str, build: TierBuild) -> ContainerSpec:
    """The container of a managed node of a tier."""
    tier, options, container = build.tier, build.options, build.options.container
    # The balancer knows the node by its name, not by its address: sticky sessions and the access log survive a restart,
    # and the next container with this address gets no sessions of it.
    urls = server_url_labels(tier.service, f"http://{name}:{tier.port}")
    return ContainerSpec(
        name=name,
        image=build.image,
        network=options.network,
        labels={**options.labels, **urls, labels.REVISION: build.revision},
        environment=options.environment,
        hostname=name,
        user=container.user,
        groups=container.group_add,
        entrypoint=container.entrypoint,
        command=container.command,
        read_only=container.read_only,
        cap_drop=container.cap_drop,
        cap_add=container.cap_add,
        security_opt=container.security_opt,
        memory=options.memory,
        nano_cpus=options.nano_cpus,
        pids=options.pids,
        tmpfs=options.tmpfs,
        mounts=options.mounts,
        sysctls=container.sysctls,
        also_in=container.networks,
        stop_signal=container.stop_signal,
        stop_timeout=options.stop_timeout,
        log_size=options.log_size,
        log_files=options.log_files,
        working_dir=container.working_dir,
        init=container.init,
        extra_hosts=container.extra_hosts,
        dns=container.dns,
        ulimits=container.ulimits,
        shm_size=container.shm_size,
        devices=container.devices,
        gpus=container.gpus,
        runtime=container.runtime,
        memory_reservation=container.memory_reservation,
        cpu_shares=container.cpu_shares,
        platform=container.platform,
        # It would delay joining, and the balancer leaves out what the engine calls unhealthy.
        healthcheck=False,
    )


def release_spec(name: str, build: TierBuild) -> ContainerSpec:
    """The container in which a tier's release command runs: as a node's, but not one that gets requests."""
    own = {
        labels.CLUSTER: build.options.labels[labels.CLUSTER],
        labels.ROLE: labels.NONE,
        labels.RELEASE: build.tier.name,
        # Its image may have the labels of the tier.
        "traefik.enable": "false",
    }
    return dataclasses.replace(
        node_spec(name, build), labels=own, command=tuple(build.tier.release_command), restart="no"
    )
