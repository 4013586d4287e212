"""Bad input, told by the real playbook: one clear line, exit status not zero, no traceback, nothing changed.

The unit tests of the specification and of the preflight hold the hundreds of cases; these prove the way to the screen.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import docker
import pytest
from docker import DockerClient

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = ROOT / "site.yml"
ANSIBLE = Path(sys.executable).with_name("ansible-playbook")
CLUSTER = "t-input"
NOBODY = 65534
PREFIX = ": got "

TIERS: dict[str, Any] = {
    "t-shop": {
        "image": "t-input/shop:1",
        "leaving": "own",
        "port": 8080,
        "path": "/",
        "nodes": "{{ t_shop_nodes | default(1) }}",
    },
    "t-api": {
        "image": "t-input/api:1",
        "leaving": "own",
        "port": 3000,
        "path": "/api/",
        "nodes": "{{ t_api_nodes | default(1) }}",
    },
}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root to be somebody else")


class Run(NamedTuple):
    """What one run of the playbook ended with."""

    code: int
    output: str

    @property
    def lines(self) -> list[str]:
        """The problems as they stand on the screen, without the indented repetition below."""
        return [line for line in self.output.splitlines() if PREFIX in line and not line.startswith(" ")]


Play = Callable[..., Run]


@pytest.fixture(scope="module")
def client() -> Iterator[DockerClient]:
    engine = docker.from_env()
    yield engine
    engine.close()


def inventory_of_docker(client: DockerClient) -> dict[str, list[str]]:
    """All that Docker has."""
    return {
        "containers": sorted(f"{item['Id']} {item['State']}" for item in client.api.containers(all=True)),
        "networks": sorted(item["Id"] for item in client.api.networks()),
        "images": sorted(item["Id"] for item in client.api.images(all=True)),
        "volumes": sorted(item["Name"] for item in client.api.volumes()["Volumes"] or []),
    }


@contextmanager
def playing(client: DockerClient, folder: Path) -> Iterator[Play]:
    """Run the playbook with knobs of its own; the end proves that nothing has changed."""
    inventory = folder / "hosts.yml"
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory.write_text(json.dumps({"cluster": {"hosts": {"this_machine": local}}}), encoding="utf-8")
    state = folder / "state" / CLUSTER
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        web_port, dashboard_port = one.getsockname()[1], other.getsockname()[1]
    knobs: dict[str, Any] = {
        "cluster_name": CLUSTER,
        "cluster_web_port": web_port,
        "cluster_dashboard_port": dashboard_port,
        "cluster_console": False,
        "cluster_state_dir": str(state),
        "cluster_min_free_disk": "1m",
        "cluster_tiers": TIERS,
    }

    def go(
        *arguments: str, environment: Mapping[str, str] | None = None, playbook: Path = PLAYBOOK, **changes: Any
    ) -> Run:
        words = [str(ANSIBLE), "-i", str(inventory), str(playbook), "-e", json.dumps({**knobs, **changes}), *arguments]
        outcome = subprocess.run(
            words,
            check=False,
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return Run(outcome.returncode, outcome.stdout)

    before = inventory_of_docker(client)
    yield go
    assert inventory_of_docker(client) == before
    assert not state.exists()


@pytest.fixture
def play(client: DockerClient, tmp_path: Path) -> Iterator[Play]:
    with playing(client, tmp_path) as go:
        yield go


def assert_refused(run: Run, *problems: str) -> None:
    assert run.code != 0, run.output
    assert run.lines == list(problems), run.output
    assert "Traceback" not in run.output
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    assert f"Module failed: {count}, nothing has been changed\n" in run.output
    assert "changed=0" in run.output
    assert len(run.output.splitlines()) < 30 + 2 * len(problems)


COUNTS = ["-1", "2.5", "abc", "1_0", "\u0663", "true", "100000", ""]


@pytest.fixture(scope="module")
def runs(client: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Count to the run that it ended, two at a time, because most of a run is the start of Ansible."""
    with playing(client, tmp_path_factory.mktemp("counts")) as play, ThreadPoolExecutor(2) as threads:
        ended = list(threads.map(lambda count: play("-e", f"t_shop_nodes={count}"), COUNTS))
    return dict(zip(COUNTS, ended, strict=True))


@pytest.mark.parametrize("count", COUNTS)
def test_count(runs: dict[str, Run], count: str) -> None:
    assert_refused(
        runs[count],
        f"t_shop_nodes: got '{count}', want a whole number from 0 to 1000 (fix: -e t_shop_nodes=3)",
    )


def test_unknown_tier(play: Play) -> None:
    assert_refused(
        play("-e", "t_shob_nodes=3"),
        "t_shob_nodes: got 't_shob', want a tier of cluster_tiers: t-api, t-shop (fix: did you mean t_shop_nodes?)",
    )


