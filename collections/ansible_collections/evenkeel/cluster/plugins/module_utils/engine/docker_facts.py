# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What Docker reports, read over its socket without a library: containers, images, version."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ..cluster.labels import CLUSTER, ROLE, TIER
from .docker_http import DEFAULT_SOCKET, UnixConnection

_DOCKER_TIMEOUT_SECONDS = 15.0


@dataclasses.dataclass(frozen=True)
class Container:
    """A container as Docker lists it; ``mounts`` maps a path inside to its source outside."""

    name: str
    image: str
    state: str
    labels: Mapping[str, str]
    ports: frozenset[int]
    mounts: Mapping[str, str]
    id: str = ""


@dataclasses.dataclass(frozen=True)
class Docker:
    """What Docker reports.

    ``trouble`` is empty when it answers, otherwise ``permission``, ``absent`` (no daemon), ``remote`` or ``error``;
    ``networks`` maps names to labels; ``images`` maps references with their tags to image IDs, and ``builders`` to
    the cluster that they were built for; ``socket_group`` is the number of the group that the socket belongs to.
    ``engine_id`` is the same over every socket of one engine; ``system`` is where it runs; ``security`` names what is
    switched on, such as ``selinux``, ``userns``, ``rootless``.
    """

    socket: str
    trouble: str = ""
    detail: str = ""
    version: str = ""
    api_version: str = ""
    data_root: str = "/var/lib/docker"
    containers: tuple[Container, ...] = ()
    networks: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    images: Mapping[str, str] = dataclasses.field(default_factory=dict)
    builders: Mapping[str, str] = dataclasses.field(default_factory=dict)
    socket_group: int | None = None
    engine_id: str = ""
    system: str = ""
    security: frozenset[str] = frozenset()
    live_restore: bool = False
    swarm: bool = False


def read_docker(docker_host: str | None = None) -> Docker:
    """Ask Docker for its version and for its containers, networks and images.

    Args:
        docker_host: as the environment variable DOCKER_HOST, which it defaults to.

    Returns:
        The answers, or why there are none; never raises for a Docker that does not answer.
    """
    host = docker_host or os.environ.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}"
    if not host.startswith("unix:///"):
        return Docker(socket=host, trouble="remote")
    path = host.removeprefix("unix://")
    connection = UnixConnection(path, _DOCKER_TIMEOUT_SECONDS)
    try:
        return _ask_docker(connection, path)
    except PermissionError:
        return Docker(socket=path, trouble="permission")
    except (FileNotFoundError, ConnectionRefusedError):
        return Docker(socket=path, trouble="absent")
    except TimeoutError:
        return Docker(socket=path, trouble="error", detail=f"no answer within {_DOCKER_TIMEOUT_SECONDS:g} s")
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError, AttributeError) as error:
        return Docker(socket=path, trouble="error", detail=f"{type(error).__name__}: {error}".splitlines()[0])
    finally:
        connection.close()


def _get(connection: UnixConnection, path: str) -> Any:
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    if response.status != http.client.OK:
        raise ValueError(f"{path.partition('?')[0]} answered {response.status} {body[:200].decode(errors='replace')}")
    return json.loads(body)


def _ask_docker(connection: UnixConnection, path: str) -> Docker:
    version = _get(connection, "/version")
    info = _get(connection, "/info")
    networks = _get(connection, "/networks")
    images = _get(connection, "/images/json")
    return Docker(
        socket=path,
        version=str(version["Version"]),
        api_version=str(version["ApiVersion"]),
        data_root=str(info.get("DockerRootDir") or "/var/lib/docker"),
        containers=tuple(_container(item) for item in _get(connection, "/containers/json?all=1")),
        networks={str(item["Name"]): dict(item.get("Labels") or {}) for item in networks},
        images={str(tag): str(item["Id"]) for item in images for tag in item.get("RepoTags") or ()},
        builders={
            str(tag): str(item["Labels"][CLUSTER])
            for item in images
            if CLUSTER in (item.get("Labels") or {})
            for tag in item.get("RepoTags") or ()
        },
        socket_group=os.stat(path).st_gid,
        engine_id=_engine_id(info),
        system=str(info.get("OperatingSystem") or ""),
        security=frozenset(map(_security_name, info.get("SecurityOptions") or ())),
        live_restore=bool(info.get("LiveRestoreEnabled")),
        swarm=str((info.get("Swarm") or {}).get("LocalNodeState") or "inactive") != "inactive",
    )


