"""The short form of killed runs and of runs at once: one run mends what they leave, and nothing is lost."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import docker
import pytest
from tests.bench import runs
from tests.bench.faults.host import Host

from .conftest import Declared

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a run as another user would ask for a password")
SEED = random.SystemRandom().randrange(10**6)


@pytest.fixture(scope="module")
def host(engine: docker.DockerClient, declared: Declared) -> Iterator[Host]:
    """The default cluster."""
    declared.restore("site.yml", "--tags", "balancer,nodes")
    host = Host()
    host.learn()
    yield host
    declared.restore("site.yml", "--tags", "balancer,nodes")


@pytest.mark.parametrize("number", range(2))
def test_one_run_mends_what_a_killed_one_left(host: Host, number: int) -> None:
    seed = SEED + number
    kill = runs.one_kill(host, random.Random(seed), quick=True)
    assert kill["problems"] == [], f"seed {seed}: {kill}"


def test_runs_at_once_end_well_or_name_the_holder(host: Host) -> None:
    ended = runs.at_once(host, runs.AT_ONCE_SHORT, quick=True)
    assert [run for run in ended if not run["good"]] == []
