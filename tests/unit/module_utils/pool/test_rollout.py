"""The reconciler when a step does not come about: who serves afterwards, and what is said."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fake_docker import FakeBalancer, FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.performer import other_policy, renewed
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool import rollout
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.plan import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.revision import TierBuild
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout import ReconcileError, Reconciler
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.api import TraefikApiError


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    fake = FakeCluster(tmp_path)
    yield fake
    fake.close()


class Balancer(FakeBalancer):
    """A balancer whose API can fall silent, or go on listing nodes that have ended, or whose probes are given."""

    def __init__(
        self, cluster: FakeCluster, silent: Callable[[], bool], ghosts: bool, probes: dict[str, bool] | None = None
    ) -> None:
        super().__init__(cluster)
        self._probes = probes
        self._silent = silent
        self._ghosts = ghosts
        self._seen: dict[str, str] = {}

    def server_status(self, service: str, provider: str = "docker") -> dict[str, str]:
        if self._silent():
            raise TraefikApiError("no answer", "an answer", "check that it runs")
        status = super().server_status(service, provider)
        if self._ghosts:
            self._seen |= dict.fromkeys(status, "UP")
            return {**self._seen, **status}
        return status

    def server_up(self, service: str, provider: str = "docker") -> dict[str, bool]:
        if self._probes is None:
            return super().server_up(service, provider)
        return {node.url: self._probes[node.name] for node in self.cluster.pool.nodes() if node.name in self._probes}


def reconciled(
    cluster: FakeCluster,
    builds: dict[str, TierBuild],
    silent: Callable[[], bool] = lambda: False,
    ghosts: bool = False,
    probes: dict[str, bool] | None = None,
) -> tuple[Reconciler, str]:
    """Reconcile one node at a time; what was raised, in words."""
    context = dataclasses.replace(
        cluster.context(), builds=builds, tiers={name: build.tier for name, build in builds.items()}
    )
    actions = plan(cluster.pool.nodes(), context.targets, context.routed, surge_percent=1)
    balancer = Balancer(cluster, silent, ghosts, probes)
    reconciler = Reconciler(cluster.pool, lambda: balancer, builds, context.route_file(), workers=2, ready_timeout=0.6)
    try:
        reconciler.apply(actions)
    except ReconcileError as error:
        return reconciler, str(error)
    return reconciler, ""


def shop(cluster: FakeCluster, build: TierBuild) -> dict[str, TierBuild]:
    return {**cluster.builds, "shop": build}


def names(cluster: FakeCluster, tier: str = "shop") -> dict[str, str]:
    return {node.name: node.state for node in cluster.pool.nodes() if node.tier == tier}


def new_revision(cluster: FakeCluster) -> dict[str, TierBuild]:
    return shop(cluster, renewed(cluster.builds["shop"], "mark", "fake"))


def test_a_roll_keeps_no_old_node(cluster: FakeCluster) -> None:
    reconciler, problem = reconciled(cluster, new_revision(cluster))
    assert problem == ""
    assert names(cluster) == {"shop-3": "running", "shop-4": "running"}
    assert len(reconciler.done) == 4


def test_a_later_wave_that_fails_returns_the_tier_to_its_old_revision(cluster: FakeCluster) -> None:
    before = cluster.pool.nodes()
    cluster.pool.fails = lambda call: call == "start shop-4"
    reconciler, problem = reconciled(cluster, new_revision(cluster))
    assert problem == (
        "start shop-4: got 'no', want success (fix: see dockerd's log); tier shop was returned to what it was,"
        " 1 node started again, 1 node removed"
    )
    assert sorted(cluster.pool.nodes(), key=lambda node: node.name) == sorted(before, key=lambda node: node.name)
    assert reconciler.done == []
    # The new node served, so it drained; the old one was there again before that.
    calls = cluster.pool.calls
    assert calls.index("start again shop-2") < calls.index("stop shop-3 30")


def test_the_first_wave_that_fails_lets_nobody_leave(cluster: FakeCluster) -> None:
    cluster.pool.fails = lambda call: call == "start shop-3"
    _, problem = reconciled(cluster, new_revision(cluster))
    assert problem == "start shop-3: got 'no', want success (fix: see dockerd's log)"
    assert names(cluster) == {"shop-1": "running", "shop-2": "running"}
    assert not [call for call in cluster.pool.calls if call.startswith("stop")]


@pytest.mark.parametrize("answer", [{}, {"shop-3": False}], ids=["not asked yet", "asked in vain"])
def test_nobody_leaves_for_nodes_that_the_balancer_cannot_reach(cluster: FakeCluster, answer: dict[str, bool]) -> None:
    reconciler, problem = reconciled(cluster, new_revision(cluster), probes=answer)
    assert problem.startswith("node shop-3: got no 200 from /healthz when the balancer asks within 0.6 s")
    assert names(cluster) == {"shop-1": "running", "shop-2": "running"}
    assert reconciler.done == []
    assert "stop shop-1 30" not in cluster.pool.calls


def test_nodes_that_join_others_need_no_probe(cluster: FakeCluster) -> None:
    more = shop(cluster, dataclasses.replace(cluster.builds["shop"], tier=resized(cluster, 3)))
    _, problem = reconciled(cluster, more, probes={})
    assert problem == ""
    assert "shop-3" in names(cluster)


def test_an_api_that_falls_silent_during_a_drain_undoes_it(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "_SILENCE_SECONDS", 0.3)
    _, problem = reconciled(
        cluster, new_revision(cluster), silent=lambda: any(call.startswith("stop") for call in cluster.pool.calls)
    )
    assert problem == (
        "balancer API: got no answer, want an answer (fix: check that it runs); tier shop was returned to what it was,"
        " 1 node started again; 1 node kept until the balancer can be asked"
    )
    assert names(cluster) == {"shop-1": "running", "shop-2": "running", "shop-3": "running"}


def test_an_api_that_is_silent_before_a_drain_lets_nobody_leave(cluster: FakeCluster) -> None:
    builds = shop(cluster, dataclasses.replace(cluster.builds["shop"], tier=resized(cluster, 1)))
    _, problem = reconciled(cluster, builds, silent=lambda: True)
    assert problem == "balancer API: got no answer, want an answer (fix: check that it runs)"
    assert names(cluster) == {"shop-1": "running", "shop-2": "running"}
    assert cluster.pool.calls == []


def resized(cluster: FakeCluster, count: int) -> Any:
    return dataclasses.replace(cluster.builds["shop"].tier, nodes=count)


def test_a_balancer_that_does_not_follow_undoes_the_drain(cluster: FakeCluster) -> None:
    builds = shop(cluster, dataclasses.replace(cluster.builds["shop"], tier=resized(cluster, 1)))
    _, problem = reconciled(cluster, builds, ghosts=True)
    assert problem == (
        "node shop-2: got a place in the balancer's rotation 0.6 s after its end, want none (fix: see whether the"
        " balancer still follows Docker's events: docker logs); tier shop was returned to what it was,"
        " 1 node started again"
    )
    assert names(cluster) == {"shop-1": "running", "shop-2": "running"}


def test_a_scale_up_that_fails_keeps_the_nodes_that_serve(cluster: FakeCluster) -> None:
    cluster.pool.fails = lambda call: call == "start shop-4"
    builds = shop(cluster, dataclasses.replace(cluster.builds["shop"], tier=resized(cluster, 4)))
    _, problem = reconciled(cluster, builds)
    assert "start shop-4" in problem
    assert {"shop-1", "shop-2"} <= names(cluster).keys()
    assert "shop-4" not in names(cluster)


def test_a_change_of_policy_that_fails_leads_the_route_back(cluster: FakeCluster) -> None:
    build = cluster.builds["shop"]
    tier = other_policy(build.tier, "fake")
    routes = cluster.routes.read_text()
    cluster.pool.fails = lambda call: call.startswith("stop shop-1 ") and "start again shop-2" not in cluster.pool.calls
    _, problem = reconciled(cluster, shop(cluster, dataclasses.replace(build, tier=tier, revision="other")))
    assert "stop shop-1" in problem
    assert "tier shop was returned to what it was, 2 nodes started again, 2 nodes removed" in problem
    assert cluster.routes.read_text() == routes
    assert names(cluster) == {"shop-1": "running", "shop-2": "running"}


def test_a_node_that_does_not_end_by_itself_is_killed_and_named(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = cluster.pool.stop
    monkeypatch.setattr(cluster.pool, "stop", lambda container, timeout: 137 if stop(container, timeout) == 0 else None)
    builds = shop(cluster, dataclasses.replace(cluster.builds["shop"], tier=resized(cluster, 1)))
    reconciler, problem = reconciled(cluster, builds)
    assert problem == ""
    assert reconciler.warnings == [
        "node shop-2: got no end within 30 s of SIGTERM, want it to drain and exit"
        " (it was killed; fix: see the node image contract)"
    ]
    assert names(cluster) == {"shop-1": "running"}
