# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Which volumes of tiers are removed with their cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tier_volumes
short_description: Tell which volumes of tiers go with their cluster, and which stay
version_added: 0.1.0
author:
  - Evenkeel contributors
description:
  - Only volumes that the tiers name, that Docker made for nodes of this cluster, and that no container of others uses.
positional: _input
options:
  _input:
    description: The tiers, as M(evenkeel.cluster.preflight) returns them.
    type: list
    elements: dict
    required: true
  volumes:
    description: All volumes of the host, as C(community.docker.docker_host_info) lists them with verbose output.
    type: list
    elements: dict
    required: true
  containers:
    description: All containers of the host, also stopped ones, with verbose output.
    type: list
    elements: dict
    required: true
  cluster:
    description: The cluster's name.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show which volumes stay
  ansible.builtin.debug:
    msg: >-
      {{ (cluster_spec.tiers | evenkeel.cluster.tier_volumes(
            volumes=host.volumes, containers=host.containers, cluster='evenkeel')).stay }}
"""

RETURN = r"""
_value:
  description: What to remove, and what not.
  type: dict
  contains:
    remove:
      description: Names of volumes.
      type: list
      elements: str
      sample: [shop-data]
    stay:
      description: A line about each other volume that the tiers name and that is there.
      type: list
      elements: str
      sample: []
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..module_utils.cluster.volumes import declared_volumes, removable_volumes


def tier_volumes(
    tiers: Iterable[Mapping[str, Any]],
    volumes: Iterable[Mapping[str, Any]],
    containers: Iterable[Mapping[str, Any]],
    cluster: str,
) -> dict[str, list[str]]:
    """Which volumes go, and a line about each other one; see :func:`cluster.volumes.removable_volumes`."""
    going, lines = removable_volumes(declared_volumes(tiers), volumes, containers, cluster)
    return {"remove": going, "stay": lines}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., dict[str, list[str]]]]:
        """Name to function."""
        return {"tier_volumes": tier_volumes}
