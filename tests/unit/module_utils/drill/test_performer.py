"""Events on a pool without Docker: the real plan, the real reconciler, containers in memory."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.fake_docker import CLUSTER, FakeBalancer, FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill import performer as performing
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.conductor import EventError
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.control import (
    BaselinePool,
    baseline_path,
    baseline_tier,
    control_kind,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.performer import (
    DockerFaultTarget,
    RolloutLimits,
    other_policy,
    renewed,
    resized,
    victim,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import EventReport
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import (
    BALANCER,
    GROW,
    GUEST_JOINS,
    GUEST_LEAVES,
    HANG,
    KILL,
    POLICY,
    RESTORE,
    ROLL,
    SCENARIOS,
    SHRINK,
    STOP,
    Event,
    plan_events,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_faults import _environment_line


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    monkeypatch.setattr(performing, "_AWAY_SECONDS", 0.02)
    fake = FakeCluster(tmp_path)
    yield fake
    fake.close()


def performer(cluster: FakeCluster) -> DockerFaultTarget:
    began = time.monotonic()
    return DockerFaultTarget(
        cluster.context(),
        lambda: FakeBalancer(cluster),
        lambda: time.monotonic() - began,
        "drill-1",
        RolloutLimits(amount=2, workers=4, surge_percent=50, ready_timeout=5),
        renew_balancer=lambda: cluster.pool.calls.append("renew balancer"),
    )


def perform(doing: DockerFaultTarget, *kinds: str, tier: str = "shop") -> list[EventReport]:
    events = [Event(number, kind, "" if kind == RESTORE else tier, 0.0) for number, kind in enumerate(kinds)]
    doing.prepare(events)
    return [doing.perform(event) for event in events]


def names(cluster: FakeCluster, tier: str = "shop") -> list[str]:
    return sorted(node.name for node in cluster.pool.nodes() if node.tier == tier and node.state == "running")


# --------------------------------------------------------------------------
# Events
# --------------------------------------------------------------------------


def test_a_tier_grows_and_shrinks(cluster: FakeCluster) -> None:
    doing = performer(cluster)
    (grown,) = perform(doing, GROW)
    assert sorted(grown.joined) == ["shop-3", "shop-4"]
    assert grown.left == {}
    assert all(grown.began <= at <= grown.ended for at in grown.joined.values())
    assert names(cluster) == ["shop-1", "shop-2", "shop-3", "shop-4"]
    (shrunk,) = perform(doing, SHRINK)
    assert sorted(shrunk.left) == ["shop-3", "shop-4"]
    assert all(shrunk.began <= at <= shrunk.ended for at in shrunk.left.values())
    assert cluster.declared()


def test_the_balancer_is_replaced_and_no_node(cluster: FakeCluster) -> None:
    before = cluster.pool.nodes()
    (report,) = perform(performer(cluster), BALANCER)
    assert cluster.pool.calls == ["renew balancer"]
    assert (report.left, report.joined, report.error) == ({}, {}, "")
    assert cluster.pool.nodes() == before


def test_a_roll_replaces_every_node_of_the_tier_and_of_no_other(cluster: FakeCluster) -> None:
    doing = performer(cluster)
    before = {node.id for node in cluster.pool.nodes() if node.tier == "shop"}
    others = {node.id for node in cluster.pool.nodes() if node.tier == "dates"}
    rolled, again = perform(doing, ROLL, ROLL)
    assert sorted(rolled.left) == ["shop-1", "shop-2"]
    assert len(rolled.joined) == len(again.joined) == len(again.left) == 2
    after = {node.id for node in cluster.pool.nodes()}
    assert before.isdisjoint(after)
    assert others <= after
    perform(doing, RESTORE)
    assert cluster.declared()


def test_a_stopped_node_comes_back_and_each_has_its_turn(cluster: FakeCluster) -> None:
    reports = perform(performer(cluster), STOP, STOP, STOP)
    assert [list(report.left) for report in reports] == [["shop-1"], ["shop-2"], ["shop-1"]]
    assert all(report.left.keys() == report.joined.keys() for report in reports)
    assert all(report.left[node] < report.joined[node] for report in reports for node in report.left)
    assert cluster.pool.calls[:2] == ["stop shop-1 10", "start again shop-1"]
    assert cluster.declared()


def test_a_killed_node_comes_back(cluster: FakeCluster) -> None:
    (report,) = perform(performer(cluster), KILL)
    assert list(report.left) == list(report.joined) == ["shop-1"]
    assert cluster.pool.calls == ["kill shop-1", "start again shop-1"]
    assert cluster.declared()


def test_a_frozen_node_goes_on_and_the_balancers_reaction_is_timed(cluster: FakeCluster) -> None:
    (report,) = perform(performer(cluster), HANG)
    assert cluster.pool.calls == ["freeze shop-1", "thaw shop-1"]
    assert 0 <= report.out["shop-1"] < 1
    assert cluster.declared()


def test_a_guest_joins_and_leaves(cluster: FakeCluster) -> None:
    joined, left = perform(performer(cluster), GUEST_JOINS, GUEST_LEAVES)
    assert list(joined.joined) == list(left.left) == ["0123456789ab"]
    assert cluster.pool.calls == ["guest of res/shop-fake:latest", "stop brave_bell 10", "remove brave_bell"]
    assert cluster.declared()


@pytest.mark.parametrize("tier, image", [("shop", "evenkeel-drill/fake-shop:latest"), ("dates", "res/dates:latest")])
def test_a_policy_is_switched_there_and_back(cluster: FakeCluster, tier: str, image: str) -> None:
    doing = performer(cluster)
    declared = cluster.builds[tier].tier.service
    perform(doing, POLICY, tier=tier)
    nodes = [node for node in cluster.pool.nodes() if node.tier == tier]
    assert {node.image_id for node in nodes} == {f"id of {image}"}
    assert declared not in {node.service for node in nodes}
    assert cluster.context().routed[tier] == nodes[0].service
    perform(doing, POLICY, tier=tier)
    assert cluster.context().routed[tier] == declared
    doing.restore()
    assert cluster.declared()


# --------------------------------------------------------------------------
# Restoring
# --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kinds", [(GROW,), (ROLL,), (GUEST_JOINS,), (POLICY,), (GROW, GUEST_JOINS), (GROW, POLICY, ROLL), (STOP,), ()]
)
def test_restoring_leads_back_from_anywhere(cluster: FakeCluster, kinds: tuple[str, ...]) -> None:
    doing = performer(cluster)
    perform(doing, *kinds)
    doing.restore()
    assert cluster.declared()
    calls = len(cluster.pool.calls)
    doing.restore()
    assert not [call for call in cluster.pool.calls[calls:] if not call.startswith("remove image")]


@pytest.mark.parametrize(
    "kind, undone", [(STOP, "start again shop-1"), (KILL, "start again shop-1"), (HANG, "thaw shop-1")]
)
def test_an_event_that_fails_half_way_is_undone(cluster: FakeCluster, kind: str, undone: str) -> None:
    doing = performer(cluster)
    cluster.pool.fails = lambda call: call == undone and cluster.pool.calls.count(undone) == 1
    with pytest.raises(EventError, match="want success"):
        perform(doing, kind)
    assert not cluster.declared()
    doing.restore()
    assert cluster.declared()


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_every_scenario_ends_where_it_began(cluster: FakeCluster, scenario: str) -> None:
    doing = performer(cluster)
    tiers = ["shop"] if scenario in {"guest", "mixed"} else ["shop", "dates"]
    events = plan_events(scenario, tiers, 2 * max(len(SCENARIOS[scenario]), 1), 0, 1)
    doing.prepare(events)
    for event in events:
        doing.perform(event)
    doing.restore()
    assert cluster.declared()


# --------------------------------------------------------------------------
# What cannot be done
# --------------------------------------------------------------------------


def test_the_last_node_of_a_tier_is_not_taken(cluster: FakeCluster) -> None:
    cluster.pool.kill(next(node.id for node in cluster.pool.nodes() if node.name == "shop-2"))
    with pytest.raises(EventError, match=r"tier shop: got 1 running nodes, want at least 2 \(fix: -e shop_nodes=3\)"):
        perform(performer(cluster), STOP)


def test_a_guest_that_did_not_join_cannot_leave(cluster: FakeCluster) -> None:
    with pytest.raises(EventError, match="guest of shop: got none"):
        perform(performer(cluster), GUEST_LEAVES)


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.booleans()), max_size=8), st.integers(1, 20))
def test_victims_are_running_managed_nodes_and_take_turns(cases: list[tuple[int, bool, bool]], rounds: int) -> None:
    nodes = [
        Node(f"id{place}", f"shop-{number}{place}", "shop", managed, "running" if runs else "exited")
        for place, (number, managed, runs) in enumerate(cases)
    ]
    fit = {node.name for node in nodes if node.managed and node.state == "running"}
    if len(fit) < 2:
        with pytest.raises(EventError):
            victim(nodes, "shop", {})
        return
    turns: dict[str, int] = {}
    for turn in range(rounds):
        turns[victim(nodes, "shop", turns).name] = turn
    assert set(turns) <= fit
    assert len(turns) == min(rounds, len(fit))


# --------------------------------------------------------------------------
# What a tier becomes
# --------------------------------------------------------------------------


def test_a_renewed_tier_differs_in_its_revision_only_by_a_variable(cluster: FakeCluster) -> None:
    build = cluster.builds["shop"]
    one, two = renewed(build, "a", CLUSTER), renewed(build, "b", CLUSTER)
    assert len({build.revision, one.revision, two.revision}) == 3
    assert one.tier.service == build.tier.service
    assert one.options.labels == build.options.labels
    assert set(one.options.environment) - set(build.options.environment) == {"EVENKEEL_DRILL"}


def test_a_resized_tier_keeps_its_revision(cluster: FakeCluster) -> None:
    build = cluster.builds["shop"]
    assert resized(build, 7) == dataclasses.replace(build, tier=dataclasses.replace(build.tier, nodes=7))


@pytest.mark.parametrize("tier", ["shop", "dates"])
def test_another_policy_is_another_service_with_its_own_labels(cluster: FakeCluster, tier: str) -> None:
    declared = cluster.builds[tier].tier
    other = other_policy(declared, CLUSTER)
    assert other.service != declared.service
    assert other.labels["evenkeel.service"] == other.service
    assert other.sticky
    assert not any(declared.service in label for label in other.labels)


@pytest.mark.parametrize(
    "item, line",
    [
        ("PATH=/usr/bin:/bin", 'ENV PATH="/usr/bin:/bin"'),
        ("A=two words", 'ENV A="two words"'),
        ('B=say "hi" to $USER', r'ENV B="say \"hi\" to \$USER"'),
        ("EMPTY=", 'ENV EMPTY=""'),
    ],
)
def test_variables_of_an_image_are_kept_to_the_letter(item: str, line: str) -> None:
    assert _environment_line(item) == line


# --------------------------------------------------------------------------
# Naive nodes
# --------------------------------------------------------------------------


def shop(**differs: object) -> Tier:
    values = {"name": "shop", "path": "/shop/", "strip_path": False, "port": 80, "sticky": True, **differs}
    return Tier.from_dict({**SHOP, **values})


SHOP: dict[str, object] = {
    "name": "shop",
    "image": "shop",
    "context": None,
    "port": 80,
    "path": "/",
    "strip_path": False,
    "nodes": 3,
    "sticky": True,
    "strategy": "wrr",
    "cookie": {"name": "evenkeel_shop"},
    "health_path": "/healthz",
    "max_failures": 3,
    "drain_seconds": 3,
    "stop_seconds": 30,
    "memory": 1,
    "cpus": 0.0,
    "pids": 1,
    "environment": {},
    "mounts": [],
    "service": "shop-1",
    "labels": {},
}


@pytest.mark.parametrize(
    "path, strip, asked, stripped",
    [
        ("/", False, "/evenkeel-drill/shop/", "/evenkeel-drill/shop"),
        ("/shop/", False, "/evenkeel-drill/shop/shop/", "/evenkeel-drill/shop"),
        ("/shop/", True, "/evenkeel-drill/shop/", "/evenkeel-drill/shop"),
    ],
)
def test_naive_nodes_see_the_paths_that_the_tiers_nodes_see(path: str, strip: bool, asked: str, stripped: str) -> None:
    tier = shop(path=path, strip_path=strip)
    labels = baseline_tier(tier, CLUSTER, 2).labels
    assert baseline_path(tier) == asked
    assert labels["traefik.http.routers.naive-shop.rule"] == f"PathPrefix(`{asked}`)"
    assert labels["traefik.http.middlewares.naive-shop.stripprefix.prefixes"] == stripped


def test_naive_nodes_have_nothing_that_makes_changes_lossless() -> None:
    labels = baseline_tier(shop(), CLUSTER, 2).labels
    assert not [label for label in labels if "health" in label or "transport" in label or "retry" in label]
    assert labels["traefik.http.services.naive-shop.loadbalancer.sticky.cookie.name"] == "evenkeel_shop_naive"
    assert "sticky" not in str(baseline_tier(shop(sticky=False), CLUSTER, 2).labels)


def naive(cluster: FakeCluster) -> BaselinePool:
    tiers = {name: build.tier for name, build in cluster.builds.items()}
    images = {name: f"naive/{name}" for name in tiers}
    return BaselinePool(cluster.pool, CLUSTER, tiers, images, time.monotonic, 5, 0.02)


def test_naive_nodes_come_go_at_once_come_back_and_are_removed(cluster: FakeCluster) -> None:
    pool = naive(cluster)
    pool.start()
    assert [node.name for node in pool.nodes("shop")] == ["naive-shop-1", "naive-shop-2"]
    reports = [pool.perform(Event(number, STOP, "shop", 0.0)) for number in range(3)]
    assert [list(report.left) for report in reports] == [["naive-shop-1"], ["naive-shop-2"], ["naive-shop-1"]]
    assert "stop naive-shop-1 0" in cluster.pool.calls
    pool.perform(Event(3, HANG, "dates", 0.0))
    assert {"freeze naive-dates-1", "thaw naive-dates-1"} <= set(cluster.pool.calls)
    pool.restore()
    assert cluster.declared()


def test_naive_nodes_that_do_not_start_are_told_and_removed(cluster: FakeCluster) -> None:
    pool = naive(cluster)
    cluster.pool.fails = lambda call: call == "start naive-dates-1"
    with pytest.raises(EventError, match="start naive-dates-1: got 'no'"):
        pool.start()
    pool.restore()
    assert cluster.declared()


@pytest.mark.parametrize("kinds, control", [({HANG}, HANG), ({KILL}, STOP), ({GROW, RESTORE}, STOP), ({STOP}, STOP)])
def test_the_control_hangs_where_the_drill_hangs_and_else_stops(kinds: set[str], control: str) -> None:
    assert control_kind(kinds) == control
