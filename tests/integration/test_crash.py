"""Nodes that crash or hang, and a URL that is broken: what becomes of everybody else's requests."""

from __future__ import annotations

import threading
import time

import docker
import pytest
import requests

from .conftest import PATHS, WEB, Watcher, nodes, served_by, server_states, until


@pytest.mark.parametrize("tier", ["static", "dynamic"])
def test_a_killed_node_costs_no_get(cluster: docker.DockerClient, tier: str) -> None:
    """Among the clients of the sticky tier are some whose node it was: they move within the same request."""
    with Watcher(tiers=(tier,), clients=8) as watcher:
        for container in nodes(cluster, tier).values():
            container.kill()
            time.sleep(1)
            container.start()
            until(lambda: len(set(served_by(tier, 12))) == 3, 10, f"{container.name} is back")
    assert watcher.sent > 300
    assert watcher.failed == []


def test_a_node_that_hangs_leaves_the_rotation_and_comes_back(cluster: docker.DockerClient) -> None:
    frozen = next(iter(nodes(cluster, "dynamic").values()))
    frozen.pause()
    try:
        until(lambda: "DOWN" in server_states("dynamic"), 2, "the balancer notices")
        assert frozen.name not in served_by("dynamic", 9)
    finally:
        frozen.unpause()
    until(lambda: frozen.name in served_by("dynamic", 6), 5, "it is back")


def test_a_broken_url_takes_no_node_from_the_others(cluster: docker.DockerClient) -> None:
    """The nodes that answer 500 there are well, however many of its requests come in a row."""
    answers: list[int] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.02):
            answers.append(requests.get(f"{WEB}{PATHS['dynamic']}broken", timeout=5).status_code)

    asking = [threading.Thread(target=ask) for _ in range(4)]
    with Watcher() as watcher:
        for thread in asking:
            thread.start()
        time.sleep(5)
        over.set()
        for thread in asking:
            thread.join()
    assert len(answers) > 100
    assert set(answers) == {500}
    assert watcher.sent > 300
    assert watcher.failed == []
