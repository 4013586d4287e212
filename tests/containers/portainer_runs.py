"""Runs of the role portainer with a stand-in for its image, and what they need and leave."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import docker
import pytest
from docker.errors import ImageNotFound

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "containers" / "portainer"
CLUSTER = "t-portainer"
CONTAINER = "t-portainer-portainer"
VOLUME = "t-portainer-data"
IMAGE = "t-portainer/stand-in:1"
BASE = "evenkeel/base:trixie"
OWN_BASE = "t-portainer/base:1"


class Run(NamedTuple):
    """What one run of ansible-playbook ended with."""

    code: int
    stats: dict[str, int]
    tasks: dict[str, dict[str, Any]]
    output: str

    @property
    def changed(self) -> list[str]:
        """Names of the tasks that changed something, or would."""
        return [name for name, result in self.tasks.items() if result.get("changed")]

    @property
    def errors(self) -> list[str]:
        """Messages of the failed tasks that ended the run."""
        return [str(result.get("msg")) for result in self.tasks.values() if result.get("failed")]


class Playbooks:
    """Runs the throw-away playbooks with one state directory and one port."""

    def __init__(self, state: Path, port: int) -> None:
        self.password_file = state / "secrets" / "portainer_password"
        self.url = f"http://127.0.0.1:{port}"
        self.variables: dict[str, object] = {
            "cluster_name": CLUSTER,
            "cluster_state_dir": str(state),
            "cluster_registry_prefix": "",
            "cluster_portainer_port": port,
            "portainer_address": "127.0.0.1",
            "portainer_volume": VOLUME,
            "portainer_image": IMAGE,
            "portainer_image_archive": str(state / "stand-in.tar"),
            "portainer_ready_seconds": 20,
        }

    def run(self, playbook: str, *options: str, **variables: object) -> Run:
        """Run `playbook` with more options and variables.

        Args:
            playbook: Name in the directory of this test's playbooks, without suffix.
            *options: Options of ansible-playbook, e.g. `--check`.
            **variables: Extra variables beside the cluster's.

        Returns:
            Exit status, counts, and the result of every task that ran.
        """
        environment = os.environ | {
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            # Not the project's own: they would print beside the report.
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
            "ANSIBLE_FORCE_COLOR": "0",
        }
        command = [
            str(Path(sys.executable).parent / "ansible-playbook"),
            *("-i", str(HERE / "hosts.yml")),
            *("-e", json.dumps(self.variables | variables)),
            *options,
            str(HERE / f"{playbook}.yml"),
        ]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        try:
            report = json.loads(done.stdout[done.stdout.index("{") :])
        except ValueError:
            pytest.fail(f"ansible-playbook printed no report:\n{output}")
        tasks = {
            task["task"]["name"]: task["hosts"]["this_machine"]
            for play in report["plays"]
            for task in play["tasks"]
            if "this_machine" in task["hosts"]
        }
        return Run(done.returncode, report["stats"]["this_machine"], tasks, output)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def remove_everything(client: docker.DockerClient) -> None:
    """Remove what this test makes, also what an interrupted run of it has left."""
    for container in client.containers.list(all=True, filters={"name": f"^/({CONTAINER}|t-portainer-foreign)$"}):
        container.remove(force=True, v=True)
    for volume in client.volumes.list(filters={"name": "t-portainer-"}):
        volume.remove(force=True)
    for image in (IMAGE, OWN_BASE):
        if client.images.list(name=image):
            client.images.remove(image, force=True)


def base_image(client: docker.DockerClient) -> str:
    """Return the name of a Debian base image, made here if the project has not built its own yet."""
    try:
        client.images.get(BASE)
    except ImageNotFound:
        command = ["mmdebstrap", "--quiet", "--variant=minbase", "trixie", "-"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as make:
            subprocess.run(["docker", "import", "-", OWN_BASE], stdin=make.stdout, check=True, capture_output=True)
        assert make.returncode == 0, "mmdebstrap failed"
        return OWN_BASE
    return BASE
