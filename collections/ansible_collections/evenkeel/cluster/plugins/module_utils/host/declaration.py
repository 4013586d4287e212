# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What an inventory declares, read from the options of the module preflight. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..cluster import labels
from ..cluster.endpoints import EVERY_ADDRESS, LOOPBACK
from ..cluster.names import node_variable
from ..cluster.paths import default_state_dir
from ..cluster.secrets import unpack
from ..cluster.spec import CONSOLE_PORT, ClusterSpec
from ..core.errors import InputError, Problem, quote
from ..core.values import parse_size
from ..engine.docker_facts import Docker
from ..engine.docker_http import DEFAULT_SOCKET
from ..inventory.console_options import DEFAULT_USERS
from ..inventory.knobs import Variables, check_variables
from ..inventory.parse import DEFAULT_RETRY_ATTEMPTS, parse_cluster
from ..inventory.reader import is_folder
from ..inventory.role_knobs import check_values
from .facts import Machine

#: Options that a caller must set.
KNOBS = (
    "name",
    "domain",
    "hosts",
    "engine",
    "web_port",
    "dashboard_port",
    "portainer",
    "portainer_port",
    "image_source",
    "tiers",
)
#: Options with a default, which is that of the knob in its role.
OPTIONAL_KNOBS: dict[str, str | int | list[Any]] = {
    "state_dir": "",
    "dashboard_user": "admin",
    "registry_prefix": "",
    "apt_mirror": "",
    "ca_bundle": "",
    "portainer_archive": "",
    "min_free_disk": "",
    "web_address": EVERY_ADDRESS,
    "dashboard_address": EVERY_ADDRESS,
    "portainer_address": EVERY_ADDRESS,
    "retry_attempts": DEFAULT_RETRY_ATTEMPTS,
    "docker_socket": DEFAULT_SOCKET,
    "portainer_docker_socket": DEFAULT_SOCKET,
    "console": True,
    "console_port": CONSOLE_PORT,
    "console_address": LOOPBACK,
    "console_users": list(DEFAULT_USERS),
    "console_hosts": [],
    "console_origins": [],
    "console_proxies": [],
    "console_certificate": "",
    "console_key": "",
    "console_docker_socket": DEFAULT_SOCKET,
}


@dataclass(frozen=True)
class Declaration:
    """What is declared, and how far it is to be checked.

    Attributes:
        spec: the specification; ``None`` when its knobs have problems.
        problems: what is wrong with the inventory.
        warnings: lines about what is without effect.
        must_carry: whether the machine must be able to carry the cluster.
        state_dir_declared: whether the inventory names the state folder.
        min_free_disk: free space to insist on, in bytes; ``None`` leaves it to the checks.
        root: the folder on the controller that relative paths start from.
        existing_files: the files on the controller that are there.
        named_files: knob to the path of a file on the controller, or empty.
        sockets: knob to the path of the engine's socket that it gives to a container.
        certificate: the console's certificate and its key on the machine; empty without TLS.
    """

    spec: ClusterSpec | None
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    must_carry: bool
    state_dir_declared: bool
    min_free_disk: int | None
    root: str
    existing_files: tuple[str, ...]
    named_files: Mapping[str, str]
    sockets: Mapping[str, str]
    certificate: tuple[str, ...] = ()


