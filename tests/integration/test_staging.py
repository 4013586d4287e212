"""A staging cluster beside production on one host: names and images do not meet, and production loses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import docker
import pytest
import requests
import yaml

from .conftest import ROOT, Watcher, nodes, played

#: One that Docker makes for the nodes, the same with a container of others, and one that others made.
OWN, SHARED, FOREIGN = VOLUMES = ("staging-own", "staging-shared", "staging-foreign")
_TIERS = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text(encoding="utf-8"))["cluster_tiers"]
_TIERS["dynamic"]["mounts"] = [{"source": name, "target": f"/{name}", "read_only": False} for name in VOLUMES]
STAGING = (
    *("-e", json.dumps({"cluster_tiers": _TIERS})),
    *("-e", "cluster_name=staging"),
    *("-e", "cluster_web_port=8180"),
    *("-e", "cluster_dashboard_port=9100"),
    *("-e", "cluster_console_port=9180"),
    *("-e", "static_nodes=1"),
    *("-e", "dynamic_nodes=2"),
)


@pytest.fixture
def staging(cluster: docker.DockerClient) -> Iterator[docker.DockerClient]:
    cluster.volumes.create(FOREIGN)
    yield cluster
    # Nothing is left unless the test has failed.
    if left(cluster):
        played("playbooks/teardown.yml", *STAGING, "-e", "teardown_volumes=true")
    for name in volumes(cluster):
        cluster.volumes.get(name).remove()


def left(engine: docker.DockerClient) -> list[str]:
    """What Docker has of the staging cluster, beside volumes."""
    containers = engine.containers.list(all=True, filters={"label": "evenkeel.cluster=staging"})
    images = engine.images.list(filters={"label": "evenkeel.cluster=staging"})
    return [str(each.id) for each in (*containers, *images)]


def volumes(engine: docker.DockerClient) -> set[str]:
    """Which of the tier's volumes are there."""
    return {volume.name for volume in engine.volumes.list()} & set(VOLUMES)


def images(engine: docker.DockerClient) -> dict[str, str]:
    """Reference -> id of all images that production runs from."""
    found = engine.images.list(filters={"label": "evenkeel.cluster=evenkeel"})
    return {tag: str(image.id) for image in found for tag in image.tags}


def test_a_staging_cluster_runs_beside_production(staging: docker.DockerClient) -> None:
    before = {tier: {name: node.id for name, node in nodes(staging, tier).items()} for tier in ("static", "dynamic")}
    built = images(staging)
    with Watcher() as watcher:
        played("site.yml", "--skip-tags", "verify", *STAGING)
        found = staging.containers.list(filters={"label": ["evenkeel.cluster=staging", "evenkeel.role=node"]})
        assert {node.name for node in found} == {"staging-static-1", "staging-dynamic-1", "staging-dynamic-2"}
        answers = [requests.get("http://localhost:8180/api/dates/", timeout=5) for _ in range(4)]
        assert {answer.headers["X-Served-By"] for answer in answers} == {"staging-dynamic-1", "staging-dynamic-2"}
        assert images(staging) == built
        assert "changed=0" in played("playbooks/scale.yml", *STAGING)
        assert "changed=0" in played("playbooks/scale.yml")
        played("playbooks/teardown.yml", *STAGING)
        assert volumes(staging) == set(VOLUMES)
        assert_only_own_volumes_go(staging)
    assert watcher.failed == []
    after = {tier: {name: node.id for name, node in nodes(staging, tier).items()} for tier in ("static", "dynamic")}
    assert after == before
    assert images(staging) == built
    assert left(staging) == []


def assert_only_own_volumes_go(engine: docker.DockerClient) -> None:
    """Those that Docker made for the cluster's nodes, unless others use them; check mode foretells it."""
    mounts = [docker.types.Mount("/data", SHARED, type="volume")]
    other = engine.containers.create("evenkeel/base:trixie", "true", mounts=mounts, name="staging-other")
    try:
        told = [
            played("playbooks/teardown.yml", *STAGING, "-e", "teardown_volumes=true", *check)
            for check in (["--check"], [])
        ]
        for text in told:
            assert f"volume {SHARED}: got it in use by staging-other, want nodes of this cluster alone" in text
            assert f"volume {FOREIGN}: got one that this cluster did not make, want " in text
            assert f"(item={OWN})" in text
        assert volumes(engine) == {SHARED, FOREIGN}
    finally:
        other.remove()
