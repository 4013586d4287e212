# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""How the nodes of a tier leave: the options, their defaults, and what an image says about it. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from ..cluster.health import TCP
from ..cluster.leaving import (
    BALANCER,
    FINISH_MARGIN,
    FINISH_SECONDS,
    HELD,
    HELD_DRAIN_SECONDS,
    LEAVING,
    OWN,
    PULLS,
    probe_of,
)
from ..cluster.names import derived_name
from ..cluster.spec import Tier
from ..core.errors import Problem
from ..core.values import whole_number
from ..traefik.labels import policy_labels, service_name, tier_labels
from .reader import Reader

LEAVING_KEYS = frozenset({"leaving", "finish_seconds", "pull"})
_STOP_SECONDS = 30
_MAX_FINISH_SECONDS = 3600
# Supervisors that refuse to run as anything but process 1.
_FIRST_PROCESSES = re.compile(r"/init|/sbin/init|(?:.*/)?systemd|(?:.*/)?s6-svscan")
_SHELLS = ("sh", "ash", "bash", "dash")


@dataclasses.dataclass(frozen=True)
class Leaving:
    """The options of a tier that say how its nodes leave.

    Attributes:
        leaving: one of ``cluster.leaving.LEAVING``.
        finish_seconds: how long a node that leaves may take to finish what is open.
        pull: one of ``cluster.leaving.PULLS``.
        derived: the repository of the image that is derived for it; empty for none.
    """

    leaving: str
    finish_seconds: int
    pull: str
    derived: str

    @property
    def options(self) -> dict[str, Any]:
        """As fields of a tier."""
        return dataclasses.asdict(self)


