# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The volumes that tiers name: which nodes share them, and which of them a cluster may remove. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import Problem, join_some
from .labels import CLUSTER


def declared_volumes(tiers: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of the volumes that tiers mount, without folders of the host.

    Args:
        tiers: as the specification has them.
    """
    sources = {str(mount["source"]) for tier in tiers for mount in tier["mounts"]}
    return sorted(source for source in sources if not source.startswith("/"))


def removable_volumes(
    names: Iterable[str], volumes: Iterable[Mapping[str, Any]], containers: Iterable[Mapping[str, Any]], cluster: str
) -> tuple[list[str], list[str]]:
    """Which volumes go with the cluster.

    Args:
        names: the volumes that its tiers name.
        volumes: all volumes, as Docker's API lists them.
        containers: all containers, also stopped ones; those of the cluster go before its volumes.
        cluster: its name.

    Returns:
        The volumes to remove, and a line about each one that stays.
    """
    there = {str(volume["Name"]): volume.get("Labels") or {} for volume in volumes}
    users: dict[str, list[str]] = {}
    for container in containers:
        if (container.get("Labels") or {}).get(CLUSTER) == cluster:
            continue
        name = str((container.get("Names") or [container["Id"][:12]])[0]).lstrip("/")
        for mount in container.get("Mounts") or ():
            users.setdefault(str(mount.get("Name") or ""), []).append(name)
    going: list[str] = []
    lines: list[str] = []
    for name in names:
        if name not in there:
            continue
        remove = f"none needed, it stays; docker volume rm {name} deletes it"
        if there[name].get(CLUSTER) != cluster:
            got, want = "one that this cluster did not make", f"one with the label {CLUSTER}={cluster}"
            lines.append(str(Problem(f"volume {name}", got, want, remove)))
        elif name in users:
            got, want = f"it in use by {join_some(sorted(users[name]))}", "nodes of this cluster alone"
            lines.append(str(Problem(f"volume {name}", got, want, remove)))
        else:
            going.append(name)
    return going, lines


def shared_volume_advice(tiers: Iterable[Mapping[str, Any]]) -> list[str]:
    """A line about each volume or folder that more than one node writes to or reads what another one writes.

    Args:
        tiers: as the specification has them.
    """
    users: dict[str, int] = {}
    writers: dict[str, list[str]] = {}
    for tier in tiers:
        for mount in tier["mounts"]:
            source = str(mount["source"])
            users[source] = users.get(source, 0) + int(tier["nodes"])
            if not mount["read_only"] and tier["nodes"]:
                writers.setdefault(source, []).append(str(tier["name"]))
    return [
        str(
            Problem(
                f"mounts of tier {join_some(found)}",
                f"{users[source]} nodes on {source}, which they may write to",
                "an application whose files and locks allow that",
                "none needed if it does; else one node, with roll: replace, or read_only: true",
            )
        )
        for source, found in sorted(writers.items())
        if users[source] > 1
    ]
