"""The short form of ``tests/bench/any_image.py``: images that know nothing of Evenkeel lose no request."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import docker
import pytest
import yaml
from tests.bench import any_image
from tests.bench.console_client import Console
from tests.bench.load import Load, Target

from .conftest import ROOT, STATE, WEB, Declared, nodes, play, played, until

RATE = 60
BEGAN = time.time()
FOUND = {
    "nginx": any_image.ANIMALS["nginx"],
    "node": any_image.ANIMALS["node"],
    "late": any_image.ANIMALS["late"],
    "s6": any_image.ANIMALS["s6"],
}
HELD = [name for name, animal in FOUND.items() if animal.held]


def declaration(**counts: int) -> str:
    """The default tiers, one of each image, and one that is declared to keep the contract and does not."""
    tiers = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text(encoding="utf-8"))["cluster_tiers"]
    for name, animal in {**FOUND, "lossy": any_image.CONTROL}.items():
        four = {"image": animal.image, "port": animal.port, "path": f"/{name}/", "nodes": counts.get(name, 2)}
        tiers[name] = {**four, "strip_path": True, "sticky": True, "pull": "never", **animal.options}
    return json.dumps({"cluster_tiers": tiers})


@pytest.fixture(scope="module")
def zoo(engine: docker.DockerClient, declared: Declared) -> Iterator[docker.DockerClient]:
    # Two at a time, because most of a build waits for packages; two of the images are one.
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(any_image.build, {animal.folder: animal for animal in FOUND.values()}.values()))
    played("site.yml", "--skip-tags", "verify", "-e", declaration())
    yield engine
    played("site.yml", "--skip-tags", "verify")


@contextmanager
def lost(*tiers: str) -> Iterator[Counter[str]]:
    """Requests to these tiers meanwhile; what failed, by tier and error."""
    targets = [Target(name, f"{WEB}/{name}/", f"{WEB}/{name}/", counts=False) for name in tiers]
    slow = [Target(name, f"{WEB}/{name}/slow", f"{WEB}/{name}/slow", counts=False) for name in tiers]
    load, over = Load([*targets * 9, *slow], RATE), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(load.run(lambda _: not over.is_set())))
    thread.start()
    failed: Counter[str] = Counter()
    try:
        yield failed
        time.sleep(1)
    finally:
        over.set()
        thread.join()
    failed.update(f"{outcome.tier}: {outcome.error}" for outcome in load.outcomes if outcome.error)
    assert len(load.outcomes) > RATE


def test_images_that_are_found_lose_nothing_while_their_tiers_change(zoo: docker.DockerClient) -> None:
    """But the same changes of an image that is said to keep the contract do."""
    more = dict.fromkeys([*FOUND, "lossy"], 3)
    with lost(*FOUND) as failed, lost("lossy") as control:
        played("playbooks/scale.yml", "-e", declaration(**more))
        played("playbooks/roll.yml", "-e", declaration(**more), "-e", "node_pool_surge_percent=100")
    assert failed == Counter()
    assert control != Counter()


def test_a_tier_that_is_renamed_lets_its_old_nodes_finish(zoo: docker.DockerClient) -> None:
    """They are of a tier that is not declared any more, and end at once when they are told to."""
    tiers = json.loads(declaration())
    tiers["cluster_tiers"]["s6-new"] = tiers["cluster_tiers"].pop("s6")
    with lost("s6") as failed:
        played("playbooks/scale.yml", "-e", json.dumps(tiers))
        played("playbooks/scale.yml", "-e", declaration())
    assert failed == Counter()


def test_a_plain_stop_of_a_held_node_or_guest_loses_nothing(zoo: docker.DockerClient) -> None:
    before = {name: len(nodes(zoo, name)) for name in HELD}
    guests = [zoo.containers.run(f"evenkeel/{name}", detach=True) for name in HELD]
    try:
        until(lambda: all(len(nodes(zoo, name)) > before[name] for name in HELD), 10, "the guests have joined")
        time.sleep(6)  # one of them answers 503 for five seconds
        with lost(*HELD) as failed:
            for guest in guests:
                guest.stop(timeout=10)
            for name in HELD:
                min(nodes(zoo, name).items())[1].restart(timeout=60)
    finally:
        for guest in guests:
            guest.remove(force=True)
    assert failed == Counter()


@pytest.mark.parametrize("tier", ["node", "s6"])
def test_the_console_changes_them_without_a_loss(zoo: docker.DockerClient, tier: str) -> None:
    """Its agent is root without capabilities, and writes the set of servers that may be asked."""
    console = Console()
    count = len(nodes(zoo, tier))
    with lost(tier) as failed:
        console.do("scale", tier=tier, count=count + 1)
        console.do("restart", node=console.nodes(tier)[0]["id"])
        console.do("settle", tier=tier)
    assert failed == Counter()


def test_a_change_that_needs_another_image_is_told_where_none_is_built(zoo: docker.DockerClient) -> None:
    tiers = json.loads(declaration(late=1))
    tiers["cluster_tiers"]["node"] |= {"health_path": "/other", "nodes": 3}
    before = {container.id for container in zoo.containers.list(all=True)}
    done = play("playbooks/scale.yml", "-e", json.dumps(tiers))
    assert done.returncode != 0
    assert "image of tier node: got no evenkeel/node of " in done.stdout + done.stderr
    assert {container.id for container in zoo.containers.list(all=True)} == before


def test_deriving_leaves_no_scratch_folder(zoo: docker.DockerClient) -> None:
    assert [folder for folder in (STATE / "build").glob("run-*") if folder.stat().st_mtime > BEGAN] == []


@pytest.mark.parametrize(
    "options, line",
    [
        ({"pull": "never", "image": "zoo-none:1"}, "image zoo-none:1 of tier node: got none"),
        ({"leaving": "own", "secret_environment": {"A": "b"}}, "cluster_tiers.node.secret_environment: got "),
    ],
    ids=["missing", "no hold"],
)
def test_what_cannot_run_is_one_line_and_changes_nothing(
    zoo: docker.DockerClient, options: dict[str, Any], line: str
) -> None:
    before = {container.id for container in zoo.containers.list(all=True)}
    tiers = json.loads(declaration())
    tiers["cluster_tiers"]["node"] |= options
    done = play("site.yml", "-e", json.dumps(tiers))
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert line in said
    assert "Traceback" not in said
    assert {container.id for container in zoo.containers.list(all=True)} == before
