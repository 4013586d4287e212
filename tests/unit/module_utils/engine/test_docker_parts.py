"""What Docker tells of edge, balancers and network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.module_utils.engine.docker_socket import DockerSocket

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_parts import read_parts, stale_mounts

MOUNTINFO = """\
700 650 0:50 / / rw,relatime - overlay overlay rw
701 700 0:24 /docker.sock//deleted /run/docker.sock ro,nosuid - tmpfs tmpfs rw
702 700 254:1 /var/lib/evenkeel/shop/balancer /etc/traefik ro,relatime - ext4 /dev/vda1 rw
"""


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
    edge["NetworkSettings"] = {"Networks": {"shop": {}, "bridge": {}}}
    socket.answers["/containers/e/json"] = (200, edge)
    socket.answers["/containers/b/json"] = (200, {"State": {"Status": "paused", "Pid": 12}})
    socket.answers["/networks/shop"] = (200, {"IPAM": {"Config": [{"Gateway": "fd00::1"}, {"Gateway": "172.18.0.1"}]}})
    socket.answers["/info"] = (200, {"DockerRootDir": "/var/lib/docker"})
    yield socket
    socket.close()


def test_parts_are_read_with_what_belongs_to_them(docker: DockerSocket, tmp_path: Path) -> None:
    (tmp_path / "12").mkdir()
    (tmp_path / "12/mountinfo").write_text(MOUNTINFO)
    found = read_parts(DockerClient(docker.address), "shop", "shop", tmp_path)
    (edge,), (balancer,) = found.of("edge"), found.of("balancer")
    assert (edge.name, edge.state, edge.restarts, edge.networks) == ("shop-edge", "running", 3, ("bridge", "shop"))
    assert (balancer.slot, balancer.state, balancer.running) == ("blue", "paused", False)
    assert balancer.stale == ("/run/docker.sock",)
    assert edge.stale == ()
    assert (found.network, found.gateway, found.data_root) == (True, "172.18.0.1", "/var/lib/docker")
    assert found.unlisted & {"n1", "n2", "n3"} == {"n2", "n3"}


def test_a_network_that_is_not_there(docker: DockerSocket) -> None:
    del docker.answers["/networks/shop"]
    found = read_parts(DockerClient(docker.address), "shop", "shop")
    assert (found.network, found.gateway) == (False, "")


def test_mounts_of_what_was_removed() -> None:
    assert stale_mounts(MOUNTINFO) == ("/run/docker.sock",)
    assert stale_mounts("") == stale_mounts("garbage\n") == ()
