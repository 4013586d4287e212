# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Thin I/O: what a machine is and has, as plain facts. Reads /proc, file systems and Docker's socket; writes nothing.

Docker is asked by plain HTTP over its socket rather than through the SDK: importing the SDK takes longer than all
the questions together, and the first run on a fresh machine comes before the SDK is there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import os
import platform
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..engine.docker_proxies import parse_port_proxy

#: What our modules import on the machine, and what Docker's own modules do.
PYTHON_PACKAGES = ("docker", "requests", "aiohttp")
_SELINUX_ENFORCE = "/sys/fs/selinux/enforce"
_DAEMON_CONFIG = "/etc/docker/daemon.json"
_SUDO_TIMEOUT_SECONDS = 10.0
_LISTEN = "0A"
_COMMAND_LENGTH = 80
# Not on every user's PATH, and where distributions keep daemons.
_DAEMON_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclasses.dataclass(frozen=True)
class Machine:
    """The machine and the user on it. Memory is in bytes, as the kernel estimates it (MemAvailable).

    ``apt``: packages can be installed with apt-get. ``missing_packages`` are the Python packages that our modules need
    and the interpreter has not; ``daemon_config`` is Docker's daemon.json, empty where there is none that can be read.
    """

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
    memory_total: int
    docker_sdk: bool
    docker_installed: bool
    apt: bool = True
    missing_packages: tuple[str, ...] = ()
    selinux_enforcing: bool = False
    daemon_config: Mapping[str, object] = dataclasses.field(default_factory=dict)


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
    memory = _text("/proc/meminfo")
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
        memory_available=parse_memory_available(memory),
        memory_total=parse_memory_total(memory),
        docker_sdk=all(importlib.util.find_spec(package) for package in ("docker", "requests")),
        docker_installed=shutil.which("dockerd", path=_daemon_path()) is not None,
        apt=shutil.which("apt-get", path=_daemon_path()) is not None,
        missing_packages=tuple(package for package in PYTHON_PACKAGES if not importlib.util.find_spec(package)),
        selinux_enforcing=_text(_SELINUX_ENFORCE).strip() == "1",
        daemon_config=parse_daemon_config(_text(_DAEMON_CONFIG)),
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
    return {key.strip(): value.strip().strip("\"'") for key, _equals, value in pairs}


def parse_daemon_config(text: str) -> dict[str, object]:
    """The settings of a daemon.json; none where it is no JSON object."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def parse_memory_available(text: str) -> int:
    """MemAvailable of /proc/meminfo in bytes; 0 when it is not there."""
    return _kibibytes(text, "MemAvailable")


def parse_memory_total(text: str) -> int:
    """MemTotal of /proc/meminfo in bytes; 0 when it is not there."""
    return _kibibytes(text, "MemTotal")


def _kibibytes(text: str, name: str) -> int:
    for line in text.splitlines():
        key, _colon, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    return 0


def parse_processor(text: str) -> str:
    """Name of the first processor of /proc/cpuinfo; empty where the kernel gives none."""
    for line in text.splitlines():
        key, _colon, value = line.partition(":")
        if key.strip() == "model name":
            return " ".join(value.split())
    return ""


@dataclasses.dataclass(frozen=True)
class PortProxy:
    """A process docker-proxy: the port that it carries, and how many files it may open (0 = not known)."""

    port: int
    open_files: int


def parse_open_files(text: str) -> int:
    """The soft limit of open files in /proc/<pid>/limits; 0 where there is none."""
    line = next((line for line in text.splitlines() if line.startswith("Max open files")), "")
    soft = line.removeprefix("Max open files").split()[:1]
    return int(soft[0]) if soft and soft[0].isdecimal() else 0


def read_port_proxies() -> list[PortProxy]:
    """The processes docker-proxy of this machine."""
    found = []
    for pid in (entry for entry in os.listdir("/proc") if entry.isdigit()):
        port = parse_port_proxy(_text(f"/proc/{pid}/cmdline"))
        if port:
            found.append(PortProxy(port, parse_open_files(_text(f"/proc/{pid}/limits"))))
    return found


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
    """The processes that listen on these TCP ports of any local address, by port."""
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