def with_defaults(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A tier's options, those that are missing filled in where their default follows from how its nodes leave."""
    leaving = raw.get("leaving", OWN if raw.get("context") is not None else HELD)
    options = {"leaving": leaving, **raw}
    if leaving == HELD:
        options.setdefault("drain_seconds", HELD_DRAIN_SECONDS)
        finish, stop = (whole_number(options.get(key)) for key in ("finish_seconds", "stop_seconds"))
        if finish is None and stop is not None:
            options.setdefault("finish_seconds", min(FINISH_SECONDS, max(stop - FINISH_MARGIN, 0)))
        options.setdefault("stop_seconds", max(_STOP_SECONDS, finish or FINISH_SECONDS) + 2 * FINISH_MARGIN)
    options.setdefault("finish_seconds", FINISH_SECONDS)
    return options


def read_leaving(reader: Reader, at: str, cluster: str, name: str, options: Mapping[str, Any]) -> Leaving:
    """How the nodes of a tier leave.

    Args:
        reader: collects the problems.
        at: the tier's place in the inventory.
        cluster: the cluster's name.
        name: the tier's name.
        options: the tier's, as :func:`with_defaults` gives them.
    """
    known = len(reader.problems)
    leaving = reader.choice(f"{at}.leaving", options["leaving"], LEAVING)
    pull = reader.choice(f"{at}.pull", options.get("pull", "missing"), PULLS)
    fix = f"{at}.finish_seconds: {FINISH_SECONDS}"
    finish = reader.whole(f"{at}.finish_seconds", options["finish_seconds"], 0, _MAX_FINISH_SECONDS, fix)
    built = options.get("context") is not None
    if len(reader.problems) == known:
        if built and leaving == HELD:
            want = "own or balancer, because hold is added to images that are not built here"
            reader.problem(f"{at}.leaving", leaving, want, f"{at}.leaving: balancer, or see docs/node-images.md")
        if built and "pull" in options:
            reader.problem(f"{at}.pull", pull, "nothing, because the image is built here", f"remove {at}.pull")
        _finish_before_the_kill(reader, at, leaving, finish, options)
    derived = derived_name(cluster, name) if leaving == HELD else ""
    return Leaving(leaving, finish, pull, derived)


def _finish_before_the_kill(reader: Reader, at: str, leaving: str, finish: int, options: Mapping[str, Any]) -> None:
    stop, drain = whole_number(options.get("stop_seconds")), whole_number(options.get("drain_seconds"))
    if leaving != HELD or stop is None or drain is None:
        return
    if finish > stop - FINISH_MARGIN:
        want = f"at most stop_seconds ({stop}) less {FINISH_MARGIN}, because Docker kills the node then"
        reader.problem(f"{at}.finish_seconds", finish, want, f"{at}.stop_seconds: {finish + 2 * FINISH_MARGIN}")
    elif finish < drain:
        want = f"at least drain_seconds ({drain}), and stop_seconds {FINISH_MARGIN} more"
        fix = f"{at}.finish_seconds: {drain}, {at}.stop_seconds: {drain + 2 * FINISH_MARGIN}"
        reader.problem(f"{at}.finish_seconds", finish, want, fix)


def first_process(tier: Tier, entrypoint: Sequence[str], command: Sequence[str]) -> str:
    """What a tier's nodes run that must be process 1, which leaves no place for hold; empty for any other program.

    Args:
        tier: as declared; its own command or entry point goes over the image's.
        entrypoint: the image's.
        command: the image's.

    Returns:
        Where it is said, and the program: ``CMD /init``.
    """
    own = tier.container
    parts = [("ENTRYPOINT", entrypoint), ("CMD", command)]
    if own.entrypoint is not None:
        # As with docker run, another entry point empties the image's command.
        parts = [("entrypoint", own.entrypoint), ("CMD", ())]
    if own.command is not None:
        parts[1] = ("command", own.command)
    source, words = next(((name, said) for name, said in parts if said), ("", ()))
    program = _program(words)
    return f"{source} {program}" if _FIRST_PROCESSES.fullmatch(program) else ""


def _program(words: Sequence[str]) -> str:
    """The program that becomes the first process: a shell that has one command to run is replaced by it."""
    shell = len(words) > 2 and words[0].rpartition("/")[2] in _SHELLS and words[1] == "-c"
    said = words[2].removeprefix("exec ").split() if shell else words
    return str(said[0]) if said else ""


def by_balancer(cluster: str, tiers: Iterable[Tier], names: Container[str]) -> list[Tier]:
    """The tiers, of which the named ones leave by the balancer alone.

    Args:
        cluster: the cluster's name.
        tiers: all of them.
        names: of those that change.
    """
    return [_by_balancer(cluster, tier) if tier.name in names else tier for tier in tiers]


def _by_balancer(cluster: str, tier: Tier) -> Tier:
    probe = probe_of(BALANCER, tier.health)
    policy = policy_labels(tier.sticky, tier.strategy, tier.cookie, probe, tier.max_failures)
    service = service_name(tier.name, tier.port, policy)
    labels = tier_labels(cluster, tier.name, service, policy)
    return dataclasses.replace(tier, leaving=BALANCER, derived="", service=service, labels=labels)


def first_process_problems(tier: Tier, program: str) -> list[Problem]:
    """What a tier asks of hold that its program, as :func:`first_process` tells it, leaves no place for."""
    at, got = f"cluster_tiers.{tier.name}", f"{program}, which must be process 1"
    problems = []
    if tier.secrets.variables:
        want = (
            "one that hold can start, which alone can give an application variables that docker inspect does not show"
        )
        fix = f"{at}.secrets, which are files, or {at}.leaving: balancer with accept_visible: true"
        problems.append(Problem(f"{at}.secret_environment", got, want, fix))
    if tier.health.kind == TCP:
        want = "one that hold can start, because the balancer itself asks by HTTP alone"
        problems.append(Problem(f"{at}.health", got, want, f"{at}.health: http"))
    return problems


def first_process_advice(tier: Tier, program: str) -> str:
    """What a reader must know about a tier whose program, as :func:`first_process` tells it, must be process 1."""
    got = f"{program}, which must be process 1"
    want = "one that hold can start; its nodes leave by the balancer alone, and a docker stop by hand can lose requests"
    fix = f"none needed; cluster_tiers.{tier.name}.leaving: balancer says so too, and replaces its nodes once"
    return str(Problem(f"image {tier.image}", got, want, fix))
