#!/usr/bin/python
# Copyright (c) 2026 Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Module that checks every input and the machine before anything is changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check every input and the machine before anything changes
version_added: 0.1.0
description:
  - Checks what an inventory declares, and whether this machine can carry it. Reads only.
  - Finds all problems in one pass and tells each as one line, C(what) got X, want Y (fix).
  - Returns the declared cluster checked and completed, for the other modules and roles.
  - Options are taken as they come, with whatever type the command line or YAML gave them, and are judged here.
    So a wrong value gets a line that says what is right, rather than a failed conversion.
options:
  name:
    description: Name of the cluster. Every object in Docker bears it.
    type: raw
  domain:
    description: The host name that the cluster answers to.
    type: raw
  hosts:
    description: All host names that the cluster answers to, as a list; empty for any.
    type: raw
  engine:
    description: Where nodes run.
    type: raw
  web_port:
    description: Published port of the web entry point.
    type: raw
  dashboard_port:
    description: Published port of the balancer's dashboard and API.
    type: raw
  portainer:
    description: Whether Portainer is wanted.
    type: raw
  portainer_port:
    description: Published port of Portainer.
    type: raw
  state_dir:
    description:
      - Folder for configuration, secrets, logs and evidence.
      - Empty chooses C(/var/lib/evenkeel/<name>) for root and C(~/.local/state/evenkeel/<name>) for others.
    type: raw
    default: ""
  image_source:
    description: Where images come from, V(packages) or V(registry).
    type: raw
  registry_prefix:
    description: What to put before the names of images that are pulled; ends in a slash, or is empty.
    type: raw
    default: ""
  apt_mirror:
    description: Address of a mirror of the distribution's packages; empty for the distribution's own.
    type: raw
    default: ""
  ca_bundle:
    description: File on the controller with the certificate authorities that downloads must trust; empty for none.
    type: raw
    default: ""
  portainer_archive:
    description: File on the controller with Portainer's image; empty for none.
    type: raw
    default: ""
  tiers:
    description: The tiers, as a mapping of names to options.
    type: raw
  node_variables:
    description: Names of the variables that end in C(_nodes). Each must name a tier.
    type: list
    elements: str
    default: []
  min_free_disk:
    description:
      - Free space that Docker's data and the state folder need, such as V(500m) or V(3g).
      - Empty means 3 GiB when O(image_source=packages) has images to build, else 500 MiB.
    type: raw
    default: ""
  root:
    description: Folder on the controller that relative build contexts start from.
    type: path
  existing_files:
    description:
      - The files on the controller that are there, of those that O(tiers), O(ca_bundle) and O(portainer_archive) name.
      - The module runs on the managed machine and cannot see for itself.
    type: list
    elements: str
    default: []
  check_machine:
    description:
      - Whether the machine must be able to carry the cluster.
      - To look at a cluster or to remove it, it need not; but Docker must be in reach if it runs, and the state
        folder right.
    type: bool
    default: true
  may_become:
    description:
      - Whether the caller can run the module again as root when Docker is out of this user's reach.
      - The module then says so in RV(become), and leaves all further checks to that second run.
    type: bool
    default: true
attributes:
  check_mode:
    description: Can run in check mode and return the same as without.
    support: full
  diff_mode:
    description: Returns what it would change, which is nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
author:
  - Evenkeel contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Check a cluster of one tier
  evenkeel.cluster.preflight:
    name: shop
    domain: shop.example.org
    hosts: [shop.example.org, localhost]
    engine: docker
    web_port: 8080
    dashboard_port: 9000
    portainer: false
    portainer_port: 9090
    image_source: registry
    tiers:
      app:
        image: example/app:1.2
        port: 8000
        path: /
        nodes: 2
  register: shop_preflight

- name: Show what follows from it
  ansible.builtin.debug:
    var: shop_preflight.cluster_spec
"""

RETURN = r"""
become:
  description:
    - Whether root's rights are needed and to be had through sudo without a password.
    - When true the other values are missing, and the module is to be run again as root with O(may_become=false).
  returned: success
  type: bool
  sample: false
