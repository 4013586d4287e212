"""The nodes of a cluster as Docker lists them, and the faults of drills."""

from __future__ import annotations

import dataclasses
import platform
from typing import Any

import pytest
from tests.unit.module_utils.engine.docker_socket import DockerSocket, RecordingSdk, gone
from tests.unit.module_utils.engine.test_container_spec import BUILD

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.container_options import ContainerOptions
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import BROKEN, ENDED, RUNNING, Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine import docker_nodes
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_faults import DockerDrillEngine
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import (
    Alteration,
    Evidence,
    Listener,
)

NODE_LABELS = {
    "evenkeel.cluster": "evenkeel",
    "evenkeel.role": "node",
    "evenkeel.tier": "web",
    "evenkeel.service": "web-1a",
    "evenkeel.managed": "true",
    "evenkeel.revision": "r1",
    "traefik.http.services.web-1a.loadbalancer.server.url": "http://web-1:8080",
}
GUEST_LABELS = {key: value for key, value in NODE_LABELS.items() if "managed" not in key and "url" not in key}


def record(name: str = "web-1", **differs: Any) -> dict[str, Any]:
    """A container in Docker's list."""
    return {
        "Id": f"id-{name}",
        "Names": [f"/{name}"],
        "State": "running",
        "ImageID": "sha256:aa",
        "Image": "res/web",
        "Labels": NODE_LABELS,
        "NetworkSettings": {
            "Networks": {"bridge": {"IPAddress": "172.17.0.2"}, "evenkeel": {"IPAddress": "172.18.0.2"}}
        },
        **differs,
    }


def test_a_managed_node(socket: DockerSocket, engine: DockerDrillEngine) -> None:
    socket.answers["/containers/json"] = (200, [record()])
    assert engine.nodes() == [
        Node(
            id="id-web-1",
            name="web-1",
            tier="web",
            managed=True,
            state=RUNNING,
            detail="running",
            revision="r1",
            image_id="sha256:aa",
            service="web-1a",
            address="172.18.0.2",
            addresses=("172.18.0.2", "172.17.0.2"),
            served_by="web-1",
            url="http://web-1:8080",
            made_as="web-1",
        )
    ]


def test_how_a_node_leaves_is_in_its_labels(socket: DockerSocket, engine: DockerDrillEngine) -> None:
    prefix = "traefik.http.services.web-1a.loadbalancer.healthcheck"
    held = {**GUEST_LABELS, f"{prefix}.path": "/ready", f"{prefix}.port": "9180"}
    changed = {**held, f"{prefix}.port": "none", f"{prefix}.path.more": "x"}
    socket.answers["/containers/json"] = (200, [record("c", Labels=changed), record("b", Labels=held), record("a")])
    assert [node.leaves for node in engine.nodes()] == ["own", "held", "own"]


def test_only_nodes_of_this_cluster_are_asked_for(socket: DockerSocket, engine: DockerDrillEngine) -> None:
    socket.answers["/containers/json"] = (200, [])
    engine.nodes()
    filters = socket.seen[0][1]["filters"][0]
    assert '"evenkeel.cluster=evenkeel"' in filters
    assert '"evenkeel.role=node"' in filters


def test_a_guest_is_known_by_its_host_name_and_address(socket: DockerSocket, engine: DockerDrillEngine) -> None:
    networks = {"Networks": {"bridge": {"IPAddress": "172.17.0.9"}}}
    socket.answers["/containers/json"] = (
        200,
        [record("brave_bell", Labels=GUEST_LABELS, NetworkSettings=networks)],
    )
    socket.answers["/containers/id-brave_bell/json"] = (200, {"Config": {"Hostname": "0123456789ab"}})
    (node,) = engine.nodes()
    assert (node.managed, node.served_by, node.revision) == (False, "0123456789ab", "")
    assert (node.address, node.url) == ("172.17.0.9", "http://172.17.0.9:8080")


def test_a_guest_that_vanishes_while_it_is_listed_has_no_host_name(
    socket: DockerSocket, engine: DockerDrillEngine
) -> None:
    socket.answers["/containers/json"] = (200, [record("brave_bell", Labels=GUEST_LABELS)])
    assert engine.nodes()[0].served_by == ""


