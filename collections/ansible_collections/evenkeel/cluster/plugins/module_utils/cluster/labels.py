# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The labels that containers, images, networks and volumes of a cluster bear. They are all that is ours to remove."""

from __future__ import annotations

from collections.abc import Mapping

CLUSTER = "evenkeel.cluster"
ROLE = "evenkeel.role"
TIER = "evenkeel.tier"
#: ``true`` on nodes that a reconciliation started; guests lack it.
MANAGED = "evenkeel.managed"
#: The balancer's service, which names the tier's policy.
SERVICE = "evenkeel.service"
REVISION = "evenkeel.revision"
SLOT = "evenkeel.slot"
#: On images: names what is in them, the same on every host that has them.
CONTENT = "evenkeel.content"
#: The name of the drill that made it.
DRILL = "evenkeel.drill"

# Values of ROLE.
NODE = "node"
EDGE = "edge"
BALANCER = "balancer"
#: Of what must be taken for no part of the cluster, whatever its image says.
NONE = "none"


def selector(cluster: str, role: str = "") -> list[str]:
    """A filter for what belongs to the cluster, as Docker's API takes it: ``label=value`` each."""
    return [f"{CLUSTER}={cluster}", *([f"{ROLE}={role}"] if role else [])]


def is_node(labels: Mapping[str, str], cluster: str) -> bool:
    """Whether a container with these labels is a node of the cluster."""
    return labels.get(CLUSTER) == cluster and labels.get(ROLE) == NODE
