"""Nodes that crash or hang, and a URL that is broken: what becomes of everybody else's requests."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import docker
import pytest
import requests
from docker.models.containers import Container

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


def test_a_broken_url_moves_no_session(cluster: docker.DockerClient) -> None:
    """Also where hardly anybody else gets an answer in between: half of its requests meet the same node."""
    sessions = [requests.Session() for _ in range(9)]
    homes = [session.get(WEB, timeout=5).headers["X-Served-By"] for session in sessions]
    assert len(set(homes)) == 3
    over = threading.Event()
    answers: list[int] = []

    def ask() -> None:
        with requests.Session() as sticky:
            while not over.wait(0.05):
                answers.extend(get(f"{WEB}/broken.php", timeout=5).status_code for get in (sticky.get, requests.get))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        seen = []
        for _ in range(10):
            time.sleep(0.4)
            seen.append([session.get(WEB, timeout=5).headers["X-Served-By"] for session in sessions])
    finally:
        over.set()
        asking.join()
    assert len(answers) > 60
    assert set(answers) == {500}
    assert seen == [homes] * 10


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may tell the kernel whom to take first")
def test_a_node_that_runs_out_of_memory_costs_no_get_and_comes_back(cluster: docker.DockerClient) -> None:
    """The kernel is told to take the node itself, as it does when that is what has grown."""
    (victim, *_) = nodes(cluster, "dynamic").values()
    main = Path(f"/proc/{victim.attrs['State']['Pid']}/oom_score_adj")
    main.write_text("1000")
    hog = "const all = []; for (;;) all.push(Buffer.alloc(1 << 24, 1))"
    with Watcher() as watcher:
        victim.exec_run(["node", "-e", hog])
        until(lambda: was_killed(victim), 20, "the kernel takes it")
        until(lambda: victim.name in served_by("dynamic", 6), 15, "it is back by its restart policy")
    assert watcher.sent > 50
    assert watcher.failed == []


def was_killed(container: Container) -> bool:
    container.reload()
    return int(container.attrs["RestartCount"]) > 0
