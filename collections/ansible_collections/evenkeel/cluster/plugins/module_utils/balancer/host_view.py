# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Thin I/O: what Docker does not tell of its containers and ports, read from the machine's processes."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..engine.docker_proxies import parse_port_proxy

_PROC = Path("/proc")
_SECONDS = 2.0


def is_blind(pid: int, mounts: Iterable[Mapping[str, Any]], proc: Path = _PROC) -> bool:
    """Whether a folder that a process has mounted is not the one that is there now, because that was made anew.

    Args:
        pid: the process; 0 for none.
        mounts: Docker's records of its mounts.
        proc: where the processes are.

    Returns:
        False also where the process cannot be looked into, which only root can.
    """
    for mount in mounts:
        if pid and mount.get("Type") == "bind" and mount.get("RW") is not None:
            inside = proc / str(pid) / "root" / str(mount["Destination"]).lstrip("/")
            if _is_other(inside, Path(str(mount["Source"]))):
                return True
    return False


def _is_other(inside: Path, outside: Path) -> bool:
    try:
        seen = inside.stat()
    except OSError:
        return False
    try:
        there = outside.stat()
    except OSError:
        return True
    return (seen.st_dev, seen.st_ino) != (there.st_dev, there.st_ino)


def has_lost_log(pid: int, inside: str, outside: Path, proc: Path = _PROC) -> bool:
    """Whether a process writes to a log that is no longer where it was, because that was removed or moved.

    Args:
        pid: the process; 0 for none.
        inside: the log as the process sees it. A log that is emptied in place is still there.
        outside: the log on the host.
        proc: where the processes are.

    Returns:
        Where the process cannot be looked into, which only root can: whether there is none on the host.
    """
    try:
        there = outside.stat()
    except FileNotFoundError:
        return bool(pid)
    except OSError:
        return False
    held = _held(proc / str(pid) / "fd", inside)
    return bool(held) and not any((seen.st_dev, seen.st_ino) == (there.st_dev, there.st_ino) for seen in held)


def _held(descriptors: Path, path: str) -> list[os.stat_result]:
    """What a process has open that bears a path, or bore it until it was removed or moved beside itself."""
    held = []
    with contextlib.suppress(OSError):  # not ours to see, or it has ended
        for name in os.listdir(descriptors):
            with contextlib.suppress(OSError):  # closed meanwhile
                if os.readlink(descriptors / name).startswith(path):
                    held.append((descriptors / name).stat())
    return held


def network_of(pid: int, proc: Path = _PROC) -> str:
    """What identifies the network that a process is in; empty when that cannot be told, which only root can."""
    try:
        return os.readlink(proc / str(pid) / "ns/net") if pid else ""
    except OSError:
        return ""


def born(pid: int, proc: Path = _PROC) -> int:
    """When a process began, in ticks since the machine did, whatever its clock was set to; 0 when not known."""
    try:
        # The name of the program, which is in brackets, may have spaces and brackets.
        fields = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return int(fields[19]) if pid else 0
    except (OSError, ValueError, IndexError):
        return 0


def ended_proxies(endpoints: Iterable[tuple[str, int]], proc: Path = _PROC) -> list[int]:
    """The published ports that refuse a connection from the machine itself and have no ``docker-proxy`` any more.

    Without any such process Docker does without them, so nothing is known.

    Args:
        endpoints: address and port on the host; no address stands for all.
        proc: where the processes are.
    """
    carried = _carried(proc)
    return [port for address, port in endpoints if carried and port not in carried and _refuses(address, port)]


def _refuses(address: str, port: int) -> bool:
    try:
        # Linux takes 0.0.0.0 for the machine itself.
        socket.create_connection((address or "127.0.0.1", port), _SECONDS).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def _carried(proc: Path) -> set[int]:
    """The ports that have a process of Docker's."""
    found: set[int] = set()
    for command in proc.glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found.add(parse_port_proxy(command.read_bytes().decode(errors="replace")))
    return found - {0}
