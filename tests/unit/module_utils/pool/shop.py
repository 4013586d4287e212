"""A tier ``shop`` whose image does not keep our contract, and what is seen of it while it changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.unit.fakes.cluster import TIERS, FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import (
    Outcome,
    RunFailedError,
    reconcile_locked,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout_parts import RolloutLimits
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.labels import (
    policy_labels,
    service_name,
    tier_labels,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.routes import active_routes

LIMITS = RolloutLimits(workers=2, surge_percent=1, ready_timeout=6.0)
FINISH_SECONDS = 5
SHOP = {"image": "res/shop:1", "port": 8080, "path": "/", "nodes": 2, "sticky": True, "stop_seconds": 30}


def of_shop(folder: Path, leaving: str) -> FakeCluster:
    """A cluster with that tier, whose nodes leave in this way."""
    options = {**SHOP, "leaving": leaving, "finish_seconds": FINISH_SECONDS}
    return FakeCluster(folder, tiers={**TIERS, "shop": options})


def renewed(cluster: FakeCluster) -> Mapping[str, Tier]:
    """Another revision of the tier ``shop``, of which all nodes are replaced one by one."""
    return {**cluster.tiers, "shop": dataclasses.replace(cluster.tiers["shop"], environment={"MARK": "1"})}


def reconciled(
    cluster: FakeCluster, tiers: Mapping[str, Tier], images: Mapping[str, str] | None = None, **options: Any
) -> tuple[Outcome, str]:
    try:
        request = cluster.request(tiers=tiers, images=images or {}, limits=LIMITS)
        return reconcile_locked(request, cluster.ports, clock=cluster.clock, **options), ""
    except RunFailedError as error:
        return error.outcome, str(error)


def sets(cluster: FakeCluster) -> list[list[str]]:
    """The names in each set that the file had, one after the other; none where the balancer finds the nodes itself."""
    found: list[list[str]] = []
    for _, text in cluster.routes._texts:
        servers = active_routes(text)["shop"].servers
        names = [] if servers is None else [server[7:].partition(":")[0] for server in servers.urls]
        if not found or found[-1] != names:
            found.append(names)
    return found


def states(cluster: FakeCluster, tier: str = "shop") -> dict[str, str]:
    return {node.name: node.state for node in cluster.engine.nodes() if node.tier == tier}


def order(cluster: FakeCluster, *beginnings: str) -> list[str]:
    return [call for call in cluster.engine.calls if call.startswith(beginnings)]


def new_policy(cluster: FakeCluster) -> dict[str, Tier]:
    """The tier ``dates``, whose image has no labels of ours, with sticky sessions."""
    tier = cluster.tiers["dates"]
    policy = policy_labels(True, tier.strategy, tier.cookie, tier.health, tier.max_failures)
    service = service_name(tier.name, tier.port, policy)
    labels = tier_labels(cluster.name, tier.name, service, policy)
    return {**cluster.tiers, "dates": dataclasses.replace(tier, sticky=True, service=service, labels=labels)}
