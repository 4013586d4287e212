# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What must hold before anything is changed: Docker, files, folders, ports, names. Pure: facts in, problems out."""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ..balancer.config import SLOTS
from ..cluster import labels
from ..cluster.names import balancer_name, console_agent_name, console_name, edge_name, node_name, portainer_name
from ..cluster.spec import ClusterSpec
from ..core.errors import Problem, quote
from ..engine.docker_facts import Container, Docker
from ..inventory.container_values import above_the_socket
from .capacity import check_disks, check_memory, grows, needed_disk
from .declaration import Declaration
from .engine import check_sockets, install_packages
from .facts import Disk, Listener, Machine, PortProxy

MIN_ENGINE = (20, 10)
MIN_API = (1, 41)
MIN_PYTHON = (3, 10)
ARCHITECTURES = ("x86_64", "aarch64")
# Where the docker_engine role can install Docker.
INSTALLABLE = {("debian", "12"), ("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")}
BALANCER_STATE = "/etc/traefik"
SUDO_HINT = "add -K -e cluster_become=true where sudo asks for a password"


@dataclass(frozen=True)
class MachineFacts:
    """What was read on the machine.

    Attributes:
        machine: the machine and the user.
        docker: what Docker said.
        state_disk: the file system of the state folder.
        data_disk: the file system of Docker's data.
        listeners: processes that listen on the ports to publish, by port.
        engines: knob with a socket to the identifier of the engine there, see :func:`check_sockets`.
        proxies: the processes docker-proxy.
        resolved: the socket and each folder that a tier mounts -> where it really is.
        certificate: why the console's certificate cannot be used.
    """

    machine: Machine
    docker: Docker
    state_disk: Disk
    data_disk: Disk
    listeners: Mapping[int, Listener]
    engines: Mapping[str, str | None] = field(default_factory=dict)
    proxies: tuple[PortProxy, ...] = ()
    resolved: Mapping[str, str] = field(default_factory=dict)
    certificate: tuple[Problem, ...] = ()


def version_numbers(text: str) -> tuple[int, int]:
    """Major and minor number of a version such as 20.10.24+dfsg1; zeros where there are none."""
    parts = [*text.split("."), "0"]
    return (int(parts[0]) if parts[0].isdecimal() else 0, int(parts[1]) if parts[1].isdecimal() else 0)


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


def check_machine(machine: Machine) -> list[Problem]:
    """Architecture and Python."""
    problems = []
    if machine.architecture not in ARCHITECTURES:
        problems.append(
            Problem("architecture", machine.architecture, " or ".join(ARCHITECTURES), "use a machine of that kind")
        )
    if machine.python < MIN_PYTHON:
        got, want = (".".join(map(str, numbers)) for numbers in (machine.python, MIN_PYTHON))
        fix = "set ansible_python_interpreter to a newer one"
        problems.append(Problem(f"Python ({machine.interpreter})", got, f"at least {want}", fix))
    return problems


def check_docker(machine: Machine, docker: Docker) -> list[Problem]:
    """Docker is usable, or the docker_engine role can make it so."""
    problem: Problem | None = None
    if docker.trouble == "permission":
        problem = Problem(
            f"Docker socket {docker.socket}",
            f"no permission for user {machine.user}",
            "read and write access",
            f"as root: usermod -aG docker {machine.user}, then log in again; or {SUDO_HINT}",
        )
    elif docker.trouble == "absent":
        problem = _check_absent_docker(machine, docker)
    elif docker.trouble == "remote":
        problem = Problem("DOCKER_HOST", f"'{docker.socket}'", "a socket of this machine", "unset DOCKER_HOST")
    elif docker.trouble:
        fix = f"see what listens at {docker.socket}, and dockerd's log"
        problem = Problem("Docker daemon", f"'{docker.detail}'", f"an answer at {docker.socket}", fix)
    elif version_numbers(docker.version) < MIN_ENGINE or version_numbers(docker.api_version) < MIN_API:
        problem = Problem(
            "Docker Engine",
            f"{docker.version} (API {docker.api_version})",
            "at least 20.10 (API 1.41)",
            "upgrade Docker",
        )
    elif not machine.docker_sdk and not (machine.root and machine.apt):
        problem = Problem(
            "Docker SDK for Python",
            f"none for {machine.interpreter}",
            "the Python package docker",
            f"install python3-docker, or {SUDO_HINT}" if machine.apt else install_packages(machine),
        )
    return [problem] if problem else []


