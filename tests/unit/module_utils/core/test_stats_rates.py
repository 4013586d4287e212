"""Bounds on failure rates and percentiles, against published tables, exact identities and properties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ansible_collections.evenkeel.cluster.plugins.module_utils.core import stats as st
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.stats_functions import beta_i


@pytest.mark.parametrize("n", [30, 1000, 10**6])
def test_zero_failures_bound_is_near_the_rule_of_three(n: int) -> None:
    """3/n (Hanley & Lippman-Hand 1983) is a little above it."""
    assert st.zero_failures_upper(n) == pytest.approx(3 / n, rel=0.06)
    assert st.zero_failures_upper(n) <= 3 / n


@given(some.integers(1, 10**7), some.floats(0.5, 0.999999))
def test_zero_failures_bound_solves_its_equation(n: int, confidence: float) -> None:
    bound = st.zero_failures_upper(n, confidence)
    assert 0 < bound < 1
    assert n * math.log1p(-bound) == pytest.approx(math.log1p(-confidence), rel=1e-9)


@pytest.mark.parametrize(
    "failures, n, low, high",
    # Newcombe 1998 (Statistics in Medicine 17), table I, exact method.
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_clopper_pearson_table(failures: int, n: int, low: float, high: float) -> None:
    assert st.clopper_pearson(failures, n) == pytest.approx((low, high), abs=6e-5)


@settings(max_examples=50)
@given(some.integers(1, 10**6).flatmap(lambda n: some.tuples(some.integers(0, n), some.just(n))))
def test_clopper_pearson_contains_the_rate_and_is_symmetric(case: tuple[int, int]) -> None:
    failures, n = case
    low, high = st.clopper_pearson(failures, n)
    assert 0 <= low <= failures / n <= high <= 1
    mirrored = st.clopper_pearson(n - failures, n)
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-9)


@given(some.integers(1, 10**6))
def test_clopper_pearson_without_a_failure_is_the_bound_for_none(n: int) -> None:
    assert st.clopper_pearson(0, n, 0.9)[1] == pytest.approx(st.zero_failures_upper(n, 0.95), rel=1e-9)


@settings(max_examples=60)
@given(some.integers(1, 60).flatmap(lambda n: some.tuples(some.integers(0, n - 1), some.just(n))), some.floats(0, 1))
def test_incomplete_beta_is_a_binomial_tail(case: tuple[int, int], p: float) -> None:
    k, n = case
    tail = sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1, n + 1))
    assert beta_i(k + 1, n - k, p) == pytest.approx(tail, abs=1e-9)  # DLMF 8.17.5


@given(some.floats(1e-6, 0.5), some.floats(0.5, 0.999999))
def test_sample_size_for_a_failure_rate_is_the_smallest(rate: float, confidence: float) -> None:
    n = st.sample_size_for_failure_rate(rate, confidence)
    assert st.zero_failures_upper(n, confidence) <= rate * (1 + 1e-6)
    assert n == 1 or st.zero_failures_upper(n - 1, confidence) > rate * (1 - 1e-6)


def test_sample_size_for_a_failure_rate_is_about_three_over_it() -> None:
    assert st.sample_size_for_failure_rate(0.0001) == 29956


@pytest.mark.parametrize("percent, value", [(0, 15), (5, 15), (30, 20), (40, 20), (50, 35), (99.9, 50), (100, 50)])
def test_percentile_nearest_rank(percent: float, value: float) -> None:
    assert st.percentile([50, 15, 35, 20, 40], percent) == value


def test_percentile_is_not_pushed_up_by_floating_point() -> None:
    assert st.percentile(range(1, 1001), 99.9) == 999
    assert st.percentile(range(1, 101), 29) == 29


@settings(max_examples=50)
@given(some.lists(some.floats(0, 1e6), min_size=1), some.floats(0, 100))
def test_percentile_is_a_measured_value(values: list[float], percent: float) -> None:
    value = st.percentile(values, percent)
    assert value in values
    assert sum(other <= value for other in values) >= percent * len(values) / 100 - 1e-6


@pytest.mark.parametrize(
    "call",
    [
        lambda: st.zero_failures_upper(0),
        lambda: st.zero_failures_upper(1, 1.0),
        lambda: st.clopper_pearson(2, 1),
        lambda: st.clopper_pearson(0, 0),
        lambda: st.clopper_pearson(0, 1, 1.0),
        lambda: beta_i(0, 1, 0.5),
        lambda: beta_i(1, 1, 1.5),
        lambda: st.sample_size_for_failure_rate(0),
        lambda: st.sample_size_for_failure_rate(0.1, 1.0),
        lambda: st.percentile([], 50),
        lambda: st.percentile([1], 101),
    ],
)
def test_bounds_refuse(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match="got"):
        call()
