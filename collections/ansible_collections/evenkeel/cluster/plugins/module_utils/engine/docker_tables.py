# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Thin I/O: the table of TCP connections in a container's network."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import Problem, quote
from .docker_client import DockerClient
from .port import EngineError

_PROC = Path("/proc")
_TABLES = ("net/tcp", "net/tcp6")


def open_tables(client: DockerClient, container: str, proc: Path = _PROC) -> str:
    """The tables, one after the other: read on the host where its process can be seen, and else in the container.

    Raises:
        EngineError: neither can be done.
    """
    process = proc / str(client.inspect(container)["State"].get("Pid") or 0)
    try:
        # Where this runs in a container itself, that number may be another process.
        if container in (process / "cgroup").read_text():
            return "".join((process / name).read_text() for name in _TABLES)
    except OSError:
        pass
    status, text = client.execute(container, ["cat", *(f"/proc/{name}" for name in _TABLES)])
    if status:
        what = f"connections of {container[:12]}"
        raise EngineError(Problem(what, quote(text.strip()), "its tables", "run it as root on the Docker host"))
    return text