def test_mistyped_and_removed_knobs(play: Play) -> None:
    """Variables of other projects are not among the problems: galera_nodes, cluster_galera_x."""
    variables = ["galera_nodes=3", "cluster_galera_x=1", "cluster_web_prot=1", "t_shop_node=2", "node_pool_api_user=me"]
    assert_refused(
        play(*(word for variable in variables for word in ("-e", variable))),
        "cluster_web_prot: got a variable that is no knob, want the name of a knob, such as cluster_web_port"
        " (fix: did you mean cluster_web_port? A variable of your own needs another name)",
        "node_pool_api_user: got a knob that was removed, want cluster_dashboard_user"
        " (fix: set cluster_dashboard_user and remove node_pool_api_user)",
        "t_shop_node: got a variable that is no knob, want the name of a knob, such as t_shop_nodes"
        " (fix: did you mean t_shop_nodes? A variable of your own needs another name)",
    )


def test_failures_that_use_up_the_retries(play: Play) -> None:
    tiers = {
        **TIERS,
        "t-shop": {**TIERS["t-shop"], "max_failures": 24},
        "t-api": {**TIERS["t-api"], "max_failures": 9},
    }
    assert_refused(
        play(cluster_tiers=tiers, load_balancer_retry_attempts=24),
        "cluster_tiers.t-shop.max_failures: got 24, want less than load_balancer_retry_attempts (24), so that a request"
        " for a dead node can go elsewhere (fix: cluster_tiers.t-shop.max_failures: 23,"
        " or -e load_balancer_retry_attempts=25)",
    )


def test_knobs_of_roles_that_come_later(play: Play) -> None:
    """As text, as YAML, and by way of another variable; without the preflight, images would be built by then."""
    assert_refused(
        play(
            *("-e", "load_balancer_memory=lots", "-e", "node_pool_workers=0"),
            portainer_pids="{{ t_limit }}",
            t_limit=2.5,
            load_balancer_read_timeout=True,
        ),
        "load_balancer_memory: got 'lots', want a size of at least 6m, such as 1g (fix: -e load_balancer_memory=1g)",
        "load_balancer_read_timeout: got true, want a time such as 0s or 500ms (fix: -e load_balancer_read_timeout=0s)",
        "node_pool_workers: got '0', want a whole number from 1 to 64 (fix: -e node_pool_workers=8)",
        "portainer_pids: got 2.5, want a whole number from 1 to 4194304 (fix: -e portainer_pids=200)",
    )


def test_everything_wrong_at_once(play: Play) -> None:
    """Two tiers on one path, a reserved and a malformed name, a bad host, a secure cookie: one run tells it all."""
    tiers = {
        **TIERS,
        "t-api": {**TIERS["t-api"], "path": "/", "cookie": {"secure": True}},
        "traefik": TIERS["t-shop"],
        "Web_1": TIERS["t-shop"],
    }
    assert_refused(
        play(cluster_tiers=tiers, cluster_hosts=["localhost", "no host"]),
        "cluster_hosts: got 'no host', want a host name (fix: mend or remove it)",
        "cluster_tiers.t-api.cookie.secure: got true, want false, because the web entry point speaks plain HTTP and"
        " browsers would never send the cookie back (fix: remove cluster_tiers.t-api.cookie.secure)",
        "tier name: got 'traefik', want a name that is not reserved (fix: rename the tier, for example my-traefik)",
        "tier name: got 'Web_1', want lower-case letters, digits and -, beginning with a letter, at most 30 characters,"
        " not ending in -<number> (fix: rename the tier in cluster_tiers)",
        "cluster_tiers.t-api.path: got '/', want another than tier t-shop has (fix: give each tier a path of its own)",
    )


def test_build_context_and_bundle_that_are_not_there(play: Play) -> None:
    tiers = {**TIERS, "t-shop": {**TIERS["t-shop"], "image": "t-input/shop", "context": "files/nowhere"}}
    assert_refused(
        play(cluster_tiers=tiers, cluster_ca_bundle="/nowhere/ca.crt"),
        f"cluster_tiers.t-shop.context: got 'files/nowhere', want a folder with {ROOT}/files/nowhere/Dockerfile"
        " (fix: mend the path)",
        "cluster_ca_bundle: got '/nowhere/ca.crt', want a file on the machine that runs Ansible"
        " (fix: mend the path, or leave it empty)",
    )


