"""The table that status and scale show."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.table import pool_table


def pool(**changes: Any) -> Any:
    tier = {"desired": 2, "running": 2, "in_rotation": 2, "guests": 0, "revision": "abc", "drift": []}
    node = {
        "name": "web-1",
        "state": "running",
        "detail": "running",
        "balancer_status": "UP",
        "in_rotation": True,
        "remark": "",
    }
    return {
        "tiers": {"web": tier},
        "nodes": [node],
        "undeclared": {},
        "balancer": {"reachable": True, "reason": ""},
        **changes,
    }


def test_columns_are_aligned() -> None:
    lines = pool_table(pool())
    assert lines == [
        "TIER  DESIRED  RUNNING  IN ROTATION  GUESTS  REVISION  DRIFT",
        "web   2        2        2            0       abc       none",
    ]


def test_drift_is_told_action_by_action() -> None:
    view = pool()
    view["tiers"]["web"]["drift"] = ["start web-2 (scale up)"]
    assert pool_table(view)[1].endswith("1 to do")
    assert pool_table(view)[-1] == "web: would start web-2 (scale up)"


def test_nodes_out_of_rotation_are_named() -> None:
    view = pool(
        nodes=[
            {
                "name": "web-2",
                "state": "ended",
                "detail": "exited",
                "balancer_status": "not listed",
                "in_rotation": False,
                "remark": "guest web-2: got network x alone, want also y (fix: z)",
            }
        ]
    )
    assert pool_table(view)[-2:] == [
        "web-2: exited, not listed at the balancer",
        "guest web-2: got network x alone, want also y (fix: z)",
    ]


def test_a_silent_balancer_makes_no_claim_about_rotation() -> None:
    lines = pool_table(pool(balancer={"reachable": False, "reason": "balancer API: got nothing"}))
    assert "unknown" in lines[1]
    assert lines[-1] == "balancer API: got nothing"


def test_the_other_parts_have_a_table_of_their_own() -> None:
    parts = [
        {"part": "edge", "state": "none", "lines": [], "to_do": ["start edge shop-edge"]},
        {"part": "disk", "state": "1 MiB free", "lines": ["disk: got 1 MiB"], "to_do": []},
        {"part": "network", "state": "shop", "lines": [], "to_do": []},
    ]
    assert pool_table(pool(parts=parts))[2:] == [
        "PART     STATE       DRIFT",
        "edge     none        1 to do",
        "disk     1 MiB free  differs",
        "network  shop        none",
        "edge: would start edge shop-edge",
        "disk: got 1 MiB",
    ]


def test_without_an_engine_no_tier_is_shown() -> None:
    silent = {"reachable": False, "reason": "Docker daemon: got no answer"}
    lines = pool_table(pool(tiers={}, nodes=[], balancer=silent))
    assert lines == ["Docker daemon: got no answer"]
