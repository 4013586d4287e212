"""sticky_check from its options to its result, against a small real tier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.fake_tier import COOKIE, FLAGS, NODES, Chance, FakeTier

from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.session_check import derived_clients

Check = Callable[..., dict[str, Any]]


def test_sticky_sessions_pass(sticky: Check, kept: FakeTier) -> None:
    kept.choose()
    result = sticky(kept, host="labo-http.res.ch:8080", max_age=0)
    assert result["message"] == (
        "sticky sessions of web: 21 of 21 clients stayed, spread over 3 nodes; control failed as it must"
    )
    assert (result["clients"], result["stayed"], result["moved"], result["requests"]) == (21, 21, 0, 105)
    assert sum(result["first_picks"].values()) == 21
    assert all(len(set(session)) == 1 and len(session) == 5 for session in result["sessions"])
    assert result["cookie_seen"] == {
        "name": COOKIE,
        "attributes": {"path": "/", "httponly": "", "samesite": "Lax"},
    }
    assert {key: result["control"][key] for key in ("applicable", "failed", "clients", "stayed", "moved")} == {
        "applicable": True,
        "failed": True,
        "clients": 21,
        "stayed": 0,
        "moved": 21,
    }


def test_sessions_of_an_image_that_does_not_name_its_nodes_are_not_measured(sticky: Check, kept: FakeTier) -> None:
    kept.names = False
    result = sticky(kept)
    assert (result["verdict"], result["problems"], result["control"]["applicable"]) == ("not measured", [], False)
    assert "not measured: got 105 answers without X-Served-By" in result["message"]


def test_sessions_on_a_path_that_redirects_are_not_measured(sticky: Check, kept: FakeTier) -> None:
    kept.status = lambda number: 302
    result = sticky(kept)
    assert (result["verdict"], result["problems"], result["lost"]) == ("not measured", [], 0)
    kept.status = lambda number: 302 if number % 50 == 9 else 200
    assert sticky(kept)["verdict"] == "fail"


def test_clients_that_move_are_found(sticky: Check, kept: FakeTier) -> None:
    def forget(number: int) -> None:
        kept.cookie_flags = None if number % 5 == 3 else FLAGS

    kept.during = forget
    result = sticky(kept)
    assert (result["verdict"], result["stayed"] < 21) == ("fail", True)
    assert "clients moved (first: client " in result["msg"]
    assert "want each client on one node" in result["msg"]


@pytest.mark.parametrize(
    "flags, options, problem",
    [
        ("; Path=/; SameSite=Lax", {}, f"got HttpOnly absent in cookie {COOKIE}, want present"),
        ("; Path=/; HttpOnly", {}, f"got SameSite absent in cookie {COOKIE}, want lax"),
        (FLAGS, {"same_site": "strict"}, f"got SameSite lax in cookie {COOKIE}, want strict"),
        (FLAGS, {"same_site": ""}, f"got SameSite lax in cookie {COOKIE}, want absent"),
        (FLAGS, {"http_only": False}, f"got HttpOnly present in cookie {COOKIE}, want absent"),
        (FLAGS + "; Secure", {}, f"got Secure present in cookie {COOKIE}, want absent"),
        (FLAGS, {"max_age": 60}, f"got Max-Age absent in cookie {COOKIE}, want 60"),
        (FLAGS + "; Max-Age=60", {"max_age": 0}, f"got Max-Age 60 in cookie {COOKIE}, want absent"),
        (FLAGS, {"cookie": "another"}, "got no cookie another for 6 of 6 clients, want one in the first answer"),
    ],
)
def test_cookie_faults(sticky: Check, kept: FakeTier, flags: str, options: dict[str, Any], problem: str) -> None:
    kept.cookie_flags = flags
    result = sticky(kept, clients=6, requests_per_client=3, **options)
    assert result["msg"].startswith(f"sticky sessions of web: {problem}")


def test_no_stickiness_where_some_is_expected(sticky: Check, tier: FakeTier) -> None:
    result = sticky(tier)
    assert "got no cookie" in result["problems"][0]
    assert "21 of 21 clients moved" in result["problems"][1]
    assert result["cookie_seen"] is None


def test_clients_which_are_kept_by_something_else_fail_the_control(sticky: Check, kept: FakeTier) -> None:
    def by_rhythm() -> str:
        return NODES[(kept.requests - 1) // 5 % 3]

    kept.choose = by_rhythm
    result = sticky(kept)
    assert result["control"]["failed"] is False
    assert "got a control which did not fail: no client without a cookie jar moved" in result["msg"]


def test_all_new_clients_on_one_node(sticky: Check, kept: FakeTier) -> None:
    kept.choose = lambda: "web-1"
    result = sticky(kept)
    assert "got all 21 clients on web-1, want new clients on every node (fix: docker logs web-2)" in result["msg"]


def test_a_node_which_gets_no_new_client(sticky: Check, kept: FakeTier) -> None:
    kept.choose = iter(["web-1", "web-3"] * 200).__next__
    assert "got 0 of 21 clients on web-2, want some on each (fix: docker logs web-2)" in sticky(kept)["msg"]


def test_first_picks_out_of_order(sticky: Check, kept: FakeTier) -> None:
    picks = ["web-1", "web-1", "web-1", *["web-2", "web-3"] * 60]
    kept.choose = iter(picks).__next__
    assert "got web-1 twice in one cycle for client 3, want first picks with" in sticky(kept)["msg"]


def test_random_first_picks_pass(sticky: Check, kept: FakeTier) -> None:
    chance = Chance(2)
    kept.choose = lambda: chance.choice(NODES)
    assert sticky(kept, strategy="p2c")["verdict"] == "pass"
    assert sticky(kept)["verdict"] == "fail"


def test_first_picks_beside_requests_of_others(sticky: Check, kept: FakeTier) -> None:
    def others(number: int) -> None:
        if number % 7 == 5:
            kept.counted += 1
            kept.choose()

    kept.during = others
    result = sticky(kept)
    assert result["verdict"] == "pass"
    assert "first picks not judged exactly: 15 requests of others" in result["notes"][0]


def test_lost_requests_of_clients(sticky: Check, kept: FakeTier) -> None:
    kept.status = lambda number: 500 if number == 3 else 200
    assert "got 1 of 105 requests lost (first: status 500 from web-" in sticky(kept)["msg"]


def test_one_sticky_node_still_sets_its_cookie(sticky: Check, make: Callable[..., FakeTier]) -> None:
    tier = make(["web-1"])
    assert "got no cookie" in sticky(tier)["msg"]
    tier.cookie_flags = FLAGS
    assert sticky(tier)["message"].endswith("60 of 60 requests answered; staying not applicable: one node")


def test_not_sticky(sticky: Check, tier: FakeTier) -> None:
    result = sticky(tier, sticky=False)
    assert result["message"] == f"sticky sessions of web: no cookie {COOKIE}, and clients move over 3 nodes"
    assert (result["moved"], result["control"]["applicable"]) == (21, False)


def test_sticky_where_none_is_expected(sticky: Check, kept: FakeTier) -> None:
    result = sticky(kept, sticky=False)
    assert f"got cookie {COOKIE} in 21 answers, want none" in result["problems"][0]
    assert "got 21 of 21 clients kept on one node, want clients that move" in result["problems"][1]


def test_no_node(sticky: Check, make: Callable[..., FakeTier]) -> None:
    tier = make([])
    tier.status = lambda number: 503
    result = sticky(tier)
    assert result["message"] == "sticky sessions of web: no node: all 5 requests answered with 503 by the guard"
    assert (result["method"], result["lost"]) == ("guard", 0)
    tier.status = lambda number: 404
    result = sticky(tier)
    assert result["msg"] == (
        "sticky sessions of web: got status 404 for 5 of 5 requests, want 503 from the guard (fix: run site.yml)"
    )
    assert result["lost"] == 5


@pytest.mark.parametrize("nodes, clients", [(0, 5), (1, 12), (2, 32), (3, 21), (40, 80)])
def test_derived_clients(nodes: int, clients: int) -> None:
    assert derived_clients(nodes) == clients
