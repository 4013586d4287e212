"""An engine that was found: what keeps a cluster from running on it, and what it lacks."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.unit.module_utils.host.machines import ABSENT, DOCKER, MACHINE, PARAMS, ROOT, container, declared

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_facts import Docker
from ansible_collections.evenkeel.cluster.plugins.module_utils.host import preflight as whole
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.checks import MachineFacts
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.engine import advice, check_engine, check_sockets
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.facts import Disk, Machine, PortProxy

USERNS = (
    "Docker at /var/run/docker.sock: got users that are mapped (userns-remap), want users as they are, because the"
    " balancer could read neither its files nor the socket"
    " (fix: remove userns-remap from /etc/docker/daemon.json, and restart Docker)"
)
ROOTLESS = (
    "Docker at /run/user/1000/docker.sock: got a rootless engine, want one of root, because the nodes of a rootless"
    " engine cannot be reached from the machine (fix: unset DOCKER_HOST, and install Docker as root)"
)
DESKTOP = (
    "Docker at /var/run/docker.sock: got Docker Desktop, want an engine of this machine itself, because the nodes of"
    " one in a virtual machine cannot be reached"
    " (fix: install Docker Engine, or run this on a Linux machine that has it)"
)
SELINUX = (
    "Docker at /var/run/docker.sock: got containers that SELinux confines, want containers without it, because they"
    " could read neither their files nor the socket"
    ' (fix: "selinux-enabled": false in /etc/docker/daemon.json, and restart Docker)'
)
PACKAGES = (
    "Python packages of /usr/bin/python3: got no aiohttp, want docker, requests, aiohttp"
    " (fix: /usr/bin/python3 -m pip install aiohttp)"
)
HOST = (
    "DOCKER_HOST: got 'unix:///srv/other.sock', where nothing answers, want the socket of a running engine"
    " (fix: start that engine, or unset DOCKER_HOST)"
)
ENFORCING = dataclasses.replace(ROOT, selinux_enforcing=True)
ROCKY = dataclasses.replace(ROOT, os_id="rocky", os_version="9.4", apt=False)


def with_security(*names: str, **changes: Any) -> Docker:
    return dataclasses.replace(DOCKER, security=DOCKER.security | set(names), **changes)


@pytest.mark.parametrize(
    "machine, docker, problem",
    [
        (ROOT, DOCKER, ""),
        (ROOT, with_security("cgroupns", "no-new-privileges"), ""),
        (ROOT, ABSENT, ""),
        (ROOT, Docker("/run/docker.sock", trouble="absent"), ""),
        (ROOT, Docker("/srv/other.sock", trouble="absent"), HOST),
        (ROOT, with_security("userns"), USERNS),
        # A rootless engine maps users too; that is told once.
        (MACHINE, with_security("userns", "rootless", socket="/run/user/1000/docker.sock"), ROOTLESS),
        (MACHINE, dataclasses.replace(DOCKER, system="Docker Desktop"), DESKTOP),
        (ENFORCING, DOCKER, ""),
        (ROOT, with_security("selinux"), ""),  # permissive: told in the kernel's log only
        (ENFORCING, with_security("selinux"), SELINUX),
        (ROCKY, DOCKER, ""),
        (dataclasses.replace(ROCKY, missing_packages=("aiohttp",)), DOCKER, PACKAGES),
        (dataclasses.replace(ROOT, missing_packages=("aiohttp",)), DOCKER, ""),  # the role docker_engine installs it
    ],
)
def test_engines(machine: Machine, docker: Docker, problem: str) -> None:
    assert [str(found) for found in check_engine(machine, docker)] == ([problem] if problem else [])


def preflight(docker: Docker, machine: Machine = ROOT, **changes: Any) -> whole.Preflight:
    disk = Disk("/var/lib", 1 << 40, 1, writable=True)
    engines = changes.pop("engines", {})
    facts = MachineFacts(machine, docker, disk, disk, {}, engines=engines)
    return whole.preflight({**PARAMS, **changes}, machine, docker, lambda *_: facts)


def test_whole_preflight_refuses_it_in_one_line() -> None:
    found = preflight(with_security("userns"))
    assert found.message == f"1 problem, nothing has been changed\n{USERNS}"


def test_looking_and_removing_need_no_suitable_engine() -> None:
    docker = with_security("userns", live_restore=False)
    found = preflight(docker, check_machine=False)
    assert (found.problems, found.advice) == ((), ())


# --- sockets of other engines ---------------------------------------------------------------------------------------

BALANCER = "load_balancer_docker_socket"


@pytest.mark.parametrize(
    "engine, problem",
    [
        ("EVEN:KEEL", ""),
        ("", ""),  # a filter in front of the engine need not tell
        (
            "OTHER",
            f"{BALANCER}: got another engine at '/var/run/docker.sock', want the engine at /srv/docker.sock, which this"
            f" run uses (fix: -e {BALANCER}=/srv/docker.sock, or unset DOCKER_HOST)",
        ),
        (
            None,
            f"{BALANCER}: got no engine at '/var/run/docker.sock', want the engine at /srv/docker.sock, which this"
            f" run uses (fix: -e {BALANCER}=/srv/docker.sock, or unset DOCKER_HOST)",
        ),
    ],
)
def test_balancer_listens_to_the_engine_that_the_run_uses(engine: str | None, problem: str) -> None:
    docker = dataclasses.replace(DOCKER, socket="/srv/docker.sock")
    assert [str(found) for found in preflight(docker, engines={BALANCER: engine}).problems] == [problem][
        : bool(problem)
    ]


def test_knob_that_names_another_engine_by_mistake() -> None:
    (problem,) = check_sockets(DOCKER, {BALANCER: "/srv/x.sock"}, {BALANCER: None})
    assert str(problem) == (
        f"{BALANCER}: got no engine at '/srv/x.sock', want the engine at /var/run/docker.sock, which this run uses"
        f" (fix: -e {BALANCER}=/var/run/docker.sock)"
    )


def test_no_engine_yet_is_no_other_engine() -> None:
    assert check_sockets(ABSENT, {BALANCER: "/srv/x.sock"}, {BALANCER: None}) == []


@pytest.mark.parametrize("portainer", [False, True])
def test_sockets_that_containers_are_given(portainer: bool) -> None:
    found = declared(portainer=portainer, docker_socket="/a/b", portainer_docker_socket="/c/d").sockets
    assert found == {BALANCER: "/a/b", **({"portainer_docker_socket": "/c/d"} if portainer else {})}


@pytest.mark.parametrize("value", ["", "docker.sock", "/a:b", "unix:///a/b", 5, None, [], "/a/../b", "/a\n"])
def test_malformed_socket(value: object) -> None:
    (problem,) = declared(docker_socket=value).problems
    assert str(problem).startswith(f"{BALANCER}: got ")
    assert str(problem).endswith(f", want the absolute path of a socket (fix: -e {BALANCER}=/var/run/docker.sock)")


# --- what an engine lacks -------------------------------------------------------------------------------------------

LIVE_RESTORE = (
    "live-restore of Docker: got off, want on, because a restart of Docker stops the site for some seconds"
    ' (fix: "live-restore": true in /etc/docker/daemon.json, then reload Docker)'
)
PROXY = (
    "userland-proxy of Docker: got on, want off, because docker-proxy ends at {} open connections from this machine"
    ' itself (fix: "userland-proxy": false in /etc/docker/daemon.json, then restart Docker)'
)
OFF = {"userland-proxy": False}
PUBLISHED = (container("shop-edge", ports=frozenset({8080, 9000})),)


@pytest.mark.parametrize(
    "changes, config, proxies, lines",
    [
        ({}, OFF, [], []),
        ({}, {}, [], [PROXY.format("some thousand")]),
        ({"live_restore": False}, OFF, [], [LIVE_RESTORE]),
        ({"live_restore": False, "swarm": True}, OFF, [], []),
        ({"live_restore": False, "trouble": "absent"}, {}, [], []),
        # What runs counts for more than a file that Docker has perhaps not read yet.
        ({"containers": PUBLISHED}, {}, [], []),
        ({"containers": PUBLISHED}, {}, [PortProxy(5000, 20_000)], []),
        ({"containers": PUBLISHED}, OFF, [PortProxy(8080, 20_000)], [PROXY.format("4,000")]),
        ({"containers": PUBLISHED}, OFF, [PortProxy(8080, 0)], [PROXY.format("some thousand")]),
    ],
)
def test_advice(changes: dict[str, Any], config: dict[str, object], proxies: list[PortProxy], lines: list[str]) -> None:
    machine = dataclasses.replace(ROOT, daemon_config=config)
    assert advice(machine, dataclasses.replace(DOCKER, **changes), proxies) == lines
