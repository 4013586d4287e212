"""The images stand on what the registry has."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

REGISTRY = "localhost:5000/library"


def layers(host: Host, image: str) -> list[str]:
    """The layers of an image, the lowest first."""
    found: list[str] = json.loads(
        host.check_output("docker image inspect --format='{{json .RootFS.Layers}}' %s", image)
    )
    return found


@pytest.mark.parametrize(
    "image, base",
    [
        ("res/apache_php", "debian:trixie-slim"),
        ("res/express", "debian:trixie-slim"),
        ("res/traefik", "traefik:v3.7.15"),
    ],
)
def test_the_image_stands_on_the_pulled_base(host: Host, image: str, base: str) -> None:
    pulled = layers(host, f"{REGISTRY}/{base}")
    assert layers(host, f"{image}:latest")[: len(pulled)] == pulled


@pytest.mark.parametrize("name, tag", [("debian", "trixie-slim"), ("traefik", "v3.7.15")])
def test_docker_has_fetched_the_base_from_the_registry(host: Host, name: str, tag: str) -> None:
    digests = host.check_output("docker image inspect --format='{{json .RepoDigests}}' %s", f"{REGISTRY}/{name}:{tag}")
    assert f"{REGISTRY}/{name}@sha256:" in digests
    log = host.check_output("journalctl --unit=docker-registry --no-pager --output=cat")
    assert f"GET /v2/library/{name}/manifests/" in log
