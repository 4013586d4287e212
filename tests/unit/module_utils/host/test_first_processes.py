"""A preflight finds images that must be process 1, as far as they are on the machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from tests.unit.module_utils.inventory.samples import DYNAMIC, cluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import ClusterSpec
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_facts import Docker
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.first_processes import settle_leaving
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.parse import parse_cluster

THERE = Docker(socket="/run/docker.sock", images={"s6:latest": "sha256:1"})


def spec(image: str = "s6", **options: Any) -> ClusterSpec:
    tiers = {"web": {"image": image, "port": 80, "path": "/", "nodes": 1, **options}, "dynamic": DYNAMIC}
    found, problems = parse_cluster(cluster(tiers=tiers))
    assert found is not None, problems
    return found


Commands = Mapping[str, tuple[Sequence[str], Sequence[str]]]


def reads(*entrypoint: str, command: Sequence[str] = ()) -> Commands:
    return {"s6": (entrypoint, command)}


def test_a_tier_that_must_be_process_1_leaves_by_the_balancer() -> None:
    asked: list[str] = []

    def read(_docker: Docker, references: Iterable[str]) -> Commands:
        asked.extend(references)
        return reads("/init")

    settled, (line,), problems = settle_leaving(spec(), THERE, read)
    assert asked == ["s6"]  # images that are built here are not asked for
    assert [tier.leaving for tier in settled.tiers] == ["balancer", "own"]
    assert "which must be process 1" in line
    assert problems == []


def test_others_stay_as_declared() -> None:
    assert settle_leaving(spec(), THERE, lambda *_: reads("/entry")) == (spec(), [], [])
    assert settle_leaving(spec(), THERE, lambda *_: {}) == (spec(), [], [])


@pytest.mark.parametrize(
    "options, what",
    [
        ({"secret_environment": {"A": "b"}}, "cluster_tiers.web.secret_environment"),
        ({"health": "tcp"}, "cluster_tiers.web.health"),
    ],
)
def test_what_only_hold_can_do_is_refused_there(options: dict[str, Any], what: str) -> None:
    _, _, (problem,) = settle_leaving(spec(**options), THERE, lambda *_: reads("/init"))
    assert str(problem).startswith(f"{what}: got ENTRYPOINT /init, which must be process 1, want ")


def test_without_docker_nothing_is_asked() -> None:
    def read(*_: object) -> Commands:
        raise AssertionError

    assert settle_leaving(spec(), Docker(socket="", trouble="absent", images=THERE.images), read) == (spec(), [], [])


def test_what_the_tier_runs_counts_and_not_what_its_image_would() -> None:
    def leaving(commands: Commands, **options: Any) -> str:
        return settle_leaving(spec(**options), THERE, lambda *_: commands)[0].tiers[0].leaving

    assert leaving(reads(command=["/init"])) == "balancer"
    assert leaving(reads("/entry"), entrypoint="/init") == "balancer"
    assert leaving(reads("/init"), entrypoint="/serve") == "held"
