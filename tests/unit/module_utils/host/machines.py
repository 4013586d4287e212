"""Machines, engines and a declared cluster that are well, to be changed by tests."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import ClusterSpec
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_facts import Container, Docker
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.declaration import Declaration, read_declaration
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.facts import Machine

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
    memory_total=16 * GIB,
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
    engine_id="EVEN:KEEL",
    system="Debian GNU/Linux 12 (bookworm)",
    security=frozenset({"apparmor", "seccomp"}),
    live_restore=True,
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
    "console": False,
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
    "variables": {},
    "root": "/repo",
    "existing_files": ["/repo/files/static/Dockerfile"],
    "check_machine": True,
    "may_become": True,
}
SUDO = "add -K -e cluster_become=true where sudo asks for a password"


def declared(machine: Machine = ROOT, docker: Docker = DOCKER, **changes: Any) -> Declaration:
    return read_declaration({**copy.deepcopy(PARAMS), **changes}, machine, docker)


def spec_of(machine: Machine = ROOT, **changes: Any) -> ClusterSpec:
    declaration = declared(machine, **changes)
    assert declaration.problems == ()
    assert declaration.spec is not None
    return declaration.spec


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
NODE_OF_OTHERS = {**NODE, "evenkeel.cluster": "other"}

BARE = dataclasses.replace(ROOT, docker_installed=False, docker_sdk=False)
ABSENT = Docker("/var/run/docker.sock", trouble="absent")
