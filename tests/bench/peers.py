"""The tools that the pool module is compared with, each with the same image and the same container options."""

from __future__ import annotations

import abc
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench import engine
from tests.bench.common import RESULTS, BenchError, play
from tests.bench.engine import BENCH_LABEL, Template

_COMMAND_SECONDS = 600
# A suite that has docker compose 2, for machines whose own archive has not.
_COMPOSE_SUITE = "trixie"


class Peer(abc.ABC):
    """One way to start and stop a number of containers."""

    #: Value of the label on this peer's containers.
    key: str
    #: The name in the table.
    title: str
    #: How containers leave.
    leaves: str

    def __init__(self, made: Template) -> None:
        """Prepare; nothing is started."""
        self.made = made

    def up(self, count: int) -> float:
        """Start *count* containers, until they serve; seconds."""
        began = time.perf_counter()
        self.start(count)
        engine.await_serving([f"{BENCH_LABEL}={self.key}"], count, self.made.port)
        return time.perf_counter() - began

    def down(self, count: int) -> float:
        """Back to none; seconds."""
        began = time.perf_counter()
        self.stop(count)
        seconds = time.perf_counter() - began
        left = engine.containers(f"{BENCH_LABEL}={self.key}", everything=True)
        if left:
            raise BenchError(f"{self.title}: got {len(left)} containers left, want none (fix: see its output)")
        return seconds

    @abc.abstractmethod
    def start(self, count: int) -> None:
        """Start *count* containers; a second call has nothing to do."""

    @abc.abstractmethod
    def stop(self, count: int) -> None:
        """Stop all."""


class EngineApi(Peer):
    """The limit: only the calls that any tool must make, eight at a time."""

    key = "engine-api"
    title = "Engine API, 8 threads"
    leaves = "rm -f, loses requests"

    def start(self, count: int) -> None:
        """Create and start."""

        def one(number: int) -> None:
            engine.create_and_start(self.made, f"bench-{self.key}-{number}", engine.peer_labels(self.key))

        engine.in_parallel(one, range(1, count + 1))

    def stop(self, count: int) -> None:
        """Remove."""
        engine.remove_all(f"{BENCH_LABEL}={self.key}")


class Compose(Peer):
    """One command of docker compose."""

    key = "compose"
    title = "docker compose --scale"
    leaves = "docker stop, all at once"

    def __init__(self, made: Template, command: list[str], folder: Path) -> None:
        """Write the project's file.

        Args:
            made: options of the containers.
            command: how compose is called here.
            folder: an empty folder for the project.
        """
        super().__init__(made)
        file = folder / "compose.yml"
        file.write_text(json.dumps(self._project(), indent=2), encoding="utf-8")
        self._command = [*command, "--project-name", "bench-compose", "--file", str(file)]

    def _project(self) -> dict[str, Any]:
        host = self.made.host_config
        service = {
            "image": self.made.image,
            "environment": self.made.environment,
            "labels": engine.peer_labels(self.key),
            "networks": ["pool"],
            "read_only": host["ReadonlyRootfs"],
            "tmpfs": [f"{path}:{options}" for path, options in host["Tmpfs"].items()],
            "cap_drop": host["CapDrop"],
            "security_opt": host["SecurityOpt"],
            "mem_limit": host["Memory"],
            "pids_limit": host["PidsLimit"],
            "restart": host["RestartPolicy"]["Name"],
            "stop_grace_period": f"{self.made.stop_timeout}s",
        }
        return {"services": {"node": service}, "networks": {"pool": {"name": self.made.network, "external": True}}}

    def _compose(self, *words: str) -> None:
        done = subprocess.run(
            [*self._command, *words], capture_output=True, text=True, check=False, timeout=_COMMAND_SECONDS
        )
        if done.returncode != 0:
            raise BenchError(f"docker compose: got '{done.stderr.strip()[-500:]}', want success (fix: see above)")

    def start(self, count: int) -> None:
        """Up, detached."""
        self._compose("up", "--detach", "--no-recreate", "--scale", f"node={count}")

    def stop(self, count: int) -> None:
        """Down; the network is the cluster's and stays."""
        self._compose("down")


class AnsibleLoop(Peer):
    """A task of community.docker.docker_container in a loop."""

    key = "ansible-loop"
    title = "Ansible loop, docker_container"
    leaves = "kill, one by one, loses requests"
    playbook = Path("tests/bench/ansible_loop.yml")

    def variables(self, count: int, state: str) -> list[str]:
        """Arguments for the playbook."""
        host = self.made.host_config
        values = {
            "bench_state": state,
            "bench_count": count,
            "bench_name": f"bench-{self.key}",
            "bench_image": self.made.image,
            "bench_environment": dict(item.split("=", 1) for item in self.made.environment),
            "bench_labels": engine.peer_labels(self.key),
            "bench_network": self.made.network,
            "bench_tmpfs": [f"{path}:{options}" for path, options in host["Tmpfs"].items()],
            "bench_memory": str(host["Memory"]),
            "bench_pids": host["PidsLimit"],
            "bench_stop_timeout": self.made.stop_timeout,
        }
        return ["-e", json.dumps(values)]

    def start(self, count: int) -> None:
        """All started."""
        play(self.playbook, *self.variables(count, "started"))

    def stop(self, count: int) -> None:
        """All absent."""
        play(self.playbook, *self.variables(count, "absent"))


# --------------------------------------------------------------------------
# docker compose
# --------------------------------------------------------------------------


def _runs(command: list[str]) -> str:
    """The version that the command tells; empty when it does not work."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else ""


def find_compose() -> tuple[list[str], str] | None:
    """How docker compose is called on this machine, and its version.

    Looks for the plugin, then for the older program; where there is neither, takes Debian's package from the
    machine's own mirror and unpacks it (it is not installed).
    """
    unpacked = RESULTS / "compose"
    program = unpacked / "usr/libexec/docker/cli-plugins/docker-compose"
    for command in (["docker", "compose"], ["docker-compose"], [str(program)]):
        if version := _runs(command):
            return command, version
    if shutil.which("apt-get") is None or not _unpack_compose(unpacked):
        return None
    version = _runs([str(program)])
    return ([str(program)], version) if version else None


def _quiet(*words: str, folder: Path | None = None) -> str | None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=_COMMAND_SECONDS)
    return done.stdout if done.returncode == 0 else None


def _unpack_compose(target: Path) -> bool:
    """Fetch the package with lists of its own, so that nothing of the machine's apt changes."""
    sites = _quiet("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", "Label: Debian")
    if not sites or not sites.strip():
        return False
    with tempfile.TemporaryDirectory(prefix="bench-compose-") as name:
        folder = Path(name)
        for part in ("lists/partial", "archives/partial"):
            (folder / part).mkdir(parents=True)
        (folder / "sources.list").write_text(f"deb {sites.split()[0]} {_COMPOSE_SUITE} main\n", encoding="utf-8")
        options = [
            f"-oDir::Etc::SourceList={folder}/sources.list",
            "-oDir::Etc::SourceParts=-",
            f"-oDir::State::Lists={folder}/lists",
            f"-oDir::Cache={folder}",
            "-oAPT::Sandbox::User=",
            "-oAcquire::Languages=none",
        ]
        if _quiet("apt-get", *options, "update") is None:
            return False
        if _quiet("apt-get", *options, "download", "docker-compose", folder=folder) is None:
            return False
        target.mkdir(parents=True, exist_ok=True)
        return all(_quiet("dpkg-deb", "-x", str(deb), str(target)) is not None for deb in folder.glob("*.deb"))
