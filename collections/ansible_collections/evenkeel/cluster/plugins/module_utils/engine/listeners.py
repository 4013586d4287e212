# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Where the processes of a container listen, as the kernel tells it on the host."""

from __future__ import annotations

from pathlib import Path

from .connections import table_address
from .port import Listener

_LISTENING = "0A"
_LOCAL_ADDRESS, _STATE = 1, 3
# Docker's own name server has an address of its own in each container.
_NAME_SERVER = "127.0.0.11"


def parse_listening(text: str) -> list[Listener]:
    """The sockets that listen, from the text of /proc/<pid>/net/tcp or tcp6."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > _STATE and fields[_STATE] == _LISTENING:
            address, _colon, port = fields[_LOCAL_ADDRESS].partition(":")
            listener = Listener(str(table_address(address)), int(port, 16))
            if listener.address != _NAME_SERVER:
                found.append(listener)
    return found


def read_listening(pid: int, proc: Path = Path("/proc")) -> tuple[Listener, ...] | None:
    """Where the processes in the network of this one listen; None where that cannot be read."""
    texts = [text for text in (_text(proc / str(pid) / "net" / table) for table in ("tcp", "tcp6")) if text]
    found = {listener for text in texts for listener in parse_listening(text)}
    return tuple(sorted(found, key=lambda item: (item.port, item.address))) if texts else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:  # it has ended, or the kernel has no IPv6
        return ""
