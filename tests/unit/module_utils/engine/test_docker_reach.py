"""Where a node is reached, and how many connections the balancer has to it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.unit.module_utils.engine.docker_socket import DockerSocket
from tests.unit.module_utils.engine.test_docker_nodes import GUEST_LABELS, record

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine import docker_nodes
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_faults import DockerDrillEngine


def test_connections_are_counted_where_each_node_listens(
    socket: DockerSocket, engine: DockerDrillEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tier may be declared with another port by now."""
    asked: list[Any] = []

    def count(table: str, remote: set[tuple[str, int]]) -> int:
        asked.append((table, remote))
        return 3

    monkeypatch.setattr(docker_nodes, "open_tables", lambda client, container: container)
    monkeypatch.setattr(docker_nodes, "count_open", count)
    socket.answers["/containers/json"] = (200, [record()])
    (node,) = engine.nodes()
    old = dataclasses.replace(node, id="old", url="http://web-2:7070", addresses=("172.18.0.9", "fd00::9"))
    assert engine.connections([node, old, dataclasses.replace(node, id="off", addresses=())]) == 3
    first = {("172.18.0.2", 8080), ("172.17.0.2", 8080)}
    assert asked == [("id-web-1", {*first, ("172.18.0.9", 7070), ("fd00::9", 7070)})]


@pytest.mark.parametrize(
    "networks, address, addresses",
    [
        ({"bridge": {"IPAddress": "172.17.0.4"}}, "172.17.0.4", ("172.17.0.4",)),
        (
            {"backend": {"IPAddress": "172.20.0.4"}, "bridge": {"IPAddress": "172.17.0.4"}},
            "172.17.0.4",
            ("172.17.0.4", "172.20.0.4"),
        ),
        (
            {"evenkeel": {"IPAddress": "172.18.0.4", "GlobalIPv6Address": "fd00::4"}},
            "172.18.0.4",
            ("172.18.0.4", "fd00::4"),
        ),
        ({"backend": {"IPAddress": "172.20.0.4"}}, "172.20.0.4", ("172.20.0.4",)),
        ({"host": {"IPAddress": ""}}, "", ()),
    ],
    ids=["bridge", "bridge and another", "of both kinds", "another", "the host's"],
)
def test_a_guest_is_found_where_the_balancer_reaches_it(
    socket: DockerSocket,
    engine: DockerDrillEngine,
    networks: dict[str, Any],
    address: str,
    addresses: tuple[str, ...],
) -> None:
    guest = record("brave_bell", Labels=GUEST_LABELS, NetworkSettings={"Networks": networks})
    socket.answers["/containers/json"] = (200, [guest])
    (node,) = engine.nodes()
    assert (node.address, node.addresses) == (address, addresses)


@pytest.mark.parametrize(
    "networks, beyond",
    [
        ({"bridge": {"IPAddress": "172.17.0.4"}}, True),
        ({"bridge": {"IPAddress": "172.17.0.4"}, "evenkeel": {"IPAddress": "172.18.0.4"}}, False),
        ({"evenkeel": {"IPAddress": "172.18.0.4"}}, False),
        ({}, False),
    ],
    ids=["bridge", "both", "the cluster's", "none"],
)
def test_a_process_in_the_cluster_s_network_does_not_reach_the_bridge(
    socket: DockerSocket, engine: DockerDrillEngine, networks: dict[str, Any], beyond: bool
) -> None:
    found = record(Labels=GUEST_LABELS, NetworkSettings={"Networks": networks})
    socket.answers["/containers/json"] = (200, [found])
    socket.answers["/containers/id-web-1/json"] = (200, {"Config": {"Hostname": "abc"}})
    assert [node.beyond for node in engine.nodes()] == [False], "the host reaches all"
    inside = docker_nodes.DockerEngine("evenkeel", "evenkeel", {}, engine.client, inside=True)
    assert [node.beyond for node in inside.nodes()] == [beyond]
