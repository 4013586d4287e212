"""Where declaration, Docker and the balancer differ."""

from __future__ import annotations

from typing import Any

from tests.unit.made_measurements import pool, spec

from ansible_collections.evenkeel.cluster.plugins.filter.pool_drift import FilterModule
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.drift import disagreements, drift_report


def view() -> Any:
    return pool(spec())


def test_agreement() -> None:
    found = drift_report(view())
    assert (found["agreed"], found["lines"], found["balancer"]) == (True, [], "3.7.15")
    assert found["tiers"][0] == {
        "tier": "static",
        "declared": 3,
        "override": "",
        "docker": 3,
        "balancer": 3,
        "guests": 0,
        "revision": "0c1d2e3f4a5b",
        "to_do": [],
    }
    assert FilterModule().filters()["pool_drift"](view()) == found


def test_differences_are_told_in_words_and_numbers() -> None:
    changed = view()
    changed["tiers"]["static"].update(
        running=2, in_rotation=1, unknown_servers=["http://x:1"], drift=["start static-3"]
    )
    changed["nodes"][0].update(in_rotation=False, balancer_status="DOWN")
    changed["tiers"]["dynamic"]["drift"] = ["replace dynamic-1"]
    changed["undeclared"] = {"old": ["remove old-1"]}
    found = drift_report(changed)
    assert (
        found["lines"]
        == disagreements(changed)
        == [
            "tier static: got 2 nodes running: static-1 is running, DOWN at the balancer, want 3,"
            " so a run would start static-3 (fix: ansible-playbook site.yml)",
            "tier static: got 1 of 2 running nodes in rotation: static-1 is running, DOWN at the balancer, want all"
            " (fix: docker logs of the node named)",
            "tier static: got server http://x:1 in the balancer, want only running nodes"
            " (fix: see which labels name it)",
            "tier dynamic: got drift (replace dynamic-1), want none (fix: ansible-playbook site.yml)",
            "tier old: got remove old-1, want no trace of it (fix: ansible-playbook site.yml)",
        ]
    )
    assert [(tier["tier"], tier["docker"], tier["balancer"]) for tier in found["tiers"]] == [
        ("static", 2, 1),
        ("dynamic", 3, 3),
        ("old", None, None),
    ]


def test_why_a_guest_is_out_of_rotation_is_told() -> None:
    changed = view()
    changed["nodes"][0]["remark"] = "guest x: got network y alone, want also z (fix: connect it)"
    assert disagreements(changed) == ["guest x: got network y alone, want also z (fix: connect it)"]


def test_a_balancer_that_is_not_reached_says_nothing() -> None:
    silent: Any = {**view(), "balancer": {"reachable": False, "version": "", "reason": "balancer API: got no answer"}}
    found = drift_report(silent)
    assert found["lines"] == ["balancer API: got no answer"]
    assert {tier["balancer"] for tier in found["tiers"]} == {None}


def test_a_failed_module_is_no_agreement() -> None:
    assert drift_report({"msg": "Docker: got no answer"}) == {
        "agreed": False,
        "balancer": "",
        "lines": ["Docker: got no answer"],
        "tiers": [],
        "parts": [],
    }


def test_the_other_parts_differ_in_their_own_words_and_by_what_a_run_would_do() -> None:
    changed = view()
    changed["parts"] = [
        {"part": "edge", "state": "shop-edge paused", "lines": [], "to_do": ["remove shop-edge", "start shop-edge"]},
        {"part": "disk", "state": "1 MiB free", "lines": ["disk: got 1 MiB"], "to_do": []},
        {"part": "network", "state": "shop", "lines": [], "to_do": []},
    ]
    found = drift_report(changed)
    assert found["agreed"] is False
    assert found["lines"] == [
        "edge: got drift (remove shop-edge; start shop-edge), want none (fix: ansible-playbook site.yml)",
        "disk: got 1 MiB",
    ]
    assert found["parts"] == changed["parts"]
    # The three sides of the pool still agree.
    assert disagreements(changed) == []
