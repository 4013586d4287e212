# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The builds that a host lacks, in order."""

from __future__ import annotations

DOCUMENTATION = r"""
name: image_builds
short_description: Tell which builds of an image plan a host lacks
version_added: 0.1.0
author:
  - Evenkeel contributors
description:
  - Compares a plan with the images of a host, and gives the missing builds in batches. Builds of one batch do not
    depend on each other, but on those of earlier batches.
  - The base comes first, then the balancer's base beside the tiers, then the balancer. The base is built
    if it is missing and any image is, the balancer's base if it is missing and the balancer's image is.
positional: _input
options:
  _input:
    description: The images, as P(evenkeel.cluster.image_plan#filter) returns them.
    type: list
    elements: dict
    required: true
  present:
    description: The references that the host has.
    type: list
    elements: str
    required: true
  directory:
    description: Directory on the host that holds the build contexts.
    type: path
    required: true
  labels:
    description: Labels of the bases, besides C(evenkeel.role).
    type: dict
    default: {}
  environment:
    description: Build arguments that do not change what a build gives, such as C(http_proxy).
    type: dict
    default: {}
  base:
    description: Reference of the base, C(name:suite-hash), which is also tagged C(name:suite). Empty if it is pulled.
    type: str
    default: ""
  balancer_base:
    description: Reference of the balancer's base, which builds upon O(base). Empty if it is pulled.
    type: str
    default: ""
seealso:
  - plugin: evenkeel.cluster.image_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what would be built
  ansible.builtin.debug:
    msg: "{{ (plan | evenkeel.cluster.image_builds(present=['debian:trixie-slim'], directory='/tmp/build')).batches }}"
"""

RETURN = r"""
_value:
  description: What the host lacks.
  type: dict
  contains:
    images:
      description: The images of the plan that are missing.
      type: list
      elements: dict
      sample: [{name: web, ref: "res/web:3f2a91bc0d5e", latest: "res/web:latest"}]
    base:
      description: Whether the base has to be built.
      type: bool
      sample: true
    balancer_base:
      description: Whether the balancer's base has to be built.
      type: bool
      sample: false
    batches:
      description:
        - Lists of builds, none of them empty.
        - Each build has its C(ref), a second reference C(also) or V(""), the C(path) of its context on the host, and
          its C(args), C(labels) and C(dockerfile).
      type: list
      elements: list
      sample:
        - - {ref: "evenkeel/base:trixie-0123456789ab", also: "", path: /build/base, args: {}, labels: {}}
        - - {ref: "res/web:3f2a91bc0d5e", also: "res/web:latest", path: /build/image-web, args: {}, labels: {}}
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..module_utils.images.builds import Bases, BuildSettings, lacking


def image_builds(
    plan: Iterable[Mapping[str, Any]],
    present: Iterable[str],
    directory: str,
    labels: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    base: str = "",
    balancer_base: str = "",
) -> dict[str, Any]:
    """What a host lacks of a plan.

    Args:
        plan: the images, as ``image_plan`` returns them.
        present: the references that the host has.
        directory: where the build contexts are on the host.
        labels: labels of the bases.
        environment: build arguments that do not change what a build gives.
        base: reference of the base, empty if it is pulled.
        balancer_base: reference of the balancer's base, empty if it is pulled.

    Returns:
        The fields of ``Lacking``.
    """
    settings = BuildSettings(directory, environment or {}, labels or {})
    found = lacking(list(plan), set(present), Bases(base, balancer_base), settings)
    return {
        "images": found.images,
        "base": found.base,
        "balancer_base": found.balancer_base,
        "batches": [[dataclasses.asdict(build) for build in batch] for batch in found.batches],
    }


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Name to function."""
        return {"image_builds": image_builds}