cluster_spec:
  description: The declared cluster, checked and completed with defaults and with what follows from it.
  returned: success, unless RV(become) is true
  type: dict
  sample: {name: evenkeel, network: evenkeel, web_port: 8080, tiers: []}
docker:
  description: What is known about Docker on this machine.
  returned: success, unless RV(become) is true
  type: dict
  contains:
    usable:
      description: Whether everything can be done with Docker as it is, by this user.
      type: bool
      sample: true
    reason:
      description: Why it is not usable; empty when it is.
      type: str
      sample: ""
    installed:
      description: Whether a Docker Engine is on this machine, running or not.
      type: bool
      sample: true
    answers:
      description: Whether a Docker Engine answers.
      type: bool
      sample: true
    sdk:
      description: Whether Python's Docker SDK is there for the interpreter that runs modules.
      type: bool
      sample: true
    version:
      description: Version of the engine that answers, or empty.
      type: str
      sample: 20.10.24+dfsg1
    api_version:
      description: Version of its API, or empty.
      type: str
      sample: "1.41"
    socket:
      description: The socket that was asked.
      type: str
      sample: /var/run/docker.sock
    socket_group:
      description: Number of the group that the socket belongs to, or null.
      type: int
      sample: 999
    network:
      description: Whether the cluster's network is there.
      type: bool
      sample: true
    images:
      description: The images that are there, as C(name:tag), each with its ID.
      type: dict
      sample: {"evenkeel/static:b9ed47b62c5b": "sha256:63c0..."}
machine:
  description: The machine and the user on it. Memory is in bytes.
  returned: success, unless RV(become) is true
  type: dict
  sample: {os_id: debian, os_version: "12", architecture: x86_64, user: root, root: true, cpus: 2}
msg:
  description:
    - The number of problems, then one line per problem.
    - It is all that a failure returns, to be short on the screen.
  returned: failure
  type: str
  sample: |-
    1 problem, nothing has been changed
    static_nodes: got '-1', want a whole number from 0 to 1000 (fix: -e static_nodes=3)
