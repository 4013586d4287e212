"""balance_check from its options to its result, against a small real tier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fake_tier import NODES, Chance, FakeTier

from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.balance_check import derived_requests

Check = Callable[..., dict[str, Any]]


# -- balance: passes -----------------------------------------------------------------


def test_round_robin_passes(balanced: Check, tier: FakeTier) -> None:
    tier.choose()  # the measurement begins inside a cycle
    result = balanced(tier, host="labo-http.res.ch")
    assert result["method"] == "exact"
    assert result["message"] == (
        "balance of web: 60 of 60 requests answered, 20 each on 3 nodes (exact); control failed as it must"
    )
    assert sum(result["counts"].values()) == result["requests"] == result["sent"] == 60
    assert len(result["sequence"]) == 60
    assert tier.hosts == {"labo-http.res.ch"}
    assert result["generation"] == {
        "observed": True,
        "attempts": 1,
        "before": 4,
        "after": 4,
        "counted": 60,
        "foreign_requests": 0,
        "servers": tier.states,
    }
    assert result["control"] == {
        "applicable": True,
        "failed": True,
        "url": f"{tier.url}/direct/web-2",
        "requests": 60,
        "counts": {"web-2": 60},
        "message": "got 0 of 60 requests on web-1, web-3, want 20 each (fix: docker logs web-1)",
    }


@pytest.mark.parametrize("keep_alive", [True, False])
def test_unwatched_round_robin_passes_and_says_so(balanced: Check, tier: FakeTier, keep_alive: bool) -> None:
    result = balanced(tier, watched=False, requests=45, keep_alive=keep_alive)
    assert result["counts"] == {"web-1": 15, "web-2": 15, "web-3": 15}
    assert result["notes"] == ["configuration changes and requests of others not observed: no api_url"]


def test_parallel_requests_are_judged_by_counts(balanced: Check, tier: FakeTier) -> None:
    result = balanced(tier, connections=4)
    assert result["method"] == "exact"
    assert "order is not judged" in result["notes"][0]


def test_random_choice_passes_chi_square(balanced: Check, tier: FakeTier) -> None:
    chance = Chance(3)
    tier.choose = lambda: chance.choice(NODES)
    result = balanced(tier, strategy="p2c", requests=300)
    assert result["method"] == "chi-square"
    assert result["p_value"] > 1e-6
    assert result["control"]["failed"] is True


def test_hash_of_the_address_stays_on_one_node(balanced: Check, tier: FakeTier) -> None:
    tier.choose = lambda: "web-3"
    result = balanced(tier, strategy="hrw")
    assert (result["method"], result["control"]["applicable"]) == ("affinity", False)
    tier.choose = tier.round_robin
    assert balanced(tier, strategy="hrw")["msg"] == (
        "balance of web: got requests of one client on web-1, web-2, web-3, want all on one node"
        " (fix: check the nodes' health)"
    )


def test_least_time_promises_no_shares(balanced: Check, tier: FakeTier) -> None:
    tier.choose = lambda: "web-3"
    result = balanced(tier, strategy="leasttime")
    assert result["method"] == "availability"
    assert result["message"].startswith("balance of web: 20 of 20 requests answered by web-3; leasttime prefers")
    assert result["notes"][1] == "no request on web-1, web-2"


def test_one_node(balanced: Check, make: Callable[..., FakeTier]) -> None:
    result = balanced(make(["web-1"]))
    assert result["message"] == (
        "balance of web: 20 of 20 requests answered by web-1; distribution not applicable: one node"
    )
    assert result["control"]["applicable"] is False


def test_no_node(balanced: Check, make: Callable[..., FakeTier]) -> None:
    tier = make([])
    tier.status = lambda number: 503
    result = balanced(tier)
    assert result["message"] == "balance of web: no node: all 5 requests answered with 503 by the guard"
    assert (result["method"], result["lost"]) == ("guard", 0)
    tier.status = lambda number: 404
    result = balanced(tier)
    assert result["msg"] == (
        "balance of web: got status 404 for 5 of 5 requests, want 503 from the guard (fix: run site.yml)"
    )
    assert result["lost"] == 5


# -- balance: each fault is found ----------------------------------------------------


def test_a_node_without_requests_is_named(balanced: Check, tier: FakeTier) -> None:
    result = balanced(tier, nodes=[*NODES, "web-4"], requests=60)
    assert result["msg"] == "balance of web: got 0 of 60 requests on web-4, want 15 each (fix: docker logs web-4)"
    assert result["counts"] == {"web-1": 20, "web-2": 20, "web-3": 20, "web-4": 0}


def test_an_unexpected_node_is_named(balanced: Check, tier: FakeTier) -> None:
    result = balanced(tier, nodes=["web-1", "web-2"], requests=60)
    assert result["msg"].startswith(
        "balance of web: got 20 of 60 requests on web-3, want answers from web-1, web-2 only"
        " (fix: docker inspect web-3)"
    )


def test_problems_are_told_by_aspect(balanced: Check, tier: FakeTier) -> None:
    tier.choose = lambda: "web-1"
    aspects = balanced(tier)["aspects"]
    assert {name: len(found) for name, found in aspects.items() if found} == {"shares": 1}


def test_double_weight_is_found(balanced: Check, tier: FakeTier) -> None:
    cycle = ["web-1", "web-1", "web-2", "web-3"] * 100
    tier.choose = cycle.pop
    assert balanced(tier)["msg"] == (
        "balance of web: got 30 of 60 requests on web-1, want 20 each (fix: docker inspect web-1)"
    )


def test_equal_counts_in_the_wrong_order_are_found(balanced: Check, tier: FakeTier) -> None:
    blocks = ["web-3"] * 20 + ["web-2"] * 20 + ["web-1"] * 20
    tier.choose = blocks.pop
    assert balanced(tier)["problems"] == [
        "got web-1 twice in one cycle at request 3, want every node once in each cycle of 3"
        " (fix: check weight and health of web-1)"
    ]


def test_a_random_balancer_is_no_round_robin(balanced: Check, tier: FakeTier) -> None:
    chance = Chance(5)
    tier.choose = lambda: chance.choice(NODES)
    assert balanced(tier)["verdict"] == "fail"


def test_chi_square_finds_a_double_share(balanced: Check, tier: FakeTier) -> None:
    chance = Chance(5)
    tier.choose = lambda: chance.choices(NODES, [1, 2, 1])[0]
    message = balanced(tier, strategy="p2c", requests=300)["msg"]
    assert "requests on web-2 (chi-square" in message
    assert "(p >= 1e-06)" in message


def test_lost_requests_are_named_with_their_node(balanced: Check, tier: FakeTier) -> None:
    tier.status = lambda number: 502 if number in (7, 8) else 200
    result = balanced(tier)
    node = result["sequence"][6]
    assert result["lost"] == 2
    assert result["msg"].startswith(
        f"balance of web: got 2 of 60 requests lost (first: status 502 from {node} at request 7),"
        f" want 60 answered with status 200 (fix: docker logs {node})"
    )


def test_an_image_that_does_not_name_its_nodes_is_not_measured(balanced: Check, tier: FakeTier) -> None:
    tier.names = False
    result = balanced(tier)
    assert (result["verdict"], result["problems"], result["control"]["applicable"]) == ("not measured", [], False)
    assert set(map(len, result["aspects"].values())) == {0}
    assert result["message"] == (
        "balance of web: not measured: got 60 answers without X-Served-By and no access log, want one of the two to"
        " name the nodes (fix: pass access_log and members, and see that the log can be read)"
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 401])
def test_a_path_that_answers_something_else_is_not_measured(balanced: Check, tier: FakeTier, status: int) -> None:
    tier.status = lambda number: status
    result = balanced(tier)
    assert (result["verdict"], result["problems"], result["lost"]) == ("not measured", [], 0)
    assert result["message"] == (
        f"balance of web: not measured: got status {status} for all 60 requests, want 200 to measure by"
        " (fix: nothing; or let the tier's path answer 200)"
    )


def test_some_answers_without_a_name_are_a_fault(balanced: Check, tier: FakeTier) -> None:
    def forget(number: int) -> None:
        tier.names = number != 5

    tier.during = forget
    assert "got 1 of 60 answers without the name of their node" in " ".join(balanced(tier)["problems"])


@pytest.mark.parametrize("status", [404, 500, 502, 503])
def test_faults_that_all_answers_share_are_faults(balanced: Check, tier: FakeTier, status: int) -> None:
    tier.status = lambda number: status
    assert f"got 60 of 60 requests lost (first: status {status} from " in balanced(tier)["msg"]


def test_one_redirect_is_a_fault(balanced: Check, tier: FakeTier) -> None:
    tier.status = lambda number: 302 if number == 9 else 200
    assert "got 1 of 60 requests lost (first: status 302 from " in balanced(tier)["msg"]


def test_a_redirect_of_the_balancer_itself_is_a_fault(balanced: Check, tier: FakeTier) -> None:
    """The tier's service has not counted the requests, so none of its nodes has answered."""
    tier.status = lambda number: 302
    tier.counts = False
    assert "got 60 of 60 requests lost (first: status 302" in balanced(tier)["msg"]


