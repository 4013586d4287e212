"""The unprotected baseline: what it lacks, how its nodes go, and that nothing of it is left."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.unit.fakes.cluster import CLUSTER, parsed_tiers
from tests.unit.fakes.traffic import DrilledCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.baseline import (
    BaselineBalancer,
    BaselinePool,
    baseline_path,
    baseline_tier,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.event_runner import EventError
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import BALANCER, HANG, STOP, Event
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import Image
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import reconcile_locked


def shop(**differs: object) -> Tier:
    return dataclasses.replace(parsed_tiers()["shop"], **differs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path, strip, asked, stripped",
    [
        ("/", False, "/evenkeel-drill/shop/", "/evenkeel-drill/shop"),
        ("/shop/", False, "/evenkeel-drill/shop/shop/", "/evenkeel-drill/shop"),
        ("/shop/", True, "/evenkeel-drill/shop/", "/evenkeel-drill/shop"),
    ],
)
def test_the_baseline_sees_the_paths_that_the_tiers_nodes_see(
    path: str, strip: bool, asked: str, stripped: str
) -> None:
    tier = shop(path=path, strip_path=strip)
    labels = baseline_tier(tier, CLUSTER, 2).labels
    assert baseline_path(tier) == asked
    assert labels["traefik.http.routers.baseline-shop.rule"] == f"PathPrefix(`{asked}`)"
    assert labels["traefik.http.middlewares.baseline-shop.stripprefix.prefixes"] == stripped


def test_the_baseline_has_nothing_that_makes_changes_lossless() -> None:
    labels = baseline_tier(shop(), CLUSTER, 2).labels
    assert not [label for label in labels if "health" in label or "transport" in label or "retry" in label]
    cookie = shop().cookie.name
    assert labels["traefik.http.services.baseline-shop.loadbalancer.sticky.cookie.name"] == f"{cookie}_baseline"
    assert "sticky" not in str(baseline_tier(shop(sticky=False), CLUSTER, 2).labels)


@pytest.fixture
def cluster(tmp_path: Path) -> DrilledCluster:
    fake = DrilledCluster(tmp_path)
    for name in fake.tiers:
        fake.engine.images[f"bare/{name}"] = Image(f"id of bare/{name}")
    return fake


def baseline(cluster: DrilledCluster, name: str = CLUSTER) -> BaselinePool:
    builds = {tier.name: (tier, f"bare/{tier.name}") for tier in cluster.tiers.values()}
    return BaselinePool(cluster.engine, builds, name, cluster.clock.now, 5.0, 3.0, cluster.clock)


def test_its_nodes_come_go_at_once_come_back_and_are_removed(cluster: DrilledCluster) -> None:
    pool = baseline(cluster)
    pool.start()
    assert [node.name for node in pool.nodes("shop")] == ["baseline-shop-1", "baseline-shop-2"]
    reports = [pool.perform(Event(number, STOP, "shop", 0.0)) for number in range(3)]
    assert [list(report.left) for report in reports] == [["baseline-shop-1"], ["baseline-shop-2"], ["baseline-shop-1"]]
    assert "stop baseline-shop-1 0" in cluster.engine.calls
    hung = pool.perform(Event(3, HANG, "dates", 0.0))
    assert {"freeze baseline-dates-1", "thaw baseline-dates-1"} <= set(cluster.engine.calls)
    assert hung.joined["baseline-dates-1"] - hung.left["baseline-dates-1"] == pytest.approx(3.0)
    pool.restore()
    assert cluster.declared()


def test_a_node_is_back_when_it_answers(cluster: DrilledCluster) -> None:
    pool = baseline(cluster)
    pool.start()
    cluster.engine.delays = dataclasses.replace(cluster.engine.delays, start=0.0, ready=0.8)
    report = pool.perform(Event(0, STOP, "shop", 0.0))
    assert report.ended - report.joined["baseline-shop-1"] >= 0.8


def test_nodes_of_another_cluster_bear_its_name(cluster: DrilledCluster) -> None:
    pool = baseline(cluster, "staging")
    pool.start()
    assert [node.name for node in pool.nodes("shop")] == ["staging-baseline-shop-1", "staging-baseline-shop-2"]


def test_nodes_that_do_not_start_are_told_and_removed(cluster: DrilledCluster) -> None:
    pool = baseline(cluster)
    cluster.engine.fails = lambda call: call == "start baseline-dates-1"
    with pytest.raises(EventError, match="start baseline-dates-1: got 'no'"):
        pool.start()
    pool.restore()
    assert cluster.declared()


def test_a_node_that_does_not_answer_is_told(cluster: DrilledCluster) -> None:
    cluster.engine.delays = dataclasses.replace(cluster.engine.delays, ready=99.0)
    with pytest.raises(
        EventError, match=r"baseline node baseline-shop-1: got no answer within 5 s, want one \(fix: dock"
    ):
        baseline(cluster).start()


def test_a_frozen_node_is_thawed_and_removed_when_it_cannot_go_on(cluster: DrilledCluster) -> None:
    pool = baseline(cluster)
    pool.start()
    cluster.engine.fails = lambda call: call.startswith("thaw") and cluster.engine.calls.count(call) == 1
    with pytest.raises(EventError, match="thaw baseline-shop-1: got 'no'"):
        pool.perform(Event(0, HANG, "shop", 0.0))
    pool.restore()
    assert cluster.engine.calls.count("thaw baseline-shop-1") == 2
    assert cluster.declared()


def test_without_a_node_that_runs_there_is_no_event(cluster: DrilledCluster) -> None:
    with pytest.raises(EventError, match="baseline nodes of shop: got none that runs"):
        baseline(cluster).perform(Event(0, STOP, "shop", 0.0))


def test_a_reconciliation_removes_what_a_killed_drill_has_left(cluster: DrilledCluster) -> None:
    baseline(cluster).start()
    reconcile_locked(cluster.request(), cluster.ports, clock=cluster.clock)
    assert not [node for node in cluster.engine.nodes() if node.tier.startswith("baseline")]
    assert cluster.drift() == []


def test_a_second_balancer_is_stopped_started_and_removed(cluster: DrilledCluster) -> None:
    second = BaselineBalancer(cluster.balancers, cluster.clock.now, "drill-1c")
    assert second.start() == "http://baseline"
    report = second.perform(Event(0, BALANCER, "shop", 0.0))
    assert (report.left, report.joined, report.error) == ({}, {}, "")
    second.restore()
    assert cluster.balancers.calls == [
        "start baseline",
        "stop balancer-1 10",
        "start again balancer-1",
        "remove balancer-1",
    ]


@pytest.mark.parametrize("call", ["start baseline", "stop balancer-1 10", "remove balancer-1"])
def test_what_happens_not_to_the_second_balancer_is_told(cluster: DrilledCluster, call: str) -> None:
    cluster.balancers.fails = lambda called: called == call
    second = BaselineBalancer(cluster.balancers, cluster.clock.now, "drill-1c")

    def work() -> None:
        second.start()
        second.perform(Event(0, BALANCER, "shop", 0.0))
        second.restore()

    with pytest.raises(EventError, match=f"{call}: got 'no'"):
        work()
