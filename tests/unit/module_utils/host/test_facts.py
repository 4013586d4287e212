"""The facts of a machine: parsers as tables, the rest against real sockets, processes and folders."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine import docker_facts
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_facts import (
    Docker,
    EngineProvenance,
    Image,
    image_present,
    read_docker,
    read_provenance,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.host import facts as machine
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.facts import (
    parse_listeners,
    parse_memory_available,
    parse_memory_total,
    parse_os_release,
    parse_processor,
    read_disk,
    read_listeners,
    read_machine,
    sudo_without_password,
)

NOBODY = 65534

PROC_NET_TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 00000000:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
   2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0
"""
PROC_NET_TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 444 1 0 100 0 0
"""


def test_os_release() -> None:
    text = "# comment\nID=debian\nVERSION_ID=\"12\"\nNAME='Debian GNU/Linux'\n\nBROKEN\n"
    assert parse_os_release(text) == {"ID": "debian", "VERSION_ID": "12", "NAME": "Debian GNU/Linux"}


@pytest.mark.parametrize(
    "text, size",
    [("MemTotal: 9 kB\nMemAvailable:   2048 kB\n", 2 * 1024**2), ("MemTotal: 9 kB\n", 0), ("", 0)],
)
def test_memory_available(text: str, size: int) -> None:
    assert parse_memory_available(text) == size


def test_memory_total() -> None:
    assert parse_memory_total("MemFree: 1 kB\nMemTotal:   2048 kB\n") == 2 * 1024**2


@pytest.mark.parametrize(
    "text, name",
    [("processor\t: 0\nmodel name\t: AMD  EPYC 7B13\n\nmodel name\t: other\n", "AMD EPYC 7B13"), ("", "")],
)
def test_processor(text: str, name: str) -> None:
    assert parse_processor(text) == name


@pytest.mark.parametrize(
    "text, ports, found",
    [
        (PROC_NET_TCP, [8080], {"111": 8080}),
        (PROC_NET_TCP, [8080, 9000], {"111": 8080, "222": 9000}),
        (PROC_NET_TCP, [50000, 80], {}),
        (PROC_NET_TCP6, [8080], {"444": 8080}),
        ("", [8080], {}),
        ("header\nshort line\n", [8080], {}),
    ],
)
def test_listeners_in_the_kernel_s_table(text: str, ports: list[int], found: dict[str, int]) -> None:
    assert parse_listeners(text, ports) == found


def test_this_machine() -> None:
    facts = read_machine()
    assert facts.architecture == os.uname().machine
    assert facts.python == sys.version_info[:2]
    assert facts.root is (os.geteuid() == 0)
    assert facts.cpus >= 1
    assert facts.memory_available > 0
    assert facts.docker_sdk
    assert facts.os_id


def test_user_without_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    monkeypatch.setenv("HOME", "/elsewhere")
    facts = read_machine()
    assert (facts.user, facts.home, facts.root) == ("4000000", "/elsewhere", False)


# --- listeners ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "family, address",
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")],
)
def test_listening_process_is_named(family: socket.AddressFamily, address: str) -> None:
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen()
        port = listener.getsockname()[1]
        found = read_listeners([port, 1])
    assert list(found) == [port]
    assert found[port].pid == os.getpid()
    assert "python" in found[port].command
    assert read_listeners([port]) == {}


def test_socket_that_is_bound_only_is_no_listener() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert read_listeners([bound.getsockname()[1]]) == {}


def test_command_of_a_listener_is_one_short_line() -> None:
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    words = [sys.executable, "-c", code, "a\nb\x1b[31m", "x" * 200]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        found = read_listeners([port])[port]
        process.communicate("\n", timeout=10)
    assert found.pid == process.pid
    assert found.command.isprintable()
    assert len(found.command) <= 80


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to be somebody else")
def test_listener_of_another_user_has_no_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        found = as_nobody(f"m.read_listeners([{port}])[{port}].pid")
    assert found == "0"


def as_nobody(expression: str, library: ModuleType = machine) -> str:
    """The value of an expression over the library (as ``m``) in a process of an unprivileged user."""
    source = Path(str(library.__file__)).read_text(encoding="utf-8")
    code = (
        "import sys, types; m = types.ModuleType('m'); sys.modules['m'] = m\n"
        f"exec(compile({source!r}, 'machine.py', 'exec'), m.__dict__)\nprint({expression})"
    )
    outcome = subprocess.run(
        ["/usr/bin/python3", "-I", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
    )
    return outcome.stdout.strip()


# --- disks ----------------------------------------------------------------------------------------------------------


def test_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    disk = read_disk(str(tmp_path / "a" / "b"))
    status = os.statvfs(tmp_path)
    assert disk.folder == str(tmp_path)
    assert disk.device == tmp_path.stat().st_dev
    assert abs(disk.free - status.f_bavail * status.f_frsize) < 1024**3
    assert disk.writable
    assert disk.obstacle == ""


def test_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    disk = read_disk(str(tmp_path / "a" / "b"))
    assert (disk.folder, disk.obstacle) == (str(tmp_path), str(tmp_path / "a"))


def test_dangling_link_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/nowhere/at/all")
    assert read_disk(str(tmp_path / "a")).obstacle == str(tmp_path / "a")


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to be somebody else")
def test_disk_that_another_user_owns() -> None:
    assert as_nobody("(lambda d: (d.folder, d.writable))(m.read_disk('/root/x/y'))") == "('/root', False)"
    assert as_nobody("m.read_disk('/tmp/x-y').writable") == "True"


# --- sudo -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body, allowed", [("exit 0", True), ("exit 1", False), ("sleep 60", False), (None, False)])
def test_sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str | None, allowed: bool) -> None:
    if body is not None:
        sudo = tmp_path / "sudo"
        sudo.write_text(f'#!/bin/sh\n[ "$*" = "-n true" ] || exit 7\n{body}\n')
        sudo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/nowhere" if body is None else f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(machine, "_SUDO_TIMEOUT_SECONDS", 0.5)
    assert sudo_without_password() is allowed


def test_sudo_that_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sudo = tmp_path / "sudo"
    sudo.write_text("not a program")
    sudo.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert sudo_without_password() is False


# --- Docker ---------------------------------------------------------------------------------------------------------

ANSWERS: dict[str, Any] = {
    "/version": {"Version": "20.10.24", "ApiVersion": "1.41"},
    "/info": {"DockerRootDir": "/data/docker"},
    "/networks": [{"Name": "bridge", "Labels": None}, {"Name": "shop", "Labels": {"a": "b"}}],
    "/images/json": [{"Id": "a", "RepoTags": ["res/express:latest", "res/express:1"]}, {"Id": "b", "RepoTags": None}],
    "/containers/json?all=1": [
        {
            "Id": "0123456789abcdef",
            "Names": ["/shop-balancer"],
            "Image": "res/traefik",
            "State": "running",
            "Labels": {"evenkeel.cluster": "shop"},
            "Ports": [{"PublicPort": 8080, "PrivatePort": 8000}, {"PrivatePort": 9000}],
            "Mounts": [{"Destination": "/etc/x", "Source": "/srv/x"}, {"Destination": "/scratch"}],
        },
        {"Id": "0123456789abcdef", "Names": None, "Image": "x", "State": "dead", "Labels": None},
    ],
}


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    answers: dict[str, Any]
    asked: list[str]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path)
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def engine(path: Path, answers: dict[str, Any]) -> Iterator[_Server]:
    """An engine that gives these answers."""
    with _Server(str(path), _Handler) as server:
        server.answers, server.asked = answers, []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_engine_that_answers(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with engine(path, ANSWERS) as server:
        docker = read_docker(f"unix://{path}")
    assert docker.trouble == ""
    assert (docker.version, docker.api_version, docker.data_root) == ("20.10.24", "1.41", "/data/docker")
    assert docker.networks == {"bridge": {}, "shop": {"a": "b"}}
    assert docker.images == {"res/express:latest": "a", "res/express:1": "a"}
    balancer, nameless = docker.containers
    assert (balancer.name, sorted(balancer.ports), balancer.state) == ("shop-balancer", [8080], "running")
    assert balancer.mounts == {"/etc/x": "/srv/x", "/scratch": ""}
    assert (nameless.name, nameless.labels, nameless.ports) == ("0123456789ab", {}, frozenset())
    assert len(server.asked) == 5


@pytest.mark.parametrize(
    "path, answer",
    [
        ("/version", b"no json"),
        ("/version", {}),
        ("/version", []),
        ("/info", None),
        ("/networks", [5]),
        ("/containers/json?all=1", {"message": "x"}),
        ("/containers/json?all=1", [{"Id": "x"}]),
        ("/images/json", b"\xff"),
    ],
)
def test_engine_that_talks_nonsense(tmp_path: Path, path: str, answer: object) -> None:
    with engine(tmp_path / "docker.sock", {**ANSWERS, path: answer}):
        docker = read_docker(f"unix://{tmp_path}/docker.sock")
    assert docker.trouble == "error"
    assert docker.detail
    assert "\n" not in docker.detail


def test_socket_that_speaks_no_http(tmp_path: Path) -> None:
    path = str(tmp_path / "docker.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def talk() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(100)
                peer.sendall(b"220 mail\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        assert read_docker(f"unix://{path}").trouble == "error"
        thread.join()


def test_engine_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_facts, "_DOCKER_TIMEOUT_SECONDS", 0.2)
    path = str(tmp_path / "docker.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        assert read_docker(f"unix://{path}") == Docker(path, trouble="error", detail="no answer within 0.2 s")


def test_images_of_labelled_containers(tmp_path: Path) -> None:
    listed = [{"Id": "sha256:a", "RepoTags": ["web:2", "web:1"], "RepoDigests": ["web@sha256:d"]}]
    node = {"evenkeel.cluster": "shop", "evenkeel.role": "node", "evenkeel.tier": "web"}
    containers = [
        {"Id": "1", "Names": ["/web-2"], "Image": "web", "ImageID": "sha256:a", "State": "running", "Labels": node},
        {"Id": "2", "Names": ["/web-1"], "Image": "web", "ImageID": "sha256:a", "State": "running", "Labels": node},
        {"Id": "3", "Names": ["/old"], "Image": "gone", "ImageID": "sha256:b", "State": "exited", "Labels": node},
        {"Id": "4", "Names": ["/other"], "Image": "web", "ImageID": "sha256:a", "State": "running", "Labels": None},
    ]
    answers = {**ANSWERS, "/containers/json?all=1": containers, "/images/json?all=1": listed}
    with engine(tmp_path / "docker.sock", answers):
        found = read_provenance({"evenkeel.cluster": "shop"}, f"unix://{tmp_path}/docker.sock")
    assert found == EngineProvenance(
        "20.10.24",
        "1.41",
        (
            Image("node", "web", "sha256:a", ("web:1", "web:2"), ("web@sha256:d",), ("web-1", "web-2")),
            Image("node", "web", "sha256:b", (), (), ("old",)),
        ),
    )


def test_engine_without_provenance(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    assert read_provenance({}, f"unix://{path}").reason == (
        f"Docker: got FileNotFoundError at {path}, want an answer (fix: docker ps)"
    )
    assert read_provenance({}, "tcp://host:2375").reason == "Docker: got tcp as its address, want a Unix socket"


def test_no_engine(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    assert read_docker(f"unix://{path}") == Docker(str(path), trouble="absent")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    assert path.exists()
    assert read_docker(f"unix://{path}") == Docker(str(path), trouble="absent")


@pytest.mark.parametrize("host", ["tcp://10.0.0.1:2375", "ssh://a@b", "unix://relative.sock", "nonsense"])
def test_engine_elsewhere(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    assert read_docker() == Docker(host, trouble="remote")


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to be somebody else")
def test_engine_without_permission(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o660)
        assert as_nobody(f"m.read_docker('unix://{path}').trouble", docker_facts) == "permission"


@pytest.mark.parametrize(
    "reference, present",
    [
        ("res/express", True),
        ("res/express:latest", True),
        ("res/express:2", False),
        ("localhost:5000/app", True),
        ("other", False),
    ],
)
def test_image_present(reference: str, present: bool) -> None:
    docker = Docker("/x", images={"res/express:latest": "a", "localhost:5000/app:latest": "b"})
    assert image_present(docker, reference) is present