def test_port_of_another_process(play: Play) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        run = play("-e", f"cluster_web_port={port}")
    (line,) = run.lines
    assert_refused(run, line)
    assert re.fullmatch(
        rf"port {port} \(cluster_web_port\): got pid {os.getpid()} \(.*pytest.*\) listening on it, want it free"
        r" \(fix: end it, or choose another port with -e cluster_web_port=\.\.\.\)",
        line,
    )


def test_disk_nearly_full(play: Play, tmp_path: Path) -> None:
    """The real free space, against a threshold above it."""
    need = shutil.disk_usage(tmp_path).free // 1024**2 + 10_240
    run = play("-e", f"cluster_min_free_disk={need}m")
    assert_refused(run, *run.lines)
    assert run.lines[0].startswith("free disk for Docker's data in ")
    assert all(
        re.fullmatch(
            r"free disk for .* in /.*: got [0-9.]+ [MG]iB, want at least [0-9.]+ GiB"
            r" \(fix: free some space there, or lower cluster_min_free_disk\)",
            line,
        )
        for line in run.lines
    )


@pytest.fixture
def image(client: DockerClient) -> Iterator[str]:
    """An image with nothing in it: enough to make a container that never starts."""
    reference = "t-input/empty:1"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w"):
        pass
    client.api.import_image_from_data(archive.getvalue(), repository="t-input/empty", tag="1")
    yield reference
    client.api.remove_image(reference)


@pytest.fixture
def foreign(client: DockerClient, image: str) -> Iterator[None]:
    """A container and a network that bear our names and not our label."""
    made = client.api.create_container(image, command="x", name="t-input-t-shop-1")
    network = client.api.create_network(CLUSTER)
    yield
    client.api.remove_network(network["Id"])
    client.api.remove_container(made["Id"])


@pytest.mark.usefixtures("foreign")
def test_names_of_somebody_else(play: Play) -> None:
    assert_refused(
        play(),
        "container t-input-t-shop-1: got one that is not of cluster t-input (image t-input/empty:1, created),"
        " want the name free (fix: rename or remove it)",
        "network t-input: got one that is not of cluster t-input, want the name free"
        " (fix: docker network rm t-input, or choose another cluster_name)",
    )


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="t-input-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


AS_NOBODY = f"exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups /usr/bin/python3"


@needs_root
def test_docker_socket_without_permission(play: Play, open_folder: Path) -> None:
    interpreter = script(open_folder / "python", f'{AS_NOBODY} "$@"')
    assert_refused(
        play("-e", f"ansible_python_interpreter={interpreter}", cluster_state_dir="/var/tmp/t-input/state"),
        "Docker socket /var/run/docker.sock: got no permission for user nobody, want read and write access"
        " (fix: as root: usermod -aG docker nobody, then log in again;"
        " or add -K -e cluster_become=true where sudo asks for a password)",
    )


SHOW = """
- name: Show what the role has found out
  hosts: cluster
  gather_facts: false
  become: "{{ cluster_become | default(false) | bool }}"
  roles:
    - {role: cluster, tags: [always]}
  post_tasks:
    - name: Show it
      ansible.builtin.debug:
        msg: "become={{ cluster_become }} user={{ cluster_machine.user }} usable={{ cluster_docker.usable }}"
      tags: [always]
"""


@needs_root
@pytest.mark.parametrize("arguments", [[], ["--tags", "always"]], ids=["whole", "tagged"])
def test_user_whom_sudo_lets_become_root(play: Play, open_folder: Path, arguments: list[str]) -> None:
    """A stand-in for sudo marks what it runs, and the interpreter is nobody's unless marked: the wiring is real."""
    sudo = script(
        open_folder / "sudo",
        '[ "$*" = "-n true" ] && exit 0\nwhile [ "$1" != /bin/sh ]; do shift; done\nexport T_ROOT=1\nexec "$@"',
    )
    interpreter = script(
        open_folder / "python",
        f'[ -n "$T_ROOT" ] && exec {sys.executable} "$@"\nexport PATH="{open_folder}:$PATH"\n{AS_NOBODY} "$@"',
    )
    playbook = open_folder / "show.yml"
    playbook.write_text(SHOW, encoding="utf-8")
    identity = ["-e", f"ansible_python_interpreter={interpreter}", "-e", f"ansible_become_exe={sudo}"]
    # The controller is root already, and Ansible would see nothing to become.
    environment = {"ANSIBLE_BECOME_ALLOW_SAME_USER": "true"}
    run = play(*identity, *arguments, playbook=playbook, environment=environment)
    assert run.code == 0, run.output
    assert "become=True user=root usable=True" in run.output
    refused = play(*identity, *arguments, "-e", "cluster_become=false", playbook=playbook, environment=environment)
    assert refused.code != 0
    assert refused.lines[0].startswith("Docker socket /var/run/docker.sock: got no permission for user nobody, want ")