def _check_absent_docker(machine: Machine, docker: Docker) -> Problem | None:
    if not machine.root:
        what, got = (
            ("Docker daemon", f"no answer at {docker.socket}") if machine.docker_installed else ("Docker", "none")
        )
        return Problem(what, got, "a running daemon", f"install and start Docker as root, or {SUDO_HINT}")
    if not machine.docker_installed and (machine.os_id, machine.os_version) not in INSTALLABLE:
        return Problem(
            "operating system",
            f"{machine.os_id or 'unknown'} {machine.os_version}".strip(),
            "Debian 12 or 13, or Ubuntu 22.04 or 24.04, to install Docker on",
            "install Docker by hand, then run this again",
        )
    return None


def check_files(spec: ClusterSpec, root: str, existing: Collection[str], named: Mapping[str, str]) -> list[Problem]:
    """Build contexts and named files are there, on the controller."""
    present = set(existing)
    problems = []
    for tier in spec.tiers:
        if tier.context is None:
            continue
        dockerfile = posixpath.join(root, tier.context, "Dockerfile")
        if dockerfile not in present:
            what = f"cluster_tiers.{tier.name}.context"
            problems.append(Problem(what, quote(tier.context), f"a folder with {dockerfile}", "mend the path"))
    problems += [
        Problem(knob, quote(path), "a file on the machine that runs Ansible", "mend the path, or leave it empty")
        for knob, path in named.items()
        if path and posixpath.join(root, path) not in present
    ]
    return problems


def check_cpus(spec: ClusterSpec, machine: Machine) -> list[Problem]:
    """No node asks for more CPUs than there are, which Docker would refuse."""
    return [
        Problem(
            f"cluster_tiers.{tier.name}.cpus", f"{tier.cpus:g}", f"at most {machine.cpus}, as there are", "lower it"
        )
        for tier in spec.tiers
        if tier.cpus > machine.cpus
    ]


def check_mounts(spec: ClusterSpec, docker: Docker, resolved: Mapping[str, str]) -> list[Problem]:
    """No tier mounts the socket of this machine's Docker, nor a folder that it is in, through a link either."""
    sockets = (docker.socket, resolved.get(docker.socket, docker.socket))
    return [
        Problem(
            f"cluster_tiers.{tier.name}.mounts",
            quote(mount["source"]),
            f"a folder without Docker's socket {docker.socket} in it",
            "mount another folder",
        )
        for tier in spec.tiers
        for mount in tier.mounts
        if mount["source"].startswith("/") and above_the_socket(resolved.get(mount["source"], mount["source"]), sockets)
    ]


def check_networks(spec: ClusterSpec, docker: Docker) -> list[Problem]:
    """The networks that nodes join are there, and are no cluster's own."""
    problems = []
    for tier in spec.tiers:
        for name in tier.container.networks:
            what, found = f"cluster_tiers.{tier.name}.networks", docker.networks.get(name)
            if found is None:
                fix = f"docker network create {name}"
                problems.append(Problem(what, f"no network {name}", "one that exists", fix))
            elif owner := found.get(labels.CLUSTER):
                want = "a network that belongs to no cluster"
                problems.append(Problem(what, f"{name}, which is cluster {owner}'s", want, "make one for both"))
    return problems


def is_ours(container: Container, spec: ClusterSpec) -> bool:
    """Whether the container bears the cluster's label."""
    return container.labels.get(labels.CLUSTER) == spec.name


