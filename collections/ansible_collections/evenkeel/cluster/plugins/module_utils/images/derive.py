# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The images that are derived from those of others, so that hold is their first process. Pure: no I/O."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..cluster.derivation import derivation_labels
from ..cluster.health import TCP
from ..core.errors import Problem

PROGRAM = "/.evenkeel/hold"
_TAG_LENGTH = 12
# Longer than the balancer takes to its first probe of a new node, about a second, also where the processors are busy:
# an application that answers 503 itself while it starts would get requests before. Without a balancer it waits as long.
_GATE_SECONDS = "3"
# What an image says and what the kernel calls the same processor.
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclasses.dataclass(frozen=True)
class Original:
    """An image of others, as the engine describes it."""

    reference: str
    image_id: str
    architecture: str
    entrypoint: Sequence[str]
    command: Sequence[str]
    stop_signal: str
    exposed: Sequence[str]
    onbuild: bool


@dataclasses.dataclass(frozen=True)
class Derived:
    """An image to derive.

    Attributes:
        name: the tier's name.
        image: the repository.
        tag: a hash of all that goes into it.
        ref: both.
        latest: the second reference.
        text: the Dockerfile that it is built by.
        labels: of the image.
        base: the image below.
        args: none; as the images that are built have it.
    """

    name: str
    image: str
    tag: str
    ref: str
    latest: str
    text: str
    labels: Mapping[str, str]
    base: str
    args: Mapping[str, str] = dataclasses.field(default_factory=dict)


def original(reference: str, inspected: Mapping[str, Any]) -> Original:
    """An image of others.

    Args:
        reference: as it is declared.
        inspected: what the engine says about it.
    """
    config = inspected.get("Config") or {}
    return Original(
        reference=reference,
        image_id=str(inspected["Id"]),
        architecture=str(inspected.get("Architecture") or ""),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        stop_signal=str(config.get("StopSignal") or "SIGTERM"),
        exposed=tuple(config.get("ExposedPorts") or ()),
        onbuild=bool(config.get("OnBuild")),
    )


def refusal(tier: str, image: Original, machine: str) -> Problem | None:
    """Why nothing can be derived from an image; None if it can.

    Args:
        tier: the tier's name.
        image: its image.
        machine: the processor's architecture, as the kernel calls it.
    """
    what = f"image {image.reference} of tier {tier}"
    if image.onbuild:
        want = "an image to run, because ONBUILD would run its steps in what is derived from it"
        return Problem(what, "one with ONBUILD", want, f"name an image without, or cluster_tiers.{tier}.leaving: own")
    if not image.entrypoint and not image.command:
        want = "an ENTRYPOINT or a CMD"
        return Problem(what, "no command", want, "name an image that runs an application")
    if machine and image.architecture and _ARCHITECTURES.get(image.architecture, image.architecture) != machine:
        want = f"one for {machine}, as the machine is"
        fix = f"pull the image for this architecture, or cluster_tiers.{tier}.leaving: balancer to run it as it is"
        return Problem(what, f"one for {image.architecture}", want, fix)
    return None


def hold_options(tier: Mapping[str, Any], image: Original) -> list[str]:
    """What hold is told about a tier's app. Its times stay hold's own: managed nodes get theirs as variables.

    Args:
        tier: port, health and container.
        image: the tier's image.
    """
    health = tier["health"]
    signal = tier["container"]["stop_signal"] or image.stop_signal
    options = ["--port", str(tier["port"]), "--gate-seconds", _GATE_SECONDS, "--stop-signal", signal]
    if health["kind"] == TCP:
        return [*options, "--health", TCP]
    if health["path"] != "/" or health["status"]:
        # Without a path hold asks for / and takes any answer below 500.
        options += ["--health-path", health["path"]]
    if health["status"]:
        options += ["--health-status", str(health["status"])]
    if health["host"]:
        options += ["--health-host", health["host"]]
    for name, value in health["headers"].items():
        options += ["--health-header", f"{name}: {value}"]
    return options


def dockerfile(tier: Mapping[str, Any], image: Original, hold: str) -> str:
    """The text that the image is built by. Nothing runs in the build, so that images without a shell work.

    Args:
        tier: port, health and container.
        image: the tier's image.
        hold: reference of the image with hold.
    """
    entrypoint = tier["container"]["entrypoint"]
    # As with docker run, another entry point empties the image's command.
    command = image.command if entrypoint is None else ()
    first = [PROGRAM, *hold_options(tier, image), "--", *(image.entrypoint if entrypoint is None else entrypoint)]
    lines = [
        f"FROM {image.image_id}",
        f"COPY --from={hold} /hold {PROGRAM}",
        f"ENTRYPOINT {json.dumps(first)}",
        # Another entry point empties the command.
        f"CMD {json.dumps(list(command))}",
        "STOPSIGNAL SIGTERM",
        # A container whose health is not known yet does not join; hold is asked instead.
        "HEALTHCHECK NONE",
    ]
    if not image.exposed:
        # Traefik finds the port of a container that was started by hand there.
        lines.append(f"EXPOSE {tier['port']}")
    return "\n".join(lines) + "\n"


def derived(tier: Mapping[str, Any], image: Original, hold: str, serial: object = "") -> Derived:
    """The image that is derived for a tier.

    Args:
        tier: the tier, as the specification has it.
        image: its image.
        hold: reference of the image with hold, whose tag is a hash of its content.
        serial: any value; a new value gives the image a new tag.
    """
    text = dockerfile(tier, image, hold)
    labels = {**tier["labels"], **derivation_labels(tier, image.image_id)}
    salt = json.dumps([text, labels, serial], sort_keys=True)
    tag = hashlib.sha256(salt.encode()).hexdigest()[:_TAG_LENGTH]
    name = str(tier["derived"])
    ref, latest = f"{name}:{tag}", f"{name}:latest"
    return Derived(str(tier["name"]), name, tag, ref, latest, text, labels, image.image_id)