def read_declaration(params: Mapping[str, Any], machine: Machine, docker: Docker) -> Declaration:
    """Check and complete what is declared.

    Args:
        params: the options of the module, whatever their types.
        machine: the machine, for the default of the state folder.
        docker: what Docker said, for the tiers that still have nodes.
    """
    raw = {knob: params.get(knob, OPTIONAL_KNOBS.get(knob)) for knob in (*KNOBS, *OPTIONAL_KNOBS)}
    state_dir_declared = not _is_unset(raw["state_dir"])
    if not state_dir_declared:
        raw["state_dir"] = default_state_dir(
            raw["name"] if isinstance(raw["name"], str) else "cluster", machine.root, machine.home
        )
    raw["tiers"] = with_counts(raw["tiers"], (params.get("variables") or {}).get("counts") or {})
    raw["tier_secrets"], unread = _unpacked(params.get("tier_secrets") or "")
    spec, problems = parse_cluster(raw)
    problems += unread
    mistyped, warnings = _check_variables(params.get("variables") or {}, raw, docker)
    problems += [*mistyped, *check_values((params.get("variables") or {}).get("values") or {})]
    archive, disk = raw["portainer_archive"], raw["min_free_disk"]
    if not isinstance(archive, (str, type(None))):
        fix = "leave it empty for the image of a registry"
        problems.append(Problem("portainer_image_archive", quote(archive), "the path of a file", fix))
    free = None if _is_unset(disk) else parse_size(disk)
    if free is None and not _is_unset(disk):
        fix = "-e cluster_min_free_disk=500m"
        problems.append(Problem("cluster_min_free_disk", quote(disk), "a size such as 500m or 3g", fix))
    sockets = {"load_balancer_docker_socket": raw["docker_socket"]}
    if spec is not None and spec.portainer:
        sockets["portainer_docker_socket"] = raw["portainer_docker_socket"]
    if spec is not None and spec.console:
        sockets["console_docker_socket"] = raw["console_docker_socket"]
    for knob, path in sockets.items():
        if not isinstance(path, str) or not is_folder(path):
            want, fix = "the absolute path of a socket", f"-e {knob}={DEFAULT_SOCKET}"
            problems.append(Problem(knob, quote(path), want, fix))
    named = {"cluster_ca_bundle": raw["ca_bundle"], "portainer_image_archive": archive}
    return Declaration(
        spec=spec,
        problems=tuple(problems),
        warnings=tuple(warnings),
        must_carry=bool(params["check_machine"]),
        state_dir_declared=state_dir_declared,
        min_free_disk=free,
        root=str(params.get("root") or ""),
        existing_files=tuple(params.get("existing_files") or ()),
        named_files={knob: path for knob, path in named.items() if isinstance(path, str)},
        sockets={knob: path for knob, path in sockets.items() if isinstance(path, str) and is_folder(path)},
        certificate=_certificate(spec, raw),
    )


def with_counts(tiers: object, counts: Mapping[str, Any]) -> object:
    """The tiers as declared, each with the count that its variable on the command line says, where there is one.

    Args:
        tiers: the declaration, whatever its type.
        counts: variable of the command line to its value.
    """
    if not isinstance(tiers, Mapping):
        return tiers
    return {
        name: {**tier, "nodes": counts[variable]}
        if isinstance(tier, Mapping) and (variable := node_variable(str(name))) in counts
        else tier
        for name, tier in tiers.items()
    }


def _certificate(spec: ClusterSpec | None, raw: Mapping[str, Any]) -> tuple[str, ...]:
    if spec is None or not (spec.console and spec.console_tls):
        return ()
    return str(raw["console_certificate"]), str(raw["console_key"])


def _unpacked(text: str) -> tuple[dict[str, Any], list[Problem]]:
    """The tiers' secrets, and what is wrong with their text."""
    try:
        return unpack(text), []
    except InputError as error:
        return {}, [item for item in error.problems if isinstance(item, Problem)]


def _check_variables(
    found: Mapping[str, Any], raw: Mapping[str, Any], docker: Docker
) -> tuple[list[Problem], list[str]]:
    variables = Variables(
        names=[str(name) for name in found.get("names") or ()],
        knobs=[str(name) for name in found.get("knobs") or ()],
        roles=[str(name) for name in found.get("roles") or ()],
        places={str(name): str(place) for name, place in (found.get("places") or {}).items()},
    )
    declared = raw["tiers"] if isinstance(raw["tiers"], Mapping) else {}
    former = {
        container.labels.get(labels.TIER, "")
        for container in docker.containers
        if labels.is_node(container.labels, str(raw["name"]))
    }
    return check_variables(variables, [str(tier) for tier in declared], sorted(former - {""}))


def _is_unset(value: object) -> bool:
    """Whether a knob is left to its default."""
    return value is None or value == ""
