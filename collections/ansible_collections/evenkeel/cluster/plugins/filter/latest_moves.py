# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Where the tag latest has to name another image."""

from __future__ import annotations

DOCUMENTATION = r"""
name: latest_moves
short_description: Tell where the tag latest does not name the planned image
version_added: 0.1.0
author:
  - Evenkeel contributors
description:
  - After a way back to an earlier build, that build is there already, and latest names a newer one.
  - Where tiers share an image's name, the first of them has the tag latest.
positional: _input
options:
  _input:
    description: The images, as P(evenkeel.cluster.image_plan#filter) returns them.
    type: list
    elements: dict
    required: true
  ids:
    description: Reference to image ID, as P(evenkeel.cluster.image_ids#filter) returns them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Ensure the tag latest names the current build
  community.docker.docker_image_tag:
    name: "{{ item.ref }}"
    repository: ["{{ item.latest }}"]
  loop: "{{ plan | evenkeel.cluster.latest_moves(host.images | evenkeel.cluster.image_ids) }}"
"""

RETURN = r"""
_value:
  description: What to tag.
  type: list
  elements: dict
  contains:
    ref:
      description: The planned image. The host may lack it, if it is not built yet.
      type: str
      sample: "res/web:3f2a91bc0d5e"
    latest:
      description: The reference that is to name it.
      type: str
      sample: "res/web:latest"
"""

from collections.abc import Callable

from ..module_utils.images.present import latest_moves


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, str]]]]:
        """Name to function."""
        return {"latest_moves": latest_moves}
