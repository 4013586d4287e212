# Copyright (c) 2026 Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Thin I/O: what a machine is and has, as plain facts. Reads /proc, file systems and Docker's socket; writes nothing.

Docker is asked by plain HTTP over its socket rather than through the SDK: importing the SDK takes longer than all
the questions together, and the first run on a fresh machine comes before the SDK is there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import importlib.util
import json
import os
import platform
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

DEFAULT_SOCKET = "/var/run/docker.sock"
_DOCKER_TIMEOUT_SECONDS = 15.0
_SUDO_TIMEOUT_SECONDS = 10.0
_LISTEN = "0A"
_COMMAND_LENGTH = 80
# Not on every user's PATH, and where distributions keep daemons.
_DAEMON_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclasses.dataclass(frozen=True)
class Machine:
    """The machine and the user on it. ``memory_available`` is in bytes, as the kernel estimates it (MemAvailable)."""

    os_id: str
    os_version: str
    architecture: str
    python: tuple[int, int]
    interpreter: str
    user: str
    uid: int
    root: bool
    home: str
    cpus: int
    memory_available: int
    docker_sdk: bool
    docker_installed: bool


@dataclasses.dataclass(frozen=True)
class Container:
    """A container as Docker lists it; ``mounts`` maps a path inside to its source outside."""

    name: str
    image: str
    state: str
    labels: Mapping[str, str]
    ports: frozenset[int]
    mounts: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Docker:
    """What Docker says about itself.

    ``trouble`` is empty when it answers, else ``permission``, ``absent`` (no daemon), ``remote`` or ``error``;
    ``networks`` maps names to labels; ``images`` maps references with their tags to image IDs; ``socket_group``
    is the number of the group that the socket belongs to.
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
    socket_group: int | None = None


@dataclasses.dataclass(frozen=True)
class Listener:
    """A process that listens on a TCP port; ``pid`` is 0 where only root may see whose socket it is."""

    port: int
    pid: int
    command: str


@dataclasses.dataclass(frozen=True)
class Disk:
    """The file system that holds a path or would hold it: the nearest folder there is, free bytes, device number.

    ``obstacle`` is the part of the path that is there and is no folder, or empty.
    """

    folder: str
    free: int
    device: int
    writable: bool
    obstacle: str = ""


def read_machine() -> Machine:
    """Read the facts of this machine and of the user that this process runs as."""
    release = parse_os_release(_text("/etc/os-release"))
    uid = os.geteuid()
    name, home = _account(uid)
    return Machine(
        os_id=release.get("ID", ""),
        os_version=release.get("VERSION_ID", ""),
        architecture=platform.machine(),
        python=(sys.version_info[0], sys.version_info[1]),
        interpreter=sys.executable,
        user=name,
        uid=uid,
        root=uid == 0,
        home=home,
        cpus=os.cpu_count() or 1,
        memory_available=parse_memory_available(_text("/proc/meminfo")),
        docker_sdk=all(importlib.util.find_spec(package) for package in ("docker", "requests")),
        docker_installed=shutil.which("dockerd", path=_daemon_path()) is not None,
    )


def _daemon_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *_DAEMON_FOLDERS])


def _account(uid: int) -> tuple[str, str]:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # a uid without an account, as in some containers
        return str(uid), os.environ.get("HOME", "/")
    return entry.pw_name, entry.pw_dir


def _text(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text(encoding="utf-8", errors="replace")
    return ""


def parse_os_release(text: str) -> dict[str, str]:
    """The assignments of an os-release file (man 5 os-release)."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def parse_memory_available(text: str) -> int:
    """MemAvailable of /proc/meminfo in bytes; 0 when it is not there."""
    return _kibibytes(text, "MemAvailable")


def parse_memory_total(text: str) -> int:
    """MemTotal of /proc/meminfo in bytes; 0 when it is not there."""
    return _kibibytes(text, "MemTotal")


def _kibibytes(text: str, name: str) -> int:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    return 0