"""

import dataclasses
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils import machine as facts
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer_plan import SLOTS
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster_spec import (
    ClusterSpec,
    parse_cluster,
    parse_size,
    show,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.machine import Container, Disk, Docker, Listener, Machine

MIB = 1024**2
GIB = 1024**3
# Measured: a node of either kind takes about this much, its share of Docker's own processes included.
NODE_MEMORY = 40 * MIB
DISK_FOR_BUILDS = 3 * GIB
DISK_OTHERWISE = 500 * MIB
MIN_ENGINE = (20, 10)
MIN_API = (1, 41)
MIN_PYTHON = (3, 10)
ARCHITECTURES = ("x86_64", "aarch64")
# Where the docker_engine role knows how to install Docker.
INSTALLABLE = {("debian", "12"), ("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")}
BALANCER_IMAGE = "res/traefik"
BALANCER_STATE = "/etc/traefik"
SUDO_HINT = "add -K -e cluster_become=true where sudo asks for a password"
LABEL = "evenkeel.cluster"

KNOBS = (
    "name",
    "domain",
    "hosts",
    "engine",
    "web_port",
    "dashboard_port",
    "portainer",
    "portainer_port",
    "image_source",
    "tiers",
)
OPTIONAL_KNOBS = ("state_dir", "registry_prefix", "apt_mirror", "ca_bundle", "portainer_archive", "min_free_disk")


def line(what: str, got: str, want: str, fix: str) -> str:
    """One problem as one line."""
    return f"{what}: got {got}, want {want} (fix: {fix})"


def size(count: int) -> str:
    """Bytes for people, in binary units as everywhere in Docker."""
    if count >= GIB:
        return f"{count / GIB:.1f} GiB"
    return f"{count // MIB} MiB"


def version_numbers(text: str) -> tuple[int, int]:
    """Major and minor number of a version such as 20.10.24+dfsg1; zeros where there are none."""
    parts = [*text.split("."), "0"]
    return (int(parts[0]) if parts[0].isdecimal() else 0, int(parts[1]) if parts[1].isdecimal() else 0)


def default_state_dir(name: object, machine: Machine) -> str:
    """Where state is kept when no folder is declared: the system's place for root, the user's own otherwise."""
    if machine.root:
        return f"/var/lib/evenkeel/{name}"
    return f"{machine.home.rstrip('/')}/.local/state/evenkeel/{name}"


def docker_reason(machine: Machine, docker: Docker) -> str:
    """Why Docker cannot be used as it is; empty when it can."""
    if docker.trouble == "permission":
        return f"user {machine.user} has no permission on {docker.socket}"
    if docker.trouble == "absent":
        return f"no daemon answers at {docker.socket}" if machine.docker_installed else "Docker is not installed"
    if docker.trouble:
        return docker.detail or f"{docker.socket} is not a socket of this machine"
    if version_numbers(docker.version) < MIN_ENGINE or version_numbers(docker.api_version) < MIN_API:
        return f"Docker {docker.version} is too old"
    if not machine.docker_sdk:
        return f"{machine.interpreter} has no Docker SDK"
    return ""


def check_machine(machine: Machine) -> list[str]:
    """Architecture and Python."""
    problems = []
    if machine.architecture not in ARCHITECTURES:
        problems.append(
            line("architecture", machine.architecture, " or ".join(ARCHITECTURES), "use a machine of that kind")
        )
    if machine.python < MIN_PYTHON:
        got, want = (".".join(map(str, numbers)) for numbers in (machine.python, MIN_PYTHON))
        fix = "set ansible_python_interpreter to a newer one"
        problems.append(line(f"Python ({machine.interpreter})", got, f"at least {want}", fix))
    return problems


def check_docker(machine: Machine, docker: Docker) -> list[str]:
    """Docker is usable, or the docker_engine role can make it so."""
    problem = ""
    if docker.trouble == "permission":
        problem = line(
            f"Docker socket {docker.socket}",
            f"no permission for user {machine.user}",
            "read and write access",
            f"as root: usermod -aG docker {machine.user}, then log in again; or {SUDO_HINT}",
        )
    elif docker.trouble == "absent":
        problem = _check_absent_docker(machine, docker)
    elif docker.trouble == "remote":
        problem = line("DOCKER_HOST", f"'{docker.socket}'", "a socket of this machine", "unset DOCKER_HOST")
    elif docker.trouble:
        fix = f"see what listens at {docker.socket}, and dockerd's log"
        problem = line("Docker daemon", f"'{docker.detail}'", f"an answer at {docker.socket}", fix)
    elif version_numbers(docker.version) < MIN_ENGINE or version_numbers(docker.api_version) < MIN_API:
        problem = line(
            "Docker Engine",
            f"{docker.version} (API {docker.api_version})",
            "at least 20.10 (API 1.41)",
            "upgrade Docker",
        )
    elif not machine.docker_sdk and not machine.root:
        problem = line(
            "Docker SDK for Python",
            f"none for {machine.interpreter}",
            "the Python package docker",
            f"install python3-docker, or {SUDO_HINT}",
        )
    return [problem] if problem else []


def _check_absent_docker(machine: Machine, docker: Docker) -> str:
    if not machine.root:
        what, got = (
            ("Docker daemon", f"no answer at {docker.socket}") if machine.docker_installed else ("Docker", "none")
        )
        want = "a running daemon"
        return line(what, got, want, f"install and start Docker as root, or {SUDO_HINT}")
    if not machine.docker_installed and (machine.os_id, machine.os_version) not in INSTALLABLE:
        return line(
            "operating system",
            f"{machine.os_id or 'unknown'} {machine.os_version}".strip(),
            "Debian 12 or 13, or Ubuntu 22.04 or 24.04, to install Docker on",
            "install Docker by hand, then run this again",
        )
    return ""


def check_files(spec: ClusterSpec, root: str, existing: Iterable[str], named: Mapping[str, str]) -> list[str]:
    """Build contexts and named files are there, on the controller."""
    present = set(existing)
    problems = []
    for tier in spec.tiers:
        if tier.context is None:
            continue
        dockerfile = posixpath.join(root, tier.context, "Dockerfile")
        if dockerfile not in present:
            what = f"cluster_tiers.{tier.name}.context"
            problems.append(line(what, show(tier.context), f"a folder with {dockerfile}", "mend the path"))
    problems += [
        line(knob, show(path), "a file on the machine that runs Ansible", "mend the path, or leave it empty")
        for knob, path in named.items()
        if path and posixpath.join(root, path) not in present
    ]
    return problems


def check_cpus(spec: ClusterSpec, machine: Machine) -> list[str]:
    """No node asks for more CPUs than there are, which Docker would refuse."""
    return [
        line(f"cluster_tiers.{tier.name}.cpus", f"{tier.cpus:g}", f"at most {machine.cpus}, as there are", "lower it")
        for tier in spec.tiers
        if tier.cpus > machine.cpus
    ]


def is_ours(container: Container, spec: ClusterSpec) -> bool:
    """Whether the container bears the cluster's label."""
    return container.labels.get(LABEL) == spec.name


