"""Goal R11: for any pool and any declaration, a preview, the status and a run announce the same actions.

200 random transitions on a cluster whose balancer notices changes late: nodes started, broken and stopped by hand,
guests, changed counts, revisions, policies, paths and host names, tiers that come and go. After each run nothing is
left to do.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes.by_hand import FakeHand
from tests.unit.fakes.clock import VirtualClock
from tests.unit.fakes.cluster import TIERS, FakeCluster, parsed_tiers

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import discard_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import (
    PoolRequest,
    preview,
    reconcile,
    require_as_declared,
    status,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout_parts import RolloutLimits

TRANSITIONS = 200
SEEDS = 10
# One of its own for each run of the tests, because the lock is the machine's.
CLUSTER = f"t{uuid.uuid4().hex[:8]}x"
BY_HAND = ("rename", "leave_network", "limit", "limit_for_good", "copy")
EXTRA = {"image": "res/extra:1", "leaving": "own", "port": 8082, "path": "/extra/", "nodes": 1}


def some_tiers(chance: random.Random) -> dict[str, Tier]:
    """Tiers that an inventory might declare next."""
    raw: dict[str, dict[str, Any]] = {name: dict(tier) for name, tier in {**TIERS, "extra": EXTRA}.items()}
    for name in list(raw):
        if name != "shop" and chance.random() < 0.2:
            del raw[name]
            continue
        raw[name]["nodes"] = chance.choice([0, 1, 2, 2, 3, 4])
        if name == "dates" and chance.random() < 0.2:
            raw["hours"] = raw.pop(name)  # the same tier under another name
            continue
        if chance.random() < 0.2:
            raw[name]["path"] = f"/{name}-{chance.choice('ab')}/"
        if chance.random() < 0.2:
            raw[name]["sticky"] = not raw[name].get("sticky", False)
        if chance.random() < 0.2:
            raw[name]["environment"] = {"MARK": chance.choice("ab")}
    return parsed_tiers(raw, CLUSTER)


def disturb(cluster: FakeCluster, chance: random.Random) -> None:
    """What a user or a crash does between two runs."""
    nodes = [node for node in cluster.engine.nodes() if node.running]
    for node in chance.sample(nodes, min(len(nodes), chance.choice([0, 0, 1, 2]))):
        deed = chance.choice(["kill", "freeze", "remove", "drain", *BY_HAND])
        if deed == "drain":
            cluster.engine.drains(node.name)
        elif deed in BY_HAND:
            hand = FakeHand(cluster.engine)
            names = (f"by-hand-{node.id}",) if deed in {"rename", "copy"} else ()
            getattr(hand, deed)(node.id, *names)
        else:
            getattr(cluster.engine, deed)(node.id)
    if chance.random() < 0.2:
        cluster.routes.path.write_text(chance.choice(["", "{}", "not json", '{"http": {"routers": {}}}']))
        cluster.routes.note()
    for tier in cluster.tiers.values():
        if tier.context and chance.random() < 0.3:
            cluster.engine.run_guest(f"{tier.image}:latest", "none")
    cluster.clock.sleep(5)  # by now, the balancer has noticed


def declared(cluster: FakeCluster, chance: random.Random) -> PoolRequest:
    """The next declaration, with the images that it needs."""
    cluster.tiers = some_tiers(chance)
    for tier in cluster.tiers.values():
        cluster.add_image(tier, content=chance.choice(["", "", "other"]) if not tier.context else "")
    hosts = chance.choice([("localhost",), ("localhost", "shop.example"), ()])
    return cluster.request(hosts=hosts, limits=RolloutLimits(workers=4, surge_percent=chance.choice([1, 25, 100])))


def announced(view: Mapping[str, Any]) -> set[tuple[str, str]]:
    """What a view says a run would do: tier and line."""
    lines = {(name, line) for name, tier in view["tiers"].items() for line in tier["drift"]}
    return lines | {(name, line) for name, found in view["undeclared"].items() for line in found}


def as_data(cluster: FakeCluster) -> tuple[Any, str]:
    return cluster.engine.nodes(), cluster.routes.path.read_text()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_preview_status_and_run_announce_the_same(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    cluster = FakeCluster(tmp_path, VirtualClock(), cluster=CLUSTER)
    performed = 0
    try:
        for _ in range(TRANSITIONS // SEEDS):
            request = declared(cluster, chance)
            disturb(cluster, chance)
            before = as_data(cluster)
            view = status(request, cluster.ports)
            predicted = preview(request, cluster.ports, clock=cluster.clock)
            assert as_data(cluster) == before, "looking changes nothing"
            said = {(action.tier, str(action)) for action in predicted.actions}
            assert announced(view) == announced(predicted.view) == said
            if said:
                with pytest.raises(Exception, match="differences from the declaration"):
                    require_as_declared(request, cluster.ports)

            outcome = reconcile(request, cluster.ports, clock=cluster.clock)
            performed += len(outcome.actions)
            assert {(action.tier, str(action)) for action in outcome.actions} == said
            assert announced(outcome.view) == set()
            assert announced(status(request, cluster.ports)) == set()
            require_as_declared(request, cluster.ports)
            assert list(reconcile(request, cluster.ports, clock=cluster.clock).actions) == []
            kept = {(n.tier, n.managed, n.service) for n in outcome.after if n.running}
            foreseen = {(n.tier, n.managed, n.service) for n in predicted.after if n.running}
            assert kept == foreseen
    finally:
        discard_lock(CLUSTER)
    assert performed > TRANSITIONS // SEEDS, "the transitions are about something"


def test_a_removed_tier_leaves_nothing_to_do(tmp_path: Path) -> None:
    cluster = FakeCluster(tmp_path, VirtualClock(), cluster=CLUSTER)
    try:
        request = cluster.request(tiers={"shop": cluster.tiers["shop"]})
        outcome = reconcile(request, cluster.ports, clock=cluster.clock)
        assert {action.tier for action in outcome.actions} == {"dates"}
        assert outcome.view["undeclared"] == {}
    finally:
        discard_lock(CLUSTER)


def test_a_changed_host_name_is_drift_until_a_run(tmp_path: Path) -> None:
    cluster = FakeCluster(tmp_path, VirtualClock(), cluster=CLUSTER)
    try:
        request = cluster.request(hosts=("localhost", "new.example"))
        expected = {(name, f"route {name} (path, host names or options changed)") for name in cluster.tiers}
        assert announced(status(request, cluster.ports)) == expected
        assert announced(reconcile(request, cluster.ports, clock=cluster.clock).view) == set()
        assert "new.example" in cluster.routes.path.read_text()
    finally:
        discard_lock(CLUSTER)


def test_a_node_that_drains_already_is_noticed_by_all(tmp_path: Path) -> None:
    cluster = FakeCluster(tmp_path, VirtualClock(), cluster=CLUSTER)
    cluster.engine.drains(f"{CLUSTER}-shop-2")
    cluster.clock.sleep(1)
    try:
        request = cluster.request()
        expected = {
            ("shop", f"start {CLUSTER}-shop-3 (scale up)"),
            ("shop", f"drain {CLUSTER}-shop-2 (drains already)"),
        }
        assert announced(status(request, cluster.ports)) == expected
        assert {(a.tier, str(a)) for a in preview(request, cluster.ports, clock=cluster.clock).actions} == expected
    finally:
        discard_lock(CLUSTER)
