# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What to do with the images that a host has: move ``latest``, remove superseded builds.

Pure: no I/O. Images and containers are as Docker's API lists them.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Any


def image_ids(images: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Reference to image ID. Images without a tag have no reference."""
    return {str(tag): str(image["Id"]) for image in images for tag in image.get("RepoTags") or ()}


def latest_moves(plan: Iterable[Mapping[str, Any]], ids: Mapping[str, str]) -> list[dict[str, str]]:
    """Where the tag ``latest`` is not on the image of the plan.

    Args:
        plan: the images, each with ref and latest; an empty latest is not set.
        ids: what the host has, reference to image ID.

    Returns:
        ``ref``, and the reference ``latest`` to set on the same image.
    """
    return [
        {"ref": image["ref"], "latest": image["latest"]}
        for image in plan
        if image["latest"] and (image["ref"] not in ids or ids[image["ref"]] != ids.get(image["latest"]))
    ]


def superseded_images(
    images: Iterable[Mapping[str, Any]],
    containers: Iterable[Mapping[str, Any]],
    repositories: Iterable[str],
    current: Container[str],
    keep: int,
    former: Iterable[str] = (),
) -> list[str]:
    """Builds that newer ones have replaced and that no container uses.

    Args:
        images: the cluster's images.
        containers: all containers of the host, also stopped ones.
        repositories: names of images, without tags, whose builds are looked at.
        current: references that the declaration uses.
        keep: how many superseded builds of each repository stay, the newest; one that a container uses is counted.
        former: names that images had in earlier versions; all of them are superseded.

    Returns:
        Their references, repository by repository, the newest first.
    """
    used = {container["ImageID"] for container in containers}
    newest = sorted(images, key=lambda image: int(image["Created"]), reverse=True)
    tags = [(tag, image["Id"]) for image in newest for tag in image.get("RepoTags") or ()]
    found: list[str] = []
    for repository in dict.fromkeys(repositories):
        old = [(tag, image) for tag, image in tags if _is_build(tag, repository) and tag not in current]
        found += [tag for tag, image in old[keep:] if image not in used]
    gone = set(former)
    return [*found, *(tag for tag, image in tags if tag.rpartition(":")[0] in gone and image not in used)]


def _is_build(reference: str, repository: str) -> bool:
    """Whether a tag is a content hash, with or without a version or suite before it. Only these are ours to remove."""
    return re.fullmatch(re.escape(repository) + r":([a-z0-9.]+-)?[0-9a-f]{12}", reference) is not None
