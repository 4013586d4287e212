"""What a user changed past Evenkeel on this machine's own engine is told, and one run mends it without loss."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Iterator

import docker
import docker.errors
import pytest
import requests

from .by_hand import DockerHand
from .conftest import IMAGES, PATHS, WEB, Declared, Watcher, guest, nodes, played, served_by, servers, until

NETWORK = "evenkeel"
STATIC = {"image": IMAGES["static"], "context": "files/static", "port": 8080, "path": "/", "nodes": 3, "sticky": True}
DYNAMIC = {
    "image": IMAGES["dynamic"],
    "context": "files/dynamic",
    "port": 3000,
    "path": "/api/dates/",
    "strip_path": True,
    "nodes": 3,
}


@pytest.fixture
def hand() -> DockerHand:
    return DockerHand(NETWORK)


def identities(engine: docker.DockerClient) -> set[tuple[str, str]]:
    """Names and identifiers of all nodes that run."""
    return {(name, str(found.id)) for tier in IMAGES for name, found in nodes(engine, tier).items()}


def test_what_was_changed_by_hand_is_set_back_without_loss(cluster: docker.DockerClient, hand: DockerHand) -> None:
    before = identities(cluster)
    renamed, limited, _ = sorted(nodes(cluster, "static").items())
    frozen, apart, _ = sorted(nodes(cluster, "dynamic").items())
    with Watcher() as watcher:
        hand.rename(str(renamed[1].id), "webby")
        hand.limit(str(limited[1].id))
        time.sleep(1)
    assert watcher.failed == []
    # Both lose the requests that they are answering, whatever is done afterwards.
    frozen[1].pause()
    hand.leave_network(str(apart[1].id))
    down = {f"http://{name}:3000" for name, _ in (frozen, apart)}
    until(lambda: down <= {url for url, state in states("dynamic").items() if state == "DOWN"}, 10, "both are down")
    with Watcher() as watcher:
        told = played("playbooks/status.yml")
        for line in (
            f"static: would mend webby (is {renamed[0]}, renamed by hand)",
            f"static: would mend {limited[0]} (restart policy no, want unless-stopped, memory 60 MiB, want 256 MiB)",
            f"dynamic: would mend {frozen[0]} (is paused)",
            f"dynamic: would mend {apart[0]} (is off the network {NETWORK})",
        ):
            assert line in told
        assert "changed=1" in played("playbooks/scale.yml")
    assert watcher.sent > 200
    assert watcher.failed == []
    assert identities(cluster) == before, "no process was started or stopped"
    assert set(served_by("dynamic", 12)) == set(nodes(cluster, "dynamic"))
    limits = cluster.containers.get(limited[0]).attrs["HostConfig"]
    assert limits["RestartPolicy"]["Name"] == "unless-stopped"
    assert limits["Memory"] == 256 * 2**20
    assert "changed=0" in played("playbooks/scale.yml")


def states(tier: str) -> dict[str, str]:
    """The balancer's state of each server of a tier."""
    (found,) = servers(tier).values()
    return found


def test_a_copy_of_a_node_leaves_and_costs_no_node_its_place(cluster: docker.DockerClient, hand: DockerHand) -> None:
    before = identities(cluster)
    name, node = sorted(nodes(cluster, "static").items())[0]
    with Watcher() as watcher:
        copy = hand.copy(str(node.id), "static-copy")
        try:
            assert f"would drain static-copy (a copy of {name}, made by hand)" in played("playbooks/status.yml")
            played("playbooks/scale.yml")
        finally:
            with contextlib.suppress(docker.errors.NotFound):
                cluster.containers.get(copy).remove(force=True)
                pytest.fail("the copy was still there")
    assert watcher.sent > 200
    assert watcher.failed == []
    assert identities(cluster) == before
    assert "changed=0" in played("playbooks/scale.yml")


