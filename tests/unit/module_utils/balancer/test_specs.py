"""Edge, balancer and baseline as whole specifications, what Docker is sent for them, and the way back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import docker
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.module_utils.balancer.fakes import made_options

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.config import static_config
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.options import BalancerOptions
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.plan import Desired
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.specs import (
    balancer_spec,
    baseline_balancer_spec,
    edge_spec,
    options_from,
    static_file,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.watch import HOLDER
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.container_spec import ContainerSpec
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_arguments import container_arguments

DESIRED = Desired("shop", "e1", "b1")
LABELS = {"evenkeel.cluster": "shop", "evenkeel.role": "none", "evenkeel.drill": "d1"}
# What every container of ours is sent with.
LOCKED_DOWN = {
    "ReadonlyRootfs": True,
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges"],
    "RestartPolicy": {"Name": "unless-stopped"},
}
LOG = {"Type": "json-file", "Config": {"max-size": "20971520", "max-file": "2"}}


@pytest.fixture
def options(tmp_path: Path) -> BalancerOptions:
    return dataclasses.replace(made_options(tmp_path), config_dir=Path("/srv/config"), log_dir=Path("/srv/log"))


def sent(spec: ContainerSpec) -> dict[str, Any]:
    """The request's body as the SDK makes it; no daemon is asked."""
    api = docker.APIClient(base_url="unix:///nonexistent", version="1.41")
    arguments = container_arguments(api, spec)
    assert arguments.pop("name") == spec.name
    body = api.create_container_config(**{"command": None, **arguments})
    api.close()
    told = {name: value for name, value in body.items() if value not in (None, False)}
    return {name: value for name, value in told.items() if not name.startswith("Attach")}


def test_the_edge(options: BalancerOptions) -> None:
    assert edge_spec(options, "e1", migrate=True) == ContainerSpec(
        name="shop-edge",
        image="res/edge:1",
        network="shop-net",
        labels={"evenkeel.cluster": "shop", "evenkeel.role": "edge", "evenkeel.revision": "e1"},
        environment={},
        hostname="",
        user="65532",
        groups=("999",),
        entrypoint=("perl", "-e", HOLDER),
        command=("/etc/traefik/edge-watch.pl",),
        read_only=True,
        cap_drop=("ALL",),
        security_opt=("no-new-privileges",),
        memory=33_554_432,
        nano_cpus=0,
        pids=32,
        tmpfs={},
        mounts=SOCKETS_MOUNT,
        binds=("/srv/config:/etc/traefik:ro", "/srv/log:/var/log/traefik"),
        ports={"8000/tcp": ("0.0.0.0", 8080), "9000/tcp": ("", 9000)},
        sysctls={"net.ipv4.tcp_migrate_req": "1"},
        also_in=("bridge",),
        restart="always",
        stop_signal="SIGKILL",
        stop_timeout=0,
        log_size=10_485_760,
        log_files=3,
    )


def test_an_edge_on_an_old_kernel_sets_nothing_that_it_lacks(options: BalancerOptions) -> None:
    spec = edge_spec(options, "e1", migrate=False)
    assert spec == dataclasses.replace(edge_spec(options, "e1", migrate=True), sysctls={})
    assert "Sysctls" not in sent(spec)["HostConfig"]


# The folder, because Docker makes a new socket when it starts; without the networks that are mounted below it.
SOCKETS_MOUNT = ({"source": "/run", "target": "/host/run", "read_only": True, "recursive": False},)
SENT_MOUNT = {
    "Target": "/host/run",
    "Source": "/run",
    "Type": "bind",
    "ReadOnly": True,
    "BindOptions": {"NonRecursive": True},
}


def test_the_balancer(options: BalancerOptions) -> None:
    assert balancer_spec(options, DESIRED, "green") == ContainerSpec(
        name="shop-balancer-green",
        image="res/traefik:1",
        network="container:shop-edge",
        labels={
            "evenkeel.cluster": "shop",
            "evenkeel.role": "balancer",
            "evenkeel.revision": "b1",
            "evenkeel.slot": "green",
        },
        environment={"GOGC": "1000", "EVENKEEL_SLOT": "green"},
        hostname="",
        user="65532",
        groups=("999",),
        entrypoint=None,
        command=("--configFile=/etc/traefik/traefik-green.yml",),
        read_only=True,
        cap_drop=("ALL",),
        security_opt=("no-new-privileges",),
        memory=1024**3,
        nano_cpus=0,
        pids=512,
        tmpfs={},
        mounts=SOCKETS_MOUNT,
        binds=("/srv/config:/etc/traefik:ro", "/srv/log:/var/log/traefik"),
        ports={},
        sysctls={},
        also_in=(),
        restart="always",
        stop_signal="",
        stop_timeout=45,
        log_size=20_971_520,
        log_files=2,
    )


def test_the_baseline_balancer(options: BalancerOptions) -> None:
    assert baseline_balancer_spec(options, "blue", "shop-baseline", LABELS) == ContainerSpec(
        name="shop-baseline",
        image="res/traefik:1",
        network="shop-net",
        labels=LABELS,
        environment={"GOGC": "1000"},
        hostname="",
        user="65532",
        groups=("999",),
        entrypoint=None,
        command=("--configFile=/etc/traefik/traefik-blue.yml",),
        read_only=True,
        cap_drop=("ALL",),
        security_opt=("no-new-privileges",),
        memory=1024**3,
        nano_cpus=0,
        pids=512,
        tmpfs={"/var/log/traefik": "mode=1777"},
        mounts=SOCKETS_MOUNT,
        binds=("/srv/config:/etc/traefik:ro",),
        ports={},
        sysctls={},
        also_in=(),
        restart="unless-stopped",
        stop_signal="",
        stop_timeout=45,
        log_size=20_971_520,
        log_files=2,
    )


