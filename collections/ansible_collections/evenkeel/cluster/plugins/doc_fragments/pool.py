# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Documentation shared by the modules that look at the pool."""

from __future__ import annotations


class ModuleDocFragment:
    """Options that M(evenkeel.cluster.node_pool) and M(evenkeel.cluster.node_pool_info) have in common."""

    DOCUMENTATION = r"""
options:
  cluster:
    description: Name of the cluster; the value of the label C(evenkeel.cluster) on all that belongs to it.
    type: str
    required: true
  network:
    description: Docker network of the managed nodes; it must exist.
    type: str
    required: true
  tiers:
    description: The declared tiers, as C(cluster_spec.tiers) of M(evenkeel.cluster.preflight) gives them.
    type: list
    elements: dict
    required: true
  images:
    description:
      - Tier name to image reference.
      - A tier that is not named here uses the tag C(latest) of its image if it is built here, or its image as declared.
    type: dict
    default: {}
  hosts:
    description: Host names that the routes accept; empty for any.
    type: list
    elements: str
    default: []
  routes_file:
    description: File in the balancer's dynamic folder which holds the tiers' routes.
    type: path
    required: true
requirements:
  - docker (Docker SDK for Python) >= 5.0.3
  - Docker Engine >= 20.10
notes:
  - Run it on the Docker host, as a user who may use its socket.
"""
