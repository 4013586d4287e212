# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Which images a cluster builds, and what each depends on besides the files of its build context.

Pure: no I/O. The caller reads the Dockerfiles and hashes the contexts.
"""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

BALANCER = "_balancer"
"""The balancer's name in a plan. No tier has this name, because a tier's name begins with a letter."""

DOCKERFILE = "Dockerfile"

# These are added to a build context if its Dockerfile copies them.
_COPIES_NODE = re.compile(r"^(COPY|ADD) (.*[ /])?node/", re.MULTILINE)
_COPIES_CA_BUNDLE = re.compile(r"^(COPY|ADD) .*ca-bundle", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Source:
    """What an image is built from.

    ``image`` is the repository's name without a tag, ``context`` the build context on the controller, ``base`` the
    reference that the build gets as its argument ``BASE``, ``dockerfile`` the Dockerfile's path in the context.
    """

    name: str
    image: str
    context: str
    base: str
    labels: Mapping[str, str]
    args: Mapping[str, Any]
    dockerfile: str


@dataclasses.dataclass(frozen=True)
class Needs:
    """What a build needs besides the files of its context."""

    node: bool
    ca_bundle: bool


@dataclasses.dataclass(frozen=True)
class PlannedImage(Source):
    """An image to build, named by its content.

    ``files`` are the paths that the build gets, relative to the context. ``latest`` is the second reference, or empty
    where an earlier image of the plan has it.
    """

    files: Sequence[str]
    node: bool
    ca_bundle: bool
    tag: str
    ref: str
    latest: str


def image_source(raw: Mapping[str, Any], root: str, base: str, args: Mapping[str, Any]) -> Source:
    """What the image of a tier, or of the balancer, is built from.

    Args:
        raw: name, image, context, labels, and the Dockerfile where it has another name.
        root: the folder that relative contexts start from.
        base: reference of the base image.
        args: build arguments besides ``BASE``.
    """
    return Source(
        name=raw["name"],
        image=raw["image"],
        context=posixpath.join(root, raw["context"]),
        base=base,
        labels=dict(raw["labels"].items()),
        args=dict(args.items()),
        dockerfile=raw.get("dockerfile", DOCKERFILE),
    )


def needs_of(dockerfile: str) -> Needs:
    """What a Dockerfile's text copies from ``node/`` and ``ca-bundle.crt`` in its context."""
    return Needs(bool(_COPIES_NODE.search(dockerfile)), bool(_COPIES_CA_BUNDLE.search(dockerfile)))


def salt_of(source: Source, needs: Needs, serial: object, node_pin: str) -> list[object]:
    """What an image depends on besides its files, as data that JSON can express.

    Args:
        source: what it is built from; base, labels and build arguments count.
        needs: whether the version of Node.js counts.
        serial: any value; a new value gives every image a new tag.
        node_pin: the pinned version of Node.js.
    """
    return [source.base, source.labels, source.args, serial, node_pin if needs.node else ""]


def planned(
    source: Source, needs: Needs, tag: str, files: Sequence[str], earlier: Iterable[PlannedImage]
) -> PlannedImage:
    """Name an image by its tag; where images share a repository, the first of them is its ``latest``."""
    taken = {image.image for image in earlier}
    return PlannedImage(
        **vars(source),
        **vars(needs),
        files=files,
        tag=tag,
        ref=f"{source.image}:{tag}",
        latest="" if source.image in taken else f"{source.image}:latest",
    )
