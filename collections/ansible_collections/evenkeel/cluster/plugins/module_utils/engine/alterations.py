# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a user has changed about a container with Docker's commands or in a management tool. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..cluster.node import Node
from .container_spec import ContainerSpec
from .port import Alteration

# Limits that no node is made with, and that Docker cannot set back to none while the container runs: in Docker's record
# -> for people.
_UNLIMITED = {
    "CpuQuota": "CPU quota",
    "CpusetCpus": "CPUs",
    "CpusetMems": "memory nodes",
    "BlkioWeight": "block I/O weight",
}
_MEBIBYTE = 2**20


def alteration(node: Node, record: Mapping[str, Any], spec: ContainerSpec) -> Alteration | None:
    """What differs from what the node was made with; None for nothing.

    Args:
        node: as the engine lists it.
        record: Docker's whole record of its container.
        spec: what it was made with.
    """
    host = record["HostConfig"]
    words = []
    if record["State"].get("Paused"):
        words.append("is paused")
    if node.name != node.own_name:
        words.append(f"is {node.own_name}, renamed by hand")
    joined = record["NetworkSettings"].get("Networks") or {}
    words += [f"is off the network {network}" for network in (spec.network, *spec.also_in) if network not in joined]
    settings = changed_settings(host, spec)
    words += [words_of for words_of, _mendable in settings]
    return Alteration(tuple(words), mendable=all(mendable for _words, mendable in settings)) if words else None


def changed_settings(host: Mapping[str, Any], spec: ContainerSpec) -> list[tuple[str, bool]]:
    """The limits and the restart policy that differ, and whether Docker can set them back while the container runs.

    Args:
        host: ``HostConfig`` of Docker's record of the container.
        spec: what it was made with.
    """
    fixed = [(f"{name} {host[key]}, want none", False) for key, name in _UNLIMITED.items() if host.get(key)]
    return [*((words, True) for words in _policy(host, spec)), *_limits(host, spec), *fixed]


def _policy(host: Mapping[str, Any], spec: ContainerSpec) -> list[str]:
    found = (host.get("RestartPolicy") or {}).get("Name") or "no"
    return [f"restart policy {found}, want {spec.restart}"] if found != spec.restart else []


def _limits(host: Mapping[str, Any], spec: ContainerSpec) -> list[tuple[str, bool]]:
    """Limits that differ, and whether Docker can set them back while the container runs."""
    memory = int(spec.memory or 0)
    found = int(host.get("Memory") or 0)
    swap = int(host.get("MemorySwap") or 0)
    cpus = int(host.get("NanoCpus") or 0)
    pids = max(int(host.get("PidsLimit") or 0), 0)
    differ = []
    if found != memory:
        differ.append((f"memory {_bytes(found)}, want {_bytes(memory)}", bool(memory)))
    elif memory and swap not in {2 * memory, 0, -1}:
        # -1 on a kernel that does not count swap.
        differ.append((f"memory with swap {_bytes(swap)}, want {_bytes(2 * memory)}", True))
    if cpus != spec.nano_cpus:
        differ.append((f"CPUs {_cpus(cpus)}, want {_cpus(spec.nano_cpus)}", bool(spec.nano_cpus)))
    if pids != spec.pids:
        differ.append((f"processes {pids or 'without limit'}, want {spec.pids or 'no limit'}", True))
    for key, name, wanted in _softer(spec):
        found = int(host.get(key) or 0)
        if found != wanted:
            differ.append((f"{name} {found or 'none'}, want {wanted or 'none'}", bool(wanted)))
    return differ


def _softer(spec: ContainerSpec) -> list[tuple[str, str, int]]:
    """What counts when the machine is short of something; Docker takes 0 for: leave it as it is."""
    return [
        ("CpuShares", "CPU shares", spec.cpu_shares),
        ("MemoryReservation", "memory reservation", spec.memory_reservation),
    ]


def resources(spec: ContainerSpec) -> dict[str, Any]:
    """The limits and the restart policy that the container was made with, as Docker's ``update`` takes them."""
    memory = int(spec.memory or 0)
    return {
        "RestartPolicy": {"Name": spec.restart},
        **({"Memory": memory, "MemorySwap": 2 * memory} if memory else {}),
        **({"NanoCpus": spec.nano_cpus} if spec.nano_cpus else {}),
        **{key: wanted for key, _name, wanted in _softer(spec) if wanted},
        "PidsLimit": spec.pids or -1,
    }


def _bytes(size: int) -> str:
    return f"{size / _MEBIBYTE:.4g} MiB" if size > 0 else "without limit"


def _cpus(nano: int) -> str:
    return f"{nano / 1e9:g}" if nano else "without limit"
