# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Tiers whose image is on this machine already and must be process 1: hold has no place in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..cluster.leaving import HELD
from ..cluster.spec import ClusterSpec
from ..core.errors import Problem
from ..engine.docker_facts import Docker, read_commands
from ..inventory.leaving_options import by_balancer, first_process, first_process_advice, first_process_problems

ReadCommands = Callable[[Docker, Iterable[str]], Mapping[str, tuple[Sequence[str], Sequence[str]]]]


def settle_leaving(
    spec: ClusterSpec, docker: Docker, read: ReadCommands = read_commands
) -> tuple[ClusterSpec, list[str], list[Problem]]:
    """The specification as the images allow it, a line about each tier that it changes, and what cannot be.

    An image that is not here yet is judged when it is pulled.

    Args:
        spec: the declared cluster.
        docker: what Docker said.
        read: asks for ENTRYPOINT and CMD of images.
    """
    held = [tier for tier in spec.tiers if tier.leaving == HELD]
    if not held or docker.trouble:
        return spec, [], []
    commands = read(docker, {tier.image for tier in held})
    programs = {tier.name: first_process(tier, *commands[tier.image]) for tier in held if tier.image in commands}
    first = [tier for tier in held if programs.get(tier.name)]
    tiers = by_balancer(spec.name, spec.tiers, [tier.name for tier in first])
    lines = [first_process_advice(tier, programs[tier.name]) for tier in first]
    problems = [line for tier in first for line in first_process_problems(tier, programs[tier.name])]
    return dataclasses.replace(spec, tiers=tiers), lines, problems
