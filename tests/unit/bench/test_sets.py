"""The bench of sets under faults: how it counts, and what its tiers are."""

from __future__ import annotations

import io
import json

from tests.bench import sets
from tests.bench.load import Outcome


def outcome(error: str = "", tier: str = "zoo") -> Outcome:
    return Outcome(at=1.5, late=0.0, seconds=0.1, tier=tier, method="POST", client=1, error=error)


def test_one_tier_leaves_by_the_balancer_and_one_is_held() -> None:
    tiers = json.loads(sets.declared(4))["cluster_tiers"]
    assert {name: (tier.get("leaving"), tier["nodes"]) for name, tier in tiers.items()} == {
        "zoo": ("balancer", 4),
        "held": (None, 4),
    }
    assert json.loads(sets.declared(lossy=True))["cluster_tiers"]["lossy"]["leaving"] == "own"


def test_a_lost_request_is_no_good_end() -> None:
    tried = sets.Tried("roll", step="a node leaves", at=1.0)
    tried.count([outcome(), outcome("status 502")])
    assert (tried.requests, tried.failed, tried.good) == (2, ["zoo POST at 1.5 s: status 502"], False)
    tried.count([outcome()])
    assert tried.good


def test_kills_are_told_apart_by_the_step_that_they_came_in() -> None:
    found = [sets.Tried("roll", step=step, at=1.0, requests=10) for step in ("a node leaves", "a node leaves", "none")]
    found += [sets.Tried("API silent", requests=7, problems=["run: got 0"])]
    assert sets.rows(found) == [
        ["API silent", 1, 7, 0, 0],
        ["roll, killed: a node leaves", 2, 20, 0, 2],
        ["roll, killed: none", 1, 10, 0, 1],
    ]


def test_the_load_asks_the_tiers_in_turn() -> None:
    found = sets.targets(*sets.TIERS)
    assert [target.tier for target in found[:4]] == ["zoo", "held", "zoo", "held"]
    assert {target.get.rpartition(":")[2] for target in found} == {"8080/", "8080/slow", "8080/held/", "8080/held/slow"}


def test_the_reason_of_a_failed_run_is_kept_without_its_warnings() -> None:
    text = "[WARNING]: x: got 1, want 2\n[ERROR]: API: got no answer, want one (fix: see)\nPLAY RECAP\n"
    assert sets.said(io.StringIO(text)) == "[ERROR]: API: got no answer, want one (fix: see)"