def read_commands(docker: Docker, references: Iterable[str]) -> dict[str, tuple[list[str], list[str]]]:
    """ENTRYPOINT and CMD of images; those that Docker does not tell, or does not have, are left out."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    connection = UnixConnection(docker.socket, _DOCKER_TIMEOUT_SECONDS)
    with contextlib.closing(connection):
        for reference in references:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
                config = _get(connection, f"/images/{quote(reference)}/json").get("Config") or {}
                entrypoint, command = (list(map(str, config.get(key) or ())) for key in ("Entrypoint", "Cmd"))
                found[reference] = (entrypoint, command)
    return found


def _engine_id(info: Mapping[str, Any]) -> str:
    """Its own identifier alone is not enough: before 25.0 it comes from a file that all engines of a machine share."""
    return f"{info['ID']} {info.get('DockerRootDir')}" if info.get("ID") else ""


def _security_name(option: str) -> str:
    """``seccomp`` of ``name=seccomp,profile=default``."""
    return option.partition(",")[0].removeprefix("name=")


def read_engine_id(path: str) -> str | None:
    """Which engine answers at a socket.

    Args:
        path: of the socket.

    Returns:
        Its identifier; empty when something is there that does not tell; None when nothing is there.
    """
    connection = UnixConnection(path, _DOCKER_TIMEOUT_SECONDS)
    try:
        return _engine_id(_get(connection, "/info"))
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        return None
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        return ""  # a filter in front of the engine, or a socket that only others may open
    finally:
        connection.close()


def _container(item: Mapping[str, Any]) -> Container:
    names = item.get("Names") or []
    return Container(
        name=str(names[0]).lstrip("/") if names else str(item["Id"])[:12],
        image=str(item["Image"]),
        state=str(item["State"]),
        labels=dict(item.get("Labels") or {}),
        ports=frozenset(int(port["PublicPort"]) for port in item.get("Ports") or () if port.get("PublicPort")),
        mounts={str(mount["Destination"]): str(mount.get("Source", "")) for mount in item.get("Mounts") or ()},
        id=str(item["Id"]),
    )


@dataclasses.dataclass(frozen=True)
class Image:
    """An image that containers were made from; ``digests`` are those of registries, so local builds have none."""

    role: str
    tier: str
    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    containers: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class EngineProvenance:
    """An engine's versions, and the images of some of its containers; ``reason`` says why they are not known."""

    version: str = ""
    api_version: str = ""
    images: tuple[Image, ...] = ()
    reason: str = ""


def read_provenance(labels: Mapping[str, str], docker_host: str | None = None) -> EngineProvenance:
    """Ask Docker for its versions and for the images of the containers with these labels.

    Args:
        labels: of the containers, usually ``evenkeel.cluster``.
        docker_host: as the environment variable DOCKER_HOST, which it defaults to.
    """
    host = docker_host or os.environ.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}"
    if not host.startswith("unix:///"):
        return EngineProvenance(reason=f"Docker: got {host.partition('://')[0]} as its address, want a Unix socket")
    path = host.removeprefix("unix://")
    connection = UnixConnection(path, _DOCKER_TIMEOUT_SECONDS)
    try:
        version = _get(connection, "/version")
        found = _get(connection, "/containers/json?all=1")
        listed = {str(item["Id"]): item for item in _get(connection, "/images/json?all=1")}
        return EngineProvenance(
            version=str(version["Version"]),
            api_version=str(version["ApiVersion"]),
            images=_images([item for item in found if labels.items() <= (item.get("Labels") or {}).items()], listed),
        )
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError, AttributeError) as error:
        return EngineProvenance(reason=f"Docker: got {type(error).__name__} at {path}, want an answer (fix: docker ps)")
    finally:
        connection.close()


def _images(containers: Iterable[Mapping[str, Any]], listed: Mapping[str, Mapping[str, Any]]) -> tuple[Image, ...]:
    names: dict[tuple[str, str, str], list[str]] = {}
    for item in containers:
        labels = item.get("Labels") or {}
        key = (str(labels.get(ROLE, "")), str(labels.get(TIER, "")), str(item["ImageID"]))
        names.setdefault(key, []).append(_container(item).name)
    return tuple(
        Image(
            role=role,
            tier=tier,
            id=image,
            tags=tuple(sorted(listed.get(image, {}).get("RepoTags") or ())),
            digests=tuple(sorted(listed.get(image, {}).get("RepoDigests") or ())),
            containers=tuple(sorted(found)),
        )
        for (role, tier, image), found in sorted(names.items())
    )


def image_present(docker: Docker, reference: str) -> bool:
    """Whether the image is on this machine; a reference without a tag means ``latest``."""
    name = reference.rpartition("/")[2]
    return (reference if ":" in name or "@" in name else f"{reference}:latest") in docker.images
