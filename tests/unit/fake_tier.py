"""A balancer with one tier behind it, for the checks: real HTTP on loopback.

One server plays the balancer, its API and, under /direct/<node>, the nodes.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
from collections.abc import Callable
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NODES = ["web-1", "web-2", "web-3"]
COOKIE = "evenkeel_web"
FLAGS = "; Path=/; HttpOnly; SameSite=Lax"


class Chance(random.Random):
    """Reproducible chance."""


class FakeTier:
    """Balances like Traefik: cycles which are permutations, or what a test puts in `choose`."""

    def __init__(self, nodes: list[str]) -> None:
        self.nodes = nodes
        self.cookie_flags: str | None = None  # set: sticky sessions with these flags
        self.status: Callable[[int], int] = lambda number: 200
        self.choose: Callable[[], str] = self.round_robin
        self.during: Callable[[int], None] = lambda number: None
        self.names = True
        self.log: Path | None = None  # set: the access log
        self.logged: Callable[[int, str], str] = lambda number, node: node
        self.counts = True
        self.reloads = 4
        self.counted = 0
        self.requests = 0
        self.states = {f"http://{node}:8080": "UP" for node in nodes}
        self.hosts: set[str] = set()
        self._chance = Chance(1)
        self.cycle: list[str] = []
        self._lock = threading.Lock()
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                with cluster._lock:
                    status, headers, body = cluster.answer(self.path, self.headers)
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def round_robin(self) -> str:
        if not self.cycle:
            self.cycle = list(self.nodes)
            self._chance.shuffle(self.cycle)
        return self.cycle.pop()

    def answer(self, path: str, headers: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        if path == "/api/http/services/web-1a@docker":
            return 200, [], json.dumps({"serverStatus": self.states}).encode()
        if path.startswith("/api/"):
            return 404, [], b'{"message": "service not found"}'
        if path == "/metrics":
            text = f"traefik_config_reloads_total {self.reloads}\n"
            text += f'traefik_service_requests_total{{code="200",service="web-1a@docker"}} {self.counted}\n'
            return 200, [], text.encode()
        if path.startswith("/direct/"):
            return 200, [("X-Served-By", path.removeprefix("/direct/"))] if self.names else [], b"ok"
        self.hosts.add(headers["Host"])
        return self._balanced(headers)

    def _balanced(self, headers: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        self.during(self.requests)
        self.requests += 1
        if not self.nodes:
            return self.status(self.requests), [], b"no node"
        self.counted += self.counts
        by_value = {cookie_value(node): node for node in self.nodes}
        sent = SimpleCookie(headers.get("Cookie", "")).get(COOKIE)
        kept = by_value.get(sent.value) if sent and self.cookie_flags is not None else None
        node = kept or self.choose()
        answer = [("X-Served-By", node)] if self.names else []
        if self.cookie_flags is not None and not kept:
            value = cookie_value(node)
            answer += [("Set-Cookie", "other=1; Path=/"), ("Set-Cookie", f"{COOKIE}={value}{self.cookie_flags}")]
        status = self.status(self.requests)
        self._write(headers["X-Request-Id"], status, self.logged(self.requests, node))
        return status, answer, b"ok"

    def _write(self, key: str, status: int, node: str) -> None:
        """A line of the access log; no node, no line."""
        if self.log is not None and node:
            line = {"request_X-Request-Id": key, "DownstreamStatus": status, "ServiceAddr": f"{node}:8080"}
            with self.log.open("a") as stream:
                stream.write(json.dumps(line) + "\n")


def cookie_value(node: str) -> str:
    """As Traefik makes it: from the address of the node."""
    return hashlib.sha256(f"http://{node}:8080".encode()).hexdigest()[:16]
