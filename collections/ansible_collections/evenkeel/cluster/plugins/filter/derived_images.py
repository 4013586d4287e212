# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The images that are derived from those of others, with hold as their first process."""

from __future__ import annotations

DOCUMENTATION = r"""
name: derived_images
short_description: Tell which images to derive from images that are not ours
version_added: 0.1.0
author:
  - Evenkeel contributors
description:
  - Plans one image per tier whose nodes are held (option C(leaving) of the tier). It is made from the tier's, and
    hold is its entry point, which starts the entry point and the command of the tier's image.
  - A tag is a hash of the tier's image, of hold, of the labels and of the options of hold.
  - Tiers without an image in O(inspected) are left out.
positional: _input
options:
  _input:
    description: The tiers, as M(evenkeel.cluster.preflight) returns them.
    type: list
    elements: dict
    required: true
  inspected:
    description: Per tier, what Docker tells about its image, as C(docker image inspect) prints it.
    type: dict
    required: true
  hold:
    description: Reference of the image with hold.
    type: str
    required: true
  cluster:
    description: The cluster's name.
    type: str
    required: true
  machine:
    description: The architecture of the machine, as C(uname -m) prints it.
    type: str
    default: ""
  serial:
    description: Any text; another one derives every image again.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what would be derived
  ansible.builtin.debug:
    msg: >-
      {{ (cluster_spec.tiers | evenkeel.cluster.derived_images(
            inspected={'web': image_info.images[0]}, hold='evenkeel/hold:0123456789ab', cluster='evenkeel')).images }}
"""

RETURN = r"""
_value:
  description: What to derive, and what cannot be.
  type: dict
  contains:
    images:
      description: The images, each with C(name), C(image), C(tag), C(ref), C(latest), C(dockerfile) and C(labels).
      type: list
      elements: dict
      sample: [{name: web, ref: "evenkeel/web:3f2a91bc0d5e"}]
    tiers:
      description:
        - All tiers. Those whose image must be process 1, such as that of s6 or systemd, leave by the balancer alone.
      type: list
      elements: dict
      sample: [{name: web, leaving: held}]
    problems:
      description: A line about each image that nothing can be derived from.
      type: list
      elements: str
      sample: []
    advice:
      description: A line about each tier that leaves by the balancer alone because of its image.
      type: list
      elements: str
      sample: []
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..module_utils.cluster.leaving import HELD
from ..module_utils.cluster.spec import Tier
from ..module_utils.images.derive import derived, original, refusal
from ..module_utils.inventory.leaving_options import (
    by_balancer,
    first_process,
    first_process_advice,
    first_process_problems,
)


def _plain(value: Any) -> Any:
    """Ansible's own containers as Python's, which can be copied."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def derived_images(
    tiers: Iterable[Mapping[str, Any]],
    inspected: Mapping[str, Mapping[str, Any]],
    hold: str,
    cluster: str,
    machine: str = "",
    serial: object = "",
) -> dict[str, Any]:
    """Plan the images that are derived.

    Args:
        tiers: as the specification has them.
        inspected: tier to what the engine says about its image.
        hold: reference of the image with hold.
        cluster: the cluster's name.
        machine: the machine's architecture.
        serial: any value that JSON can express; another one gives every image another tag.

    Returns:
        ``images``, ``tiers``, ``problems`` and ``advice``.
    """
    every = [Tier.from_dict(_plain(tier)) for tier in tiers]
    found = {tier.name: original(tier.image, _plain(inspected[tier.name])) for tier in every if tier.name in inspected}
    held = [tier for tier in every if tier.leaving == HELD and tier.name in found]
    programs = {tier.name: first_process(tier, found[tier.name].entrypoint, found[tier.name].command) for tier in held}
    first = [tier for tier in held if programs[tier.name]]
    rest = [tier for tier in held if tier not in first]
    problems = {tier.name: refusal(tier.name, found[tier.name], machine) for tier in rest}
    cannot = [line for tier in first for line in first_process_problems(tier, programs[tier.name])]
    good = [tier for tier in rest if problems[tier.name] is None]
    images = [derived(dataclasses.asdict(tier), found[tier.name], hold, serial) for tier in good]
    return {
        "images": [dataclasses.asdict(image) for image in images],
        "tiers": [dataclasses.asdict(tier) for tier in by_balancer(cluster, every, [tier.name for tier in first])],
        "problems": [str(problem) for problem in [*cannot, *problems.values()] if problem is not None],
        "advice": [first_process_advice(tier, programs[tier.name]) for tier in first],
    }


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Name to function."""
        return {"derived_images": derived_images}
