# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The names of a cluster's nodes, containers and images. Pure.

Names contain the cluster's name, so that a staging cluster runs beside production on one host. The names of nodes and
images of the default cluster do not contain it: ``static-1``, ``res/express``.
"""

from __future__ import annotations

#: What the variable with a tier's count ends in.
COUNT = "_nodes"

DEFAULT_CLUSTER = "evenkeel"
BALANCER_IMAGE = "res/traefik"
#: The images of the console's two processes.
CONSOLE_IMAGES = {"web": "res/console", "agent": "res/console-agent"}
#: hold's image, named as what is derived for a tier; no tier has this name.
HOLD = "hold"


def node_prefix(cluster: str, tier: str) -> str:
    """What the names of a tier's nodes begin with; their number follows: ``static-``, or ``staging-static-``."""
    return f"{tier}-" if cluster == DEFAULT_CLUSTER else f"{cluster}-{tier}-"


def node_name(cluster: str, tier: str, number: int) -> str:
    """The name of one node: ``static-1``, or ``staging-static-1``."""
    return f"{node_prefix(cluster, tier)}{number}"


def image_name(cluster: str, image: str) -> str:
    """The name that an image of the cluster is built under: ``res/express``, or ``res/express-staging``."""
    return image if cluster == DEFAULT_CLUSTER else f"{image}-{cluster}"


def derived_name(cluster: str, tier: str) -> str:
    """The name of what is derived for a tier: ``evenkeel/shop``, or ``evenkeel/staging/shop``.

    Neither name has a slash in it, so that no two tiers of two clusters share one.
    """
    return f"evenkeel/{tier}" if cluster == DEFAULT_CLUSTER else f"evenkeel/{cluster}/{tier}"


def former_names(cluster: str, tier: str) -> list[str]:
    """Names that earlier versions gave to the same image."""
    return [] if cluster == DEFAULT_CLUSTER else [f"evenkeel/{tier}-{cluster}"]


def edge_name(cluster: str) -> str:
    """The container that holds the published ports."""
    return f"{cluster}-edge"


def balancer_name(cluster: str, slot: str) -> str:
    """The balancer in a slot."""
    return f"{cluster}-balancer-{slot}"


def console_name(cluster: str) -> str:
    """The container of the console's web process, and its network."""
    return f"{cluster}-console"


def console_agent_name(cluster: str) -> str:
    """The container of the console's agent."""
    return f"{cluster}-console-agent"


def portainer_name(cluster: str) -> str:
    """The container of Portainer."""
    return f"{cluster}-portainer"


def node_variable(tier: str) -> str:
    """The variable with a tier's count, by convention: ``-`` cannot be in a variable's name."""
    return f"{tier}{COUNT}".replace("-", "_")
