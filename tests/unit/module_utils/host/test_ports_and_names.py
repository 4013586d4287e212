"""Ports and names that are taken: by processes, by other containers, by the cluster itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from tests.unit.module_utils.host.machines import DOCKER, MACHINE, MIB, NODE, OURS, PARAMS, ROOT, container, spec_of

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.labels import SWITCHED_PARTS
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import Problem
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_facts import Docker
from ansible_collections.evenkeel.cluster.plugins.module_utils.host import capacity, checks
from ansible_collections.evenkeel.cluster.plugins.module_utils.host import preflight as whole
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.checks import MachineFacts
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.facts import Disk, Listener


def lines(problems: list[Problem]) -> list[str]:
    return [str(problem) for problem in problems]


def test_port_of_a_process() -> None:
    listeners = {8080: Listener(8080, 4711, "python3 -m http.server"), 9090: Listener(9090, 1, "x")}
    assert lines(checks.check_ports(spec_of(), DOCKER, listeners)) == [
        "port 8080 (cluster_web_port): got pid 4711 (python3 -m http.server) listening on it, want it free"
        " (fix: end it, or choose another port with -e cluster_web_port=...)"
    ]
    (line,) = checks.check_ports(spec_of(), DOCKER, {9000: Listener(9000, 0, "")})
    assert line.got == "a process of another user listening on it"
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
    assert lines(capacity.check_memory(spec_of(), dataclasses.replace(MACHINE, memory_available=1), docker)) == []
    assert capacity.needed_disk(spec_of(), docker, None) == 500 * MIB


def test_port_of_a_container() -> None:
    proxy = {8080: Listener(8080, 9, "/usr/bin/docker-proxy")}
    docker = dataclasses.replace(DOCKER, containers=(container("web", ports=frozenset({8080, 80})),))
    assert lines(checks.check_ports(spec_of(), docker, proxy)) == [
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
        ("gateway", {**OURS, "evenkeel.role": "edge"}, 0),
        ("gateway", {"evenkeel.cluster": "other", "evenkeel.role": "edge"}, 2),
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
        ("shop-static-1", False, True),
        ("shop-static-3", False, True),
        ("shop-app-2", False, True),
        ("static-1", False, False),
        ("shop-edge", False, True),
        ("shop-balancer-blue", False, True),
        ("shop-balancer-green", False, True),
        ("shop-balancer", False, False),
        ("shop-portainer", True, True),
        ("shop-portainer", False, False),
        ("shop-static-4", False, False),
        ("shop-static-01", False, False),
        ("xshop-static-1", False, False),
        ("shop-static", False, False),
    ],
)
def test_foreign_container_with_our_name(name: str, portainer: bool, refused: bool) -> None:
    docker = dataclasses.replace(DOCKER, containers=(container(name, state="exited"),))
    line = (
        f"container {name}: got one that is not of cluster shop (image nginx, exited), want the name free"
        " (fix: rename or remove it)"
    )
    assert lines(checks.check_names(spec_of(portainer=portainer), docker)) == ([line] if refused else [])


def test_our_own_names_are_no_conflict() -> None:
    containers = (container("shop-static-1", labels=NODE), container("shop-edge", labels=OURS))
    networks = {"shop": OURS, "bridge": {}}
    docker = dataclasses.replace(DOCKER, containers=containers, networks=networks)
    assert lines(checks.check_names(spec_of(), docker)) == []


def test_foreign_network_with_our_name() -> None:
    docker = dataclasses.replace(DOCKER, networks={"shop": {"evenkeel.cluster": "other"}})
    assert lines(checks.check_names(spec_of(), docker)) == [
        "network shop: got one that is not of cluster shop, want the name free"
        " (fix: docker network rm shop, or choose another cluster_name)"
    ]


def test_networks_of_tiers_must_be_there_and_be_no_clusters_own() -> None:
    static = {**PARAMS["tiers"]["static"], "networks": ["backend", "other", "missing"]}
    docker = dataclasses.replace(DOCKER, networks={"backend": {}, "other": {"evenkeel.cluster": "other"}})
    assert lines(checks.check_networks(spec_of(tiers={"static": static}), docker)) == [
        "cluster_tiers.static.networks: got other, which is cluster other's, want a network that belongs to no cluster"
        " (fix: make one for both)",
        "cluster_tiers.static.networks: got no network missing, want one that exists"
        " (fix: docker network create missing)",
    ]


@pytest.mark.parametrize(
    "source, resolved, refused",
    [
        ("/srv/data", {}, False),
        ("data", {}, False),
        ("/srv/docker.sock", {}, True),
        ("/srv", {}, True),
        ("/opt/link", {"/opt/link": "/srv"}, True),
        ("/opt/link", {"/opt/link": "/srv/data"}, False),
        ("/data", {"/srv/docker.sock": "/data/real.sock"}, True),
    ],
)
def test_no_tier_mounts_the_socket_of_this_machine(source: str, resolved: dict[str, str], refused: bool) -> None:
    static = {**PARAMS["tiers"]["static"], "mounts": [{"source": source, "target": "/x"}]}
    docker = dataclasses.replace(DOCKER, socket="/srv/docker.sock")
    line = (
        f"cluster_tiers.static.mounts: got '{source}', want a folder without Docker's socket /srv/docker.sock in it"
        " (fix: mount another folder)"
    )
    assert lines(checks.check_mounts(spec_of(tiers={"static": static}), docker, resolved)) == [line] * refused


def test_a_staging_cluster_runs_beside_production() -> None:
    production = {"evenkeel.cluster": "evenkeel", "evenkeel.role": "node"}
    docker = dataclasses.replace(DOCKER, containers=(container("static-1", labels=production),))
    assert checks.check_names(spec_of(name="evenkeel"), docker) == []
    assert checks.check_names(spec_of(name="staging"), docker) == []
    foreign = dataclasses.replace(DOCKER, containers=(container("static-1"),))
    assert [problem.what for problem in checks.check_names(spec_of(name="evenkeel"), foreign)] == ["container static-1"]


@pytest.mark.parametrize(
    "built, refused",
    [
        ({"res/web-staging:latest": "evenkeel"}, True),
        ({"res/web-staging:1a2b": "staging", "res/web:latest": "evenkeel"}, False),
        ({"evenkeel/staging/other:latest": "evenkeel"}, True),
        ({"evenkeel/shop:latest": "evenkeel", "evenkeel/base:trixie-1a2b": "evenkeel"}, False),
        ({"res/traefik-staging:latest": "evenkeel"}, True),
        ({"example/other:latest": "evenkeel"}, False),  # that is pulled
    ],
)
def test_no_image_is_made_over_one_of_another_cluster(built: dict[str, str], refused: bool) -> None:
    web = {"image": "res/web", "context": "web", "port": 80, "path": "/", "nodes": 1}
    other = {"image": "example/other", "port": 80, "path": "/other/", "nodes": 1}
    spec = spec_of(name="staging", tiers={"web": web, "other": other})
    told = lines(checks.check_names(spec, dataclasses.replace(DOCKER, builders=built)))
    assert len(told) == refused
    assert all("which cluster evenkeel has made, want a name of its own (fix: " in line for line in told)


PORTAINER = {**OURS, "evenkeel.role": "portainer"}


@pytest.mark.parametrize(
    "labels, portainer, found",
    [
        (PORTAINER, False, {"portainer": ["a-copy", "shop-portainer"]}),
        (PORTAINER, True, {}),
        ({**PORTAINER, "evenkeel.cluster": "other"}, False, {}),
        ({**PORTAINER, "evenkeel.role": "edge"}, False, {}),
        ({"evenkeel.role": "portainer"}, False, {}),
    ],
)
def test_parts_that_are_switched_off_and_still_there(
    labels: dict[str, str], portainer: bool, found: dict[str, list[str]]
) -> None:
    there = (container("shop-portainer", labels=labels, state="exited"), container("a-copy", labels=labels))
    docker = dataclasses.replace(DOCKER, containers=(*there, container("x")))
    assert checks.switched_off(spec_of(portainer=portainer), docker) == found
    told = whole.preflight({**PARAMS, "portainer": portainer, "check_machine": False}, ROOT, docker).advice
    assert told == (
        (
            "portainer: got a-copy, shop-portainer when this run began, want none, because cluster_portainer is false"
            " (fix: ansible-playbook site.yml removes it and keeps its data)",
        )
        if found
        else ()
    )


@pytest.mark.parametrize(
    "changes, told",
    [
        ({}, False),
        ({"console_address": "0.0.0.0"}, True),
        ({"console_address": "::1"}, False),
        ({"console_address": "0.0.0.0", "console": False}, False),
    ],
)
def test_a_console_for_others_without_tls_is_told(changes: dict[str, Any], told: bool) -> None:
    disk = Disk("/var/lib", 1 << 40, 1, writable=True)
    found = whole.preflight(
        {**PARAMS, "console": True, **changes}, ROOT, DOCKER, lambda *_: MachineFacts(ROOT, DOCKER, disk, disk, {})
    )
    lines = [line for line in found.advice if line.startswith("console_address:")]
    assert lines == (
        [
            "console_address: got 0.0.0.0 without a certificate, so passwords cross the network in clear text, want"
            " TLS, or this machine only (fix: set console_certificate and console_key, or -e console_address=127.0.0.1)"
        ]
        if told
        else []
    )


def test_every_part_that_is_switched_on_by_a_knob_has_a_role_that_removes_it() -> None:
    for part, knob in SWITCHED_PARTS.items():
        assert isinstance(getattr(spec_of(), knob.removeprefix("cluster_")), bool)
        assert (Path(__file__).parents[4] / "roles" / part / "tasks" / "remove.yml").exists()


def test_what_killed_drills_and_release_commands_have_left() -> None:
    drill = {**OURS, "evenkeel.role": "none", "evenkeel.drill": "drill-1"}
    docker = dataclasses.replace(
        DOCKER,
        containers=(
            container("shop-baseline-balancer", labels=drill, id="b"),
            container("an-image", labels=drill, id="a", state="created"),
            container("shop-release", labels={**OURS, "evenkeel.role": "none", "evenkeel.release": "shop"}, id="r"),
            container("guest", labels={**drill, "evenkeel.role": "node"}, id="c"),
            container("other", labels={**drill, "evenkeel.cluster": "other"}, id="d"),
            container("shop-edge", labels=OURS, id="e"),
        ),
    )
    assert checks.remains(spec_of(), docker) == ["a", "b", "r"]
