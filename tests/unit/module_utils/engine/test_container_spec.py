"""All options of a node's container, because a forgotten option is a lost protection."""

from __future__ import annotations

import dataclasses
from typing import Any

import docker
import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.container_options import ContainerOptions
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.health import HealthCheck
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import NodeOptions, TierBuild
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Cookie, Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.container_spec import ContainerSpec, node_spec
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_arguments import container_arguments

TIER = Tier(
    name="web",
    image="res/web",
    context="files/web",
    port=8080,
    path="/",
    strip_path=False,
    nodes=3,
    sticky=False,
    strategy="wrr",
    cookie=Cookie("evenkeel_web"),
    health=HealthCheck(),
    max_failures=10,
    ready_seconds=0,
    roll="beside",
    repeat=False,
    drain_seconds=3,
    stop_seconds=30,
    memory=2**28,
    cpus=0.5,
    pids=200,
    log_size=2**20,
    log_files=4,
    environment={"A": "1"},
    mounts=[],
    service="web-1a2b3c4d",
    labels={"evenkeel.tier": "web"},
)
OPTIONS = NodeOptions(
    network="evenkeel",
    environment={"A": "1", "EVENKEEL_DRAIN_SECONDS": "3"},
    labels={"evenkeel.cluster": "shop", "evenkeel.tier": "web", "evenkeel.managed": "true"},
    memory=2**28,
    nano_cpus=500_000_000,
    pids=200,
    stop_timeout=30,
    mounts=(
        {"source": "data", "target": "/data", "read_only": False},
        {"source": "/srv/web", "target": "/srv", "read_only": True},
    ),
    tmpfs={"/tmp": "rw,noexec"},
    log_size=2**20,
    log_files=4,
)
BUILD = TierBuild(TIER, "res/web:3f2a", "sha256:aa", "0c1d2e3f4a5b", OPTIONS)


@pytest.fixture
def api() -> Any:
    """The SDK's client; with a given version it asks no engine."""
    client = docker.APIClient(base_url="unix:///nonexistent", version="1.41")
    yield client
    client.close()