@pytest.mark.parametrize(
    "docker_state, state",
    [
        ("running", RUNNING),
        ("exited", ENDED),
        ("created", BROKEN),
        ("paused", BROKEN),
        ("restarting", BROKEN),
        ("dead", BROKEN),
        ("removing", BROKEN),
    ],
)
def test_dockers_states(socket: DockerSocket, engine: DockerDrillEngine, docker_state: str, state: str) -> None:
    socket.answers["/containers/json"] = (200, [record(State=docker_state, NetworkSettings=None)])
    (node,) = engine.nodes()
    assert (node.state, node.detail, node.address) == (state, docker_state, "")


def test_folders_that_any_container_has_mounted(socket: DockerSocket, engine: DockerDrillEngine) -> None:
    def mounts(*sources: str) -> list[dict[str, str]]:
        return [{"Type": "bind", "Source": source} for source in sources]

    socket.answers["/containers/json"] = (
        200,
        [
            record("web-1", Mounts=mounts("/state/tiers/web/1a", "/srv/data")),
            record("other", State="exited", Labels={}, Mounts=mounts("/state/tiers/web/2b", "/state/tiers-old")),
            record("bare", Mounts=None),
            record("volume", Mounts=[{"Type": "volume", "Name": "data"}]),
        ],
    )
    assert engine.mounted_below("/state/tiers") == {"/state/tiers/web/1a", "/state/tiers/web/2b"}


def test_names_of_foreign_containers(socket: DockerSocket, engine: DockerDrillEngine) -> None:
    foreign = {**NODE_LABELS, "evenkeel.cluster": "other"}
    edge = {**NODE_LABELS, "evenkeel.role": "edge"}
    socket.answers["/containers/json"] = (
        200,
        [
            record("web-1"),
            record("web-2", Labels=None),
            record("web-3", Labels=foreign),
            record("web-4", Labels=edge),
            record("web-9", Labels=None),
        ],
    )
    assert engine.foreign_names(["web-1", "web-2", "web-3", "web-4"]) == dict.fromkeys(
        ["web-2", "web-3", "web-4"], "res/web"
    )


def test_a_node_is_started_as_specified(engine: DockerDrillEngine, sdk: RecordingSdk) -> None:
    engine.start("web-7", BUILD)
    (created,) = sdk.calls[0][1]
    assert (created["name"], created["image"], created["stop_timeout"]) == ("web-7", "res/web:3f2a", 30)
    assert created["host_config"]["SecurityOpt"] == ["no-new-privileges"]
    assert sdk.calls[1] == ("start", ("c" * 64,))


# -- by hand ---------------------------------------------------------------------------

BUILDS = {"web": dataclasses.replace(BUILD, revision="r1")}


def whole(**differs: Any) -> dict[str, Any]:
    """Docker's whole record of a container that is as it was made."""
    host = {
        "Memory": 2**28,
        "MemorySwap": 2**29,
        "NanoCpus": 500_000_000,
        "PidsLimit": 200,
        "RestartPolicy": {"Name": "unless-stopped"},
        **differs.pop("HostConfig", {}),
    }
    networks: dict[str, Any] = {"Networks": {"evenkeel": {}}}
    return {"HostConfig": host, "State": {"Paused": False}, "NetworkSettings": networks, **differs}


def test_a_renamed_node_is_known_by_the_name_that_the_balancer_has(
    socket: DockerSocket, engine: DockerDrillEngine
) -> None:
    socket.answers["/containers/json"] = (200, [record("webby")])
    (node,) = engine.nodes()
    assert (node.name, node.made_as, node.served_by, node.managed) == ("webby", "web-1", "web-1", True)


@pytest.mark.parametrize("created", [8, 9], ids=["a second before", "in the same second"])
def test_a_copy_is_told_apart_from_the_older_node(
    socket: DockerSocket, engine: DockerDrillEngine, created: int
) -> None:
    """Docker lists the youngest first."""
    socket.answers["/containers/json"] = (200, [record("copy", Created=9), record("webby", Created=created)])
    socket.answers["/containers/id-copy/json"] = (200, {"Config": {"Hostname": "web-1"}})
    assert [(node.name, node.managed, node.copy_of, node.served_by) for node in engine.nodes()] == [
        ("webby", True, "", "web-1"),
        ("copy", False, "web-1", "web-1"),
    ]