def test_what_docker_is_sent_for_the_edge(options: BalancerOptions) -> None:
    assert sent(edge_spec(options, "e1", migrate=True)) == {
        "Image": "res/edge:1",
        "Labels": {"evenkeel.cluster": "shop", "evenkeel.role": "edge", "evenkeel.revision": "e1"},
        "User": "65532",
        "Entrypoint": ["perl", "-e", HOLDER],
        "Cmd": ["/etc/traefik/edge-watch.pl"],
        "ExposedPorts": {"8000/tcp": {}, "9000/tcp": {}},
        "StopSignal": "SIGKILL",
        "HostConfig": {
            **LOCKED_DOWN,
            "RestartPolicy": {"Name": "always"},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10485760", "max-file": "3"}},
            "NetworkMode": "shop-net",
            "Memory": 33_554_432,
            "PidsLimit": 32,
            "PortBindings": {
                "8000/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}],
                "9000/tcp": [{"HostIp": "", "HostPort": "9000"}],
            },
            "Sysctls": {"net.ipv4.tcp_migrate_req": "1"},
            "GroupAdd": ["999"],
            "Binds": ["/srv/config:/etc/traefik:ro", "/srv/log:/var/log/traefik"],
            "Mounts": [SENT_MOUNT],
        },
    }


def test_what_docker_is_sent_for_the_balancer(options: BalancerOptions) -> None:
    assert sent(balancer_spec(options, DESIRED, "blue")) == {
        "Image": "res/traefik:1",
        "Labels": {
            "evenkeel.cluster": "shop",
            "evenkeel.role": "balancer",
            "evenkeel.revision": "b1",
            "evenkeel.slot": "blue",
        },
        "User": "65532",
        "Env": ["GOGC=1000", "EVENKEEL_SLOT=blue"],
        "Cmd": ["--configFile=/etc/traefik/traefik-blue.yml"],
        "StopTimeout": 45,
        "HostConfig": {
            **LOCKED_DOWN,
            "RestartPolicy": {"Name": "always"},
            "LogConfig": LOG,
            "NetworkMode": "container:shop-edge",
            "Memory": 1024**3,
            "PidsLimit": 512,
            "GroupAdd": ["999"],
            "Binds": ["/srv/config:/etc/traefik:ro", "/srv/log:/var/log/traefik"],
            "Mounts": [SENT_MOUNT],
        },
    }


def test_what_docker_is_sent_for_the_baseline(options: BalancerOptions) -> None:
    assert sent(baseline_balancer_spec(options, "blue", "shop-baseline", LABELS)) == {
        "Image": "res/traefik:1",
        "Labels": LABELS,
        "User": "65532",
        "Env": ["GOGC=1000"],
        "Cmd": ["--configFile=/etc/traefik/traefik-blue.yml"],
        "StopTimeout": 45,
        "HostConfig": {
            **LOCKED_DOWN,
            "LogConfig": LOG,
            "NetworkMode": "shop-net",
            "Memory": 1024**3,
            "PidsLimit": 512,
            "GroupAdd": ["999"],
            "Tmpfs": {"/var/log/traefik": "mode=1777"},
            "Binds": ["/srv/config:/etc/traefik:ro"],
            "Mounts": [SENT_MOUNT],
        },
    }


def record(spec: ContainerSpec) -> dict[str, Any]:
    """Docker's record of a container that was made from the specification."""
    body = sent(spec)
    return {"Config": {"Env": None, **body}, "HostConfig": {"GroupAdd": None, **body["HostConfig"]}}


words = st.text("abcXYZ0123456789=/.- ", min_size=1, max_size=20)


@given(
    environment=st.dictionaries(st.text("ABC_", min_size=1, max_size=8), words, max_size=3),
    groups=st.lists(st.integers(1, 70_000).map(str), max_size=3),
    limits=st.tuples(st.integers(2**22, 2**40), st.integers(1, 4_194_304)),
    seconds=st.integers(1, 3600),
    log=st.sampled_from([(0, 3), (2**20, 1), (10 * 2**20, 5)]),
    folder=st.sampled_from(["/srv/a", "/var/lib/evenkeel/shop/balancer"]),
    slot=st.sampled_from(["blue", "green"]),
)
def test_a_running_balancer_tells_what_it_was_made_with(
    tmp_path_factory: pytest.TempPathFactory,
    environment: dict[str, str],
    groups: list[str],
    limits: tuple[int, int],
    seconds: int,
    log: tuple[int, int],
    folder: str,
    slot: str,
) -> None:
    options = made_options(
        tmp_path_factory.getbasetemp(),
        environment=environment,
        groups=tuple(groups),
        memory=limits[0],
        pids=limits[1],
        stop_seconds=seconds,
        log_size=log[0],
        log_files=log[1],
        config_dir=Path(folder),
        # An edge is not made from what a balancer tells.
        edge_image="",
        seed="",
        ports={},
    )
    spec = balancer_spec(options, DESIRED, slot)
    found = record(spec)
    again = options_from("shop", "shop-net", found, static_config(options.static, slot))
    assert again == options
    assert balancer_spec(again, DESIRED, slot) == spec
    assert static_file(found, slot) == Path(folder) / f"traefik-{slot}.yml"


def test_a_balancer_without_a_stop_time_gets_the_usual_one(options: BalancerOptions) -> None:
    found = record(balancer_spec(options, DESIRED, "blue"))
    found["Config"]["StopTimeout"] = None
    assert options_from("shop", "shop-net", found, static_config(options.static, "blue")).stop_seconds == 45