def test_a_nodes_container_as_a_whole(api: Any) -> None:
    arguments = container_arguments(api, node_spec("web-1", BUILD))
    host = arguments.pop("host_config")
    assert arguments == {
        "image": "res/web:3f2a",
        "name": "web-1",
        "hostname": "web-1",
        "environment": {"A": "1", "EVENKEEL_DRAIN_SECONDS": "3"},
        "labels": {
            "evenkeel.cluster": "shop",
            "evenkeel.tier": "web",
            "evenkeel.managed": "true",
            "evenkeel.revision": "0c1d2e3f4a5b",
            "traefik.http.services.web-1a2b3c4d.loadbalancer.server.url": "http://web-1:8080",
            "traefik.http.services.web-1a2b3c4d-unchecked.loadbalancer.server.url": "http://web-1:8080",
        },
        "stop_timeout": 30,
        # Docker's own verdict would delay joining.
        "healthcheck": {"test": ["NONE"]},
    }
    assert host == {
        "NetworkMode": "evenkeel",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "RestartPolicy": {"Name": "unless-stopped"},
        "Memory": 2**28,
        "NanoCpus": 500_000_000,
        "PidsLimit": 200,
        "Tmpfs": {"/tmp": "rw,noexec"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1048576", "max-file": "4"}},
        "Mounts": [
            {
                "Target": "/data",
                "Source": "data",
                "Type": "volume",
                "ReadOnly": False,
                # By this, teardown knows that Docker made the volume for the cluster.
                "VolumeOptions": {"Labels": {"evenkeel.cluster": "shop"}},
            },
            {"Target": "/srv", "Source": "/srv/web", "Type": "bind", "ReadOnly": True},
        ],
    }


def test_a_node_as_its_tier_says(api: Any) -> None:
    container = ContainerOptions(
        confinement="docker",
        user="33:33",
        group_add=["44"],
        read_only=False,
        tmpfs={},
        cap_add=["SYS_NICE"],
        cap_drop=["MKNOD", "NET_RAW"],
        security_opt=["no-new-privileges", "apparmor=web"],
        command=["serve"],
        entrypoint=["sh"],
        working_dir="/app",
        init=True,
        extra_hosts={"db": "192.0.2.7"},
        dns=["192.0.2.53"],
        ulimits={"nofile": [1024, 2048]},
        shm_size=2**20,
        sysctls={"net.core.somaxconn": "1024"},
        devices=["/dev/a:/dev/b:r"],
        runtime="runsc",
        memory_reservation=2**26,
        cpu_shares=512,
        platform="linux/amd64",
        gpus=[{"driver": "", "count": 0, "device_ids": ["0"], "capabilities": ["gpu"], "options": {}}],
        stop_signal="SIGQUIT",
        networks=["backend"],
    )
    build = dataclasses.replace(BUILD, options=dataclasses.replace(OPTIONS, tmpfs={}, container=container))
    spec = node_spec("web-1", build)
    assert spec.also_in == ["backend"]
    arguments = container_arguments(api, spec)
    host = arguments.pop("host_config")
    assert {
        "user": "33:33",
        "command": ["serve"],
        "entrypoint": ["sh"],
        "working_dir": "/app",
        "platform": "linux/amd64",
        "stop_signal": "SIGQUIT",
    }.items() <= arguments.items()
    assert host["ReadonlyRootfs"] is False
    assert "Tmpfs" not in host
    limits = host.pop("Ulimits")
    assert [dict(limit) for limit in limits] == [{"Name": "nofile", "Soft": 1024, "Hard": 2048}]
    assert {
        "GroupAdd": ["44"],
        "CapAdd": ["SYS_NICE"],
        "CapDrop": ["MKNOD", "NET_RAW"],
        "SecurityOpt": ["no-new-privileges", "apparmor=web"],
        "Init": True,
        "ExtraHosts": ["db:192.0.2.7"],
        "Dns": ["192.0.2.53"],
        "ShmSize": 2**20,
        "Sysctls": {"net.core.somaxconn": "1024"},
        "Devices": [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r"}],
        "DeviceRequests": [
            {"Driver": "", "Count": 0, "DeviceIDs": ["0"], "Capabilities": [["gpu"]], "Options": {}},
        ],
        "Runtime": "runsc",
        "MemoryReservation": 2**26,
        "CpuShares": 512,
    }.items() <= host.items()


def test_every_option_of_a_tiers_containers_reaches_docker() -> None:
    """One that is declared and forgotten here would be a protection that is not there."""
    # These are merged before: confinement into the others, labels and scratch space into the node's own.
    elsewhere = {"confinement", "labels", "tmpfs"}
    renamed = {"group_add": "groups", "networks": "also_in"}
    plain = node_spec("web-1", BUILD)
    for field in dataclasses.fields(ContainerOptions):
        if field.name in elsewhere:
            continue
        said: dict[str, Any] = {field.name: "marked"}
        marked = dataclasses.replace(OPTIONS, container=ContainerOptions(**said))
        spec = node_spec("web-1", dataclasses.replace(BUILD, options=marked))
        changed = {name for name, value in vars(spec).items() if value != vars(plain)[name]}
        assert changed == {renamed.get(field.name, field.name)}


def test_no_limit_is_no_limit(api: Any) -> None:
    options = dataclasses.replace(OPTIONS, nano_cpus=0, pids=0, mounts=(), tmpfs={})
    host = container_arguments(api, node_spec("web-1", dataclasses.replace(BUILD, options=options)))["host_config"]
    assert not {"NanoCpus", "PidsLimit", "Mounts", "Tmpfs"} & host.keys()


def test_a_container_is_locked_down_unless_it_says_otherwise(api: Any) -> None:
    plain = ContainerSpec(name="x", image="i", network="n", labels={})
    host = container_arguments(api, plain)["host_config"]
    assert host == {
        "NetworkMode": "n",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "RestartPolicy": {"Name": "unless-stopped"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10485760", "max-file": "3"}},
    }


def test_a_container_may_log_as_the_engine_does(api: Any) -> None:
    plain = ContainerSpec(name="x", image="i", network="n", labels={}, log_size=0)
    assert "LogConfig" not in container_arguments(api, plain)["host_config"]


def test_everything_that_a_spec_can_say_reaches_docker(api: Any) -> None:
    spec = ContainerSpec(
        name="x",
        image="i",
        network="container:edge",
        labels={"a": "b"},
        user="65532",
        groups=["997"],
        entrypoint=["sleep", "infinity"],
        command=[],
        binds=["/run/docker.sock:/var/run/docker.sock:ro"],
        ports={"8000/tcp": ("0.0.0.0", 8080)},
        sysctls={"net.ipv4.tcp_migrate_req": "1"},
        stop_signal="SIGKILL",
        stop_timeout=45,
    )
    arguments = container_arguments(api, spec)
    host = arguments.pop("host_config")
    assert arguments == {
        "image": "i",
        "name": "x",
        "labels": {"a": "b"},
        "user": "65532",
        "entrypoint": ["sleep", "infinity"],
        "command": [],
        "ports": [("8000", "tcp")],
        "stop_signal": "SIGKILL",
        "stop_timeout": 45,
    }
    assert host["NetworkMode"] == "container:edge"
    assert host["GroupAdd"] == ["997"]
    assert host["Binds"] == ["/run/docker.sock:/var/run/docker.sock:ro"]
    assert host["PortBindings"] == {"8000/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}
    assert host["Sysctls"] == {"net.ipv4.tcp_migrate_req": "1"}
