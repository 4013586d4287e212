# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Memory and disks: what a run needs of them, and whether it is there. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..cluster import labels
from ..cluster.spec import ClusterSpec, Tier
from ..core.errors import Problem
from ..engine.docker_facts import Docker, image_present
from ..inventory.tier_options import DEFAULT_MEMORY
from .facts import Disk, Machine

MIB = 1024**2
GIB = 1024**3
# Measured: a node of either kind takes about this much, its share of Docker's own processes included.
NODE_MEMORY = 40 * MIB
DISK_FOR_BUILDS = 3 * GIB
DISK_OTHERWISE = 500 * MIB


def size(count: int) -> str:
    """Bytes for people, in binary units as everywhere in Docker."""
    if count >= GIB:
        return f"{count / GIB:.1f} GiB"
    return f"{count // MIB} MiB"


def knows_containers(docker: Docker) -> bool:
    """Whether the list of containers is right: Docker answered, or is down and runs none."""
    return docker.trouble in {"", "absent"}


def more_nodes(spec: ClusterSpec, docker: Docker) -> dict[str, int]:
    """How many nodes each tier is yet to get; tiers that stay as they are, or shrink, are left out."""
    running = Counter(
        container.labels.get(labels.TIER, "")
        for container in docker.containers
        if container.state == "running" and labels.is_node(container.labels, spec.name)
    )
    return {tier.name: tier.nodes - running[tier.name] for tier in spec.tiers if tier.nodes > running[tier.name]}


def check_memory(spec: ClusterSpec, machine: Machine, docker: Docker) -> list[Problem]:
    """The nodes that are yet to be started fit into the memory that is available."""
    if not knows_containers(docker):
        return []
    more = more_nodes(spec, docker)
    count, need = sum(more.values()), sum(more.get(tier.name, 0) * least_memory(tier) for tier in spec.tiers)
    if not machine.memory_available or need <= machine.memory_available:
        return []
    want = f"{size(need)} for {count} more nodes of about {size(need // count)} each"
    return [Problem("memory", f"{size(machine.memory_available)} available", want, "lower the counts of the tiers")]


def least_memory(tier: Tier) -> int:
    """What a node takes at least."""
    return min(tier.memory, NODE_MEMORY)


def memory_advice(spec: ClusterSpec, machine: Machine) -> list[str]:
    """What may happen when all nodes use what they are allowed to.

    A limit is no reservation, so it refuses nothing. A limit above the default counts as what the nodes may well need.
    """
    large = {tier.name: tier for tier in spec.tiers if tier.memory > DEFAULT_MEMORY and tier.nodes}
    need = sum(tier.nodes * (tier.memory if tier.name in large else least_memory(tier)) for tier in spec.tiers)
    if not large or not machine.memory_total or need <= machine.memory_total:
        return []
    what = f"memory of {', '.join(large)}"
    want = (
        f"at most {size(machine.memory_total)}, as the machine has, because the kernel ends nodes when it has no more"
    )
    return [str(Problem(what, f"{size(need)} with all nodes at their limits", want, "lower memory or the counts"))]


def needed_disk(spec: ClusterSpec, docker: Docker, declared: int | None) -> int:
    """Free bytes that a file system needs."""
    if declared is not None:
        return declared
    built = [tier.image for tier in spec.tiers if tier.context] + [spec.balancer_image]
    missing = knows_containers(docker) and not all(image_present(docker, image) for image in built)
    return DISK_FOR_BUILDS if spec.image_source == "packages" and missing else DISK_OTHERWISE


def grows(spec: ClusterSpec, docker: Docker) -> bool:
    """Whether the cluster will certainly need more space than now: images that are not there, or more nodes.

    Less nodes, or the images of an earlier build, need none. So a full disk is no obstacle to either.
    """
    images = [spec.balancer_image, *(tier.image for tier in spec.tiers)]
    return bool(more_nodes(spec, docker)) or not all(image_present(docker, image) for image in images)


def check_disks(disks: Sequence[tuple[str, Disk]], need: int) -> list[Problem]:
    """Each file system has what is needed; two purposes on one file system are one problem."""
    problems = []
    seen: set[int] = set()
    for purpose, disk in disks:
        if disk.free < need and disk.device not in seen:
            fix = "free some space there, or lower cluster_min_free_disk"
            problems.append(
                Problem(f"free disk for {purpose} in {disk.folder}", size(disk.free), f"at least {size(need)}", fix)
            )
        seen.add(disk.device)
    return problems
