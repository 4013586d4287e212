"""The preflight module: its checks as tables over made-up machines, and its entry point as Ansible runs it."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import ClusterSpec
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_facts import Container, Docker
from ansible_collections.evenkeel.cluster.plugins.module_utils.host import checks
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.facts import Disk, Listener, Machine
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.parse import parse_cluster
from ansible_collections.evenkeel.cluster.plugins.modules import preflight

GIB = 1024**3
MIB = 1024**2

MACHINE = Machine(
    os_id="debian",
    os_version="12",
    architecture="x86_64",
    python=(3, 11),
    interpreter="/usr/bin/python3",
    user="alice",
    uid=1000,
    root=False,
    home="/home/alice",
    cpus=2,
    memory_available=8 * GIB,
    docker_sdk=True,
    docker_installed=True,
)
ROOT = dataclasses.replace(MACHINE, user="root", uid=0, root=True, home="/root")
DOCKER = Docker(
    "/var/run/docker.sock",
    version="20.10.24+dfsg1",
    api_version="1.41",
    images={"res/express:1": "sha256:1"},
    socket_group=999,
)

PARAMS: dict[str, Any] = {
    "name": "shop",
    "domain": "shop.example.org",
    "hosts": ["shop.example.org"],
    "engine": "docker",
    "web_port": 8080,
    "dashboard_port": 9000,
    "portainer": False,
    "portainer_port": 9090,
    "image_source": "packages",
    "tiers": {
        "static": {"image": "shop/static", "context": "files/static", "port": 8080, "path": "/", "nodes": 3},
        "app": {"image": "example/app:1", "port": 80, "path": "/app/", "nodes": 2},
    },
    "state_dir": "",
    "registry_prefix": "",
    "apt_mirror": "",
    "ca_bundle": "",
    "portainer_archive": "",
    "min_free_disk": "",
    "node_variables": [],
    "root": "/repo",
    "existing_files": ["/repo/files/static/Dockerfile"],
    "check_machine": True,
    "may_become": True,
}
SUDO = "add -K -e cluster_become=true where sudo asks for a password"


def spec_of(machine: Machine = ROOT, **changes: Any) -> ClusterSpec:
    spec, _, problems = checks.declared_cluster({**copy.deepcopy(PARAMS), **changes}, machine)
    assert problems == []
    assert spec is not None
    return spec


def container(name: str, **changes: Any) -> Container:
    standard: dict[str, Any] = {
        "image": "nginx",
        "state": "running",
        "labels": {},
        "ports": frozenset(),
        "mounts": {},
    }
    return Container(name=name, **{**standard, **changes})


OURS = {"evenkeel.cluster": "shop"}
NODE = {**OURS, "evenkeel.role": "node"}


# --- documentation --------------------------------------------------------------------------------------------------


def test_documented_options_are_the_options() -> None:
    documented = yaml.safe_load(preflight.DOCUMENTATION)["options"]
    spec = preflight.argument_spec()
    assert set(documented) == set(spec)
    for name, option in spec.items():
        for key in ("type", "default", "elements"):
            assert documented[name].get(key) == option.get(key), name


def test_example_passes_its_own_check() -> None:
    task = yaml.safe_load(preflight.EXAMPLES)[0]
    options = task["evenkeel.cluster.preflight"]
    spec, problems = parse_cluster({**options, "state_dir": "/srv/shop"})
    assert problems == []
    assert spec is not None
    assert yaml.safe_load(preflight.RETURN)


# --- machine and Docker ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, problems",
    [
        ({}, []),
        ({"architecture": "aarch64"}, []),
        (
            {"architecture": "riscv64"},
            ["architecture: got riscv64, want x86_64 or aarch64 (fix: use a machine of that kind)"],
        ),
        (
            {"python": (3, 9)},
            [
                "Python (/usr/bin/python3): got 3.9, want at least 3.10"
                " (fix: set ansible_python_interpreter to a newer one)"
            ],
        ),
    ],
)
def test_machines(changes: dict[str, Any], problems: list[str]) -> None:
    assert checks.check_machine(dataclasses.replace(MACHINE, **changes)) == problems


BARE = dataclasses.replace(ROOT, docker_installed=False, docker_sdk=False)
ABSENT = Docker("/var/run/docker.sock", trouble="absent")


@pytest.mark.parametrize(
    "machine, docker, problem, reason",
    [
        (MACHINE, DOCKER, "", ""),
        (ROOT, DOCKER, "", ""),
        (
            MACHINE,
            Docker("/var/run/docker.sock", trouble="permission"),
            "Docker socket /var/run/docker.sock: got no permission for user alice, want read and write access"
            f" (fix: as root: usermod -aG docker alice, then log in again; or {SUDO})",
            "user alice has no permission on /var/run/docker.sock",
        ),
        (
            MACHINE,
            ABSENT,
            "Docker daemon: got no answer at /var/run/docker.sock, want a running daemon"
            f" (fix: install and start Docker as root, or {SUDO})",
            "no daemon answers at /var/run/docker.sock",
        ),
        (
            dataclasses.replace(MACHINE, docker_installed=False),
            ABSENT,
            f"Docker: got none, want a running daemon (fix: install and start Docker as root, or {SUDO})",
            "Docker is not installed",
        ),
        (ROOT, ABSENT, "", "no daemon answers at /var/run/docker.sock"),
        (BARE, ABSENT, "", "Docker is not installed"),
        (
            dataclasses.replace(BARE, os_id="alpine", os_version="3.20"),
            ABSENT,
            "operating system: got alpine 3.20, want Debian 12 or 13, or Ubuntu 22.04 or 24.04, to install Docker on"
            " (fix: install Docker by hand, then run this again)",
            "Docker is not installed",
        ),
        (dataclasses.replace(ROOT, os_id="alpine"), ABSENT, "", "no daemon answers at /var/run/docker.sock"),
        (dataclasses.replace(ROOT, os_id="alpine"), DOCKER, "", ""),
        (
            ROOT,
            Docker("tcp://10.0.0.1:2375", trouble="remote"),
            "DOCKER_HOST: got 'tcp://10.0.0.1:2375', want a socket of this machine (fix: unset DOCKER_HOST)",
            "tcp://10.0.0.1:2375 is not a socket of this machine",
        ),
        (
            ROOT,
            Docker("/var/run/docker.sock", trouble="error", detail="BadStatusLine: x"),
            "Docker daemon: got 'BadStatusLine: x', want an answer at /var/run/docker.sock"
            " (fix: see what listens at /var/run/docker.sock, and dockerd's log)",
            "BadStatusLine: x",
        ),
        (
            ROOT,
            dataclasses.replace(DOCKER, version="19.03.15", api_version="1.40"),
            "Docker Engine: got 19.03.15 (API 1.40), want at least 20.10 (API 1.41) (fix: upgrade Docker)",
            "Docker 19.03.15 is too old",
        ),
        (ROOT, dataclasses.replace(DOCKER, version="29.0.0", api_version="1.52"), "", ""),
        (
            dataclasses.replace(MACHINE, docker_sdk=False),
            DOCKER,
            "Docker SDK for Python: got none for /usr/bin/python3, want the Python package docker"
            f" (fix: install python3-docker, or {SUDO})",
            "/usr/bin/python3 has no Docker SDK",
        ),
        (dataclasses.replace(ROOT, docker_sdk=False), DOCKER, "", "/usr/bin/python3 has no Docker SDK"),
    ],
)
def test_docker(machine: Machine, docker: Docker, problem: str, reason: str) -> None:
    assert checks.check_docker(machine, docker) == ([problem] if problem else [])
    assert checks.docker_reason(machine, docker) == reason


@pytest.mark.parametrize(
    "text, numbers",
    [
        ("20.10.24+dfsg1", (20, 10)),
        ("1.41", (1, 41)),
        ("29.0.0-rc.1", (29, 0)),
        ("26", (26, 0)),
        ("", (0, 0)),
        ("dev", (0, 0)),
        ("x.y", (0, 0)),
    ],
)
def test_versions(text: str, numbers: tuple[int, int]) -> None:
    assert checks.version_numbers(text) == numbers


# --- state, files, resources ----------------------------------------------------------------------------------------


def test_default_state_folder_suits_the_user() -> None:
    assert spec_of(ROOT).state_dir == "/var/lib/evenkeel/shop"
    assert spec_of(MACHINE).state_dir == "/home/alice/.local/state/evenkeel/shop"
    assert spec_of(MACHINE, state_dir="/srv/shop/").state_dir == "/srv/shop"


FREE = Disk("/var/lib", 100 * GIB, 1, writable=True)


@pytest.mark.parametrize(
    "disk, problem",
    [
        (FREE, ""),
        (
            dataclasses.replace(FREE, folder="/", writable=False),
            "cluster_state_dir /home/alice/.local/state/evenkeel/shop: got no permission in / for user alice,"
            " want write access (fix: choose another folder with -e cluster_state_dir=...)",
        ),
        (
            dataclasses.replace(FREE, obstacle="/home/alice/.local"),
            "cluster_state_dir /home/alice/.local/state/evenkeel/shop: got /home/alice/.local, which is no folder,"
            " want a folder, or nothing there (fix: choose another folder with -e cluster_state_dir=...)",
        ),
    ],
)
def test_state_folder(disk: Disk, problem: str) -> None:
    problems = checks.check_state_dir(spec_of(MACHINE), False, MACHINE, DOCKER, disk)
    assert problems == ([problem] if problem else [])


@pytest.mark.parametrize("folder", ["/data/people", "/data/people/alice/"])
def test_state_folder_around_a_home(folder: str) -> None:
    machine = dataclasses.replace(MACHINE, home="/data/people/alice")
    shown = folder.rstrip("/")
    assert checks.check_state_dir(spec_of(MACHINE, state_dir=folder), True, machine, DOCKER, FREE) == [
        f"cluster_state_dir {shown}: got a folder around /data/people/alice, want a folder of the cluster's own"
        " (fix: choose another folder with -e cluster_state_dir=...)"
    ]


def test_running_cluster_keeps_its_state_folder() -> None:
    mounts = {"/etc/traefik": "/var/lib/evenkeel/shop/balancer"}
    balancer = container("shop-balancer-blue", labels={**OURS, "evenkeel.role": "balancer"}, mounts=mounts)
    docker = dataclasses.replace(DOCKER, containers=(container("other"), balancer))
    assert checks.check_state_dir(spec_of(ROOT), False, ROOT, docker, FREE) == []
    assert checks.check_state_dir(spec_of(MACHINE), False, MACHINE, docker, FREE) == [
        "cluster_state_dir: got /home/alice/.local/state/evenkeel/shop for user alice, want /var/lib/evenkeel/shop,"
        " which the running cluster uses (fix: run as the user who deployed it, or add"
        " -e cluster_state_dir=/var/lib/evenkeel/shop)"
    ]
    # Declared means meant: the balancer moves.
    assert checks.check_state_dir(spec_of(MACHINE, state_dir="/srv/x"), True, MACHINE, docker, FREE) == []


def test_files_on_the_controller() -> None:
    spec = spec_of()
    context = "/repo/files/static/Dockerfile"
    assert checks.check_files(spec, "/repo", [context, "/etc/ca.crt"], {"cluster_ca_bundle": "/etc/ca.crt"}) == []
    assert checks.check_files(spec, "/repo", [context], {"cluster_ca_bundle": "", "portainer_image_archive": ""}) == []
    assert checks.check_files(spec, "/repo", [], {"cluster_ca_bundle": "/etc/ca.crt"}) == [
        "cluster_tiers.static.context: got 'files/static', want a folder with /repo/files/static/Dockerfile"
        " (fix: mend the path)",
        "cluster_ca_bundle: got '/etc/ca.crt', want a file on the machine that runs Ansible"
        " (fix: mend the path, or leave it empty)",
    ]


def test_more_cpus_than_there_are() -> None:
    tiers = {"app": {"image": "x", "port": 80, "path": "/", "nodes": 1, "cpus": "2.5"}}
    assert checks.check_cpus(spec_of(tiers=tiers), MACHINE) == [
        "cluster_tiers.app.cpus: got 2.5, want at most 2, as there are (fix: lower it)"
    ]
    assert checks.check_cpus(spec_of(), MACHINE) == []


@pytest.mark.parametrize(
    "available, running, problem",
    [
        (8 * GIB, 0, ""),
        (5 * 40 * MIB, 0, ""),
        (100 * MIB, 3, ""),
        (0, 0, ""),  # a kernel that does not tell
        (
            100 * MIB,
            1,
            "memory: got 100 MiB available, want 160 MiB for 4 more nodes of about 40 MiB each"
            " (fix: lower the counts of the tiers)",
        ),
    ],
)
def test_memory(available: int, running: int, problem: str) -> None:
    containers = (
        *(container(f"static-{number}", labels=NODE) for number in range(1, running + 1)),
        container("static-9", labels=NODE, state="exited"),
        container("static-8", labels={**NODE, "evenkeel.cluster": "other"}),
    )
    machine = dataclasses.replace(MACHINE, memory_available=available)
    docker = dataclasses.replace(DOCKER, containers=containers)
    assert checks.check_memory(spec_of(), machine, docker) == ([problem] if problem else [])


@pytest.mark.parametrize(
    "source, images, declared, need",
    [
        ("packages", [], None, 3 * GIB),
        ("packages", ["shop/static:latest"], None, 3 * GIB),
        ("packages", ["shop/static:latest", "res/traefik:latest"], None, 500 * MIB),
        ("registry", [], None, 500 * MIB),
        ("packages", [], 7, 7),
    ],
)
def test_disk_that_is_needed(source: str, images: list[str], declared: int | None, need: int) -> None:
    docker = dataclasses.replace(DOCKER, images=dict.fromkeys(images, "sha256:1"))
    assert checks.needed_disk(spec_of(image_source=source), docker, declared) == need


def test_disks() -> None:
    nearly_full = Disk("/var/lib/docker", 100 * MIB, 1, writable=True)
    state = Disk("/srv", 100 * MIB, 1, writable=True)
    line = (
        "free disk for Docker's data in /var/lib/docker: got 100 MiB, want at least 500 MiB"
        " (fix: free some space there, or lower cluster_min_free_disk)"
    )
    named = [("Docker's data", nearly_full), ("cluster_state_dir", state)]
    assert checks.check_disks(named, 500 * MIB) == [line]
    assert checks.check_disks(named, 100 * MIB) == []
    other = dataclasses.replace(state, device=2)
    assert checks.check_disks([named[0], ("cluster_state_dir", other)], 2 * GIB) == [
        line.replace("500 MiB", "2.0 GiB"),
        "free disk for cluster_state_dir in /srv: got 100 MiB, want at least 2.0 GiB"
        " (fix: free some space there, or lower cluster_min_free_disk)",
    ]


@pytest.mark.parametrize("value", ["lots", "0", 5.5, [], True, "-1g"], ids=repr)
def test_bad_threshold(value: object) -> None:
    _, _, problems = checks.declared_cluster({**PARAMS, "min_free_disk": value}, MACHINE)
    (line,) = problems
    assert line.startswith("cluster_min_free_disk: got ")
    assert line.endswith(", want a size such as 500m or 3g (fix: -e cluster_min_free_disk=500m)")


def test_bad_archive() -> None:
    _, _, problems = checks.declared_cluster({**PARAMS, "portainer_archive": 5}, MACHINE)
    assert problems == [
        "portainer_image_archive: got 5, want the path of a file (fix: leave it empty for the image of a registry)"
    ]


# --- ports and names ------------------------------------------------------------------------------------------------


def test_port_of_a_process() -> None:
    listeners = {8080: Listener(8080, 4711, "python3 -m http.server"), 9090: Listener(9090, 1, "x")}
    assert checks.check_ports(spec_of(), DOCKER, listeners) == [
        "port 8080 (cluster_web_port): got pid 4711 (python3 -m http.server) listening on it, want it free"
        " (fix: end it, or choose another port with -e cluster_web_port=...)"
    ]
    (line,) = checks.check_ports(spec_of(), DOCKER, {9000: Listener(9000, 0, "")})
    assert "got a process of another user listening on it" in line
    assert len(checks.check_ports(spec_of(portainer=True), DOCKER, listeners)) == 2


@pytest.mark.parametrize(
    "trouble, pid, command, refused",
    [
        ("permission", 0, "", False),
        ("absent", 9, "/usr/bin/docker-proxy -proto tcp", False),
        ("permission", 9, "nginx", True),
        ("absent", 9, "nginx", True),
    ],
)
def test_port_while_docker_cannot_tell_whose_it_is(trouble: str, pid: int, command: str, refused: bool) -> None:
    docker = Docker("/x", trouble=trouble)
    problems = checks.check_ports(spec_of(), docker, {8080: Listener(8080, pid, command)})
    assert bool(problems) is refused


def test_resources_while_docker_cannot_tell_what_runs() -> None:
    docker = Docker("/x", trouble="permission")
    assert checks.check_memory(spec_of(), dataclasses.replace(MACHINE, memory_available=1), docker) == []
    assert checks.needed_disk(spec_of(), docker, None) == 500 * MIB


def test_port_of_a_container() -> None:
    proxy = {8080: Listener(8080, 9, "/usr/bin/docker-proxy")}
    docker = dataclasses.replace(DOCKER, containers=(container("web", ports=frozenset({8080, 80})),))
    assert checks.check_ports(spec_of(), docker, proxy) == [
        "port 8080 (cluster_web_port): got container web (image nginx) publishing it, want it free"
        " (fix: stop it, or choose another port with -e cluster_web_port=...)"
    ]


@pytest.mark.parametrize(
    "name, labels, problems",
    [
        ("shop-edge", OURS, 0),
        ("shop-balancer", {**OURS, "evenkeel.role": "balancer"}, 0),
        ("shop-balancer", {**OURS, "evenkeel.role": "node"}, 2),
        ("shop-edge", {}, 2),
        ("shop-edge", {"evenkeel.cluster": "other"}, 2),
        ("other-edge", OURS, 2),
    ],
)
def test_ports_of_our_balancer(name: str, labels: dict[str, str], problems: int) -> None:
    ports = frozenset({8080, 9000})
    docker = dataclasses.replace(DOCKER, containers=(container(name, labels=labels, ports=ports),))
    listeners = {port: Listener(port, 9, "/usr/bin/docker-proxy") for port in ports}
    assert len(checks.check_ports(spec_of(), docker, listeners)) == problems


@pytest.mark.parametrize(
    "name, portainer, refused",
    [
        ("static-1", False, True),
        ("static-3", False, True),
        ("app-2", False, True),
        ("shop-edge", False, True),
        ("shop-balancer-blue", False, True),
        ("shop-balancer-green", False, True),
        ("shop-balancer", False, False),
        ("shop-portainer", True, True),
        ("shop-portainer", False, False),
        ("static-4", False, False),
        ("static-01", False, False),
        ("xstatic-1", False, False),
        ("static", False, False),
    ],
)
def test_foreign_container_with_our_name(name: str, portainer: bool, refused: bool) -> None:
    docker = dataclasses.replace(DOCKER, containers=(container(name, state="exited"),))
    line = (
        f"container {name}: got one that is not of cluster shop (image nginx, exited), want the name free"
        " (fix: rename or remove it)"
    )
    assert checks.check_names(spec_of(portainer=portainer), docker) == ([line] if refused else [])


def test_our_own_names_are_no_conflict() -> None:
    containers = (container("static-1", labels=NODE), container("shop-edge", labels=OURS))
    networks = {"shop": OURS, "bridge": {}}
    docker = dataclasses.replace(DOCKER, containers=containers, networks=networks)
    assert checks.check_names(spec_of(), docker) == []


def test_foreign_network_with_our_name() -> None:
    docker = dataclasses.replace(DOCKER, networks={"shop": {"evenkeel.cluster": "other"}})
    assert checks.check_names(spec_of(), docker) == [
        "network shop: got one that is not of cluster shop, want the name free"
        " (fix: docker network rm shop, or choose another cluster_name)"
    ]


# --- the entry point ------------------------------------------------------------------------------------------------


class OutcomeError(Exception):
    """What the module returned."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(result)
        self.result = result


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run the module's entry point on a made-up machine; disks and ports are this machine's."""

    def go(
        machine: Machine = MACHINE, docker: Docker = DOCKER, *, sudo: bool = False, check: bool = False, **changes: Any
    ) -> dict[str, Any]:
        monkeypatch.setattr(preflight, "read_machine", lambda: dataclasses.replace(machine, home=str(tmp_path)))
        monkeypatch.setattr(preflight, "read_docker", lambda: docker)
        monkeypatch.setattr(preflight, "sudo_without_password", lambda: sudo)
        free = {"web_port": 47180, "dashboard_port": 47190, "min_free_disk": "1m"}
        output = io.StringIO()
        monkeypatch.setattr(sys, "stdout", output)
        with patch_module_args({**PARAMS, **free, **changes, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            preflight.main()
        result = json.loads(output.getvalue())
        assert result.get("changed") in {False, None}
        return dict(result)

    return go


@pytest.mark.parametrize("check", [False, True])
def test_fit(run: Any, tmp_path: Path, check: bool) -> None:
    result = run(check=check)
    assert result["become"] is False
    assert result["cluster_spec"]["state_dir"] == f"{tmp_path}/.local/state/evenkeel/shop"
    assert [tier["nodes"] for tier in result["cluster_spec"]["tiers"]] == [3, 2]
    assert result["docker"] == {
        "usable": True,
        "reason": "",
        "installed": True,
        "answers": True,
        "sdk": True,
        "version": "20.10.24+dfsg1",
        "api_version": "1.41",
        "socket": "/var/run/docker.sock",
        "socket_group": 999,
        "network": False,
        "images": {"res/express:1": "sha256:1"},
    }
    assert result["machine"]["user"] == "alice"
    assert list(tmp_path.iterdir()) == []


def test_all_problems_in_one_message(run: Any) -> None:
    tiers = {**PARAMS["tiers"], "app": {**PARAMS["tiers"]["app"], "nodes": "abc"}}
    result = run(architecture(MACHINE, "riscv64"), tiers=tiers, domain="a b", node_variables=["statik_nodes"])
    assert result["failed"] is True
    assert result["msg"].splitlines() == [
        "4 problems, nothing has been changed",
        "cluster_domain: got 'a b', want a host name (fix: -e cluster_domain=labo-http.res.ch)",
        "app_nodes: got 'abc', want a whole number from 0 to 1000 (fix: -e app_nodes=3)",
        "statik_nodes: got 'statik', want a tier of cluster_tiers: app, static (fix: did you mean static_nodes?)",
        "architecture: got riscv64, want x86_64 or aarch64 (fix: use a machine of that kind)",
    ]


def architecture(machine: Machine, name: str) -> Machine:
    return dataclasses.replace(machine, architecture=name)


def test_one_problem_of_the_machine(run: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = run(web_port=str(port))
    count, line = result["msg"].splitlines()
    assert count == "1 problem, nothing has been changed"
    assert line.startswith(f"port {port} (cluster_web_port): got pid ")


@pytest.mark.parametrize(
    "machine, docker, sudo, may_become, become",
    [
        # root never needs it; a user whose Docker works never does either
        (ROOT, ABSENT, True, True, False),
        (MACHINE, DOCKER, True, True, False),
        # a user whom sudo lets do it without a password
        (MACHINE, ABSENT, True, True, True),
        (MACHINE, Docker("/x", trouble="permission"), True, True, True),
        (dataclasses.replace(MACHINE, docker_sdk=False), DOCKER, True, True, True),
        # no sudo, or the second run: the problem is told
        (MACHINE, ABSENT, False, True, None),
        (MACHINE, ABSENT, True, False, None),
    ],
)
def test_who_becomes_root(
    run: Any, machine: Machine, docker: Docker, sudo: bool, may_become: bool, become: bool | None
) -> None:
    result = run(machine, docker, sudo=sudo, may_become=may_become)
    assert result.get("become") is become
    if become is None:
        assert result["msg"].splitlines()[1].startswith("Docker daemon: got no answer at ")


def test_looking_and_removing_need_no_fit_machine(run: Any) -> None:
    poor = dataclasses.replace(MACHINE, architecture="riscv64", memory_available=1)
    foreign = dataclasses.replace(DOCKER, containers=(container("static-1"), container("shop-balancer")))
    assert run(poor, foreign, check_machine=False, existing_files=[])["cluster_spec"]["name"] == "shop"
    assert run(poor, ABSENT, check_machine=False)["docker"]["usable"] is False


def test_removal_without_permission_is_refused(run: Any) -> None:
    """It would remove the state folder and leave the containers."""
    result = run(MACHINE, Docker("/x", trouble="permission"), check_machine=False)
    assert result["msg"].splitlines()[1].startswith("Docker socket /x: got no permission for user alice")


def test_wrong_types_of_our_own_caller_are_told_by_ansible(run: Any) -> None:
    assert "may_become" in run(may_become="perhaps")["msg"]
