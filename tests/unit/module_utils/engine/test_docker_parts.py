"""What Docker tells of edge, balancers and network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.module_utils.engine.docker_socket import DockerSocket

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_parts import read_parts


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[DockerSocket]:
    socket = DockerSocket(tmp_path / "docker.sock")
    labels = {"evenkeel.cluster": "shop"}
    node = {"evenkeel.role": "node", **labels}
    in_network: dict[str, Any] = {"NetworkSettings": {"Networks": {"shop": {}}}}
    socket.answers["/containers/json"] = (
        200,
        [
            {"Id": "e", "Names": ["/shop-edge"], "Labels": {"evenkeel.role": "edge", **labels}},
            {
                "Id": "b",
                "Names": ["/shop-balancer-blue"],
                "Labels": {"evenkeel.role": "balancer", "evenkeel.slot": "blue", **labels},
            },
            {"Id": "gone", "Names": ["/shop-portainer"], "Labels": {"evenkeel.role": "portainer", **labels}},
            {"Id": "n1", "Names": ["/n1"], "Labels": node, "Status": "Up 2 seconds", **in_network},
            {"Id": "n2", "Names": ["/n2"], "Labels": node, "Status": "Up 2 seconds (unhealthy)", **in_network},
            {"Id": "n3", "Names": ["/n3"], "Labels": node, "Status": "Up 2 seconds"},
        ],
    )
    edge: dict[str, Any] = {"State": {"Status": "running", "Pid": 11}, "RestartCount": 3}
    socket.answers["/containers/e/json"] = (200, edge)
    socket.answers["/containers/b/json"] = (200, {"State": {"Status": "paused", "Pid": 12}})
    socket.answers["/networks/shop"] = (200, {"IPAM": {"Config": [{"Gateway": "fd00::1"}, {"Gateway": "172.18.0.1"}]}})
    socket.answers["/info"] = (200, {"DockerRootDir": "/var/lib/docker"})
    yield socket
    socket.close()


def test_parts_are_read_with_what_belongs_to_them(docker: DockerSocket) -> None:
    found = read_parts(DockerClient(docker.address), "shop", "shop")
    (edge,), (balancer,) = found.of("edge"), found.of("balancer")
    assert (edge.name, edge.state, edge.restarts) == ("shop-edge", "running", 3)
    assert (balancer.slot, balancer.state, balancer.running) == ("blue", "paused", False)
    assert (found.network, found.gateway, found.data_root) == (True, "172.18.0.1", "/var/lib/docker")
    assert found.unlisted & {"n1", "n2", "n3"} == {"n2", "n3"}


def test_a_network_that_is_not_there(docker: DockerSocket) -> None:
    del docker.answers["/networks/shop"]
    found = read_parts(DockerClient(docker.address), "shop", "shop")
    assert (found.network, found.gateway) == (False, "")
