# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The preflight as one call: what is declared and what the machine has, judged in one pass."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..cluster.labels import SWITCHED_PARTS
from ..cluster.names import console_name
from ..cluster.spec import ClusterSpec
from ..cluster.volumes import shared_volume_advice
from ..core.errors import Problem
from ..engine.docker_facts import Docker, read_engine_id
from .capacity import memory_advice
from .certificate import certificate_problems
from .checks import (
    MachineFacts,
    check_all,
    check_disk_for_images,
    check_docker,
    check_machine,
    docker_reason,
    published_ports,
    remains,
    switched_off,
)
from .declaration import Declaration, read_declaration
from .engine import advice, check_engine
from .facts import Machine, read_disk, read_listeners, read_port_proxies
from .first_processes import settle_leaving
from .packet_filter import rules_missing

ReadFacts = Callable[[Declaration, ClusterSpec, Machine, Docker], MachineFacts]


@dataclass(frozen=True)
class Preflight:
    """What a preflight found.

    Attributes:
        spec: the declared cluster; ``None`` when its knobs have problems.
        problems: all that must be mended before anything is changed.
        warnings: lines about what has no effect.
        advice: lines about parts that are switched off, and about what the machine and its engine lack; none of them
            keeps the cluster from running.
        full_disks: problems only for a run that makes images.
    """

    spec: ClusterSpec | None
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    advice: tuple[str, ...] = ()
    full_disks: tuple[Problem, ...] = ()

    @property
    def message(self) -> str:
        """The problems as lines, after a line with their number."""
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        return "\n".join([f"{count}, nothing has been changed", *map(str, self.problems)])


def read_facts(declaration: Declaration, spec: ClusterSpec, machine: Machine, docker: Docker) -> MachineFacts:
    """Read what the checks need to know; ports only where the machine is to carry the cluster."""
    must_carry = declaration.must_carry
    ports = [port for _knob, port, _owner in published_ports(spec)] if must_carry else []
    # Asked only where it is another socket than the one that has answered.
    others = {knob: path for knob, path in declaration.sockets.items() if must_carry and path != docker.socket}
    return MachineFacts(
        machine=machine,
        docker=docker,
        state_disk=read_disk(spec.state_dir),
        data_disk=read_disk(docker.data_root),
        listeners=read_listeners(ports),
        engines={knob: read_engine_id(path) for knob, path in others.items()} if not docker.trouble else {},
        proxies=tuple(read_port_proxies()) if must_carry else (),
        resolved={path: os.path.realpath(path) for path in (docker.socket, *_mounted(spec))} if must_carry else {},
        certificate=_certificate(declaration) if must_carry else (),
    )


def _certificate(declaration: Declaration) -> tuple[Problem, ...]:
    return tuple(certificate_problems(*declaration.certificate)) if declaration.certificate else ()


def _mounted(spec: ClusterSpec) -> Iterable[str]:
    """The folders of the machine that nodes see."""
    return (mount["source"] for tier in spec.tiers for mount in tier.mounts if mount["source"].startswith("/"))


def preflight(params: Mapping[str, Any], machine: Machine, docker: Docker, read: ReadFacts = read_facts) -> Preflight:
    """Check all inputs and the machine.

    Args:
        params: the options of the module.
        machine: the machine and the user.
        docker: what Docker said.
        read: reads the rest, once the declaration says where to look.
    """
    declaration = read_declaration(params, machine, docker)
    problems = list(declaration.problems)
    # A daemon that is down is no obstacle to a removal, which then has no containers to remove.
    if declaration.must_carry or docker.trouble != "absent":
        problems += check_docker(machine, docker)
    if declaration.must_carry:
        problems += [*check_machine(machine), *check_engine(machine, docker)]
    lacks: list[str] = []
    full: list[Problem] = []
    spec = declaration.spec
    if spec is not None:
        facts = read(declaration, spec, machine, docker)
        problems += check_all(declaration, facts)
        if declaration.must_carry:
            own = [*_console_in_clear_text(spec), *_shared_volumes(spec)]
            lacks = [*memory_advice(spec, machine), *own, *advice(machine, docker, facts.proxies)]
            full = check_disk_for_images(declaration, facts)
        spec, first, cannot = settle_leaving(spec, docker)
        problems += cannot
        lacks = [*_left_over(spec, docker), *lacks, *first]
    return Preflight(spec, tuple(problems), declaration.warnings, tuple(lacks), tuple(full))


def _console_in_clear_text(spec: ClusterSpec) -> list[str]:
    if not spec.console or spec.console_tls or ipaddress.ip_address(spec.console_address).is_loopback:
        return []
    got = f"{spec.console_address} without a certificate, so passwords cross the network in clear text"
    fix = "set console_certificate and console_key, or -e console_address=127.0.0.1"
    return [str(Problem("console_address", got, "TLS, or this machine only", fix))]


def _shared_volumes(spec: ClusterSpec) -> list[str]:
    return shared_volume_advice(dataclasses.asdict(tier) for tier in spec.tiers)


def _left_over(spec: ClusterSpec, docker: Docker) -> list[str]:
    return [
        str(
            Problem(
                part,
                f"{', '.join(names)} when this run began",
                f"none, because {SWITCHED_PARTS[part]} is false",
                "ansible-playbook site.yml removes it and keeps its data",
            )
        )
        for part, names in switched_off(spec, docker).items()
    ]


def engine_facts(
    machine: Machine, docker: Docker, spec: ClusterSpec, full_disks: Iterable[Problem] = ()
) -> dict[str, Any]:
    """What roles need to know of Docker, as plain data.

    Args:
        machine: the machine and the user.
        docker: what Docker said.
        spec: the declared cluster.
        full_disks: what a run that makes images must be refused for.
    """
    reason = docker_reason(machine, docker)
    return {
        "usable": not reason,
        "reason": reason,
        "installed": machine.docker_installed,
        "answers": not docker.trouble,
        "sdk": machine.docker_sdk,
        "version": docker.version,
        "api_version": docker.api_version,
        "socket": docker.socket,
        "socket_group": docker.socket_group,
        "network": spec.network in docker.networks,
        "console_network": console_name(spec.name) in docker.networks,
        "images": dict(docker.images),
        "remains": remains(spec, docker),
        "live_restore": docker.live_restore,
        "rules_missing": rules_missing(root=machine.root, published=_publishes(docker), config=machine.daemon_config),
        "switched_off": list(switched_off(spec, docker)),
        "full_disks": [str(problem) for problem in full_disks],
    }


def _publishes(docker: Docker) -> bool:
    return any(container.ports and container.state == "running" for container in docker.containers)
