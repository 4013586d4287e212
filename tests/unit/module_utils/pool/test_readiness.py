"""When a node of a tier counts as ready, and how long it may take."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes.cluster import TIERS, FakeCluster
from tests.unit.fakes.history import Delays

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.health import HealthCheck
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import observe
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import RunFailedError, reconcile_locked
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout_parts import RolloutLimits

LIMITS = RolloutLimits(ready_timeout=6.0)


def of_dates(folder: Path, delays: Delays | None = None, **options: Any) -> FakeCluster:
    """A cluster whose tier of an image that is found has these options."""
    folder.mkdir(exist_ok=True)
    return FakeCluster(
        folder, delays=delays, tiers={**TIERS, "dates": {**TIERS["dates"], "leaving": "balancer", **options}}
    )


def scaled(cluster: FakeCluster, **differs: Any) -> str:
    """Start a third node of that tier; the error in words."""
    dates = dataclasses.replace(cluster.tiers["dates"], nodes=3, **differs)
    request = cluster.request(tiers={**cluster.tiers, "dates": dates}, limits=LIMITS)
    try:
        reconcile_locked(request, cluster.ports, clock=cluster.clock)
    except RunFailedError as error:
        return str(error)
    return ""


def test_a_tier_says_how_long_its_nodes_may_take(tmp_path: Path) -> None:
    slow = Delays(ready=10.0)
    assert "within 6 s" in scaled(of_dates(tmp_path / "a", slow))
    assert scaled(of_dates(tmp_path / "b", slow, ready_seconds=20)) == ""
    assert "within 2 s" in scaled(of_dates(tmp_path / "c", slow, ready_seconds=2))


@pytest.fixture
def shut(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every node answers with this status from its start on."""

    def answer(cluster: FakeCluster, status: int) -> None:
        monkeypatch.setattr(cluster.engine, "health", lambda url, headers=None: status)

    return answer


@pytest.mark.parametrize("status", [204, 302, 401, 404])
def test_an_image_without_the_contract_is_ready_when_it_answers_at_all(tmp_path: Path, shut: Any, status: int) -> None:
    cluster = of_dates(tmp_path)
    shut(cluster, status)
    assert scaled(cluster) == ""


@pytest.mark.parametrize("status", [0, 500, 503])
def test_and_not_while_it_says_that_it_is_broken(tmp_path: Path, shut: Any, status: int) -> None:
    cluster = of_dates(tmp_path)
    shut(cluster, status)
    came = f"status {status}" if status else "no answer"
    assert f"node dates-3: got {came} from / within 6 s, want status below 500;" in scaled(cluster)


@pytest.mark.parametrize(
    "options, hold, own, line",
    [
        (
            {},
            503,
            502,
            "got status 503 from HOLD and status 502 from PAGE within 6 s, want status below 500 from PAGE;",
        ),
        ({}, 0, 0, "got no answer from HOLD and no answer from PAGE within 6 s, want status below 500 from PAGE;"),
        ({}, 503, 404, "got status 503 from HOLD and status 404 from PAGE within 6 s, want 200 from hold;"),
        ({"health_path": "/up"}, 503, 404, "and status 404 from /up of the application (port 8081) within 6 s, want"),
        ({"health_status": 204}, 503, 200, "and status 200 from PAGE within 6 s, want 204 from PAGE;"),
        ({"health": "tcp"}, 503, 0, "got status 503 from HOLD within 6 s, want port 8081 of the application open;"),
    ],
)
def test_of_a_held_node_it_says_what_hold_and_the_application_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], hold: int, own: int, line: str
) -> None:
    cluster = of_dates(tmp_path, leaving="held", **options)
    monkeypatch.setattr(cluster.engine, "health", lambda url, headers=None: hold if ":9180/ready" in url else own)
    words = line.replace("HOLD", "hold (port 9180, /ready)").replace("PAGE", "/ of the application (port 8081)")
    assert words in scaled(cluster)


def test_what_the_balancer_misses_of_a_held_node_is_holds_answer(tmp_path: Path) -> None:
    cluster = of_dates(tmp_path, leaving="held")
    cluster.balancer.probes = {}
    assert "got no 200 from hold (port 9180, /ready) when the balancer asks within 6 s, want it ready" in scaled(
        cluster
    )


def test_a_tier_may_want_one_status(tmp_path: Path, shut: Any) -> None:
    cluster = of_dates(tmp_path, health_status=401)
    shut(cluster, 401)
    assert scaled(cluster) == ""
    shut(cluster, 200)
    assert "got status 200 from / within 6 s, want 401;" in scaled(cluster, environment={"A": "b"})