@pytest.mark.parametrize(
    "networks, apart",
    [
        ({"evenkeel": {}}, ""),
        ({"bridge": {}}, ""),
        ({"shop_default": {}, "bridge": {}}, ""),
        ({"shop_default": {}, "a": {}}, "a, shop_default"),
        ({}, ""),
    ],
)
def test_a_guest_where_the_balancer_is_not(
    socket: DockerSocket, engine: DockerDrillEngine, networks: dict[str, Any], apart: str
) -> None:
    found = record("stack", Labels=GUEST_LABELS, NetworkSettings={"Networks": networks})
    socket.answers["/containers/json"] = (200, [found])
    assert engine.nodes()[0].apart == apart


def test_only_current_nodes_that_have_not_ended_are_looked_at(socket: DockerSocket, engine: DockerDrillEngine) -> None:
    guest = record("guest", Labels=GUEST_LABELS)
    ended = record("web-2", State="exited")
    stale = record("web-3", Labels={**NODE_LABELS, "evenkeel.revision": "r0"})
    other = record("web-4", Labels={**NODE_LABELS, "evenkeel.tier": "other"})
    for item in (ended, stale, other):
        url = f"http://{item['Names'][0].strip('/')}:8080"
        item["Labels"] = {**item["Labels"], "traefik.http.services.web-1a.loadbalancer.server.url": url}
    socket.answers["/containers/json"] = (200, [record(), guest, ended, stale, other])
    socket.answers["/containers/id-web-1/json"] = (200, whole())
    nodes = engine.nodes()
    socket.seen.clear()
    assert engine.alterations(nodes, BUILDS) == {}
    assert [path for path, _ in socket.seen] == ["/containers/id-web-1/json"]


def test_what_was_changed_is_read_from_dockers_record(socket: DockerSocket, engine: DockerDrillEngine) -> None:
    socket.answers["/containers/json"] = (200, [record()])
    socket.answers["/containers/id-web-1/json"] = (200, whole(HostConfig={"RestartPolicy": {"Name": "no"}}))
    changed = engine.alterations(engine.nodes(), BUILDS)
    assert changed == {"id-web-1": Alteration(("restart policy no, want unless-stopped",))}


def test_a_node_is_mended_in_one_order(socket: DockerSocket, engine: DockerDrillEngine, sdk: RecordingSdk) -> None:
    """It goes on when all else is as it was, so that no request meets it before."""
    socket.answers["/containers/json"] = (200, [record("webby")])
    apart = whole(NetworkSettings={"Networks": {}}, State={"Paused": True})
    socket.answers["/containers/id-webby/json"] = (200, apart)
    socket.answers["/containers/id-webby/update"] = (200, {"Warnings": None})
    (node,) = engine.nodes()
    engine.mend(node, BUILDS["web"])
    assert sdk.calls == [
        ("rename", ("id-webby", "web-1")),
        ("connect_container_to_network", ("id-webby", "evenkeel", {"aliases": None})),
        ("unpause", ("id-webby",)),
    ]
    assert socket.posted == [
        (
            "/containers/id-webby/update",
            {
                "Memory": 2**28,
                "MemorySwap": 2**29,
                "NanoCpus": 500_000_000,
                "PidsLimit": 200,
                "RestartPolicy": {"Name": "unless-stopped"},
            },
        )
    ]


def test_a_node_that_was_not_changed_is_not_renamed(
    socket: DockerSocket, engine: DockerDrillEngine, sdk: RecordingSdk
) -> None:
    socket.answers["/containers/json"] = (200, [record()])
    socket.answers["/containers/id-web-1/json"] = (200, whole())
    socket.answers["/containers/id-web-1/update"] = (200, {})
    engine.mend(engine.nodes()[0], BUILDS["web"])
    assert sdk.calls == []


# -- faults ----------------------------------------------------------------------------


def test_a_node_is_stopped_started_and_read(socket: DockerSocket, engine: DockerDrillEngine, sdk: RecordingSdk) -> None:
    socket.answers["/containers/id-1/json"] = (200, {"State": {"ExitCode": 137}})
    assert engine.stop("id-1", 30) == 137
    engine.start_again("id-1")
    assert engine.logs("id-1") == "first | second"
    assert sdk.calls[:2] == [("stop", ("id-1", {"timeout": 30})), ("start", ("id-1",))]


