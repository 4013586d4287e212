# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What is in Portainer's way on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: portainer_problems
short_description: Tell what is in Portainer's way on a host
version_added: 0.1.0
author:
  - Evenkeel contributors
description:
  - Checks that the container's name, the data volume and the password can be used.
positional: _input
options:
  _input:
    description:
      - The host's volumes and the running containers that use O(volume), as C(community.docker.docker_host_info)
        returns them with verbose output.
    type: dict
    required: true
  container:
    description: The container of the name, as C(community.docker.docker_container_info) returns it.
    type: dict
    required: true
  name:
    description: The name of Portainer's container.
    type: str
    required: true
  cluster:
    description: The cluster's name. A container is Portainer's if it has the labels of this cluster and of its role.
    type: str
    required: true
  volume:
    description: The name of the data volume.
    type: str
    required: true
  password_file:
    description: The file with the password.
    type: path
    required: true
  password_length:
    description: How many characters the password in the file has; null without a file, because one is generated then.
    type: int
    required: true
  password_minimum:
    description: How many characters Portainer wants.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Check that nothing is in the way
  ansible.builtin.fail:
    msg: "{{ problems | join('\n') }}"
  when: problems | length > 0
  vars:
    problems: >-
      {{ host | evenkeel.cluster.portainer_problems(
           container=found, name='evenkeel-portainer', cluster='evenkeel', volume='evenkeel-portainer',
           password_file='/etc/portainer_password', password_length=none, password_minimum=12) }}
"""

RETURN = r"""
_value:
  description: The problems, one line each; none if nothing is in the way.
  type: list
  elements: str
  sample:
    - >-
      portainer volume: got evenkeel-portainer in use by old, want it free (fix: docker stop old, or -e
      portainer_volume=NAME)
"""

from collections.abc import Callable, Mapping
from typing import Any

from ..module_utils.cluster.labels import CLUSTER, ROLE


def _labels(found: Mapping[str, Any]) -> Mapping[str, str]:
    """Docker writes null where there are none."""
    return found.get("Labels") or {}


def _container_problems(found: Mapping[str, Any], name: str, cluster: str) -> list[str]:
    if not found["exists"]:
        return []
    labels = _labels(found["container"]["Config"])
    if labels.get(CLUSTER) == cluster and labels.get(ROLE) == "portainer":
        return []
    return [
        f"portainer container: got a container {name} without this cluster's labels, want that name free"
        f" (fix: docker rename {name} NAME)"
    ]


def _volume_problems(host: Mapping[str, Any], volume: str, cluster: str, container: str) -> list[str]:
    problems = []
    # Docker's filter finds every volume whose name contains this one.
    found: Mapping[str, Any] = next((item for item in host["volumes"] or () if item["Name"] == volume), {})
    owner = _labels(found).get(CLUSTER, cluster)
    if owner != cluster:
        problems.append(
            f"portainer volume: got {volume} of cluster {owner}, want one of its own (fix: -e portainer_volume=NAME)"
        )
    # Portainer locks its database, so a second one on the same volume would never start.
    names = sorted(item["Names"][0].removeprefix("/") for item in host["containers"])
    users = [name for name in names if name != container]
    if users:
        problems.append(
            f"portainer volume: got {volume} in use by {', '.join(users)}, want it free"
            f" (fix: docker stop {' '.join(users)}, or -e portainer_volume=NAME)"
        )
    return problems


def portainer_problems(
    host: Mapping[str, Any],
    container: Mapping[str, Any],
    name: str,
    cluster: str,
    volume: str,
    password_file: str,
    password_length: int | None,
    password_minimum: int,
) -> list[str]:
    """What is in the way, one line per problem.

    Args:
        host: the running containers that use the volume, and the volumes.
        container: whether the container of the name exists, and what it is.
        name: the name of Portainer's container.
        cluster: the cluster's name.
        volume: the name of the data volume.
        password_file: the file with the password.
        password_length: characters in the file, None if there is none.
        password_minimum: characters that Portainer wants.
    """
    problems = _container_problems(container, name, cluster) + _volume_problems(host, volume, cluster, name)
    if password_length is not None and password_length < password_minimum:
        problems.append(
            f"portainer password: got {password_length} characters in {password_file}, want {password_minimum} or more"
            " (fix: write a longer one, or delete the file and one is generated)"
        )
    return problems


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name to function."""
        return {"portainer_problems": portainer_problems}