def test_nothing_listens(balanced: Check, tier: FakeTier) -> None:
    tier.close()
    result = balanced(tier, watched=False)
    assert result["msg"].startswith(
        "balance of web: got 5 of 5 requests lost (first: connection refused at request 1), want 60 answered"
    )
    assert (result["counts"], result["latency_ms"]) == (dict.fromkeys(NODES, 0), {})


def test_time_limit(balanced: Check, tier: FakeTier) -> None:
    result = balanced(tier, requests=100_000, time_limit=0.2)
    assert result["problems"][0].endswith(
        "of 100000 requests sent within the time limit, want all of them (fix: raise time_limit, or lower requests)"
    )


# -- balance: the control ------------------------------------------------------------


def test_a_control_that_does_not_fail_fails_the_check(balanced: Check, tier: FakeTier) -> None:
    result = balanced(tier, control_url=f"{tier.url}/")
    assert result["control"]["failed"] is False
    assert "got a control which did not fail at" in result["msg"]


def test_a_control_that_is_not_answered_proves_nothing(balanced: Check, tier: FakeTier) -> None:
    result = balanced(tier, control_url="http://127.0.0.1:1/")
    assert result["control"]["failed"] is False
    assert "got a control with 5 of 5 requests lost (first: connection refused" in result["msg"]


