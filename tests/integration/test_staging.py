"""A staging cluster beside production on one host: names and images do not meet, and production loses nothing."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest
import requests

from .conftest import Watcher, nodes, played

STAGING = (
    *("-e", "cluster_name=staging"),
    *("-e", "cluster_web_port=8180"),
    *("-e", "cluster_dashboard_port=9100"),
    *("-e", "static_nodes=1"),
    *("-e", "dynamic_nodes=2"),
)


@pytest.fixture
def staging(cluster: docker.DockerClient) -> Iterator[docker.DockerClient]:
    yield cluster
    played("playbooks/teardown.yml", *STAGING)


def images(engine: docker.DockerClient) -> dict[str, str]:
    """Reference -> id of all images that production runs from."""
    found = engine.images.list(filters={"label": "evenkeel.cluster=evenkeel"})
    return {tag: str(image.id) for image in found for tag in image.tags}


def test_a_staging_cluster_runs_beside_production(staging: docker.DockerClient) -> None:
    before = {tier: {name: node.id for name, node in nodes(staging, tier).items()} for tier in ("static", "dynamic")}
    built = images(staging)
    with Watcher() as watcher:
        played("site.yml", *STAGING)
        found = staging.containers.list(filters={"label": ["evenkeel.cluster=staging", "evenkeel.role=node"]})
        assert {node.name for node in found} == {"staging-static-1", "staging-dynamic-1", "staging-dynamic-2"}
        answers = [requests.get("http://localhost:8180/api/dates/", timeout=5) for _ in range(4)]
        assert {answer.headers["X-Served-By"] for answer in answers} == {"staging-dynamic-1", "staging-dynamic-2"}
        assert images(staging) == built
        assert "changed=0" in played("playbooks/scale.yml", *STAGING)
        assert "changed=0" in played("playbooks/scale.yml")
        played("playbooks/teardown.yml", *STAGING)
    assert watcher.failed == []
    after = {tier: {name: node.id for name, node in nodes(staging, tier).items()} for tier in ("static", "dynamic")}
    assert after == before
    assert images(staging) == built
    assert staging.containers.list(all=True, filters={"label": "evenkeel.cluster=staging"}) == []
