"""What a rollout takes from its plan before it begins."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import ENDED, RUNNING, Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.plan import (
    DRAIN,
    REMOVE,
    ROUTE,
    START,
    TAKEN_DOWN,
    PoolAction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout_parts import lost_routes, started_since
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.routes import Route

WANTED = {tier: Route(tier, f"/{tier}/", False, f"{tier}-1") for tier in ("shop", "dates")}


def action(kind: str, tier: str = "shop", reason: str = "for a reason", together: tuple[str, ...] = ()) -> PoolAction:
    return PoolAction(kind, tier, tier, 1, reason, id="a", together=together)


@pytest.mark.parametrize(
    "actions, now, lost",
    [
        ([action(ROUTE)], {}, {"shop"}),
        ([action(ROUTE), action(DRAIN)], {}, {"shop"}),
        ([action(ROUTE), action(ROUTE, "dates")], {}, {"shop", "dates"}),
        # It has one, which is only changed.
        ([action(ROUTE)], WANTED, set()),
        # Its nodes must be in rotation first.
        ([action(START), action(ROUTE), action(ROUTE, "dates")], {}, {"dates"}),
        # It changes hands with another one, in a write of its own.
        ([action(ROUTE, together=("shop", "dates"))], {}, set()),
        ([action(DRAIN)], {}, set()),
    ],
)
def test_which_routes_are_lost(actions: list[PoolAction], now: dict[str, Route], lost: set[str]) -> None:
    assert lost_routes(actions, now.get, WANTED.get) == {tier: WANTED[tier] for tier in lost}


@pytest.mark.parametrize(
    "reason, state, started",
    [
        ("is exited", RUNNING, {"a"}),
        ("is exited", ENDED, set()),
        (TAKEN_DOWN, RUNNING, set()),
    ],
)
def test_a_node_that_runs_by_now_is_drained_unless_the_cluster_is_taken_down(
    reason: str, state: str, started: set[str]
) -> None:
    nodes = [Node("a", "shop-1", "shop", managed=True, state=state)]
    assert started_since([action(REMOVE, reason=reason)], lambda: nodes) == started
