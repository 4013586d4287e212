# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a node is made of: its container options, and the revision that names image and options together. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster_spec import Tier

# Scratch space of a node whose root file system is read-only. noexec: nothing that an attacker writes can run.
_SCRATCH_FOLDERS = ("run", "tmp")
_SCRATCH_OPTIONS = "rw,nosuid,nodev,noexec,mode=1777,size=64m"


@dataclasses.dataclass(frozen=True)
class NodeOptions:
    """The options a managed node's container is made with; the same for all nodes of a tier.

    ``memory`` is in bytes, ``stop_timeout`` in seconds, ``nano_cpus`` in billionths of a CPU (0 = no limit).
    """

    network: str
    environment: dict[str, str]
    labels: dict[str, str]
    memory: int
    nano_cpus: int
    pids: int
    stop_timeout: int
    mounts: tuple[dict[str, Any], ...]
    tmpfs: dict[str, str]


def node_options(tier: Tier, network: str) -> NodeOptions:
    """The container options of a tier's nodes."""
    return NodeOptions(
        network=network,
        environment={**tier.environment, "EVENKEEL_DRAIN_SECONDS": str(tier.drain_seconds)},
        labels={**tier.labels, "evenkeel.managed": "true"},
        memory=tier.memory,
        nano_cpus=round(tier.cpus * 1e9),
        pids=tier.pids,
        stop_timeout=tier.stop_seconds,
        mounts=tuple(tier.mounts),
        tmpfs={f"/{folder}": _SCRATCH_OPTIONS for folder in _SCRATCH_FOLDERS},
    )


def revision(image_id: str, options: NodeOptions) -> str:
    """Twelve hexadecimal digits that change exactly when image or options do."""
    content = {"image": image_id, "options": dataclasses.asdict(options)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
