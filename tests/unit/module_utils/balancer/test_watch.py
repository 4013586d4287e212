"""The edge's own process, run by a real Perl against a socket that answers as Docker's does."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.log_rotation import rotation_call
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.watch import HOLDER, watch_script

PERL = shutil.which("perl") or "perl"
EDGE, BLUE, GREEN, NODE, PORTAINER = "e" * 64, "b" * 64, "c" * 64, "a" * 64, "d" * 64
NEVER = "0001-01-01T00:00:00"
LONG = 20.0


class Docker:
    """An edge and a balancer. An order to start the balancer is noted, and opens its port."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "docker.sock"
        self.states = {EDGE: "running", BLUE: "running", NODE: "running"}
        self.began = {EDGE: "2026-03-01T00:00:01.5", BLUE: "2026-03-01T00:00:01.25", NODE: "2026-02-01T00:00:00"}
        self.ended = dict.fromkeys(self.began, NEVER)
        self.roles = {EDGE: "edge", BLUE: "balancer", NODE: "node"}
        self.orders: list[str] = []
        #: Whether a balancer answers once it was told to start.
        self.heals = True
        #: Seconds that each order takes.
        self.takes = 0.0
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path == "/containers/json":
                    self._send(outer.listed(json.loads(parse_qs(parts.query)["filters"][0])))
                else:
                    found = next(one for one in outer.began if one.startswith(parts.path.split("/")[2]))
                    moments = {"StartedAt": f"{outer.began[found]}Z", "FinishedAt": f"{outer.ended[found]}Z"}
                    self._send({"State": {"Status": "running", **moments}})

            def do_POST(self) -> None:
                time.sleep(outer.takes)
                outer.orders.append(self.path.removeprefix("/containers/"))
                found = self.path.split("/")[2]
                if outer.heals and outer.roles[found] == "balancer":
                    outer.serve()
                outer.states[found], outer.began[found] = "running", "2026-03-01T00:10:00"
                self._send({})

            def _send(self, body: Any) -> None:
                data = json.dumps(body, separators=(",", ":")).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self.closing = contextlib.ExitStack()
        server = self.closing.enter_context(Server(str(self.path), Handler))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self.closing.callback(server.shutdown)

    def listed(self, filters: dict[str, list[str]]) -> list[dict[str, str]]:
        assert "evenkeel.cluster=shop" in filters["label"]
        (role,) = [label.split("=")[1] for label in filters["label"] if label.startswith("evenkeel.role=")]
        return [
            {"Id": one, "ImageID": "sha256:" + "f" * 64}
            for one, its in self.roles.items()
            if its == role and self.states[one] in filters["status"]
        ]

    def add(self, one: str, role: str, state: str, began: str, ended: str = NEVER) -> None:
        """One more container."""
        self.roles[one], self.states[one], self.began[one], self.ended[one] = role, state, began, ended

    def serve(self) -> None:
        """The balancer answers from now on."""
        listener = self.closing.enter_context(socket.create_server(("127.0.0.1", self.port)))

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with peer:
                        peer.recv(1000)
                        peer.sendall(b"HTTP/1.0 401 Unauthorized\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()

    def awaited(self) -> list[str]:
        """The first orders."""
        limit = time.monotonic() + LONG
        while not self.orders and time.monotonic() < limit:
            time.sleep(0.02)
        return self.orders


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[Docker]:
    found = Docker(tmp_path)
    with found.closing:
        yield found


@pytest.fixture
def script(docker: Docker, tmp_path: Path) -> Path:
    file = tmp_path / "watch.pl"
    text = watch_script("shop", str(docker.path), [docker.port])
    assert "(1, 5, 40)" in text
    file.write_text(text.replace("(1, 5, 40)", "(0.2, 1, 8)").replace("undef, 0.25", "undef, 0.05"))
    return file


@contextlib.contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "HOSTNAME": EDGE[:12]}
    with subprocess.Popen(
        [PERL, *command], env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_the_script_compiles_without_a_warning(script: Path) -> None:
    done = subprocess.run([PERL, "-c", str(script)], capture_output=True, text=True, check=True)
    assert done.stderr == f"{script} syntax OK\n"


@pytest.mark.parametrize(
    "state, began, order, reason",
    [
        # The order in which Docker starts them is not the one that they need.
        ("exited", "2026-03-01T00:00:01.25", "start", "it had ended"),
        ("created", "2026-03-01T00:00:01.25", "start", "it had ended"),
        ("running", "2026-03-01T00:00:01.25", "restart?t=0", "its network has gone"),
        ("running", "2026-02-28T23:59:59", "restart?t=0", "its network has gone"),
        # One that hangs takes some seconds longer.
        ("running", "2026-03-01T00:00:02", "restart?t=0", "it did not answer"),
        ("paused", "2026-03-01T00:00:02", "unpause", "it was paused"),
    ],
)
def test_a_balancer_that_does_not_answer_is_started_once(
    docker: Docker, script: Path, state: str, began: str, order: str, reason: str
) -> None:
    docker.states[BLUE] = state
    docker.began[BLUE] = began
    with running(str(script)) as process:
        assert docker.awaited() == [f"{BLUE}/{order}"]
        assert process.stdout is not None
        assert process.stdout.readline() == f"{order} of {BLUE[:12]}, because {reason}: 200\n"
        time.sleep(0.8)
        assert docker.orders == [f"{BLUE}/{order}"]


def test_a_balancer_that_answers_is_left_alone(docker: Docker, script: Path) -> None:
    docker.states[BLUE] = "exited"
    docker.serve()
    with running(str(script)):
        time.sleep(1)
    assert docker.orders == []


def test_the_holder_runs_the_file_again_when_that_has_changed(docker: Docker, script: Path, tmp_path: Path) -> None:
    docker.states[BLUE] = "exited"
    good = script.read_text()
    script.write_text("die 'broken'")
    with running("-e", HOLDER, str(script)):
        time.sleep(1)
        assert docker.orders == []
        script.write_text(good)
        assert docker.awaited() == [f"{BLUE}/start"]


def test_the_watch_ends_when_its_file_has_changed(script: Path) -> None:
    with running(str(script)) as process:
        time.sleep(0.5)
        assert process.poll() is None
        newer = script.with_suffix(".newer")
        newer.write_text(script.read_text())
        newer.replace(script)
        assert process.wait(LONG) == 0


def test_the_holder_ends_when_the_machine_shuts_down(tmp_path: Path) -> None:
    (tmp_path / "child.pl").write_text("print qq(runs\\n); close STDOUT; sleep 60")
    with running("-e", HOLDER, str(tmp_path / "child.pl")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        process.terminate()
        # Not ended by the signal itself, which process 1 of a container would ignore.
        assert process.wait(LONG) == 0


@pytest.mark.parametrize(
    "ended, orders",
    [
        # Docker crashed, and stopped all of them when it started again.
        ("2026-03-01T00:00:01", [f"{NODE}/start"]),
        ("2026-02-28T23:59:59.5", [f"{NODE}/start"]),
        # A person had stopped it before.
        ("2026-02-28T23:59:57", []),
        # It has ended since.
        ("2026-03-01T00:00:02", []),
    ],
)
def test_nodes_that_docker_stopped_with_the_edge_are_started(
    docker: Docker, script: Path, ended: str, orders: list[str]
) -> None:
    docker.ended[EDGE] = "2026-03-01T00:00:00"
    docker.states[NODE], docker.ended[NODE] = "exited", ended
    docker.serve()
    with running("-e", HOLDER, str(script)):
        if orders:
            docker.awaited()
        time.sleep(0.6)
    assert docker.orders == orders


def test_an_edge_that_never_ended_starts_nothing(docker: Docker, script: Path) -> None:
    """A person had stopped the node; a run has made a new edge."""
    docker.states[NODE], docker.ended[NODE] = "exited", "2026-03-01T00:00:01"
    docker.serve()
    with running("-e", HOLDER, str(script)):
        time.sleep(0.6)
    assert docker.orders == []


def test_an_edge_that_ended_alone_starts_nothing(docker: Docker, script: Path) -> None:
    """A person has stopped a node a moment before; another one runs on."""
    docker.ended[EDGE] = "2026-03-01T00:00:00"
    docker.states[NODE], docker.ended[NODE] = "exited", "2026-02-28T23:59:59.5"
    docker.add(f"{1:064x}", "node", "running", "2026-02-01T00:00:00")
    docker.serve()
    with running("-e", HOLDER, str(script)):
        time.sleep(0.6)
    assert docker.orders == []


def test_a_node_that_docker_has_started_again_keeps_no_other_from_it(docker: Docker, script: Path) -> None:
    docker.ended[EDGE] = "2026-03-01T00:00:00"
    docker.states[NODE], docker.ended[NODE] = "exited", "2026-03-01T00:00:00.5"
    docker.add(f"{1:064x}", "node", "running", "2026-03-01T00:00:01")
    docker.serve()
    with running("-e", HOLDER, str(script)):
        assert docker.awaited() == [f"{NODE}/start"]


def test_portainer_that_docker_stopped_with_the_edge_is_started(docker: Docker, script: Path) -> None:
    docker.ended[EDGE] = "2026-03-01T00:00:00"
    docker.states[NODE] = "exited"
    docker.add(PORTAINER, "portainer", "exited", "2026-02-01T00:00:00", ended="2026-03-01T00:00:01")
    docker.serve()
    with running("-e", HOLDER, str(script)):
        assert docker.awaited() == [f"{PORTAINER}/start"]


def test_the_balancer_does_not_wait_for_all_nodes_to_be_started(docker: Docker, script: Path) -> None:
    docker.ended[EDGE] = "2026-03-01T00:00:00"
    docker.takes = 0.05
    docker.states[BLUE] = docker.states[NODE] = "exited"
    for number in range(30):
        docker.add(f"{number:064x}", "node", "exited", "2026-02-01T00:00:00", ended="2026-03-01T00:00:01")
    with running("-e", HOLDER, str(script)):
        limit = time.monotonic() + LONG
        while len(docker.orders) < 31 and time.monotonic() < limit:
            time.sleep(0.05)
    assert sorted(docker.orders) == sorted([*(f"{number:064x}/start" for number in range(30)), f"{BLUE}/start"])
    assert docker.orders.index(f"{BLUE}/start") < 20


def test_a_balancer_that_a_run_has_retired_is_not_started_beside_one_that_runs(docker: Docker, script: Path) -> None:
    docker.states[BLUE] = "exited"
    docker.add(GREEN, "balancer", "running", "2026-03-01T00:00:05")
    with running(str(script)):
        assert docker.awaited() == [f"{GREEN}/restart?t=0"]
    assert docker.orders == [f"{GREEN}/restart?t=0"]


def test_a_balancer_that_is_always_older_than_the_edge_is_not_restarted_in_a_loop(docker: Docker, script: Path) -> None:
    """The clock was set back after the edge began."""
    docker.began[EDGE] = "2026-03-01T02:00:00"
    docker.heals = False
    with running(str(script)) as process:
        assert docker.awaited() == [f"{BLUE}/restart?t=0"]
        assert process.stdout is not None
        assert "its network has gone" in process.stdout.readline()
        time.sleep(0.6)
        assert len(docker.orders) == 1
        assert "it did not answer" in process.stdout.readline()


def test_a_balancer_has_its_time_from_its_own_start(docker: Docker, script: Path) -> None:
    docker.states[BLUE] = "dead-and-gone"
    with running(str(script)):
        time.sleep(1.5)
        # A run has started it just now.
        docker.states[BLUE], docker.began[BLUE] = "running", "2026-03-01T00:00:09"
        time.sleep(0.6)
        assert docker.orders == []
        assert docker.awaited() == [f"{BLUE}/restart?t=0"]


def test_an_old_edge_starts_no_nodes(docker: Docker, script: Path) -> None:
    docker.ended[EDGE] = "2026-03-01T00:00:00"
    docker.states[NODE], docker.ended[NODE] = "exited", "2026-03-01T00:00:01"
    docker.serve()
    script.write_text(script.read_text().replace("(60, 2)", "(0, 2)"))
    with running("-e", HOLDER, str(script)):
        time.sleep(0.6)
    assert docker.orders == []


def test_the_log_is_kept_within_its_limit(docker: Docker, script: Path, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(b"a line\n" * 1000)
    docker.serve()
    text = watch_script("shop", str(docker.path), [docker.port], rotation_call(str(log), 1000, 1))
    script.write_text(text)
    with running(str(script)):
        limit = time.monotonic() + LONG
        while log.stat().st_size and time.monotonic() < limit:
            time.sleep(0.05)
    assert log.read_bytes() == b""
    assert (tmp_path / "access.log.1").stat().st_size <= 1000


def test_why_the_log_cannot_be_kept_is_told_once(docker: Docker, script: Path) -> None:
    docker.serve()
    script.write_text(watch_script("shop", str(docker.path), [docker.port], "'full'"))
    with running(str(script)) as process:
        time.sleep(2.5)
        process.kill()
        assert process.stdout is not None
        assert process.stdout.read() == "access log: full\n"
