"""Tiers that are renamed, change their paths or exchange them: at each moment, each path leads to nodes that serve."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes.cluster import HOSTS, TIERS, FakeCluster, parsed_tiers

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import Problem
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import EngineError
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import (
    Outcome,
    PoolRequest,
    RunFailedError,
    preview,
    reconcile_locked,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout_parts import RolloutLimits
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.takeover import takeover_words, takeovers
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.routes import Route

LIMITS = RolloutLimits(surge_percent=50, ready_timeout=6.0)


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    found = FakeCluster(tmp_path)
    found.clock.sleep(5)  # the balancer has read the routes
    return found


def route(path: str, *hosts: str) -> Route:
    return Route("any", path, strip_path=False, service="any", hosts=hosts)


@pytest.mark.parametrize(
    "now, wanted, groups",
    [
        pytest.param({"a": route("/")}, {"b": route("/")}, {"a": ("a", "b"), "b": ("a", "b")}, id="renamed"),
        pytest.param({"a": route("/")}, {}, {}, id="removed"),
        pytest.param({}, {"a": route("/")}, {}, id="new"),
        pytest.param({"a": route("/a/")}, {"a": route("/b/")}, {}, id="moved"),
        pytest.param({"a": route("/a/")}, {"b": route("/b/")}, {}, id="another path"),
        pytest.param({"a": route("/", "x")}, {"b": route("/", "y")}, {}, id="another host"),
        pytest.param({"a": route("/")}, {"b": route("/", "y")}, {"a": ("a", "b"), "b": ("a", "b")}, id="any host"),
        pytest.param(
            {"a": route("/", "x", "y")},
            {"a": route("/", "x"), "b": route("/", "y")},
            {"a": ("a", "b"), "b": ("a", "b")},
            id="one of the hosts",
        ),
        pytest.param({"a": route("/")}, {"a": route("/", "x")}, {}, id="hosts of its own"),
        pytest.param(
            {"a": route("/a/"), "b": route("/b/")},
            {"a": route("/b/"), "b": route("/a/")},
            {"a": ("a", "b"), "b": ("a", "b")},
            id="exchanged",
        ),
        pytest.param(
            {"a": route("/a/"), "b": route("/b/"), "d": route("/d/")},
            {"b": route("/a/"), "c": route("/b/"), "d": route("/d/")},
            dict.fromkeys("abc", ("a", "b", "c")),
            id="in a chain",
        ),
        pytest.param({"a": route("/")}, {"a": route("/"), "b": route("/")}, {}, id="no tier gives it up"),
    ],
)
def test_tiers_that_depend_on_each_other(
    now: Mapping[str, Route], wanted: Mapping[str, Route], groups: Mapping[str, tuple[str, ...]]
) -> None:
    assert takeovers(now, wanted) == groups


def test_a_takeover_in_words() -> None:
    now = {"a": route("/a/"), "b": route("/b/")}
    wanted = {"b": route("/a/"), "c": route("/b/")}
    assert takeover_words("a", now, wanted) == "b takes /a/ over"
    assert takeover_words("b", now, wanted) == "takes /a/ over from a, c takes /b/ over"


# --------------------------------------------------------------------------
# On a cluster
# --------------------------------------------------------------------------


def unserved(cluster: FakeCluster, *paths: str) -> list[str]:
    """Fills up whenever the balancer is asked: paths that lead to no node that serves."""
    found: list[str] = []

    def look(_call: str) -> bool:
        now = cluster.clock.now()
        routers = cluster.balancer.routers(now)
        for path in paths:
            services = [
                str(router["service"]).removesuffix("-pool")
                for router in routers.values()
                if f"PathPrefix(`{path}`)" in router["rule"] and str(router["service"]).endswith("-pool")
            ]
            if not any(cluster.balancer.in_rotation(service, now) for service in services):
                found.append(f"{path} at {now}")
        return False

    cluster.balancer.fails = look
    return found


def run(cluster: FakeCluster, tiers: Mapping[str, Tier], **options: Any) -> tuple[Outcome, str]:
    request = PoolRequest("evenkeel", tiers, hosts=HOSTS, limits=LIMITS)
    try:
        return reconcile_locked(request, cluster.ports, clock=cluster.clock, **options), ""
    except RunFailedError as error:
        return error.outcome, str(error)


def renamed(cluster: FakeCluster, **differs: Any) -> dict[str, Tier]:
    """The tiers; ``dates`` is called ``hours``."""
    tiers = parsed_tiers({"shop": TIERS["shop"], "hours": {**TIERS["dates"], **differs}})
    cluster.engine.delays = dataclasses.replace(cluster.engine.delays, ready=2.0)
    return tiers


def test_a_renamed_tier_is_served_at_each_moment(cluster: FakeCluster) -> None:
    tiers = renamed(cluster)
    foreseen = preview(PoolRequest("evenkeel", tiers, hosts=HOSTS, limits=LIMITS), cluster.ports, clock=cluster.clock)
    missing = unserved(cluster, "/api/", "/")
    outcome, problem = run(cluster, tiers)
    assert problem == ""
    assert missing == []
    assert [str(action) for action in foreseen.actions] == [str(action) for action in outcome.planned]
    assert {(action.tier, str(action)) for action in outcome.actions} == {
        ("dates", "route dates (tier is not declared, hours takes /api/ over)"),
        ("dates", "drain dates-1 (tier is not declared)"),
        ("dates", "drain dates-2 (tier is not declared)"),
        ("hours", "start hours-1 (first start)"),
        ("hours", "start hours-2 (first start)"),
        ("hours", f"route hours (leads to {tiers['hours'].service}, takes /api/ over from dates)"),
    }
    assert cluster.routes.table().routes.keys() == {"shop", "hours"}
    assert cluster.names("dates") == []
    assert cluster.names("hours") == ["hours-1", "hours-2"]
    assert list(run(cluster, tiers)[0].actions) == []


def test_a_former_name_keeps_serving_when_the_new_one_does_not_come_up(cluster: FakeCluster) -> None:
    tiers = renamed(cluster)
    before = cluster.routes.path.read_text()
    missing = unserved(cluster, "/api/")
    cluster.engine.fails = lambda call: call == "start hours-2"
    _, problem = run(cluster, tiers)
    assert missing == []
    assert sorted(line.partition(": ")[0] for line in problem.splitlines()) == ["route of tier dates", "start hours-2"]
    assert "got no change, want it to change with hours (fix: see the line on hours)" in problem
    assert cluster.routes.path.read_text() == before
    assert cluster.names("dates") == ["dates-1", "dates-2"]
    assert not [call for call in cluster.engine.calls if call.startswith("stop dates")]
    cluster.engine.fails = lambda call: False
    assert run(cluster, tiers)[1] == ""
    assert missing == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("thread", ["tier_0", "tier_1"])
def test_a_tier_that_cannot_begin_keeps_no_other_waiting(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, thread: str
) -> None:
    nodes = cluster.engine.nodes

    def refuse() -> list[Node]:
        if threading.current_thread().name == thread:
            raise EngineError(Problem("Docker", "no answer", "one", "wait"))
        return nodes()

    monkeypatch.setattr(cluster.engine, "nodes", refuse)
    missing = unserved(cluster, "/api/")
    _, problem = run(cluster, renamed(cluster))
    assert "Docker: got no answer" in problem
    assert missing == []


def test_paths_are_exchanged_in_one_write(cluster: FakeCluster) -> None:
    tiers = parsed_tiers(
        {"shop": {**TIERS["shop"], "path": "/api/"}, "dates": {**TIERS["dates"], "path": "/", "strip_path": False}}
    )
    missing = unserved(cluster, "/api/", "/")
    note, writes = cluster.routes.note, []

    def noted() -> None:
        writes.append(cluster.routes.path.read_text())
        note()

    cluster.routes.note = noted  # type: ignore[method-assign]
    outcome, problem = run(cluster, tiers)
    assert problem == ""
    assert missing == []
    assert len(writes) == 1
    assert {str(action) for action in outcome.actions} == {
        "route dates (path, host names or options changed, takes / over from shop, shop takes /api/ over)",
        "route shop (path, host names or options changed, takes /api/ over from dates, dates takes / over)",
    }


def test_a_tier_that_is_there_takes_over_when_its_new_nodes_serve(cluster: FakeCluster) -> None:
    """The path of ``dates`` goes to ``shop``, which has another revision too, and ``dates`` is removed."""
    shop = {**TIERS["shop"], "path": "/api/", "environment": {"MARK": "1"}}
    missing = unserved(cluster, "/api/")
    _, problem = run(cluster, parsed_tiers({"shop": shop}))
    assert problem == ""
    assert missing == []
    assert cluster.names("dates") == []


def test_routes_that_the_balancer_does_not_read_are_written_back(cluster: FakeCluster) -> None:
    tiers = renamed(cluster)
    before = cluster.routes.path.read_text()
    cluster.engine.delays = dataclasses.replace(cluster.engine.delays, route=1e9)
    _, problem = run(cluster, tiers)
    assert "route of tier" in problem
    assert cluster.routes.path.read_text() == before
    assert cluster.names("dates") == ["dates-1", "dates-2"]


def test_a_path_that_was_taken_over_is_not_taken_back(cluster: FakeCluster) -> None:
    tiers = renamed(cluster)
    missing = unserved(cluster, "/api/")
    cluster.engine.fails = lambda call: call.startswith("stop dates-1")
    _, problem = run(cluster, tiers)
    assert problem.startswith("stop dates-1")
    assert problem.endswith("; the routes stay as declared (run it again to end what was begun)")
    assert cluster.routes.table().routes.keys() == {"shop", "hours"}
    assert cluster.names("hours") == ["hours-1", "hours-2"]
    cluster.engine.fails = lambda call: False
    assert run(cluster, tiers)[1] == ""
    assert cluster.names("dates") == []
    assert missing == []


def test_a_halt_of_one_tier_leaves_none_waiting(cluster: FakeCluster) -> None:
    before = cluster.routes.path.read_text()
    asked: list[int] = []

    def halt() -> str:
        asked.append(1)
        return "a person said stop" if len(asked) == 1 else ""

    _, problem = run(cluster, renamed(cluster), halt=halt)
    assert "a person said stop" in problem
    assert cluster.routes.path.read_text() == before
    assert cluster.names("dates") == ["dates-1", "dates-2"]


def test_nodes_that_a_killed_run_has_started_take_over_when_they_serve(cluster: FakeCluster) -> None:
    tiers = renamed(cluster)
    build = cluster.declaration(tiers).builds["hours"]
    for name in ("hours-1", "hours-2"):
        cluster.engine.start(name, build)
    cluster.clock.sleep(0.15)  # listed as up, because they are not probed yet
    missing = unserved(cluster, "/api/")
    _, problem = run(cluster, tiers)
    assert problem == ""
    assert missing == []
    assert cluster.names("hours") == ["hours-1", "hours-2"]
