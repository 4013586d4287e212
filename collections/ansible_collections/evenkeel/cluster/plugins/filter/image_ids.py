# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The references of a host's images, each with the image's ID."""

from __future__ import annotations

DOCUMENTATION = r"""
name: image_ids
short_description: Map the references of images to their IDs
version_added: 0.1.0
author:
  - Evenkeel contributors
description:
  - Turns Docker's list of images into a dictionary. Images without a tag are left out.
positional: _input
options:
  _input:
    description: The images, as C(community.docker.docker_host_info) returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Look up the host's images
  community.docker.docker_host_info:
    images: true
  register: host

- name: Show the ID of one
  ansible.builtin.debug:
    msg: "{{ (host.images | evenkeel.cluster.image_ids)['debian:trixie-slim'] }}"
"""

RETURN = r"""
_value:
  description: Reference with tag to image ID.
  type: dict
  sample: {"res/web:latest": "sha256:0c1d2e3f"}
"""

from collections.abc import Callable

from ..module_utils.images.present import image_ids


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., dict[str, str]]]:
        """Name to function."""
        return {"image_ids": image_ids}
