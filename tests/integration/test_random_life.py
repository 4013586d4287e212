"""The short form of the random life: some operations on the real engine, against the model of what must be there."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import docker
import pytest
from tests.bench import random_life
from tests.bench.life import model

from .conftest import Declared

OPERATIONS = 6


@pytest.fixture
def default_cluster(engine: docker.DockerClient, declared: Declared) -> Iterator[None]:
    """The default cluster, before and after."""
    declared.restore("playbooks/scale.yml")
    yield
    random_life.end()
    declared.restore("site.yml", "--tags", "balancer,nodes")


@pytest.mark.usefixtures("default_cluster")
@pytest.mark.skipif(os.geteuid() != 0, reason="the life kills processes")
def test_a_random_life_is_as_the_model_says() -> None:
    """A failing life is shrunk by hand: python -m tests.bench.random_life --operations 6 --seed N."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    operations = model.draw(OPERATIONS, seed, without=[model.RESTART_ENGINE])
    assert random_life.play(operations, 100.0, seed) is None, f"seed {seed}"