def test_an_image_is_known_by_its_id_and_content(socket: DockerSocket, engine: DockerDrillEngine) -> None:
    content = {"Id": "sha256:aa", "Config": {"Labels": {"evenkeel.content": "c0ffee"}}}
    socket.answers["/images/res/web:1/json"] = (200, content)
    image = engine.image("res/web:1")
    assert image is not None
    assert (image.id, image.content) == ("sha256:aa", "c0ffee")
    assert engine.image("res/none:1") is None


def test_a_guest_is_started_as_people_do_it(engine: DockerDrillEngine, sdk: RecordingSdk) -> None:
    assert engine.run_guest("res/web", "drill-1") == "c" * 64
    host = {
        "NetworkMode": "default",
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10485760", "max-file": "3"}},
    }
    asked = {"image": "res/web", "labels": {"evenkeel.drill": "drill-1"}, "host_config": host}
    assert sdk.calls[0] == ("create_container", ({**asked, "use_config_proxy": False},))


def test_what_drills_left_is_found_by_its_label(socket: DockerSocket, engine: DockerDrillEngine) -> None:
    pool = {"evenkeel.role": "node", "evenkeel.managed": "true"}
    baseline = {"evenkeel.role": "none", "evenkeel.managed": "true"}
    guest = {"evenkeel.role": "node"}
    found = [record("a", Labels=guest), record("b", Labels=baseline), record("c", Labels=pool)]
    socket.answers["/containers/json"] = (200, found)
    assert engine.of_drills() == ["id-a", "id-b"]
    assert '"evenkeel.drill"' in socket.seen[0][1]["filters"][0]


def test_removing_a_missing_image_is_no_error(engine: DockerDrillEngine, sdk: RecordingSdk) -> None:
    sdk.failures["remove_image"] = gone()
    engine.remove_image("res/none")
    assert sdk.calls == [("remove_image", ("res/none", {"force": True}))]


def test_what_is_known_of_a_start(
    engine: DockerDrillEngine, socket: DockerSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(docker_nodes, "read_listening", lambda pid: (Listener("::", pid),))
    state = {"Status": "running", "Pid": 77, "ExitCode": 0, "OOMKilled": False}
    socket.answers["/containers/id-1/json"] = (200, {"State": state, "Config": {"User": "0:0"}})
    assert engine.evidence("id-1") == Evidence(
        ("first", "second"), listeners=(Listener("::", 77),), architecture="arm64"
    )
    state = {"Status": "restarting", "Pid": 0, "ExitCode": 137, "OOMKilled": True}
    socket.answers["/containers/id-1/json"] = (200, {"State": state, "Config": {"User": "10001"}})
    assert engine.evidence("id-1") == Evidence(
        ("first", "second"),
        ended=True,
        exit_code=137,
        out_of_memory=True,
        root=False,
        listeners=(),
        architecture="arm64",
    )
    state = {"Status": "running", "Pid": 78}
    ended = {"Status": "restarting", "Pid": 0, "ExitCode": 3}
    looks = iter([{"State": state, "RestartCount": 2}, {"State": ended, "RestartCount": 2}])
    monkeypatch.setattr(engine.client, "inspect", lambda container: next(looks))
    assert engine.evidence("id-1").exit_code == 3, "the record of one that ends again and again is that of its end"
    monkeypatch.undo()
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert engine.evidence("id-2") == Evidence(("first", "second"), architecture="arm64")


def test_a_node_that_is_off_one_of_its_networks_joins_it_again(
    engine: DockerDrillEngine, socket: DockerSocket, sdk: RecordingSdk
) -> None:
    container = ContainerOptions(networks=["backend", "other"])
    build = dataclasses.replace(BUILD, options=dataclasses.replace(BUILD.options, container=container))
    node = Node(id="id-1", name="web-1", tier="web", managed=True, state=RUNNING, made_as="web-1")
    found = {"State": {}, "Name": "/web-1", "NetworkSettings": {"Networks": {"evenkeel": {}, "other": {}}}}
    socket.answers["/containers/id-1/json"] = (200, found)
    socket.answers["/containers/id-1/update"] = (200, {"Warnings": None})
    engine.mend(node, build)
    assert [call for call in sdk.calls if call[0] == "connect_container_to_network"] == [
        ("connect_container_to_network", ("id-1", "backend", {"aliases": None}))
    ]
