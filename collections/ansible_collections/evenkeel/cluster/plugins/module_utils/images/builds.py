# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The builds that a host lacks, in order, and the error text of a failed build.

Pure: no I/O.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

from ..cluster.labels import CONTENT, ROLE
from .plan import BALANCER, DOCKERFILE

_HASH = re.compile(r"-[0-9a-f]{12}$")

_LOGS = ", logs: ["
_HEAD = re.compile(r"^Error building .*?message: ", re.DOTALL)
# Colours and cursor moves, then all other control characters.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LAST_LINES = 15
_ERROR_LENGTH = 300


@dataclasses.dataclass(frozen=True)
class Build:
    """One ``docker build``.

    ``also`` is a second reference or empty, ``path`` the build context on the host, ``dockerfile`` a path in it.
    """

    ref: str
    also: str
    path: str
    args: Mapping[str, Any]
    labels: Mapping[str, str]
    dockerfile: str = DOCKERFILE


@dataclasses.dataclass(frozen=True)
class Lacking:
    """What a host lacks: images of the plan, their bases, and the builds in batches.

    The builds of a batch do not depend on each other, only on those of earlier batches.
    """

    images: Sequence[Mapping[str, Any]]
    base: bool
    balancer_base: bool
    batches: Sequence[Sequence[Build]]


@dataclasses.dataclass(frozen=True)
class Bases:
    """References of the base images of the tiers and of the balancer; empty if they are pulled."""

    base: str = ""
    balancer_base: str = ""


@dataclasses.dataclass(frozen=True)
class BuildSettings:
    """What all builds share: the folder of their contexts, the build environment, and the cluster's labels."""

    directory: str
    environment: Mapping[str, str]
    labels: Mapping[str, str]


def lacking(
    plan: Sequence[Mapping[str, Any]], present: Container[str], bases: Bases, settings: BuildSettings
) -> Lacking:
    """What a host lacks of a plan.

    Args:
        plan: the images, each with name, ref, latest, base, args and labels.
        present: the references that the host has.
        bases: the images' base images.
        settings: what the builds share.
    """
    images = [image for image in plan if image["ref"] not in present]
    balancer = [_image_build(image, settings) for image in images if image["name"] == BALANCER]
    tiers = [_image_build(image, settings) for image in images if image["name"] != BALANCER]
    lacks_base = bool(images and bases.base) and bases.base not in present
    lacks_balancer_base = bool(balancer and bases.balancer_base) and bases.balancer_base not in present
    lowest: list[Build] = []
    if lacks_base:
        suite = _HASH.sub("", bases.base)
        lowest.append(_base_build(bases.base, suite, "base", {}, settings))
    if lacks_balancer_base:
        tiers.insert(0, _base_build(bases.balancer_base, "", "traefik", {"BASE": bases.base}, settings))
    batches = [batch for batch in (lowest, tiers, balancer) if batch]
    return Lacking(images, lacks_base, lacks_balancer_base, batches)


def _image_build(image: Mapping[str, Any], settings: BuildSettings) -> Build:
    return Build(
        ref=image["ref"],
        also=image["latest"],
        path=f"{settings.directory}/image-{image['name']}",
        args=dict([*image["args"].items(), ("BASE", image["base"]), *settings.environment.items()]),
        labels={**dict(image["labels"].items()), CONTENT: image["ref"].rpartition(":")[2]},
        dockerfile=image.get("dockerfile", DOCKERFILE),
    )


def _base_build(ref: str, also: str, folder: str, args: Mapping[str, str], settings: BuildSettings) -> Build:
    labels = dict([*settings.labels.items(), (ROLE, "base")])
    return Build(ref=ref, also=also, path=f"{settings.directory}/{folder}", args=args, labels=labels)


def split_failure(message: str) -> tuple[str, list[str]]:
    """Split the message of a failed community.docker.docker_image into the error and the lines of the log.

    The module appends the log as a Python list. Without one there are no lines.
    """
    for start in (found.start() for found in re.finditer(re.escape(_LOGS), message)):
        entries = _entries(message[start + len(_LOGS) - 1 :])
        if entries is not None:
            lines = [_plain(line) for entry in entries for line in entry.splitlines()]
            return _error(message[:start]), [line for line in lines if line]
    return _error(message), []


def _entries(text: str) -> list[str] | None:
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return [str(entry) for entry in value] if isinstance(value, list) else None


def _plain(line: str) -> str:
    return _CONTROL.sub("", _ESCAPES.sub("", line)).strip()


def _error(text: str) -> str:
    """One line, without the module's prefix, cut at a word."""
    line = _plain(" ".join(_HEAD.sub("", text).split()))
    if len(line) <= _ERROR_LENGTH:
        return line
    return line[: _ERROR_LENGTH - 3].rsplit(" ", 1)[0] + "..."


def failure_text(message: str, ref: str) -> str:
    """The error text of a failed build: one line that says why, then the end of the build's log.

    Args:
        message: what the module says.
        ref: the image's reference.
    """
    error, log = split_failure(message)
    text = f"Image {ref}: got '{error}', want it built (fix: mend its Dockerfile, or what it downloads from)"
    if not log:
        return text
    return "\n".join([f"{text}. The build ended with:", *log[-_LAST_LINES:]])
