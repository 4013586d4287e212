"""What Docker says of itself, against real sockets: made-up answers, nonsense, silence."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

import pytest
from tests.unit.other_user import as_nobody, needs_root

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine import docker_facts
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_facts import (
    Docker,
    EngineProvenance,
    Image,
    image_present,
    read_commands,
    read_docker,
    read_engine_id,
    read_provenance,
)

ANSWERS: dict[str, Any] = {
    "/version": {"Version": "20.10.24", "ApiVersion": "1.41"},
    "/info": {
        "DockerRootDir": "/data/docker",
        "ID": "EVEN:KEEL",
        "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
        "SecurityOptions": ["name=seccomp,profile=default", "name=userns"],
        "LiveRestoreEnabled": True,
        "Swarm": {"LocalNodeState": "active"},
    },
    "/networks": [{"Name": "bridge", "Labels": None}, {"Name": "shop", "Labels": {"a": "b"}}],
    "/images/json": [
        {"Id": "a", "RepoTags": ["res/express:latest", "res/express:1"], "Labels": {"evenkeel.cluster": "shop"}},
        {"Id": "b", "RepoTags": None},
    ],
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
    assert docker.builders == {"res/express:latest": "shop", "res/express:1": "shop"}
    balancer, nameless = docker.containers
    assert (balancer.name, sorted(balancer.ports), balancer.state) == ("shop-balancer", [8080], "running")
    assert balancer.mounts == {"/etc/x": "/srv/x", "/scratch": ""}
    assert (nameless.name, nameless.labels, nameless.ports) == ("0123456789ab", {}, frozenset())
    assert len(server.asked) == 5
    assert (docker.engine_id, docker.system) == ("EVEN:KEEL /data/docker", "Debian GNU/Linux 12 (bookworm)")
    assert docker.security == {"seccomp", "userns"}
    assert (docker.live_restore, docker.swarm) == (True, True)


def test_engine_that_says_little_of_itself(tmp_path: Path) -> None:
    with engine(tmp_path / "docker.sock", {**ANSWERS, "/info": {"SecurityOptions": None}}):
        docker = read_docker(f"unix://{tmp_path}/docker.sock")
    assert docker.trouble == ""
    assert (docker.engine_id, docker.security, docker.live_restore, docker.swarm) == ("", frozenset(), False, False)


@pytest.mark.parametrize(
    "answer, found",
    [
        ({"ID": "EVEN:KEEL", "DockerRootDir": "/data/docker"}, "EVEN:KEEL /data/docker"),
        ({"ID": "EVEN:KEEL", "DockerRootDir": "/srv/docker"}, "EVEN:KEEL /srv/docker"),
        ({}, ""),
        (None, ""),
        (b"no json", ""),
        ([], ""),
    ],
)
def test_which_engine_is_behind_a_socket(tmp_path: Path, answer: object, found: str) -> None:
    with engine(tmp_path / "docker.sock", {"/info": answer}):
        assert read_engine_id(f"{tmp_path}/docker.sock") == found


def test_no_engine_is_behind_a_socket(tmp_path: Path) -> None:
    assert read_engine_id(f"{tmp_path}/docker.sock") is None
    (tmp_path / "file").write_text("")
    assert read_engine_id(f"{tmp_path}/file") is None
    assert read_engine_id(f"{tmp_path}/file/docker.sock") is None


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


@needs_root
def test_engine_without_permission(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o660)
        assert as_nobody("engine.docker_facts", f"m.read_docker('unix://{path}').trouble") == "permission"


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


def test_commands_of_images(tmp_path: Path) -> None:
    answers = {
        "/images/example.org/s6%3A1/json": {"Config": {"Entrypoint": ["/init"], "Cmd": ["serve"]}},
        "/images/plain/json": {"Config": {"Entrypoint": None}},
        "/images/odd/json": {},
    }
    with engine(tmp_path / "docker.sock", answers):
        docker = Docker(socket=f"{tmp_path}/docker.sock")
        found = read_commands(docker, ["example.org/s6:1", "plain", "odd"])
        assert found == {"example.org/s6:1": (["/init"], ["serve"]), "plain": ([], []), "odd": ([], [])}
        assert read_commands(docker, ["plain", "gone", "odd"]) == {"plain": ([], []), "odd": ([], [])}
    assert read_commands(Docker(socket=f"{tmp_path}/none"), ["plain"]) == {}
