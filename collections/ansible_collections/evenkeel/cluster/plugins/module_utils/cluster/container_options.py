# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""How the containers of a tier are confined and run, as declared and completed. Pure data."""

from __future__ import annotations

import dataclasses
from typing import Any

from .contract import SCRATCH_FOLDERS, SCRATCH_OPTIONS
from .engines import DOCKER

#: Nothing but what the image itself needs: for images that keep the contract of docs/node-images.md.
STRICT = "strict"
#: What Docker gives by default, less what no web application needs: for images as people find them.
AS_DOCKER = DOCKER
CONFINEMENTS = (STRICT, AS_DOCKER)
ALL = "ALL"
NO_NEW_PRIVILEGES = "no-new-privileges"
#: Capabilities that Docker gives and no web application needs: forged packets, and device files.
NEEDLESS = ("MKNOD", "NET_RAW")


def scratch() -> dict[str, str]:
    """The scratch space of a node whose root file system is read-only."""
    return {f"/{folder}": SCRATCH_OPTIONS for folder in SCRATCH_FOLDERS}


@dataclasses.dataclass(frozen=True)
class ContainerOptions:
    """What a tier says of its containers, completed. The defaults are those of ``strict``.

    Attributes:
        confinement: one of :data:`CONFINEMENTS`, which the other defaults come from.
        user: ``user`` or ``user:group``; empty for the image's.
        group_add: additional groups.
        read_only: the root file system cannot be written to.
        tmpfs: folder -> mount options of scratch space.
        cap_add: Linux capabilities beside those that are left.
        cap_drop: those that are taken away; ``ALL`` for all.
        security_opt: options of the kernel's security modules.
        command: replaces the image's; None for the image's.
        entrypoint: replaces the image's; None for the image's.
        working_dir: where it starts; empty for the image's.
        init: Docker's own first process reaps and forwards signals.
        extra_hosts: host name -> address.
        dns: addresses of name servers; empty for the engine's.
        ulimits: name -> soft and hard limit.
        shm_size: bytes of /dev/shm; 0 for the engine's own.
        sysctls: kernel parameters of its network.
        devices: ``outside:inside:permissions`` each.
        gpus: ``{driver, count, device_ids, capabilities, options}`` each; a count of -1 is all.
        runtime: what runs it; empty for the engine's own.
        memory_reservation: bytes; 0 for none.
        cpu_shares: its weight when CPUs are short; 0 for the engine's own.
        labels: besides ours.
        platform: of its image, such as ``linux/amd64``; empty for the machine's.
        stop_signal: what asks it to end; empty for the image's.
        networks: those that it joins beside the cluster's.
    """

    confinement: str = STRICT
    user: str = ""
    group_add: list[str] = dataclasses.field(default_factory=list)
    read_only: bool = True
    tmpfs: dict[str, str] = dataclasses.field(default_factory=scratch)
    cap_add: list[str] = dataclasses.field(default_factory=list)
    cap_drop: list[str] = dataclasses.field(default_factory=lambda: [ALL])
    security_opt: list[str] = dataclasses.field(default_factory=lambda: [NO_NEW_PRIVILEGES])
    command: list[str] | None = None
    entrypoint: list[str] | None = None
    working_dir: str = ""
    init: bool = False
    extra_hosts: dict[str, str] = dataclasses.field(default_factory=dict)
    dns: list[str] = dataclasses.field(default_factory=list)
    ulimits: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    shm_size: int = 0
    sysctls: dict[str, str] = dataclasses.field(default_factory=dict)
    devices: list[str] = dataclasses.field(default_factory=list)
    gpus: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    runtime: str = ""
    memory_reservation: int = 0
    cpu_shares: int = 0
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    platform: str = ""
    stop_signal: str = ""
    networks: list[str] = dataclasses.field(default_factory=list)
