"""A drill second by second."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import Record
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.timeline import bin_seconds, listed, timeline


def record(at: float, **differs: Any) -> Record:
    usual = {"key": f"k-{at}", "at": at, "sent": at, "done": at + 0.01, "tier": "web", "method": "GET", "client": 0}
    return Record(**{**usual, "status": 200, "node": "web-1", **differs})


@pytest.mark.parametrize(
    "rate, seconds, wanted",
    [(400, 60, 0.25), (160, 60, 0.25), (150, 60, 0.5), (10, 60, 4.0), (400, 1000, 0.5), (1e6, 0, 0.25)],
)
def test_bins_are_quarters_of_a_second_that_hold_enough(rate: float, seconds: float, wanted: float) -> None:
    assert bin_seconds(rate, seconds) == wanted


@pytest.mark.parametrize("rate, seconds", [(0, 1), (-1, 1), (1, -1), (float("nan"), 1)])
def test_senseless_rates_are_refused(rate: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="timeline: got rate="):
        bin_seconds(rate, seconds)


def test_each_bin_tells_what_became_of_the_requests_due_in_it() -> None:
    records = [
        record(0.0),
        record(0.1, done=0.13, node="web-2"),
        record(0.2, error="status 502", status=502, node=None),
        record(0.6, tier="api", node="api-1"),
        record(0.74, node="web-1", done=2.74),
    ]
    assert timeline(records, 400, 1) == {
        "bin_seconds": 0.25,
        "answered": [2, 0, 2],
        "failed": [1, 0, 0],
        "p50_ms": [10.0, None, 10.0],
        "p95_ms": [30.0, None, 2000.0],
        "p99_ms": [30.0, None, 2000.0],
        "nodes": {"api": [0, 0, 1], "web": [2, 0, 1]},
    }


def test_no_record_gives_empty_series() -> None:
    empty: list[int] = []
    assert timeline([], 400, 0) == {
        "bin_seconds": 0.25,
        **dict.fromkeys(("answered", "failed", "p50_ms", "p95_ms", "p99_ms"), empty),
        "nodes": {},
    }


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=200))
def test_no_request_is_lost_or_counted_twice(drawn: list[tuple[float, bool]]) -> None:
    records = [record(at, error="" if good else "reset") for at, good in drawn]
    series = timeline(records, 400, 100)
    assert sum(series["answered"]) == sum(good for _, good in drawn)
    assert sum(series["failed"]) == sum(not good for _, good in drawn)
    lengths = {len(series[name]) for name in ("answered", "failed", "p50_ms", "p95_ms", "p99_ms")}
    assert lengths | {len(values) for values in series["nodes"].values()} == lengths


def test_times_are_in_order() -> None:
    assert listed({"b@2": 0.5, "a@1": 0.25049}) == [0.25, 0.5]
