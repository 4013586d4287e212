"""Goal R11 on the real engine: preview, status and a run announce the same, and afterwards nothing is left to do."""

from __future__ import annotations

import dataclasses
import json
import random
import time
from collections.abc import Mapping
from typing import Any

import docker
from docker.models.containers import Container

from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.options import ports_of, request_of
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import (
    PoolRequest,
    preview,
    reconcile,
    status,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout_parts import RolloutLimits

from .conftest import DASHBOARD, STATE, nodes

TRANSITIONS = 10
# What a run waits for most is the drain time.
DRAIN_SECONDS = 1


def declared() -> dict[str, Any]:
    """The options of the pool's modules, from the declaration that the last run left on this machine."""
    left = json.loads((STATE / "declaration.json").read_text())
    return {
        **left,
        "network": left["cluster"],
        "routes_file": str(STATE / "balancer/dynamic/tiers.yml"),
        "api_url": DASHBOARD,
        "api_user": "admin",
        "api_password_file": str(STATE / "secrets/dashboard_password"),
        "secrets_dir": str(STATE / "secrets"),
        "tier_secrets": "",
    }


def changed(request: PoolRequest, chance: random.Random) -> PoolRequest:
    """The next declaration: other counts, options and host names."""
    tiers = {
        name: dataclasses.replace(
            tier,
            nodes=chance.choice([0, 1, 2, 3]),
            drain_seconds=DRAIN_SECONDS,
            environment={"MARK": chance.choice("aab")},
        )
        for name, tier in request.tiers.items()
    }
    if chance.random() < 0.3:
        tiers["dynamic"] = dataclasses.replace(tiers["dynamic"], path=chance.choice(["/api/dates/", "/dates/"]))
    if chance.random() < 0.2:
        del tiers["dynamic"]
    return dataclasses.replace(
        request,
        tiers=tiers,
        hosts=chance.choice([request.hosts, ()]),
        limits=RolloutLimits(surge_percent=chance.choice([25, 100]), ready_timeout=30),
    )


def disturb(engine: docker.DockerClient, chance: random.Random) -> None:
    """What a person or a crash does to one node; or a guest joins."""
    running: list[Container] = [*nodes(engine, "static").values(), *nodes(engine, "dynamic").values()]
    deed = chance.choice(["nothing", "stop", "kill", "pause", "remove", "guest"])
    if deed == "guest":
        engine.containers.run("res/express", detach=True)
    elif running and deed != "nothing":
        container = chance.choice(running)
        if deed == "remove":
            container.remove(force=True)
        elif deed == "stop":
            container.stop(timeout=0)
        else:
            getattr(container, deed)()
    if deed == "nothing":
        return
    time.sleep(1.5)  # the balancer's next two probes, so that all look at the same cluster


def announced(view: Mapping[str, Any]) -> set[tuple[str, str]]:
    """What a view says a run would do: tier and line."""
    lines = {(name, line) for name, tier in view["tiers"].items() for line in tier["drift"]}
    return lines | {(name, line) for name, found in view["undeclared"].items() for line in found}


def test_preview_status_and_run_announce_the_same(cluster: docker.DockerClient) -> None:
    options = declared()
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    performed = 0
    for number in range(TRANSITIONS):
        request = changed(request_of(options), chance)
        ports = ports_of({**options, "tiers": [dataclasses.asdict(tier) for tier in request.tiers.values()]})
        disturb(cluster, chance)
        predicted = preview(request, ports)
        said = {(action.tier, str(action)) for action in predicted.actions}
        assert announced(status(request, ports)) == said, f"seed {seed}, transition {number}"
        outcome = reconcile(request, ports)
        performed += len(outcome.actions)
        assert {(action.tier, str(action)) for action in outcome.actions} == said, f"seed {seed}, transition {number}"
        assert announced(outcome.view) == set(), f"seed {seed}, transition {number}"
        assert announced(status(request, ports)) == set(), f"seed {seed}, transition {number}"
    assert performed > TRANSITIONS
