"""How often the balancer sent requests: its counters beside its log."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.fakes.clock import VirtualClock
from tests.unit.fakes.traffic import DrilledCluster
from tests.unit.module_utils.drill.sessions import drilled

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.attempts import (
    AttemptWatch,
    logged_requests,
    second_attempts,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import Record
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import GET, POST
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.access_log import LogLine
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.metrics import Attempts, parse_attempts

WEB = "web-86e63b5f@docker"

# Recorded around 40 POSTs, all answered 200, while one of three nodes refused connections for a moment.
BEFORE = """\
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.79581416918e+09
traefik_service_requests_total{code="200",method="GET",protocol="http",service="web-86e63b5f@docker"} 4522
traefik_service_requests_total{code="200",method="POST",protocol="http",service="web-86e63b5f@docker"} 762
traefik_service_requests_total{code="502",method="POST",protocol="http",service="web-86e63b5f@docker"} 10
"""
AFTER = BEFORE.replace(" 762\n", " 802\n").replace(" 10\n", " 29\n")


def test_what_a_real_balancer_sent_twice_is_seen() -> None:
    found = second_attempts(parse_attempts(BEFORE), parse_attempts(AFTER), {("web", POST): 40, ("web", GET): 0})
    assert found == {("web", POST): 19, ("web", GET): 0}


def attempts(process: float = 1.0, **counts: int) -> Attempts:
    """Service (- for _) to POSTs."""
    return Attempts(process, {(f"{name.replace('_', '-')}@docker", POST): count for name, count in counts.items()})


@pytest.mark.parametrize(
    "before, after, found",
    [
        (attempts(web_86e63b5f=5), attempts(web_86e63b5f=9), 0),
        (attempts(), attempts(web_86e63b5f=4), 0),
        (attempts(), attempts(web_86e63b5f=3, web_86e63b5f_unchecked=2), 1),
        (attempts(), attempts(web_86e63b5f=2, web_0a1b2c3d=4), 2),
        (attempts(), attempts(web_86e63b5f=4, web_2_86e63b5f=9, baseline_web=9, evenkeel_empty=9), 0),
        (attempts(), attempts(web_86e63b5f=3), None),  # less than one each: something was forgotten
        (attempts(web_0a1b2c3d=7), attempts(web_86e63b5f=6), None),
        (attempts(), attempts(2.0, web_86e63b5f=9), None),
    ],
    ids=["none", "new", "last resort", "two policies", "other tiers", "too few", "service gone", "another balancer"],
)
def test_second_attempts(before: Attempts, after: Attempts, found: int | None) -> None:
    assert second_attempts(before, after, {("web", POST): 4}).get(("web", POST)) == found


def test_what_never_reached_a_node_has_no_attempt() -> None:
    records = [Record(f"r-{n}", 0, 0, 0, "web", POST if n < 2 else GET, 0, 200, None) for n in range(4)]
    log = [LogLine("r-0", 200, "web-1:80"), LogLine("r-1", 503, ""), LogLine("r-2", 200, "web-1:80")]
    assert logged_requests(records, log) == {("web", POST): 1, ("web", GET): 1}


def test_counters_that_are_late_are_waited_for() -> None:
    clock = VirtualClock()
    readings = iter([attempts(web_86e63b5f=1), attempts(web_86e63b5f=4), attempts(web_86e63b5f=6)])
    watch = AttemptWatch(lambda: next(readings), clock)
    watch.begin()
    assert watch.end({("web", POST): 4}) == {("web", POST): 1}
    assert (watch.problem, len(clock.slept)) == ("", 1)


def test_an_api_that_does_not_answer_is_told_and_ends_nothing() -> None:
    def silent() -> Attempts:
        raise EvenkeelError("balancer API: got no answer, want one (fix: see it)")

    watch = AttemptWatch(silent, VirtualClock())
    watch.begin()
    assert watch.end({("web", POST): 4}) == {}
    assert watch.problem == "second attempts not known: balancer API: got no answer, want one (fix: see it)"


@pytest.fixture
def cluster(tmp_path: Path) -> DrilledCluster:
    made = DrilledCluster(tmp_path)
    made.clock.sleep(1.0)  # the balancer has read the routes
    made.traffic.bare = {"shop"}
    return made


def test_a_drill_bounds_the_posts_that_were_executed_twice(cluster: DrilledCluster) -> None:
    """A killed node refuses what is sent to it until the balancer knows."""
    result = drilled(cluster, scenario="kill", only=["shop"], control=False, rate=400, clients=40)
    assert result["verdict"] == "pass", result
    posts = result["drill"]["posts"]
    assert posts["again"] > 0
    assert f"second attempts: {posts['again']} at most" in result["message"]
    assert result["drill"]["counts"]["retried"] >= posts["again"]


def test_a_balancer_that_is_replaced_takes_its_counters_with_it(cluster: DrilledCluster) -> None:
    cluster.clock.at(cluster.clock.now() + 0.5, lambda: setattr(cluster.traffic, "process", 2.0))
    result = drilled(cluster, scenario="steady", only=["shop"], control=False)
    assert result["drill"]["posts"]["again"] is None
    assert "second attempts: not known" in result["message"]