def check_state_dir(spec: ClusterSpec, declared: object, machine: Machine, docker: Docker, disk: Disk) -> list[Problem]:
    """The state folder can be made, and is the one that the running cluster uses unless another is declared."""
    problems = []
    what, fix = f"cluster_state_dir {spec.state_dir}", "choose another folder with -e cluster_state_dir=..."
    if disk.obstacle:
        problems.append(Problem(what, f"{disk.obstacle}, which is no folder", "a folder, or nothing there", fix))
    elif not disk.writable:
        problems.append(Problem(what, f"no permission in {disk.folder} for user {machine.user}", "write access", fix))
    if f"{machine.home.rstrip('/')}/".startswith(f"{spec.state_dir}/"):
        problems.append(Problem(what, f"a folder around {machine.home}", "a folder of the cluster's own", fix))
    for container in docker.containers:
        source = container.mounts.get(BALANCER_STATE, "")
        if (
            container.labels.get(labels.ROLE) != labels.BALANCER
            or not is_ours(container, spec)
            or not source
            or declared
        ):
            continue
        used = posixpath.dirname(source)
        if used != spec.state_dir:
            fix = f"run as the user that deployed it, or add -e cluster_state_dir={used}"
            want = f"{used}, which the running cluster uses"
            problems.append(Problem("cluster_state_dir", f"{spec.state_dir} for user {machine.user}", want, fix))
    return problems


def published_ports(spec: ClusterSpec) -> list[tuple[str, int, str]]:
    """The ports to publish: knob, port, name of the container that publishes it."""
    ports = [
        ("cluster_web_port", spec.web_port, edge_name(spec.name)),
        ("cluster_dashboard_port", spec.dashboard_port, edge_name(spec.name)),
    ]
    if spec.console:
        ports.append(("cluster_console_port", spec.console_port, console_name(spec.name)))
    if spec.portainer:
        ports.append(("cluster_portainer_port", spec.portainer_port, portainer_name(spec.name)))
    return ports


def check_ports(spec: ClusterSpec, docker: Docker, listeners: Mapping[int, Listener]) -> list[Problem]:
    """Each port to publish is free, or is published by our own container for it."""
    publishers = {port: container for container in docker.containers for port in container.ports}
    problems = []
    for knob, port, owner in published_ports(spec):
        publisher = publishers.get(port)
        if publisher is not None:
            # The edge may have been renamed. Earlier versions let the balancer itself publish them.
            role = publisher.labels.get(labels.ROLE)
            has_role = owner == edge_name(spec.name) and role in {labels.EDGE, labels.BALANCER}
            if is_ours(publisher, spec) and (publisher.name == owner or has_role):
                continue
            got = f"container {publisher.name} (image {publisher.image}) publishing it"
            fix = f"stop it, or choose another port with -e {knob}=..."
        elif port in listeners:
            listener = listeners[port]
            if docker.trouble and (not listener.pid or "docker-proxy" in listener.command):
                continue  # probably our own balancer's port
            process = f"pid {listener.pid} ({listener.command})" if listener.pid else "a process of another user"
            got = f"{process} listening on it"
            fix = f"end it, or choose another port with -e {knob}=..."
        else:
            continue
        problems.append(Problem(f"port {port} ({knob})", got, "it free", fix))
    return problems


def check_names(spec: ClusterSpec, docker: Docker) -> list[Problem]:
    """No container or network that is not ours bears a name that we need."""
    names = {node_name(spec.name, tier.name, number) for tier in spec.tiers for number in range(1, tier.nodes + 1)}
    names |= {edge_name(spec.name), *(balancer_name(spec.name, slot) for slot in SLOTS)}
    networks = [spec.network]
    if spec.console:
        names |= {console_name(spec.name), console_agent_name(spec.name)}
        networks.append(console_name(spec.name))
    if spec.portainer:
        names.add(portainer_name(spec.name))
    problems = [
        Problem(
            f"container {container.name}",
            f"one that is not of cluster {spec.name} (image {container.image}, {container.state})",
            "the name free",
            "rename or remove it",
        )
        for container in sorted(docker.containers, key=lambda item: item.name)
        if container.name in names and not is_ours(container, spec)
    ]
    problems += [
        Problem(
            f"network {network}",
            f"one that is not of cluster {spec.name}",
            "the name free",
            f"docker network rm {network}, or choose another cluster_name",
        )
        for network in networks
        if docker.networks.get(network, {labels.CLUSTER: spec.name}).get(labels.CLUSTER) != spec.name
    ]
    return problems + _check_images(spec, docker)


