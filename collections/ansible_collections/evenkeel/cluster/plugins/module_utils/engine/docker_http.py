# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""HTTP over Docker's Unix socket, with the standard library alone."""

from __future__ import annotations

import http.client
import socket

DEFAULT_SOCKET = "/var/run/docker.sock"


class UnixConnection(http.client.HTTPConnection):
    """One connection over a Unix socket.

    Args:
        path: of the socket.
        seconds: to wait for each answer.
    """

    def __init__(self, path: str, seconds: float) -> None:
        """Nothing is sent yet."""
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of to a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
