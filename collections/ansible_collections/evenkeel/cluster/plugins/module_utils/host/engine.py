# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""An engine that was found: whether the cluster can run on it as it is set up, and what it lacks. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..core.errors import Problem, quote
from ..engine.docker_facts import Docker
from ..engine.docker_http import DEFAULT_SOCKET
from .facts import PYTHON_PACKAGES, Machine, PortProxy

DAEMON_CONFIG = "/etc/docker/daemon.json"
DESKTOP = "Docker Desktop"
# /var/run is a link to /run.
_DEFAULT_SOCKETS = {DEFAULT_SOCKET, DEFAULT_SOCKET.removeprefix("/var")}
# Measured: docker-proxy opens this many files per connection, and ends when it gets no more.
_FILES_PER_CONNECTION = 5


def is_default_socket(path: str) -> bool:
    """Whether an engine that the role docker_engine starts answers there."""
    return path in _DEFAULT_SOCKETS


def install_packages(machine: Machine) -> str:
    """How to give the interpreter the packages that it lacks, where we cannot."""
    return f"{machine.interpreter} -m pip install {' '.join(machine.missing_packages)}"


def check_engine(machine: Machine, docker: Docker) -> list[Problem]:
    """Nothing in how the engine is set up keeps our containers from starting, or from being reached.

    Each of these would otherwise show as a balancer that does not start, or as nodes that never answer.
    """
    problems = []
    if docker.trouble == "absent" and not is_default_socket(docker.socket):
        got, want = f"'unix://{docker.socket}', where nothing answers", "the socket of a running engine"
        problems.append(Problem("DOCKER_HOST", got, want, "start that engine, or unset DOCKER_HOST"))
    what = f"Docker at {docker.socket}"
    if docker.system == DESKTOP:
        want = "an engine of this machine itself, because the nodes of one in a virtual machine cannot be reached"
        fix = "install Docker Engine, or run this on a Linux machine that has it"
        problems.append(Problem(what, DESKTOP, want, fix))
    elif "rootless" in docker.security:
        want = "one of root, because the nodes of a rootless engine cannot be reached from the machine"
        fix = "unset DOCKER_HOST, and install Docker as root"
        problems.append(Problem(what, "a rootless engine", want, fix))
    elif "userns" in docker.security:
        want = "users as they are, because the balancer could read neither its files nor the socket"
        fix = f"remove userns-remap from {DAEMON_CONFIG}, and restart Docker"
        problems.append(Problem(what, "users that are mapped (userns-remap)", want, fix))
    if "selinux" in docker.security and machine.selinux_enforcing:
        want = "containers without it, because they could read neither their files nor the socket"
        fix = f'"selinux-enabled": false in {DAEMON_CONFIG}, and restart Docker'
        problems.append(Problem(what, "containers that SELinux confines", want, fix))
    if machine.missing_packages and machine.docker_sdk and not machine.apt:
        what, got = f"Python packages of {machine.interpreter}", f"no {', '.join(machine.missing_packages)}"
        problems.append(Problem(what, got, ", ".join(PYTHON_PACKAGES), install_packages(machine)))
    return problems


def check_sockets(docker: Docker, sockets: Mapping[str, str], engines: Mapping[str, str | None]) -> list[Problem]:
    """What containers are given as the engine's socket leads to the engine that this run uses.

    Args:
        docker: the engine that this run uses.
        sockets: knob to the path that it names.
        engines: knob to the identifier of the engine that answers there; empty where it does not tell, as a filter in
            front of it; None where nothing is. Knobs that were not asked for are left out.
    """
    problems = []
    for knob, engine in engines.items():
        if docker.trouble or engine in {"", docker.engine_id}:
            continue
        got = "another engine" if engine else "no engine"
        want = f"the engine at {docker.socket}, which this run uses"
        fix = f"-e {knob}={docker.socket}" + ("" if is_default_socket(docker.socket) else ", or unset DOCKER_HOST")
        problems.append(Problem(knob, f"{got} at {quote(sockets[knob])}", want, fix))
    return problems


def advice(machine: Machine, docker: Docker, proxies: Collection[PortProxy]) -> list[str]:
    """What an engine that was found lacks: the cluster works without, and survives less.

    Args:
        machine: the machine, for Docker's settings.
        docker: what Docker said.
        proxies: the processes docker-proxy of the machine.
    """
    if docker.trouble:
        return []
    lines = []
    if not docker.live_restore and not docker.swarm:  # a Swarm does not allow it
        want = "on, because a restart of Docker stops the site for some seconds"
        fix = f'"live-restore": true in {DAEMON_CONFIG}, then reload Docker'
        lines.append(str(Problem("live-restore of Docker", "off", want, fix)))
    found, connections = _port_proxy(machine, docker, proxies)
    if found:
        many = f"{connections:,}" if connections else "some thousand"
        want = f"off, because docker-proxy ends at {many} open connections from this machine itself"
        fix = f'"userland-proxy": false in {DAEMON_CONFIG}, then restart Docker'
        lines.append(str(Problem("userland-proxy of Docker", "on", want, fix)))
    return lines


def _port_proxy(machine: Machine, docker: Docker, proxies: Collection[PortProxy]) -> tuple[bool, int]:
    """Whether Docker has docker-proxy carry connections, and how many one carries; 0 where that is not known."""
    ports = {port for container in docker.containers for port in container.ports}
    ours = [proxy for proxy in proxies if proxy.port in ports]
    if ports:
        return bool(ours), min((proxy.open_files for proxy in ours), default=0) // _FILES_PER_CONNECTION
    return machine.daemon_config.get("userland-proxy") is not False, 0
