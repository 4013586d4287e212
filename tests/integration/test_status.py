"""The status of a whole cluster: what is looked at, what a run would do, and the exit code for monitoring."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from .conftest import STATE, balancer, play, played

DYNAMIC = STATE / "balancer/dynamic"
PARTS = ["web address", "dashboard address", "console address", "edge", "balancer", "console", "network", "routes"]
PARTS += ["provider", "secrets", "files"]


def drift(folder: Path, playbook: str = "playbooks/status.yml", *arguments: str) -> dict[str, Any]:
    """The drift as JSON."""
    file = folder / "drift.json"
    played(playbook, "-e", f"evidence_drift_file={file}", *arguments)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def to_do(found: dict[str, Any]) -> dict[str, list[str]]:
    return {part["part"]: part["to_do"] for part in found["parts"] if part["to_do"]}


def containers_harmed(engine: docker.DockerClient) -> None:
    """Also the edge, because it would start the balancer again."""
    engine.containers.get("evenkeel-edge").pause()
    balancer(engine).stop()


def files_harmed(_: docker.DockerClient) -> None:
    """Removed, changed, added, and open to all."""
    (DYNAMIC / "dashboard_users").unlink()
    with (DYNAMIC / "base.yml").open("a") as file:
        file.write("# by hand\n")
    (DYNAMIC / "foreign.yml").write_text("http: {middlewares: {foreign: {compress: {}}}}\n")
    (STATE / "secrets").chmod(0o755)
    (STATE / "secrets/dashboard_password").chmod(0o644)


@pytest.fixture
def whole(cluster: docker.DockerClient) -> Iterator[docker.DockerClient]:
    """The cluster, mended after the test by a run."""
    yield cluster
    played("site.yml", "--tags", "balancer")
    for path in DYNAMIC.glob("*.set-aside*"):
        path.unlink()


def test_without_drift_the_exit_code_is_zero(cluster: docker.DockerClient, tmp_path: Path) -> None:
    found = drift(tmp_path, "playbooks/status.yml", "-e", "status_strict=true")
    assert (found["agreed"], found["lines"]) == (True, [])
    assert [part["part"] for part in found["parts"]][: len(PARTS)] == PARTS
    web = found["parts"][0]["state"]
    way = "another network" if os.geteuid() == 0 else "the machine's own address"
    assert web == f"status 200 from this machine, status 200 from {way}"
    left = subprocess.run(["ip", "-oneline", "link"], capture_output=True, text=True, check=True).stdout
    assert "evenkeel" not in left


@pytest.mark.parametrize(
    "harm, named",
    [
        (containers_harmed, ["edge: would unpause evenkeel-edge (is paused)", "(is exited)"]),
        (
            files_harmed,
            [
                f"files: would write {DYNAMIC}/dashboard_users (is missing)",
                f"files: would write {DYNAMIC}/base.yml (content differs)",
                f"files: would set aside {DYNAMIC}/foreign.yml (is not declared)",
                f"secrets: would set mode 0700 of {STATE}/secrets (is 0755)",
                f"secrets: would set mode 0600 of {STATE}/secrets/dashboard_password (is 0644)",
            ],
        ),
    ],
)
def test_drift_is_named_and_is_an_exit_code(
    whole: docker.DockerClient, tmp_path: Path, harm: Callable[[docker.DockerClient], None], named: list[str]
) -> None:
    harm(whole)
    done = play("playbooks/status.yml", "-e", "status_strict=true", "-e", f"evidence_drift_file={tmp_path}/drift.json")
    assert done.returncode != 0
    found = json.loads((tmp_path / "drift.json").read_text())
    assert found["agreed"] is False
    shown = done.stdout.partition("SUMMARY")[2]
    for line in named:
        assert line in shown
        # Each is drift by itself: it is in the lines that make the exit code.
        assert line.rpartition("would ")[2] in "\n".join(found["lines"])
    # Without the knob it only tells; and the check of a run says the same about the same thing.
    assert to_do(drift(tmp_path)) == to_do(drift(tmp_path, "site.yml", "--check")) == to_do(found)
    played("site.yml", "--tags", "balancer")
    assert drift(tmp_path, "playbooks/status.yml", "-e", "status_strict=true")["lines"] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change the packet filter")
def test_what_only_neighbours_notice_is_noticed(cluster: docker.DockerClient, tmp_path: Path) -> None:
    rule = ["-i", "evenkeel+", "-j", "DROP"]
    subprocess.run(["iptables", "-I", "DOCKER-USER", *rule], check=True)
    try:
        lines = drift(tmp_path)["lines"]
    finally:
        subprocess.run(["iptables", "-D", "DOCKER-USER", *rule], check=True)
    assert [line.partition(" from ")[0] for line in lines] == [
        "web http://127.0.0.1:8080/: got no answer in time",
        "dashboard http://127.0.0.1:9000/ping: got no answer in time",
    ]
    assert all("another network" in line for line in lines)


def test_an_engine_that_does_not_answer_is_one_line(
    cluster: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    found = drift(tmp_path)
    assert found["lines"][0].startswith(f"Docker daemon: got no answer at unix://{tmp_path}/none.sock")
    assert to_do(found)["engine"][0].startswith("start the engine, then what it does not start itself: edge, balancer")
    done = play("playbooks/status.yml", "-e", "status_strict=true")
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
