"""A server on loopback that says exactly the bytes a test gives it."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable

#: Answers one request on the connection; True keeps the connection for the next one.
Script = Callable[[socket.socket, bytes], bool]


def ok(body: bytes = b"ok", extra: str = "") -> bytes:
    """A complete answer."""
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


def say(answer: bytes, keep: bool = False) -> Script:
    def script(connection: socket.socket, _request: bytes) -> bool:
        connection.sendall(answer)
        return keep

    return script


def trickle(head: bytes, piece: bytes, pause: float) -> Script:
    """Send the head at once, then the piece again and again; each comes well within any time-out per byte."""

    def script(connection: socket.socket, _request: bytes) -> bool:
        connection.sendall(head)
        while True:
            connection.sendall(piece)
            time.sleep(pause)

    return script


class ScriptedServer:
    """Reads requests and answers each by the script; notes what it was sent.

    Args:
        script: answers the requests.
        tls: how to speak TLS; None for plain HTTP.
    """

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = self._listener.accept()
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=[connection], daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        # A client that gives up ends the connection while the script writes.
        with contextlib.suppress(OSError), connection:
            connection.settimeout(10)
            if self._tls:
                with self._tls.wrap_socket(connection, server_side=True) as secured:
                    self._answer(secured)
            else:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        while True:
            request = b""
            while b"\r\n\r\n" not in request:
                piece = connection.recv(65536)
                if not piece:
                    return
                request += piece
            head, __, body = request.partition(b"\r\n\r\n")
            length = int((re.search(rb"(?i)content-length: (\d+)", head) or [0, 0])[1])
            while len(body) < length:
                body += connection.recv(65536)
            self.requests.append(head + b"\r\n\r\n" + body)
            if not self.script(connection, request):
                return


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
