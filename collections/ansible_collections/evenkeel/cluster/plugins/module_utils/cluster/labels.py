# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The labels of a cluster's containers, images, networks and volumes. Only what has them is ours to remove."""

from __future__ import annotations

from collections.abc import Mapping

CLUSTER = "evenkeel.cluster"
ROLE = "evenkeel.role"
TIER = "evenkeel.tier"
#: ``true`` on nodes that a reconciliation started; guests do not have it.
MANAGED = "evenkeel.managed"
#: The balancer's service, which names the tier's policy.
SERVICE = "evenkeel.service"
REVISION = "evenkeel.revision"
SLOT = "evenkeel.slot"
#: On images: identifies their content, and is the same on every host.
CONTENT = "evenkeel.content"
#: On an image that is derived for a tier: the identifier of the image below it, and what else it was made of.
BASE = "evenkeel.base"
MADE_OF = "evenkeel.made-of"
#: On the container of a release command: the tier's name.
RELEASE = "evenkeel.release"
#: On what a drill made: the drill's name.
DRILL = "evenkeel.drill"

#: Parts of a cluster that a knob switches on: value of ROLE -> the knob. The role of that name removes the part.
SWITCHED_PARTS = {"console": "cluster_console", "portainer": "cluster_portainer"}

# Values of ROLE.
NODE = "node"
EDGE = "edge"
BALANCER = "balancer"
PORTAINER = "portainer"
#: Of both containers of the console.
CONSOLE = "console"
#: Of a container that is not part of the cluster, although its image's labels say so.
NONE = "none"


def selector(cluster: str, role: str = "") -> list[str]:
    """A filter for what belongs to the cluster, as Docker's API takes it.

    Args:
        cluster: the cluster's name.
        role: one of this module's values of :data:`ROLE`; empty for all.

    Returns:
        ``label=value`` each.
    """
    return [f"{CLUSTER}={cluster}", *([f"{ROLE}={role}"] if role else [])]


def is_node(labels: Mapping[str, str], cluster: str) -> bool:
    """Whether a container with these labels is a node of the cluster."""
    return labels.get(CLUSTER) == cluster and labels.get(ROLE) == NODE
