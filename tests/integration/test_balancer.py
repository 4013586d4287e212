"""The balancer is replaced while clients open a connection per request, and while others keep theirs."""

from __future__ import annotations

import json
from typing import Any

import docker
import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.config import edge_config
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.files import write_atomically

from .conftest import STATE, Watcher, play, played, until


def balancers(engine: docker.DockerClient) -> dict[str, str]:
    """Name to status of the edge and all balancers."""
    found = engine.containers.list(all=True, filters={"label": "evenkeel.cluster=evenkeel"})
    roles = {"edge", "balancer"}
    return {str(item.name): item.status for item in found if item.labels.get("evenkeel.role") in roles}


def site(**variables: Any) -> Any:
    return play("site.yml", "--tags", "balancer", "-e", json.dumps(variables))


def test_another_configuration_makes_another_balancer_and_no_client_notices(cluster: docker.DockerClient) -> None:
    before = balancers(cluster)
    edge = cluster.containers.get("evenkeel-edge").id
    try:
        with Watcher(clients=4) as kept, Watcher(clients=4, fresh=True) as fresh:
            done = site(load_balancer_environment={"GOGC": "500"})
        assert done.returncode == 0, done.stdout[-3000:]
        assert kept.failed == fresh.failed == []
        assert min(kept.sent, fresh.sent) > 200
        after = balancers(cluster)
        assert len(after) == 2
        assert after.keys() != before.keys()
        assert cluster.containers.get("evenkeel-edge").id == edge
    finally:
        played("site.yml", "--tags", "balancer")
    assert balancers(cluster) == before


def test_a_balancer_that_does_not_start_leaves_the_old_one(cluster: docker.DockerClient) -> None:
    before = balancers(cluster)
    with Watcher() as watcher:
        done = site(
            load_balancer_static_extra={"entryPoints": {"web": {"nonsense": True}}}, load_balancer_ready_seconds=5
        )
    assert done.returncode != 0
    assert "the old balancer keeps serving" in done.stdout
    assert "nonsense" in done.stdout
    assert watcher.failed == []
    assert balancers(cluster) == before
    assert "changed=0" in played("site.yml", "--tags", "balancer")


def test_a_balancer_that_died_is_replaced(cluster: docker.DockerClient) -> None:
    (name,) = (name for name in balancers(cluster) if name != "evenkeel-edge")
    cluster.containers.get(name).remove(force=True)
    assert "changed=1" in played("site.yml", "--tags", "balancer")
    with Watcher() as watcher:
        until(lambda: watcher.sent > 50, 10, "fifty requests")
    assert watcher.failed == []


def test_a_replacement_that_was_interrupted_is_finished(cluster: docker.DockerClient) -> None:
    """Killed between the two steps: two balancers run, and the old one drains."""
    (name,) = (name for name in balancers(cluster) if name != "evenkeel-edge")
    old = cluster.containers.get(name)
    slot = old.labels["evenkeel.slot"]
    edge_file = STATE / "balancer/dynamic/edge.yml"
    write_atomically(edge_file, edge_config(slot))
    try:
        with Watcher(clients=4, fresh=True) as watcher:
            done = play("site.yml", "--tags", "balancer")
            assert done.returncode == 0, done.stdout[-2000:]
        assert watcher.failed == []
        assert '"none"' in edge_file.read_text()
        assert balancers(cluster)[name] == "running"
    finally:
        played("site.yml", "--tags", "balancer")


@pytest.mark.parametrize(
    "variables, message",
    [
        ({"load_balancer_memory": "much"}, "load_balancer_memory: got 'much', want a size of at least 6m"),
        ({"load_balancer_drain_seconds": -1}, "drain_seconds: got -1, want a number from 0 to 600"),
        (
            {"load_balancer_static_extra": {"entryPoints": {"other": {"address": ":8001"}}}},
            "static.entryPoints.other: got no reusePort",
        ),
    ],
)
def test_nonsense_is_refused_in_one_line_and_changes_nothing(
    cluster: docker.DockerClient, variables: dict[str, Any], message: str
) -> None:
    before = balancers(cluster)
    done = site(**variables)
    assert done.returncode != 0
    assert message in done.stdout
    assert balancers(cluster) == before
