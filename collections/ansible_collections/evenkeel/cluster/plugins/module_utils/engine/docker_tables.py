# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Thin I/O: the table of TCP connections in a container's network."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import Problem, quote
from .docker_client import DockerClient
from .port import EngineError

_PROC = Path("/proc")
_TABLE, _TABLE_OF_6 = "net/tcp", "net/tcp6"


def open_tables(client: DockerClient, container: str, proc: Path = _PROC) -> str:
    """The tables, one after the other: read on the host where its process can be seen, and else in the container.

    Raises:
        EngineError: neither can be done.
    """
    process = proc / str(client.inspect(container)["State"].get("Pid") or 0)
    try:
        # Where this runs in a container itself, that number may be another process.
        if container in (process / "cgroup").read_text():
            return (process / _TABLE).read_text() + _text(process / _TABLE_OF_6)
    except OSError:
        pass
    # The kernel may have no IPv6.
    status, text = client.execute(container, ["sh", "-c", f"cat /proc/{_TABLE_OF_6} 2>/dev/null; cat /proc/{_TABLE}"])
    if status:
        what = f"connections of {container[:12]}"
        raise EngineError(Problem(what, quote(text.strip()), "its tables", "run it as root on the Docker host"))
    return text


def _text(path: Path) -> str:
    """The text of a file that a kernel without IPv6 does not have."""
    return path.read_text() if path.exists() else ""