def knows_containers(docker: Docker) -> bool:
    """Whether the list of containers is true: Docker told it, or is down and runs none."""
    return docker.trouble in {"", "absent"}


def check_memory(spec: ClusterSpec, machine: Machine, docker: Docker) -> list[str]:
    """The nodes that are yet to be started fit into the memory that is available."""
    if not knows_containers(docker):
        return []
    running = sum(
        1
        for container in docker.containers
        if container.state == "running" and is_ours(container, spec) and container.labels.get("evenkeel.role") == "node"
    )
    wanted = sum(tier.nodes for tier in spec.tiers)
    need = (wanted - running) * NODE_MEMORY
    if not machine.memory_available or need <= machine.memory_available:
        return []
    want = f"{size(need)} for {wanted - running} more nodes of about {size(NODE_MEMORY)} each"
    return [line("memory", f"{size(machine.memory_available)} available", want, "lower the counts of the tiers")]


def needed_disk(spec: ClusterSpec, docker: Docker, declared: int | None) -> int:
    """Free bytes that a file system needs."""
    if declared is not None:
        return declared
    built = [tier.image for tier in spec.tiers if tier.context] + [BALANCER_IMAGE]
    missing = knows_containers(docker) and not all(facts.image_present(docker, image) for image in built)
    return DISK_FOR_BUILDS if spec.image_source == "packages" and missing else DISK_OTHERWISE


def check_disks(disks: Sequence[tuple[str, Disk]], need: int) -> list[str]:
    """Each file system has what is needed; two purposes on one file system are told once."""
    problems = []
    seen: set[int] = set()
    for purpose, disk in disks:
        if disk.free < need and disk.device not in seen:
            fix = "free some space there, or lower cluster_min_free_disk"
            problems.append(
                line(f"free disk for {purpose} in {disk.folder}", size(disk.free), f"at least {size(need)}", fix)
            )
        seen.add(disk.device)
    return problems


def check_state_dir(spec: ClusterSpec, declared: object, machine: Machine, docker: Docker, disk: Disk) -> list[str]:
    """The state folder can be made, and is the one that the running cluster uses unless another is declared."""
    problems = []
    what, fix = f"cluster_state_dir {spec.state_dir}", "choose another folder with -e cluster_state_dir=..."
    if disk.obstacle:
        problems.append(line(what, f"{disk.obstacle}, which is no folder", "a folder, or nothing there", fix))
    elif not disk.writable:
        problems.append(line(what, f"no permission in {disk.folder} for user {machine.user}", "write access", fix))
    if f"{machine.home.rstrip('/')}/".startswith(f"{spec.state_dir}/"):
        problems.append(line(what, f"a folder around {machine.home}", "a folder of the cluster's own", fix))
    for container in docker.containers:
        source = container.mounts.get(BALANCER_STATE, "")
        if (
            container.labels.get("evenkeel.role") != "balancer"
            or not is_ours(container, spec)
            or not source
            or declared
        ):
            continue
        used = posixpath.dirname(source)
        if used != spec.state_dir:
            fix = f"run as the user who deployed it, or add -e cluster_state_dir={used}"
            want = f"{used}, which the running cluster uses"
            problems.append(line("cluster_state_dir", f"{spec.state_dir} for user {machine.user}", want, fix))
    return problems