def _check_images(spec: ClusterSpec, docker: Docker) -> list[Problem]:
    """No image that we make has the name of one that another cluster made: its nodes would run ours."""
    made = {
        tier.derived or tier.image: f"cluster_tiers.{tier.name}" for tier in spec.tiers if tier.derived or tier.context
    }
    own = [spec.balancer_image, *(spec.console_images.values() if spec.console else ())]
    made |= dict.fromkeys(own, "cluster_name")
    others = {tag.rpartition(":")[0]: by for tag, by in sorted(docker.builders.items()) if by != spec.name}
    return [
        Problem(
            what,
            f"image {name}, which cluster {others[name]} has made",
            "a name of its own",
            f"another image, or teardown.yml with cluster_name={others[name]}",
        )
        for name, what in made.items()
        if name in others
    ]


def check_disk_for_images(declaration: Declaration, facts: MachineFacts) -> list[Problem]:
    """There is space for new images. Only the role that makes them knows whether there will be any."""
    if declaration.spec is None:
        return []
    disks = [("Docker's data", facts.data_disk), ("cluster_state_dir", facts.state_disk)]
    return check_disks(disks, needed_disk(declaration.spec, facts.docker, declaration.min_free_disk))


def switched_off(spec: ClusterSpec, docker: Docker) -> dict[str, list[str]]:
    """Parts that are there although their knobs are off: part -> the names of its containers, in any state."""
    wanted = dataclasses.asdict(spec)
    found: dict[str, list[str]] = {}
    for container in docker.containers:
        part = container.labels.get(labels.ROLE, "")
        knob = labels.SWITCHED_PARTS.get(part, "")
        if knob and is_ours(container, spec) and not wanted[knob.removeprefix("cluster_")]:
            found.setdefault(part, []).append(container.name)
    return {part: sorted(names) for part, names in sorted(found.items())}


def remains(spec: ClusterSpec, docker: Docker) -> list[str]:
    """Containers, by id, of drills and release commands; nodes of drills are left to reconciliations."""
    return sorted(
        container.id
        for container in docker.containers
        if is_ours(container, spec)
        and {labels.DRILL, labels.RELEASE} & container.labels.keys()
        and container.labels.get(labels.ROLE) != labels.NODE
    )


def check_all(declaration: Declaration, facts: MachineFacts) -> list[Problem]:
    """Check the declared cluster against the machine and the controller.

    Args:
        declaration: what the inventory declares; without a specification there is nothing to check.
        facts: what was read on the machine.
    """
    spec, machine, docker = declaration.spec, facts.machine, facts.docker
    if spec is None:
        return []
    state = check_state_dir(spec, declaration.state_dir_declared, machine, docker, facts.state_disk)
    if not declaration.must_carry:
        return state
    return [
        *check_files(spec, declaration.root, declaration.existing_files, declaration.named_files),
        *check_cpus(spec, machine),
        *check_memory(spec, machine, docker),
        *(check_disk_for_images(declaration, facts) if grows(spec, docker) else []),
        *state,
        *check_ports(spec, docker, facts.listeners),
        *check_names(spec, docker),
        *([] if docker.trouble else check_networks(spec, docker)),
        *check_mounts(spec, docker, facts.resolved),
        *check_sockets(docker, declaration.sockets, facts.engines),
        *facts.certificate,
    ]
