"""Memory and disks: what a run needs of them, as tables over made-up machines."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.unit.module_utils.host.machines import (
    ABSENT,
    DOCKER,
    GIB,
    MIB,
    NODE,
    NODE_OF_OTHERS,
    PARAMS,
    ROOT,
    container,
    spec_of,
)

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import Problem
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_facts import Container, Docker
from ansible_collections.evenkeel.cluster.plugins.module_utils.host import capacity
from ansible_collections.evenkeel.cluster.plugins.module_utils.host import preflight as whole
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.checks import MachineFacts
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.facts import Disk


def lines(problems: list[Problem]) -> list[str]:
    return [str(problem) for problem in problems]


def nodes(tier: str, count: int, **changes: Any) -> tuple[Container, ...]:
    own = {**NODE, "evenkeel.tier": tier}
    return tuple(container(f"shop-{tier}-{number + 1}", **{"labels": own, **changes}) for number in range(count))


def running(static: int, app: int) -> Docker:
    """An engine with so many nodes of the declared tiers, and others that do not count."""
    others = (*nodes("static", 1, state="exited"), container("x", labels={**NODE_OF_OTHERS, "evenkeel.tier": "static"}))
    return dataclasses.replace(DOCKER, containers=(*nodes("static", static), *nodes("app", app), *others))


@pytest.mark.parametrize(
    "available, docker, memory, problem",
    [
        (8 * GIB, running(0, 0), "256m", ""),
        (5 * 40 * MIB, running(0, 0), "256m", ""),
        (200 * MIB - 1, running(0, 0), "256m", "200 MiB for 5 more nodes of about 40 MiB"),
        (100 * MIB, running(1, 2), "256m", ""),
        (100 * MIB, running(1, 0), "256m", "160 MiB for 4 more nodes of about 40 MiB"),
        # What one tier has too many does not pay for another.
        (100 * MIB, running(0, 9), "256m", "120 MiB for 3 more nodes of about 40 MiB"),
        (0, running(0, 0), "256m", ""),  # a kernel that does not tell
        (100 * MIB, running(0, 2), "20m", ""),  # they are allowed less than others take
        (50 * MIB, running(0, 2), "20m", "60 MiB for 3 more nodes of about 20 MiB"),
        (1, dataclasses.replace(running(0, 0), trouble="permission"), "256m", ""),
        (1, ABSENT, "256m", "200 MiB for 5 more nodes of about 40 MiB"),
    ],
)
def test_memory(available: int, docker: Docker, memory: str, problem: str) -> None:
    machine = dataclasses.replace(ROOT, memory_available=available)
    tiers = {**PARAMS["tiers"], "static": {**PARAMS["tiers"]["static"], "memory": memory}}
    got = f"memory: got {capacity.size(available)} available, want {problem} each (fix: lower the counts of the tiers)"
    assert lines(capacity.check_memory(spec_of(tiers=tiers), machine, docker)) == ([got] if problem else [])


@pytest.mark.parametrize(
    "memory, count, total, line",
    [
        ("256m", 1000, GIB, False),  # the default says nothing about what nodes need
        ("1g", 10, 4 * GIB, True),
        ("1g", 10, 10 * GIB, True),  # the other tier needs some, too
        ("1g", 10, 10 * GIB + 80 * MIB, False),
        ("1g", 0, MIB, False),
        ("1g", 10, 0, False),  # a kernel that does not tell
    ],
)
def test_limits_above_what_the_machine_has(memory: str, count: int, total: int, line: bool) -> None:
    tiers = {**PARAMS["tiers"], "static": {**PARAMS["tiers"]["static"], "memory": memory, "nodes": min(count, 900)}}
    machine = dataclasses.replace(ROOT, memory_total=total)
    found = capacity.memory_advice(spec_of(tiers=tiers), machine)
    told = (
        f"memory of static: got 10.1 GiB with all nodes at their limits, want at most {capacity.size(total)}, as the"
        " machine has, because the kernel ends nodes when it has no more (fix: lower memory or the counts)"
    )
    assert found == ([told] if line else [])


@pytest.mark.parametrize(
    "source, images, declared, need",
    [
        ("packages", [], None, 3 * GIB),
        ("packages", ["shop/static-shop:latest"], None, 3 * GIB),
        ("packages", ["shop/static-shop:latest", "res/traefik-shop:latest"], None, 500 * MIB),
        ("registry", [], None, 500 * MIB),
        ("packages", [], 7, 7),
    ],
)
def test_disk_that_is_needed(source: str, images: list[str], declared: int | None, need: int) -> None:
    docker = dataclasses.replace(DOCKER, images=dict.fromkeys(images, "sha256:1"))
    assert capacity.needed_disk(spec_of(image_source=source), docker, declared) == need


def test_disks() -> None:
    nearly_full = Disk("/var/lib/docker", 100 * MIB, 1, writable=True)
    state = Disk("/srv", 100 * MIB, 1, writable=True)
    line = (
        "free disk for Docker's data in /var/lib/docker: got 100 MiB, want at least 500 MiB"
        " (fix: free some space there, or lower cluster_min_free_disk)"
    )
    named = [("Docker's data", nearly_full), ("cluster_state_dir", state)]
    assert lines(capacity.check_disks(named, 500 * MIB)) == [line]
    assert lines(capacity.check_disks(named, 100 * MIB)) == []
    other = dataclasses.replace(state, device=2)
    assert lines(capacity.check_disks([named[0], ("cluster_state_dir", other)], 2 * GIB)) == [
        line.replace("500 MiB", "2.0 GiB"),
        "free disk for cluster_state_dir in /srv: got 100 MiB, want at least 2.0 GiB"
        " (fix: free some space there, or lower cluster_min_free_disk)",
    ]


def test_default_cluster_s_images_have_plain_names() -> None:
    images = dict.fromkeys(["shop/static:latest", "res/traefik:latest"], "sha256:1")
    docker = dataclasses.replace(DOCKER, images=images)
    assert capacity.needed_disk(spec_of(name="evenkeel"), docker, None) == 500 * MIB
    assert capacity.needed_disk(spec_of(name="staging"), docker, None) == 3 * GIB


# --- a full disk ----------------------------------------------------------------------------------------------------

IMAGES = dict.fromkeys(["shop/static-shop:latest", "example/app:1", "res/traefik-shop:latest"], "sha256:1")
FULL = (
    "free disk for Docker's data in /var/lib/docker: got 0 MiB, want at least 500 MiB"
    " (fix: free some space there, or lower cluster_min_free_disk)"
)


def preflight(docker: Docker, free: int = 0, **changes: Any) -> whole.Preflight:
    disk = Disk("/var/lib/docker", free, 1, writable=True)
    facts = MachineFacts(ROOT, docker, disk, disk, {})
    return whole.preflight({**PARAMS, **changes}, ROOT, docker, lambda *_: facts)


@pytest.mark.parametrize(
    "static, app, images, refused",
    [
        (3, 2, IMAGES, False),  # nothing to do, a roll, or a return to an earlier build
        (9, 2, IMAGES, False),  # less nodes
        (2, 2, IMAGES, True),  # more nodes
        (9, 1, IMAGES, True),
        (9, 2, {**IMAGES, "example/app:1": None}, True),  # an image to pull
    ],
)
@pytest.mark.parametrize("declared_space", ["", "500m"])
def test_full_disk(static: int, app: int, images: dict[str, str | None], refused: bool, declared_space: str) -> None:
    there = {name: image for name, image in images.items() if image}
    docker = dataclasses.replace(running(static, app), images=there)
    found = preflight(docker, min_free_disk=declared_space)
    assert lines(list(found.problems)) == ([FULL] if refused else [])
    # A run that turns out to need a new image is refused by the role that would make it.
    assert lines(list(found.full_disks)) == [FULL]
    assert whole.engine_facts(ROOT, docker, spec_of(), found.full_disks)["full_disks"] == [FULL]
    assert preflight(docker, GIB, min_free_disk=declared_space).full_disks == ()


def test_looking_and_removing_need_no_space() -> None:
    found = preflight(running(0, 0), check_machine=False)
    assert (found.problems, found.full_disks) == ((), ())