def test_what_the_balancer_misses_is_told(tmp_path: Path) -> None:
    cluster = of_dates(tmp_path)
    cluster.balancer.probes = {}
    dates = dataclasses.replace(cluster.tiers["dates"], environment={"A": "b"})
    with pytest.raises(RunFailedError, match="no status from 200 to 399 from / when the balancer asks within 6 s"):
        reconcile_locked(
            cluster.request(tiers={**cluster.tiers, "dates": dates}, limits=LIMITS), cluster.ports, clock=cluster.clock
        )


def test_a_first_start_waits_for_the_balancers_own_probe(tmp_path: Path) -> None:
    """It lists each new server as UP before the first one."""
    cluster = of_dates(tmp_path)
    cluster.balancer.probes = {}
    assert "no status from 200 to 399 from / when the balancer asks within 6 s" in scaled(cluster)
    cluster = of_dates(tmp_path / "own", leaving="own")
    cluster.balancer.probes = {}
    assert scaled(cluster) == "", "an image with the contract answers both of us alike"


def test_a_node_that_answers_and_is_not_listed_is_the_balancers_affair(tmp_path: Path) -> None:
    cluster = of_dates(tmp_path, leaving="held")
    cluster.engine.delays = dataclasses.replace(cluster.engine.delays, notice=100.0)
    problem = scaled(cluster)
    assert "node dates-3: got no place in the balancer's rotation within 6 s, want it ready;" in problem
    assert "(fix: see whether the balancer still follows Docker's events: docker logs;" in problem


def test_the_question_has_the_tiers_host_and_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = of_dates(tmp_path, health_host="shop.example.org", health_headers={"X-Probe": "b"}, health_path="/up?a=1")
    asked = []
    own = cluster.engine.health

    def health(url: str, headers: Any = None) -> int:
        asked.append((url, dict(headers)))
        return own(url)

    monkeypatch.setattr(cluster.engine, "health", health)
    assert scaled(cluster) == ""
    url, headers = asked[-1]
    assert url.endswith(":8081/up?a=1")
    assert headers == {"Host": "shop.example.org", "X-Probe": "b", "Connection": "close"}


def test_a_node_that_is_starting_gets_its_tiers_time_before_it_counts_as_hung(tmp_path: Path) -> None:
    """As after a run that was killed: the next one finds a node that does not answer yet."""
    cluster = of_dates(tmp_path, ready_seconds=20)
    late = cluster.engine.by_name("dates-2").health
    late.set(cluster.clock.now(), 0)
    late.then(cluster.clock.now() + 10.0, 200)
    cluster.clock.sleep(1.0)
    outcome = reconcile_locked(cluster.request(limits=LIMITS), cluster.ports, clock=cluster.clock)
    assert list(outcome.planned) == []


@pytest.mark.parametrize("built, marks", [(True, (True, False)), (False, (False, True))])
def test_only_the_contract_makes_503_a_sign_of_draining(tmp_path: Path, built: bool, marks: tuple[bool, bool]) -> None:
    cluster = of_dates(tmp_path)
    if built:
        cluster.tiers["dates"] = dataclasses.replace(cluster.tiers["dates"], health=HealthCheck())
    cluster.engine.by_name("dates-1").health.set(cluster.clock.now(), 503)
    cluster.clock.sleep(1.0)
    node = next(
        node for node in observe(cluster.declaration(), cluster.ports, cluster.balancer).nodes if node.name == "dates-1"
    )
    assert (node.leaving, node.silent) == marks


def held(folder: Path, **options: Any) -> FakeCluster:
    cluster = FakeCluster(
        folder, tiers={**TIERS, "dates": {**TIERS["dates"], "leaving": "held", "ready_seconds": 120, **options}}
    )
    cluster.clock.sleep(1.0)
    return cluster


def test_a_held_node_whose_application_starts_is_waited_for(tmp_path: Path) -> None:
    cluster = held(tmp_path)
    late = cluster.engine.by_name("dates-1").health
    late.set(cluster.clock.now(), 503)
    late.then(cluster.clock.now() + 60.0, 200)
    cluster.clock.sleep(1.0)
    outcome = reconcile_locked(cluster.request(limits=LIMITS), cluster.ports, clock=cluster.clock)
    assert list(outcome.planned) == []


@pytest.mark.parametrize("draining, marks", [(True, (True, False)), (False, (False, True))])
def test_a_held_node_says_whether_it_drains(tmp_path: Path, draining: bool, marks: tuple[bool, bool]) -> None:
    cluster = held(tmp_path)
    node = cluster.engine.by_name("dates-1")
    node.draining = draining
    node.health.set(cluster.clock.now(), 503)
    cluster.clock.sleep(1.0)
    seen = observe(cluster.declaration(), cluster.ports, cluster.balancer).nodes
    assert [(item.leaving, item.silent) for item in seen if item.name == "dates-1"] == [marks]
