"""A start that fails, and what cannot be cleaned up after it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.fakes.cluster import FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import RunFailedError, reconcile_locked
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout import RolloutLimits

LIMITS = RolloutLimits(workers=2, ready_timeout=3.0)


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    return FakeCluster(tmp_path)


def problem(cluster: FakeCluster) -> str:
    request = cluster.request(tiers=cluster.resized("shop", 4), limits=LIMITS)
    with pytest.raises(RunFailedError) as caught:
        reconcile_locked(request, cluster.ports, clock=cluster.clock)
    return str(caught.value)


def test_why_it_failed_is_told_also_where_what_had_started_cannot_be_removed(cluster: FakeCluster) -> None:
    cluster.engine.fails = lambda call: call in {"start shop-4", "remove shop-3"}
    told = problem(cluster)
    assert told.startswith("start shop-4: got 'no'")
    assert "; and what had started could not be removed: remove shop-3: got 'no'" in told


def test_a_mistake_of_ours_is_not_hidden_by_that(cluster: FakeCluster) -> None:
    def fails(call: str) -> bool:
        if call == "start shop-4":
            raise ZeroDivisionError
        return call == "remove shop-3"

    cluster.engine.fails = fails
    with pytest.raises(ZeroDivisionError):
        problem(cluster)
