"""A tier whose image does not keep our contract, when it is removed, renamed, or gets another path or way to leave."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.unit.fakes.cluster import TIERS, FakeCluster, parsed_tiers
from tests.unit.module_utils.pool.shop import SHOP, of_shop, order, reconciled, renewed, sets

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.leaving import BALANCER, HELD, OWN
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.routes import active_routes


@pytest.fixture(params=[HELD, BALANCER])
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> FakeCluster:
    return of_shop(tmp_path, request.param)


def test_nodes_leave_as_they_are_when_their_tier_is_not_declared_any_more(cluster: FakeCluster) -> None:
    """Removed, or renamed: its connections end before its nodes do."""
    began = cluster.clock.now()
    cluster.engine.under_way["shop-2"] = began + 2.0
    _, problem = reconciled(cluster, {"dates": cluster.tiers["dates"]})
    assert (problem, cluster.names()) == ("", [])
    calls = order(cluster, "connections", "stop shop")
    assert len([call for call in calls if call.startswith("connections")]) > 20
    assert all(call.startswith("stop") for call in calls[-2:])
    held = cluster.tiers["shop"].leaving == HELD
    assert sorted(calls[-2:]) == [f"stop shop-{number} 30{' SIGQUIT' if held else ''}" for number in (1, 2)]


def test_what_is_not_declared_gets_the_usual_time_to_finish(cluster: FakeCluster) -> None:
    cluster.engine.under_way["shop-2"] = cluster.clock.now() + 1000
    outcome, _ = reconciled(cluster, {"dates": cluster.tiers["dates"]})
    assert list(outcome.warnings) == [
        "shop-1, shop-2: got 1 connections still open after 30 s, want none before the end (they are cut)"
    ]
    assert cluster.names() == []


def test_a_tier_that_keeps_the_contract_from_now_on_lets_its_old_nodes_finish(cluster: FakeCluster) -> None:
    own = {**SHOP, "leaving": OWN, "nodes": 2}
    cluster.engine.under_way["shop-2"] = cluster.clock.now() + 2.0
    tiers = parsed_tiers({**TIERS, "shop": own})
    cluster.add_image(tiers["shop"])
    _, problem = reconciled(cluster, tiers)
    assert (problem, cluster.names()) == ("", ["shop-3", "shop-4"])
    calls = order(cluster, "connections", "stop shop-2")
    assert len(calls) > 10
    assert calls[-1].startswith("stop shop-2")
    assert "connections shop-1 shop-2" in calls


def test_and_nodes_that_kept_it_leave_by_themselves(tmp_path: Path) -> None:
    """The balancer's probe keeps its connection to their port open: to wait for its end would be in vain."""
    cluster = FakeCluster(tmp_path, tiers={**TIERS, "shop": {**SHOP, "leaving": OWN}})
    tiers = parsed_tiers({**TIERS, "shop": {**SHOP, "leaving": BALANCER}})
    cluster.add_image(tiers["shop"])
    _, problem = reconciled(cluster, tiers)
    assert (problem, cluster.names()) == ("", ["shop-3", "shop-4"])
    assert order(cluster, "connections") == []


@pytest.mark.parametrize("other", [{"dates"}, set()], ids=["exchanged", "taken over"])
def test_a_tier_that_gets_anothers_path_has_its_set_before_and_after(cluster: FakeCluster, other: set[str]) -> None:
    shop = dataclasses.replace(renewed(cluster)["shop"], path="/api/")
    dates = {name: dataclasses.replace(cluster.tiers[name], path="/", strip_path=False) for name in other}
    _, problem = reconciled(cluster, {"shop": shop, **dates})
    assert problem == ""
    assert sets(cluster) == [
        [],
        ["shop-1", "shop-2"],
        ["shop-1", "shop-2", "shop-3"],
        ["shop-1", "shop-3"],
        ["shop-1", "shop-3", "shop-4"],
        ["shop-3", "shop-4"],
        [],
    ]
    paths = [active_routes(text)["shop"].path for _, text in cluster.routes._texts]
    assert (paths[0], paths[-1]) == ("/", "/api/")
    assert sorted(paths, key=len) == paths


def test_a_route_that_was_lost_leads_to_a_set_as_soon_as_it_is_back(cluster: FakeCluster) -> None:
    cluster.routes.point_to({"shop": None})
    cluster.clock.sleep(1.0)
    began = cluster.clock.now()
    _, problem = reconciled(cluster, renewed(cluster))
    assert (problem, cluster.names()) == ("", ["shop-3", "shop-4"])
    found = [active_routes(text)["shop"].servers for at, text in cluster.routes._texts if at > began]
    assert [servers is None for servers in found] == [True, False, False, False, False, True]


def test_an_exchange_that_the_balancer_does_not_read_gives_back_path_and_set(cluster: FakeCluster) -> None:
    shop = dataclasses.replace(renewed(cluster)["shop"], path="/api/")
    dates = dataclasses.replace(cluster.tiers["dates"], path="/", strip_path=False)
    before = cluster.routes.path.read_text()

    def deaf(at: float) -> str:
        texts = [text for when, text in cluster.routes._texts if when <= at and active_routes(text)["shop"].path == "/"]
        return texts[-1] if texts else before

    cluster.routes.text = deaf  # type: ignore[method-assign]
    _, problem = reconciled(cluster, {"shop": shop, "dates": dates})
    assert "route of tier" in problem
    assert cluster.routes.path.read_text() == before
    assert order(cluster, "stop shop-1", "stop shop-2", "stop dates") == []
