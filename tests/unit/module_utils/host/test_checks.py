"""Machine, Docker, state folder, files and resources: checks as tables over made-up machines."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.unit.module_utils.host.machines import (
    ABSENT,
    BARE,
    DOCKER,
    GIB,
    MACHINE,
    MIB,
    OURS,
    PARAMS,
    ROOT,
    SUDO,
    container,
    declared,
    spec_of,
)

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import Problem
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_facts import Docker
from ansible_collections.evenkeel.cluster.plugins.module_utils.host import checks
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.facts import Disk, Listener, Machine


def lines(problems: list[Problem]) -> list[str]:
    return [str(problem) for problem in problems]


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
    assert lines(checks.check_machine(dataclasses.replace(MACHINE, **changes))) == problems


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
        (
            dataclasses.replace(ROOT, docker_sdk=False, apt=False, missing_packages=("docker", "aiohttp")),
            DOCKER,
            "Docker SDK for Python: got none for /usr/bin/python3, want the Python package docker"
            " (fix: /usr/bin/python3 -m pip install docker aiohttp)",
            "/usr/bin/python3 has no Docker SDK",
        ),
    ],
)
def test_docker(machine: Machine, docker: Docker, problem: str, reason: str) -> None:
    assert lines(checks.check_docker(machine, docker)) == ([problem] if problem else [])
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
    assert lines(problems) == ([problem] if problem else [])


@pytest.mark.parametrize("folder", ["/data/people", "/data/people/alice/"])
def test_state_folder_around_a_home(folder: str) -> None:
    machine = dataclasses.replace(MACHINE, home="/data/people/alice")
    shown = folder.rstrip("/")
    assert lines(checks.check_state_dir(spec_of(MACHINE, state_dir=folder), True, machine, DOCKER, FREE)) == [
        f"cluster_state_dir {shown}: got a folder around /data/people/alice, want a folder of the cluster's own"
        " (fix: choose another folder with -e cluster_state_dir=...)"
    ]


def test_running_cluster_keeps_its_state_folder() -> None:
    mounts = {"/etc/traefik": "/var/lib/evenkeel/shop/balancer"}
    balancer = container("shop-balancer-blue", labels={**OURS, "evenkeel.role": "balancer"}, mounts=mounts)
    docker = dataclasses.replace(DOCKER, containers=(container("other"), balancer))
    assert lines(checks.check_state_dir(spec_of(ROOT), False, ROOT, docker, FREE)) == []
    assert lines(checks.check_state_dir(spec_of(MACHINE), False, MACHINE, docker, FREE)) == [
        "cluster_state_dir: got /home/alice/.local/state/evenkeel/shop for user alice, want /var/lib/evenkeel/shop,"
        " which the running cluster uses (fix: run as the user that deployed it, or add"
        " -e cluster_state_dir=/var/lib/evenkeel/shop)"
    ]
    # Declared means meant: the balancer moves.
    assert lines(checks.check_state_dir(spec_of(MACHINE, state_dir="/srv/x"), True, MACHINE, docker, FREE)) == []


def test_files_on_the_controller() -> None:
    spec = spec_of()
    context = "/repo/files/static/Dockerfile"
    assert (
        lines(checks.check_files(spec, "/repo", [context, "/etc/ca.crt"], {"cluster_ca_bundle": "/etc/ca.crt"})) == []
    )
    assert (
        lines(checks.check_files(spec, "/repo", [context], {"cluster_ca_bundle": "", "portainer_image_archive": ""}))
        == []
    )
    assert lines(checks.check_files(spec, "/repo", [], {"cluster_ca_bundle": "/etc/ca.crt"})) == [
        "cluster_tiers.static.context: got 'files/static', want a folder with /repo/files/static/Dockerfile"
        " (fix: mend the path)",
        "cluster_ca_bundle: got '/etc/ca.crt', want a file on the machine that runs Ansible"
        " (fix: mend the path, or leave it empty)",
    ]


def test_more_cpus_than_there_are() -> None:
    tiers = {"app": {"image": "x", "port": 80, "path": "/", "nodes": 1, "cpus": "2.5"}}
    assert lines(checks.check_cpus(spec_of(tiers=tiers), MACHINE)) == [
        "cluster_tiers.app.cpus: got 2.5, want at most 2, as there are (fix: lower it)"
    ]
    assert lines(checks.check_cpus(spec_of(), MACHINE)) == []


def facts(**changes: Any) -> checks.MachineFacts:
    standard: dict[str, Any] = {
        "machine": ROOT,
        "docker": DOCKER,
        "state_disk": FREE,
        "data_disk": FREE,
        "listeners": {},
    }
    return checks.MachineFacts(**{**standard, **changes})


def test_all_checks_together() -> None:
    assert checks.check_all(declared(), facts()) == []
    poor = facts(
        machine=dataclasses.replace(ROOT, cpus=1, memory_available=MIB),
        docker=dataclasses.replace(DOCKER, containers=(container("shop-static-1"),)),
        state_disk=dataclasses.replace(FREE, free=0, writable=False),
        data_disk=dataclasses.replace(FREE, free=0, device=2),
        listeners={8080: Listener(8080, 1, "nginx")},
    )
    tiers = {"static": {**PARAMS["tiers"]["static"], "cpus": 2}}
    found = checks.check_all(declared(tiers=tiers, existing_files=[]), poor)
    assert [problem.what for problem in found] == [
        "cluster_tiers.static.context",
        "cluster_tiers.static.cpus",
        "memory",
        "free disk for Docker's data in /var/lib",
        "free disk for cluster_state_dir in /var/lib",
        "cluster_state_dir /var/lib/evenkeel/shop",
        "port 8080 (cluster_web_port)",
        "container shop-static-1",
    ]
    # To look at the cluster or to remove it, only its state folder must be right.
    looked = checks.check_all(declared(tiers=tiers, existing_files=[], check_machine=False), poor)
    assert [problem.what for problem in looked] == ["cluster_state_dir /var/lib/evenkeel/shop"]


def test_nothing_is_checked_without_a_specification() -> None:
    assert checks.check_all(declared(domain="a b"), facts(state_disk=dataclasses.replace(FREE, writable=False))) == []