def parse_processor(text: str) -> str:
    """Name of the first processor of /proc/cpuinfo; empty where the kernel gives none."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return " ".join(value.split())
    return ""


def sudo_without_password() -> bool:
    """Whether this user may become root through sudo without being asked for a password."""
    if shutil.which("sudo") is None:
        return False
    try:
        outcome = subprocess.run(
            ["sudo", "-n", "true"],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SUDO_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return outcome.returncode == 0


def read_disk(path: str) -> Disk:
    """The file system on which the path lies or would be made."""
    place = path
    obstacle = ""
    while not os.path.isdir(place):
        if os.path.lexists(place):
            obstacle = place
        place = os.path.dirname(place) or "/"
    status = os.statvfs(place)
    return Disk(
        folder=place,
        free=status.f_bavail * status.f_frsize,
        device=os.stat(place).st_dev,
        writable=os.access(place, os.W_OK | os.X_OK),
        obstacle=obstacle,
    )


def parse_listeners(text: str, ports: Iterable[int]) -> dict[str, int]:
    """Sockets that listen on one of the ports: inode -> port, from the text of /proc/net/tcp or tcp6."""
    wanted = set(ports)
    inodes: dict[str, int] = {}
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == _LISTEN:  # the tenth column is the inode
            port = int(fields[1].rpartition(":")[2], 16)
            if port in wanted:
                inodes[fields[9]] = port
    return inodes


def read_listeners(ports: Iterable[int]) -> dict[int, Listener]:
    """Who listens on these TCP ports of any local address: port -> process."""
    wanted = set(ports)
    inodes: dict[str, int] = {}
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        inodes.update(parse_listeners(_text(table), wanted))
    owners = _socket_owners(set(inodes)) if inodes else {}
    found: dict[int, Listener] = {}
    for inode, port in inodes.items():
        pid = owners.get(inode, 0)
        if port not in found or pid:
            found[port] = Listener(port, pid, _command(pid) if pid else "")
    return found


def _socket_owners(inodes: set[str]) -> dict[str, int]:
    """Socket inode -> the lowest process id that holds it; what this user may not see is left out."""
    targets = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[str, int] = {}
    for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
            for descriptor in descriptors:
                with contextlib.suppress(OSError):
                    inode = targets.get(os.readlink(descriptor.path))
                    if inode is not None:
                        owners.setdefault(inode, pid)
        if len(owners) == len(targets):
            break
    return owners


def _command(pid: int) -> str:
    words = _text(f"/proc/{pid}/cmdline").replace("\0", " ").split()
    line = " ".join(words) or _text(f"/proc/{pid}/comm").strip()
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= _COMMAND_LENGTH else line[: _COMMAND_LENGTH - 3] + "..."


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_DOCKER_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def read_docker(docker_host: str | None = None) -> Docker:
    """Ask Docker who it is and what containers, networks and images it has.

    Args:
        docker_host: as the environment variable DOCKER_HOST, which it defaults to.

    Returns:
        The answers, or what stood in the way; never raises for a Docker that does not answer.
    """
    host = docker_host or os.environ.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}"
    if not host.startswith("unix:///"):
        return Docker(socket=host, trouble="remote")
    path = host.removeprefix("unix://")
    connection = _SocketConnection(path)
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


def _get(connection: _SocketConnection, path: str) -> Any:
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    if response.status != http.client.OK:
        raise ValueError(f"{path.partition('?')[0]} answered {response.status} {body[:200].decode(errors='replace')}")
    return json.loads(body)


def _ask_docker(connection: _SocketConnection, path: str) -> Docker:
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
        socket_group=os.stat(path).st_gid,
    )


def _container(item: Mapping[str, Any]) -> Container:
    names = item.get("Names") or []
    return Container(
        name=str(names[0]).lstrip("/") if names else str(item["Id"])[:12],
        image=str(item["Image"]),
        state=str(item["State"]),
        labels=dict(item.get("Labels") or {}),
        ports=frozenset(int(port["PublicPort"]) for port in item.get("Ports") or () if port.get("PublicPort")),
        mounts={str(mount["Destination"]): str(mount.get("Source", "")) for mount in item.get("Mounts") or ()},
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
    """What an engine is, and which images some of its containers have; ``reason`` says why it cannot be asked."""

    version: str = ""
    api_version: str = ""
    images: tuple[Image, ...] = ()
    reason: str = ""


def read_provenance(labels: Mapping[str, str], docker_host: str | None = None) -> EngineProvenance:
    """Ask Docker for its versions and for the images of the containers with these labels.

    Args:
        labels: what the containers bear, as a rule ``evenkeel.cluster``.
        docker_host: as the environment variable DOCKER_HOST, which it defaults to.
    """
    host = docker_host or os.environ.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}"
    if not host.startswith("unix:///"):
        return EngineProvenance(reason=f"Docker: got {host.partition('://')[0]} as its address, want a Unix socket")
    path = host.removeprefix("unix://")
    connection = _SocketConnection(path)
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
        key = (str(labels.get("evenkeel.role", "")), str(labels.get("evenkeel.tier", "")), str(item["ImageID"]))
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