# -- balance: three sides -----------------------------------------------------------


def test_the_access_log_is_a_side_of_its_own(balanced: Check, tier: FakeTier, tmp_path: Path) -> None:
    (tmp_path / "access.log").touch()
    members = [{"served_by": node, "url": f"http://{node}:8080", "address": ""} for node in NODES]
    result = balanced(tier, members=members, access_log=str(tmp_path / "access.log"))
    lost = (
        "got 60 of 60 answered requests missing in the access log, 0 there with another node or status, want all of"
        " them as the clients saw them (fix: see the balancer's access log)"
    )
    assert result["problems"] == [lost]
    assert result["aspects"] == {"answers": [], "shares": [], "observation": [], "sides": [lost], "control": []}
    assert result["sides"]["nodes"]["web-1"] == {"client": 20, "access_log": 0, "node": None}


def test_members_must_be_those_of_node_pool_info(balanced: Check, tier: FakeTier) -> None:
    assert balanced(tier, members=[{"name": "web-1"}])["msg"] == (
        "members: got an entry without served_by, want those of node_pool_info (fix: pass its nodes)"
    )


def test_no_control(balanced: Check, tier: FakeTier) -> None:
    assert balanced(tier, control_url="")["message"].endswith("(exact); no control")


@pytest.mark.parametrize(
    "nodes, strategy, requests",
    [(0, "wrr", 5), (1, "wrr", 20), (2, "wrr", 64), (3, "wrr", 60), (40, "wrr", 200), (3, "hrw", 20)],
)
def test_derived_requests(nodes: int, strategy: str, requests: int) -> None:
    assert derived_requests(nodes, strategy, 1e-6) == requests


@pytest.mark.parametrize("nodes", [2, 3, 40])
def test_derived_requests_of_random_choice(nodes: int) -> None:
    requests = derived_requests(nodes, "p2c", 1e-6)
    assert requests % nodes == 0
    assert 300 < requests < 10_000
