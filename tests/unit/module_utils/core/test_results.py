"""The types of results: the measurements that tests make have their keys, and a difference is found."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.made_measurements import balance, drill, management, pool, provenance, sessions, spec, tier
from tests.unit.typed import mismatches

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import ClusterSpec, Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.drill_results import DrillResult
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.results import (
    BalanceResult,
    ManagementResult,
    PoolResult,
    ProvenanceResult,
    StickyResult,
)


@pytest.mark.parametrize(
    "made, wanted",
    [
        (pool(spec()), PoolResult),
        (balance(tier("web", False)), BalanceResult),
        (sessions(tier("web", True)), StickyResult),
        (sessions(tier("web", False)), StickyResult),
        (management(), ManagementResult),
        (drill(), DrillResult),
        (provenance(), ProvenanceResult),
    ],
    ids=["pool", "balance", "sticky", "not sticky", "management", "drill", "provenance"],
)
def test_made_measurements_are_of_the_results_types(made: dict[str, Any], wanted: Any) -> None:
    assert mismatches(made, wanted) == []


def test_the_made_declaration_has_keys_of_the_specification_only() -> None:
    assert spec().keys() <= {field.name for field in dataclasses.fields(ClusterSpec)}
    assert tier("web", True).keys() <= {field.name for field in dataclasses.fields(Tier)}


def _drop(result: dict[str, Any]) -> None:
    del result["drill"]["posts"]


def _rename(result: dict[str, Any]) -> None:
    result["drill"]["counts"]["log"] = result["drill"]["counts"].pop("access_log")


def _change(result: dict[str, Any]) -> None:
    result["drill"]["timeline"]["p50_ms"][0] = "fast"


def _truth(result: dict[str, Any]) -> None:
    result["drill"]["requests"]["failed"] = False


@pytest.mark.parametrize(
    "change, found",
    [
        (_drop, ["result.drill: lacks posts"]),
        (_rename, ["result.drill.counts: lacks access_log", "result.drill.counts: has log, which DrillCounts has not"]),
        (_change, ["result.drill.timeline.p50_ms[0]: got str, want float"]),
        (_truth, ["result.drill.requests.failed: got bool, want int"]),
    ],
)
def test_a_difference_is_found(change: Callable[[dict[str, Any]], None], found: list[str]) -> None:
    result = copy.deepcopy(drill())
    change(result)
    assert mismatches(result, DrillResult) == found
