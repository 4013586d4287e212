"""What is asked of Docker once, and when it is asked again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evenkeel_agent.engine import IMAGE_SECONDS, CachingClient

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import Image


class Docker:
    """Its answers, and how often it was asked; ``meanwhile`` happens while it answers."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.at = 0.0
        self.asked = 0
        self.answer: Any = None
        self.meanwhile: Callable[[], None] = lambda: None
        self.client = CachingClient(Path("/nowhere"), lambda: self.at)
        patch.setattr(DockerClient, "image", self._answered)
        patch.setattr(DockerClient, "inspect", self._answered)

    def _answered(self, _what: str) -> Any:
        self.asked += 1
        found = self.answer
        self.meanwhile()
        return found


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Docker:
    return Docker(monkeypatch)


def image(identifier: str) -> Image:
    return Image(identifier, {}, "")


def test_an_image_is_asked_for_again_after_a_while(docker: Docker) -> None:
    docker.answer = image("old")
    assert [docker.client.image("web") for _ in range(3)] == [image("old")] * 3
    assert docker.asked == 1
    docker.answer = image("new")
    docker.at = IMAGE_SECONDS
    assert docker.client.image("web") == image("new"), "its tag has moved"
    docker.answer = None
    docker.at += IMAGE_SECONDS
    assert docker.client.image("web") is None


def test_an_image_that_is_missing_is_asked_for_every_time(docker: Docker) -> None:
    assert docker.client.image("web") is None
    docker.answer = image("new")
    assert docker.client.image("web") == image("new")


def test_other_images_after_another_declaration(docker: Docker) -> None:
    docker.answer = image("old")
    docker.client.image("web")
    docker.answer = image("new")
    docker.client.forget_images()
    assert docker.client.image("web") == image("new")


@pytest.mark.parametrize("forgotten", ["a", ""])
def test_an_answer_from_before_an_event_is_not_kept(docker: Docker, forgotten: str) -> None:
    docker.answer = {"State": "running"}
    docker.meanwhile = lambda: docker.client.forget(forgotten)
    assert docker.client.inspect("a") == {"State": "running"}
    docker.answer = {"State": "exited"}
    docker.meanwhile = lambda: None
    assert docker.client.inspect("a") == {"State": "exited"}
    assert docker.client.inspect("a") == {"State": "exited"}
    assert docker.asked == 2


def test_an_image_from_before_an_event_is_not_kept(docker: Docker) -> None:
    docker.answer = image("old")
    docker.meanwhile = docker.client.forget
    docker.client.image("web")
    docker.answer = image("new")
    assert docker.client.image("web") == image("new")