def test_a_guest_on_a_network_of_its_own_is_told_with_what_to_do(cluster: docker.DockerClient) -> None:
    network = cluster.networks.create("stack_default")
    try:
        with guest(cluster, IMAGES["static"], name="stack_web_1", network="stack_default"):
            told = played("playbooks/status.yml")
        assert "guest stack_web_1: got network stack_default alone, want also evenkeel (fix: docker network" in told
    finally:
        network.remove()


@pytest.fixture
def as_declared(declared: Declared) -> Iterator[None]:
    """Brings the default tiers back after a test that declared others."""
    yield
    declared.restore("site.yml", "--tags", "images,nodes")


def test_a_renamed_tier_takes_its_path_over_without_loss(cluster: docker.DockerClient, as_declared: None) -> None:
    tiers = json.dumps({"cluster_tiers": {"web": STATIC, "dynamic": DYNAMIC}})
    arguments = ("site.yml", "--tags", "images,nodes", "-e", tiers)
    with Watcher() as watcher:
        played(*arguments)
        assert requests.get(WEB + PATHS["static"], timeout=5).headers["X-Served-By"].startswith("web-")
        assert nodes(cluster, "static") == {}
        assert "changed=0" in played("playbooks/scale.yml", "-e", tiers)
        played("site.yml", "--tags", "images,nodes")
        assert requests.get(WEB + PATHS["static"], timeout=5).headers["X-Served-By"].startswith("static-")
    assert watcher.sent > 500
    assert watcher.failed == []


class Asking:
    """One client per path, until it is stopped: what answered each request, as status and tier, in order."""

    def __init__(self, *paths: str) -> None:
        self.answers: dict[str, list[tuple[str, str]]] = {path: [] for path in paths}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(path,)) for path in paths]

    def _ask(self, path: str) -> None:
        with requests.Session() as session:
            while not self._over.wait(0.01):
                try:
                    answer = session.get(WEB + path, timeout=10)
                    found = (str(answer.status_code), answer.headers.get("X-Served-By", "").rpartition("-")[0])
                except requests.RequestException as error:
                    found = (repr(error), "")
                self.answers[path].append(found)

    def turns(self, path: str) -> list[tuple[str, str]]:
        """What answered, each once as long as it did not change."""
        return [found for found, _ in itertools.groupby(self.answers[path])]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_changed_hosts_and_exchanged_paths_lose_nothing(cluster: docker.DockerClient, as_declared: None) -> None:
    def declare(**variables: object) -> None:
        played("site.yml", "--tags", "images,nodes", "-e", json.dumps(variables))

    exchanged = {
        "static": {**STATIC, "path": PATHS["dynamic"], "strip_path": True},
        "dynamic": {**DYNAMIC, "path": PATHS["static"], "strip_path": False},
    }
    with Watcher() as watcher:
        declare(cluster_hosts=["localhost", "moved.example"])
        assert requests.get(WEB, headers={"Host": "moved.example"}, timeout=5).status_code == 200
        assert requests.get(WEB.replace("localhost", "127.0.0.1"), timeout=5).status_code == 404
        declare()
        assert requests.get(WEB.replace("localhost", "127.0.0.1"), timeout=5).status_code == 200
    assert watcher.sent > 500
    assert watcher.failed == []
    with Asking(*PATHS.values()) as asking:
        declare(cluster_tiers=exchanged)
        declare()
    static, dynamic = ("200", "static"), ("200", "dynamic")
    assert asking.turns(PATHS["static"]) == [static, dynamic, static]
    assert asking.turns(PATHS["dynamic"]) == [dynamic, static, dynamic]
    moved = {"static": STATIC, "dynamic": {**DYNAMIC, "path": "/dates/"}}
    with Asking(*PATHS.values(), "/dates/") as asking:
        declare(cluster_tiers=moved)
        declare()
    # A path that no tier has is the static tier's, which has no such page; nothing else is answered at any time.
    nobody = ("404", "static")
    assert asking.turns(PATHS["static"]) == [static]
    assert asking.turns(PATHS["dynamic"]) == [dynamic, nobody, dynamic]
    assert asking.turns("/dates/") == [nobody, dynamic, nobody]
