"""The images stand on what the registry has."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

REGISTRY = "localhost:5000"


def layers(host: Host, image: str) -> list[str]:
    """The layers of an image, the lowest first."""
    found: list[str] = json.loads(
        host.check_output("docker image inspect --format='{{json .RootFS.Layers}}' %s", image)
    )
    return found


@pytest.mark.parametrize(
    "image, base", [("res/express", "library/debian:trixie-slim"), ("res/traefik", "library/traefik:v3.7.15")]
)
def test_the_image_stands_on_the_pulled_base(host: Host, image: str, base: str) -> None:
    pulled = layers(host, f"{REGISTRY}/{base}")
    assert layers(host, f"{image}:latest")[: len(pulled)] == pulled


@pytest.mark.parametrize("node", ["static-1", "static-2", "static-3"])
def test_the_node_runs_the_pulled_image(host: Host, node: str) -> None:
    image = host.check_output("docker inspect --format='{{.Config.Image}}' %s", node)
    assert image == f"{REGISTRY}/res/apache_php:1.0"


@pytest.mark.parametrize("image", ["library/debian:trixie-slim", "library/traefik:v3.7.15", "res/apache_php:1.0"])
def test_docker_has_fetched_the_image_from_the_registry(host: Host, image: str) -> None:
    name = image.partition(":")[0]
    digests = host.check_output("docker image inspect --format='{{json .RepoDigests}}' %s", f"{REGISTRY}/{image}")
    assert f"{REGISTRY}/{name}@sha256:" in digests
    # Prepared by pushes alone: whoever got a manifest has pulled.
    log = host.check_output("journalctl --unit=docker-registry --no-pager --output=cat")
    assert f"GET /v2/{name}/manifests/" in log
