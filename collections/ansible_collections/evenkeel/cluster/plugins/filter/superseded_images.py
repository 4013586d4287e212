# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Builds that newer ones have replaced."""

from __future__ import annotations

DOCUMENTATION = r"""
name: superseded_images
short_description: Tell which builds newer ones have replaced
version_added: 0.1.0
author:
  - Evenkeel contributors
description:
  - Lists builds that are not current, that no container uses, and that are not among the O(keep) newest old ones of
    their repository.
  - Only tags that are a content hash, perhaps behind a version or a suite, count as builds.
positional: _input
options:
  _input:
    description: The cluster's images, as C(community.docker.docker_host_info) returns them with verbose output.
    type: list
    elements: dict
    required: true
  containers:
    description: All containers of the host, also stopped ones, with verbose output.
    type: list
    elements: dict
    required: true
  repositories:
    description: The names of the images whose builds count, without tags.
    type: list
    elements: str
    required: true
  current:
    description: References that stay.
    type: list
    elements: str
    required: true
  keep:
    description:
      - How many superseded builds of each repository stay, to go back to. One that a container uses counts among them.
    type: int
    required: true
  former:
    description: Names, without tags, that images had in earlier versions. All that no container uses are listed.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Ensure superseded builds that no container uses are gone
  community.docker.docker_image_remove:
    name: "{{ item }}"
  loop: >-
    {{ host.images | evenkeel.cluster.superseded_images(
         containers=host.containers, repositories=['res/static'], current=['res/static:2f1c0e9d8b7a'], keep=1) }}
"""

RETURN = r"""
_value:
  description: Their references, the newest of each repository first.
  type: list
  elements: str
  sample: ["res/web:1a2b3c4d5e6f"]
"""

from collections.abc import Callable

from ..module_utils.images.present import superseded_images


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name to function."""
        return {"superseded_images": superseded_images}
