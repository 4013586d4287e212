"""A Unix socket that answers as Docker's does, and an SDK client that records its calls."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import docker
import docker.errors


class DockerSocket:
    """Answers requests from a table, and keeps what was posted.

    Args:
        path: of the socket.
    """

    def __init__(self, path: Path) -> None:
        self.answers: dict[str, tuple[int, Any]] = {"/version": (200, {"Version": "20.10.24", "ApiVersion": "1.41"})}
        self.seen: list[tuple[str, dict[str, list[str]]]] = []
        self.posted: list[tuple[str, Any]] = []
        self.address = f"unix://{path}"
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                outer.seen.append((unquote(parts.path), parse_qs(parts.query)))
                status, body = outer.answers.get(unquote(parts.path), (404, {"message": "No such thing"}))
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                outer.posted.append((unquote(self.path), json.loads(self.rfile.read(length))))
                self.do_GET()

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self._server = Server(str(path), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer nothing any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class RecordingSdk:
    """The part of the SDK's client that changes something: it records its calls, and fails where a test wants it to."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.failures: dict[str, Exception] = {}
        #: What a command's exit code is, look by look; the last one stays.
        self.exit_codes: list[int | None] = [0]
        self._real = docker.APIClient(base_url="unix:///nonexistent", version="1.41")

    def create_host_config(self, **options: Any) -> Any:
        """As the real one."""
        return self._real.create_host_config(**options)

    def _called(self, name: str, /, *arguments: Any, **options: Any) -> None:
        self.calls.append((name, (*arguments, options) if options else arguments))
        if name in self.failures:
            raise self.failures[name]

    def create_container(self, *arguments: Any, **options: Any) -> Mapping[str, str]:
        """Record it; the container's id."""
        self._called("create_container", *arguments, **options)
        return {"Id": "c" * 64}

    def logs(self, container: str, tail: int) -> bytes:
        """Record it; a log."""
        self._called("logs", container, tail)
        return b"first\n\n  second \n"

    def exec_create(self, container: str, command: list[str]) -> Mapping[str, str]:
        """Record it; the command's id."""
        self._called("exec_create", container, command)
        return {"Id": "e" * 64}

    def exec_start(self, command: str) -> bytes:
        """Record it; the command's output."""
        self._called("exec_start", command)
        return b"said\n"

    def exec_inspect(self, command: str) -> Mapping[str, int | None]:
        """Its exit code, as far as Docker tells it by now."""
        return {"ExitCode": self.exit_codes.pop(0) if len(self.exit_codes) > 1 else self.exit_codes[0]}

    def __getattr__(self, name: str) -> Any:
        """Every other call is recorded."""
        return lambda *arguments, **options: self._called(name, *arguments, **options)


def gone() -> Exception:
    """What the SDK raises for a container that is not there."""
    return docker.errors.NotFound("404", explanation="No such container: x")


def refused(explanation: str = "no") -> Exception:
    """What the SDK raises when Docker refuses."""
    return docker.errors.APIError("500", explanation=explanation)
