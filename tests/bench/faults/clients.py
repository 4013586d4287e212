"""Bad clients of the web port, until this process is ended: idle, slow, or senders of garbage.

Command: ``python clients.py KIND COUNT READY``; the file READY is made when COUNT connections are open, or when no more
can be opened.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

ADDRESS = ("127.0.0.1", 8080)
_TURN_SECONDS = 0.5
# An address has fewer ports than some rows have connections.
_PER_ADDRESS = 5000


def garbage() -> bytes:
    """Random bytes, which are no request."""
    return os.urandom(512) + b"\r\n\r\n"


#: Kind -> what each connection sends first, and then at each turn.
KINDS: dict[str, tuple[Callable[[], bytes], Callable[[], bytes]]] = {
    "idle": (lambda: b"", lambda: b""),
    "kept": (lambda: b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", lambda: b""),
    "slow-headers": (lambda: b"GET / HTTP/1.1\r\nHost: localhost\r\n", lambda: b"X-Slow: 1\r\n"),
    "slow-bodies": (
        lambda: b"POST /api/dates/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n",
        lambda: b"x",
    ),
    "garbage": (garbage, garbage),
    "huge-headers": (
        lambda: b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Huge: " + b"x" * 2_000_000 + b"\r\n\r\n",
        lambda: b"",
    ),
}


def opened(number: int) -> socket.socket:
    """One connection; from an address of its own for every few thousand."""
    one = socket.socket()
    try:
        one.settimeout(5)
        one.bind((f"127.0.0.{2 + number // _PER_ADDRESS}", 0))
        one.connect(ADDRESS)
        one.setblocking(False)
    except OSError:
        one.close()
        raise
    return one


def main(kind: str, count: int, ready: Path) -> None:
    """Open the connections, say so, and go on as the kind does."""
    first, later = KINDS[kind]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    clients: list[socket.socket] = []
    with contextlib.suppress(OSError):
        for number in range(min(count, most - 64)):
            clients.append(opened(number))
            _send(clients, number, first())
    ready.write_text(f"{len(clients)}\n", encoding="ascii")
    while True:
        time.sleep(_TURN_SECONDS)
        for number in range(len(clients)):
            _send(clients, number, later())


def _send(clients: list[socket.socket], number: int, data: bytes) -> None:
    """Send what the other side takes; a connection that it has closed is opened again."""
    if not data:
        return
    try:
        clients[number].send(data)
    except BlockingIOError:
        return
    except OSError:
        with contextlib.suppress(OSError):
            clients[number].close()
            clients[number] = opened(number)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
