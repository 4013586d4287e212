# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The images that a cluster builds, each tagged with a hash of all that goes into it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: image_plan
short_description: Tell which images a cluster builds and tag each by its content
version_added: 0.1.0
author:
  - Evenkeel contributors
description:
  - Plans the image of each tier that has a build context, in the order of the tiers, and the balancer's after them.
  - An image's tag is a hash of its build context, see P(evenkeel.cluster.tree_hash#filter), of its base, its labels,
    its build arguments and O(serial); and of O(node), if the Dockerfile copies C(node/). So a change of any of them
    builds the image again.
positional: _input
options:
  _input:
    description:
      - The tiers, as M(evenkeel.cluster.preflight) returns them; C(name), C(image), C(context) and C(labels) of each
        are read.
      - Other images may have C(dockerfile), the path of their Dockerfile in the context, and C(exclude), patterns as in
        O(exclude) for themselves alone.
      - A tier whose context is empty is not built.
    type: list
    elements: dict
    required: true
  balancer:
    description:
      - The balancer's image, C(context) and C(labels), and the image below it as C(base).
      - Without it, only the others are planned.
    type: dict
  base:
    description: Reference of the image below the tiers.
    type: str
    required: true
  args:
    description: Build arguments of the tiers' images, besides C(BASE).
    type: dict
    default: {}
  node:
    description: The pinned version of Node.js.
    type: str
    default: ""
  serial:
    description: Any text; another one builds every image again.
    type: str
    default: ""
  root:
    description: Directory on the controller where relative contexts start.
    type: path
    default: ""
  exclude:
    description: Patterns in the syntax of C(.dockerignore) that never go into a build context.
    type: list
    elements: str
    default: []
notes:
  - Needs the Docker SDK for Python on the controller, whose C(.dockerignore) matcher it uses.
seealso:
  - plugin: evenkeel.cluster.image_builds
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the images of the tiers and of the balancer
  ansible.builtin.debug:
    msg: >-
      {{ cluster_spec.tiers | evenkeel.cluster.image_plan(
           balancer={'image': 'res/traefik', 'context': 'files/load_balancer', 'labels': {}, 'base': 'traefik:v3.7.15'},
           base='debian:trixie-slim') | map(attribute='ref') }}
"""

RETURN = r"""
_value:
  description: The images.
  type: list
  elements: dict
  contains:
    name:
      description: The tier's name, or V(_balancer).
      type: str
      sample: web
    image:
      description: The image's name without a tag.
      type: str
      sample: res/web
    context:
      description: The build context on the controller.
      type: path
      sample: /srv/evenkeel/files/web
    base:
      description: Reference of the image below.
      type: str
      sample: evenkeel/base:trixie-0123456789ab
    labels:
      description: The image's labels.
      type: dict
      sample: {evenkeel.tier: web}
    args:
      description: Build arguments, besides C(BASE).
      type: dict
      sample: {}
    dockerfile:
      description: The Dockerfile's path in the context.
      type: str
      sample: Dockerfile
    files:
      description: The files and symbolic links that go into the build, relative to the context, sorted.
      type: list
      elements: str
      sample: [Dockerfile, app/main.js]
    node:
      description: Whether the Dockerfile copies C(node/), the unpacked binaries of Node.js.
      type: bool
      sample: true
    ca_bundle:
      description: Whether the Dockerfile copies C(ca-bundle.crt).
      type: bool
      sample: false
    tag:
      description: The tag, 12 hexadecimal digits.
      type: str
      sample: 3f2a91bc0d5e
    ref:
      description: Name and tag.
      type: str
      sample: "res/web:3f2a91bc0d5e"
    latest:
      description: The name with the tag latest; empty if an earlier image has the same name.
      type: str
      sample: "res/web:latest"
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.images.plan import BALANCER, PlannedImage, Source, image_source, needs_of, planned, salt_of
from .tree_hash import tree_hash


def _dockerfile(source: Source) -> str:
    path = Path(source.context) / source.dockerfile
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        got = exc.strerror if isinstance(exc, OSError) else "no UTF-8"
        message = f"{path}: got '{got}', want a readable Dockerfile (fix: correct the image's context)"
        raise AnsibleFilterError(message) from None


def image_plan(
    tiers: Iterable[Mapping[str, Any]],
    base: str,
    balancer: Mapping[str, Any] | None = None,
    args: Mapping[str, Any] | None = None,
    node: str = "",
    serial: object = "",
    root: str = "",
    exclude: Iterable[str] = (),
) -> list[dict[str, Any]]:
    """Plan the images of the tiers that have a context, and the balancer's.

    Args:
        tiers: name, image, context and labels of each; dockerfile and exclude where they are not the usual ones.
        base: reference of the image below the tiers.
        balancer: image, context, labels and base; ``None`` to leave it out.
        args: build arguments of the tiers.
        node: the pinned version of Node.js.
        serial: any value that JSON can express; another one gives every image another tag.
        root: where relative contexts start.
        exclude: ``.dockerignore`` patterns that hold in every context.

    Returns:
        The fields of ``PlannedImage`` of each image.

    Raises:
        AnsibleFilterError: a context or its Dockerfile cannot be read.
    """
    built = [tier for tier in tiers if tier["context"]]
    own = {tier["name"]: list(tier.get("exclude", ())) for tier in built}
    sources: list[Source] = [image_source(tier, root, base, args or {}) for tier in built]
    if balancer:
        of_balancer = {"name": BALANCER, **{key: balancer[key] for key in ("image", "context", "labels")}}
        sources.append(image_source(of_balancer, root, balancer["base"], {}))
    everywhere = list(exclude)
    plan: list[PlannedImage] = []
    for source in sources:
        needs = needs_of(_dockerfile(source))
        patterns = [*own.get(source.name, ()), *everywhere]
        tree = tree_hash(source.context, salt_of(source, needs, serial, node), patterns)
        plan.append(planned(source, needs, tree["tag"], tree["files"], plan))
    return [dataclasses.asdict(image) for image in plan]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, Any]]]]:
        """Name to function."""
        return {"image_plan": image_plan}
