# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What the nodes of a tier are made with, and the revision that identifies image and options together. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from ..cluster import labels
from ..cluster.container_options import ContainerOptions
from ..cluster.leaving import HELD
from ..cluster.node import NodeOptions
from ..cluster.secrets import MOUNTED_AT
from ..cluster.spec import Tier


def _times(tier: Tier) -> dict[str, str]:
    """How long a node drains and finishes; only hold reads the second one."""
    times = {"EVENKEEL_DRAIN_SECONDS": str(tier.drain_seconds)}
    return {**times, "EVENKEEL_FINISH_SECONDS": str(tier.finish_seconds)} if tier.leaving == HELD else times


def _container(tier: Tier) -> ContainerOptions:
    """What holds a tier's application has these two in its image: they are not for the container."""
    if tier.leaving != HELD:
        return tier.container
    return dataclasses.replace(tier.container, entrypoint=None, stop_signal="")


def node_options(tier: Tier, network: str) -> NodeOptions:
    """The container options of a tier's nodes."""
    # The folder's name is the digest of what is in it, so that another value makes another revision.
    secrets = [{"source": tier.secrets.folder, "target": MOUNTED_AT, "read_only": True}] if tier.secrets.folder else []
    return NodeOptions(
        network=network,
        environment={**tier.environment, **_times(tier)},
        labels={**tier.container.labels, **tier.labels, labels.MANAGED: "true"},
        memory=tier.memory,
        nano_cpus=round(tier.cpus * 1e9),
        pids=tier.pids,
        stop_timeout=tier.stop_seconds,
        mounts=(*tier.mounts, *secrets),
        tmpfs=dict(tier.container.tmpfs),
        log_size=tier.log_size,
        log_files=tier.log_files,
        container=_container(tier),
    )


def revision(content: str, options: NodeOptions) -> str:
    """Twelve hexadecimal digits that change exactly when image or options do.

    Args:
        content: identifies what is in the image, the same on every host.
        options: the container's options.
    """
    said = dataclasses.asdict(options)
    # Only what differs: an option that comes with a new version must not replace nodes which do not use it.
    plain = dataclasses.asdict(ContainerOptions())
    differs = {name: value for name, value in said.pop("container").items() if value != plain[name]}
    parts = {"image": content, "options": {**said, **({"container": differs} if differs else {})}}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