def published_ports(spec: ClusterSpec) -> list[tuple[str, int, str]]:
    """The ports to publish: knob, port, name of the container that publishes it."""
    ports = [
        ("cluster_web_port", spec.web_port, f"{spec.name}-edge"),
        ("cluster_dashboard_port", spec.dashboard_port, f"{spec.name}-edge"),
    ]
    if spec.portainer:
        ports.append(("cluster_portainer_port", spec.portainer_port, f"{spec.name}-portainer"))
    return ports


def check_ports(spec: ClusterSpec, docker: Docker, listeners: Mapping[int, Listener]) -> list[str]:
    """Each port to publish is free, or is published by our own container for it."""
    publishers = {port: container for container in docker.containers for port in container.ports}
    problems = []
    for knob, port, owner in published_ports(spec):
        publisher = publishers.get(port)
        if publisher is not None:
            # Earlier versions let the balancer itself publish them; it gives way to the edge.
            former = owner.endswith("-edge") and publisher.labels.get("evenkeel.role") == "balancer"
            if is_ours(publisher, spec) and (publisher.name == owner or former):
                continue
            got = f"container {publisher.name} (image {publisher.image}) publishing it"
            fix = f"stop it, or choose another port with -e {knob}=..."
        elif port in listeners:
            listener = listeners[port]
            if docker.trouble and (not listener.pid or "docker-proxy" in listener.command):
                continue  # it may well be our own balancer's port
            who = f"pid {listener.pid} ({listener.command})" if listener.pid else "a process of another user"
            got = f"{who} listening on it"
            fix = f"end it, or choose another port with -e {knob}=..."
        else:
            continue
        problems.append(line(f"port {port} ({knob})", got, "it free", fix))
    return problems


def check_names(spec: ClusterSpec, docker: Docker) -> list[str]:
    """No container or network that is not ours bears a name that we need."""
    names = {f"{tier.name}-{number}" for tier in spec.tiers for number in range(1, tier.nodes + 1)}
    names |= {f"{spec.name}-edge", *(f"{spec.name}-balancer-{slot}" for slot in SLOTS)}
    if spec.portainer:
        names.add(f"{spec.name}-portainer")
    problems = [
        line(
            f"container {container.name}",
            f"one that is not of cluster {spec.name} (image {container.image}, {container.state})",
            "the name free",
            "rename or remove it",
        )
        for container in sorted(docker.containers, key=lambda item: item.name)
        if container.name in names and not is_ours(container, spec)
    ]
    labels = docker.networks.get(spec.network)
    if labels is not None and labels.get(LABEL) != spec.name:
        fix = f"docker network rm {spec.network}, or choose another cluster_name"
        problems.append(
            line(f"network {spec.network}", f"one that is not of cluster {spec.name}", "the name free", fix)
        )
    return problems


