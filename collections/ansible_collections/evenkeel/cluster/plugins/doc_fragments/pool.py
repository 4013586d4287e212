# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Documentation shared by the modules that read the pool."""

from __future__ import annotations


class ModuleDocFragment:
    """Options that M(evenkeel.cluster.node_pool) and M(evenkeel.cluster.node_pool_info) have in common."""

    DOCUMENTATION = r"""
options:
  cluster:
    description: Name of the cluster; value of the label C(evenkeel.cluster) on all its objects in Docker.
    type: str
    required: true
  network:
    description: Docker network of the managed nodes; it must exist.
    type: str
    required: true
  tiers:
    description: The declared tiers, C(cluster_spec.tiers) as M(evenkeel.cluster.preflight) returns it.
    type: list
    elements: dict
    required: true
  tier_secrets:
    description:
      - The values of the tiers' secrets, as the filter P(evenkeel.cluster.tier_secrets#filter) packs them.
      - Needed if O(tiers) has secrets, except for a tier that has the folder of its secrets already, as in the
        declaration on the target.
    type: str
    default: ""
  secrets_dir:
    description:
      - Folder with the cluster's secrets, C(cluster_spec.paths.secrets_dir).
      - Needed if O(tiers) has secrets, or had some. The key of their digests and a folder per version are in it.
    type: path
  images:
    description:
      - Image reference per tier name.
      - A tier that is not listed uses the tag C(latest) of its image if that is built here, else its image as declared.
    type: dict
    default: {}
  hosts:
    description: Host names that the routes accept; empty means any.
    type: list
    elements: str
    default: []
  overrides_file:
    description:
      - File on the target with the numbers of nodes that were set in the console, C(cluster_spec.paths.overrides).
      - A run settles them - the declared numbers hold again, and the file goes. A look tells them.
    type: path
requirements:
  - docker (Docker SDK for Python) >= 5.0.3
  - Docker Engine >= 20.10
notes:
  - Run it on the Docker host, as a user with access to its socket.
"""