def declared_cluster(params: Mapping[str, Any], machine: Machine) -> tuple[ClusterSpec | None, int | None, list[str]]:
    """What is declared: the specification, the free space to insist on (``None`` = find out), and the problems."""
    raw = {knob: params.get(knob) for knob in (*KNOBS, *OPTIONAL_KNOBS)}
    if is_unset(raw["state_dir"]):
        raw["state_dir"] = default_state_dir(raw["name"] if isinstance(raw["name"], str) else "cluster", machine)
    spec, problems = parse_cluster(raw, params.get("node_variables") or ())
    archive = raw["portainer_archive"]
    if not isinstance(archive, (str, type(None))):
        fix = "leave it empty for the image of a registry"
        problems.append(line("portainer_image_archive", show(archive), "the path of a file", fix))
    disk = raw["min_free_disk"]
    free = None if is_unset(disk) else parse_size(disk)
    if free is None and not is_unset(disk):
        problems.append(
            line("cluster_min_free_disk", show(disk), "a size such as 500m or 3g", "-e cluster_min_free_disk=500m")
        )
    return spec, free, problems


def is_unset(value: object) -> bool:
    """Whether a knob is left to us."""
    return value is None or value == ""


def check_all(
    spec: ClusterSpec, free_disk: int | None, params: Mapping[str, Any], machine: Machine, docker: Docker
) -> list[str]:
    """Everything that takes the specification and the machine; reads disks and ports."""
    state_dir_declared = not is_unset(params.get("state_dir"))
    if not params["check_machine"]:
        return check_state_dir(spec, state_dir_declared, machine, docker, facts.read_disk(spec.state_dir))
    named = {"cluster_ca_bundle": params.get("ca_bundle"), "portainer_image_archive": params.get("portainer_archive")}
    files = {knob: path for knob, path in named.items() if isinstance(path, str)}
    data_disk, state_disk = facts.read_disk(docker.data_root), facts.read_disk(spec.state_dir)
    disks = [("Docker's data", data_disk), ("cluster_state_dir", state_disk)]
    listeners = facts.read_listeners(port for _knob, port, _name in published_ports(spec))
    return [
        *check_files(spec, params.get("root") or "", params.get("existing_files") or (), files),
        *check_cpus(spec, machine),
        *check_memory(spec, machine, docker),
        *check_disks(disks, needed_disk(spec, docker, free_disk)),
        *check_state_dir(spec, state_dir_declared, machine, docker, state_disk),
        *check_ports(spec, docker, listeners),
        *check_names(spec, docker),
    ]


def argument_spec() -> dict[str, Any]:
    """The options, in Ansible's form; judged by :func:`declared_cluster`, so mostly raw."""
    return {
        **{knob: {"type": "raw"} for knob in KNOBS},
        **{knob: {"type": "raw", "default": ""} for knob in OPTIONAL_KNOBS},
        "root": {"type": "path"},
        "node_variables": {"type": "list", "elements": "str", "default": []},
        "existing_files": {"type": "list", "elements": "str", "default": []},
        "check_machine": {"type": "bool", "default": True},
        "may_become": {"type": "bool", "default": True},
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    machine = facts.read_machine()
    docker = facts.read_docker()
    reason = docker_reason(machine, docker)
    if reason and module.params["may_become"] and not machine.root and facts.sudo_without_password():
        module.exit_json(changed=False, become=True)
    spec, free_disk, problems = declared_cluster(module.params, machine)
    # A daemon that is down is no obstacle to a removal, which then has no containers to remove.
    must_carry = bool(module.params["check_machine"])
    if must_carry or docker.trouble != "absent":
        problems += check_docker(machine, docker)
    if must_carry:
        problems += check_machine(machine)
    if spec is not None:
        problems += check_all(spec, free_disk, module.params, machine, docker)
    if problems or spec is None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        module.fail_json(msg="\n".join([f"{count}, nothing has been changed", *problems]))
    module.exit_json(
        changed=False,
        become=False,
        cluster_spec=spec.as_dict(),
        docker={
            "usable": not reason,
            "reason": reason,
            "installed": machine.docker_installed,
            "answers": not docker.trouble,
            "sdk": machine.docker_sdk,
            "version": docker.version,
            "api_version": docker.api_version,
            "socket": docker.socket,
            "socket_group": docker.socket_group,
            "network": spec.network in docker.networks,
            "images": dict(docker.images),
        },
        machine=dataclasses.asdict(machine),
    )


if __name__ == "__main__":
    main()
