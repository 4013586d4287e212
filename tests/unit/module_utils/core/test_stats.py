"""Statistics against published table values, exact identities, and properties."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ansible_collections.evenkeel.cluster.plugins.module_utils.core import stats as st
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.stats_functions import beta_i, gamma_p, gamma_q

NODES = ["n-1", "n-2", "n-3"]


class Simulation(random.Random):
    """Reproducible chance."""


def edf(nodes: list[str], length: int, seed: int, weights: dict[str, int] | None = None) -> list[str]:
    """Earliest deadline first with random tie-breaks: the discipline of the balancer."""
    chance = Simulation(seed)
    deadlines = {node: 1 / (weights or {}).get(node, 1) for node in nodes}
    sequence = []
    for __ in range(length):
        earliest = min(deadlines.values())
        node = chance.choice([name for name, deadline in deadlines.items() if deadline == earliest])
        deadlines[node] += 1 / (weights or {}).get(node, 1)
        sequence.append(node)
    return sequence


# -- round robin -----------------------------------------------------------------


@pytest.mark.parametrize(
    "counts, aligned, exact",
    [
        ({"n-1": 20, "n-2": 20, "n-3": 20}, True, True),
        ({"n-1": 20, "n-2": 21, "n-3": 20}, True, True),
        ({"n-1": 19, "n-2": 21, "n-3": 20}, True, False),
        ({"n-1": 19, "n-2": 21, "n-3": 20}, False, True),
        ({"n-1": 18, "n-2": 21, "n-3": 21}, False, False),
        ({"n-1": 30, "n-2": 30}, True, False),
        ({"n-1": 60}, False, False),
        ({"n-1": 20, "n-2": 20, "n-3": 20, "guest": 5}, True, True),
        ({}, True, True),
    ],
)
def test_round_robin_exact(counts: dict[str, int], aligned: bool, exact: bool) -> None:
    assert st.round_robin_exact(counts, NODES, aligned).exact is exact


def test_round_robin_exact_reports_the_extremes() -> None:
    assert st.round_robin_exact({"n-1": 7, "n-2": 3}, NODES) == st.CountSpread(False, 0, 7)


@pytest.mark.parametrize("counts, nodes", [({}, []), ({"n-1": -1}, ["n-1"])])
def test_round_robin_exact_refuses(counts: dict[str, int], nodes: list[str]) -> None:
    with pytest.raises(ValueError, match=r"expected nodes|negative"):
        st.round_robin_exact(counts, nodes)


@pytest.mark.parametrize(
    "text, cycles",
    [
        ("123123123", st.Cycles(True, 0, 3, None)),
        # Measured on a real balancer: each cycle is a permutation, and the window starts inside one.
        ("121232313121232313", st.Cycles(True, 2, 5, None)),
        ("1", st.Cycles(True, 0, 0, None)),
        ("", st.Cycles(True, 0, 0, None)),
        ("33", st.Cycles(True, 1, 0, None)),
        ("333", st.Cycles(False, 1, 0, 2)),
        ("123122", st.Cycles(True, 2, 1, None)),
        ("123122123123", st.Cycles(False, 2, 1, 7)),
        ("123124", st.Cycles(False, 0, 1, 5)),
        ("112311231123", st.Cycles(False, 1, 1, 5)),
        ("111111", st.Cycles(False, 1, 0, 2)),
    ],
)
def test_round_robin_cycles(text: str, cycles: st.Cycles) -> None:
    assert st.round_robin_cycles(text, "123") == cycles


def test_round_robin_cycles_needs_nodes() -> None:
    with pytest.raises(ValueError, match="no expected nodes"):
        st.round_robin_cycles("1", [])


@given(some.integers(1, 12), some.integers(0, 100), some.integers(0, 40), some.integers(0, 10**6))
def test_edf_always_passes_both_judgements(nodes: int, length: int, start: int, seed: int) -> None:
    names = [f"n-{index}" for index in range(nodes)]
    sequence = edf(names, start + length, seed)[start:]
    assert st.round_robin_cycles(sequence, names).exact
    assert st.round_robin_exact(Counter(sequence), names, aligned=start % nodes == 0).exact


@given(some.integers(2, 10), some.integers(0, 10**6), some.data())
def test_one_swallowed_choice_is_seen(nodes: int, seed: int, data: some.DataObject) -> None:
    """The same node twice in a row, in the middle of two cycles, never passes for round robin."""
    names = [f"n-{index}" for index in range(nodes)]
    sequence = edf(names, st.sample_size_for_cycles(nodes), seed)
    at = data.draw(some.integers(nodes, len(sequence) - nodes - 1))
    sequence[at] = next(name for name in names if name != sequence[at])
    assert not st.round_robin_cycles(sequence, names).exact


@pytest.mark.parametrize("nodes", [2, 3, 5, 8])
def test_double_weight_and_random_choice_fail(nodes: int) -> None:
    names = [f"n-{index}" for index in range(nodes)]
    length = st.sample_size_for_cycles(nodes)
    weighted = edf(names, length, 1, {"n-0": 2})
    assert not st.round_robin_cycles(weighted, names).exact
    assert not st.round_robin_exact(Counter(weighted), names, aligned=False).exact
    chance = Simulation(nodes)
    for __ in range(200):
        assert not st.round_robin_cycles(chance.choices(names, k=length), names).exact


# -- chi-square --------------------------------------------------------------------


@pytest.mark.parametrize(
    "alpha, dof, critical",
    [  # NIST e-Handbook 1.3.6.7.4, critical values of the chi-square distribution
        (0.10, 1, 2.706),
        (0.05, 1, 3.841),
        (0.05, 2, 5.991),
        (0.025, 3, 9.348),
        (0.01, 9, 21.666),
        (0.001, 10, 29.588),
        (0.05, 39, 54.572),
        (0.001, 100, 149.449),
        (0.95, 10, 3.940),
    ],
)
def test_chi_square_table(alpha: float, dof: int, critical: float) -> None:
    assert st.chi_square_critical(alpha, dof) == pytest.approx(critical, abs=6e-4)
    assert st.chi_square_tail(critical, dof) == pytest.approx(alpha, rel=2e-3)


@given(some.floats(0.001, 500))
def test_gamma_closed_forms(x: float) -> None:
    """Q(1, x) = exp(-x) and P(1/2, x) = erf(sqrt x) (DLMF 8.4)."""
    assert gamma_q(1, x) == pytest.approx(math.exp(-x), rel=1e-10)
    assert gamma_p(0.5, x) == pytest.approx(math.erf(math.sqrt(x)), rel=1e-10)


@given(some.integers(1, 60), some.floats(0.001, 300))
def test_gamma_is_the_poisson_tail(a: int, x: float) -> None:
    """Q(n, x) is the probability of fewer than n Poisson events (DLMF 8.4.10)."""
    poisson = math.fsum(math.exp(k * math.log(x) - x - math.lgamma(k + 1)) for k in range(a))
    assert gamma_q(a, x) == pytest.approx(poisson, rel=1e-8, abs=1e-300)


@given(some.floats(0.01, 1e4), some.floats(0, 2e4))
def test_gamma_parts_make_a_whole(a: float, x: float) -> None:
    assert 0 <= gamma_p(a, x) <= 1
    assert gamma_p(a, x) + gamma_q(a, x) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("a, x", [(0, 1), (-1, 1), (1, -1), (math.nan, 1), (1, math.inf)])
def test_gamma_refuses(a: float, x: float) -> None:
    for function in (gamma_p, gamma_q):
        with pytest.raises(ValueError, match="incomplete gamma"):
            function(a, x)


def test_chi_square_uniform_by_hand() -> None:
    # Expected 20 each: (25 + 0 + 25) / 20 = 2.5; with two degrees of freedom p = exp(-2.5 / 2).
    result = st.chi_square_uniform({"n-1": 15, "n-2": 20, "n-3": 25})
    assert result.statistic == pytest.approx(2.5)
    assert result.dof == 2
    assert result.p_value == pytest.approx(math.exp(-1.25))


@given(some.lists(some.integers(0, 10_000), min_size=2, max_size=40).filter(any), some.randoms())
def test_chi_square_does_not_depend_on_names(values: list[int], chance: random.Random) -> None:
    first = st.chi_square_uniform({str(index): value for index, value in enumerate(values)})
    chance.shuffle(values)
    second = st.chi_square_uniform({str(index): value for index, value in enumerate(values)})
    assert 0 <= first.p_value <= 1
    assert first.statistic >= 0
    assert first.p_value == pytest.approx(second.p_value, rel=1e-6, abs=1e-300)


@pytest.mark.parametrize("counts", [{}, {"n-1": 5}, {"n-1": 0, "n-2": 0}, {"n-1": -1, "n-2": 2}])
def test_chi_square_uniform_refuses(counts: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="chi-square"):
        st.chi_square_uniform(counts)


@pytest.mark.parametrize("alpha, dof", [(0, 1), (1, 1), (0.5, 0)])
def test_chi_square_critical_refuses(alpha: float, dof: int) -> None:
    with pytest.raises(ValueError, match="chi-square"):
        st.chi_square_critical(alpha, dof)


def test_false_alarms_come_at_the_rate_asked_for() -> None:
    chance = Simulation(7)
    runs, alpha = 4000, 0.05
    alarms = sum(
        st.chi_square_uniform({**dict.fromkeys(NODES, 0), **Counter(chance.choices(NODES, k=300))}).p_value < alpha
        for __ in range(runs)
    )
    low, high = st.wilson_interval(alarms, runs, 0.9999)
    assert low <= alpha <= high


# -- sample sizes ------------------------------------------------------------------


@pytest.mark.parametrize(
    "w, requests, dof, power",
    # Cohen 1988, tables 7.3.15 to 7.3.19 (alpha 0.05): sample size for a power of 0.80.
    [(0.3, 87, 1, 0.80), (0.3, 107, 2, 0.80), (0.3, 121, 3, 0.80), (0.1, 785, 1, 0.80), (0.5, 31, 1, 0.80)],
)
def test_power_agrees_with_cohens_tables(w: float, requests: int, dof: int, power: float) -> None:
    assert st.chi_square_power(w * w, requests, dof, 0.05) == pytest.approx(power, abs=0.01)


def test_power_without_effect_is_alpha() -> None:
    assert st.chi_square_power(0.0, 100, 3, 0.05) == 0.05


@pytest.mark.parametrize("nodes", [2, 3, 10, 40])
@pytest.mark.parametrize("alpha", [1e-2, 1e-6])
def test_sample_size_for_balance_is_the_smallest(nodes: int, alpha: float) -> None:
    size = st.sample_size_for_balance(nodes, alpha, 0.999)
    total = nodes + 1
    effect = sum((share - 1 / nodes) ** 2 * nodes for share in [2 / total] + [1 / total] * (nodes - 1))
    assert size >= nodes * st.MIN_EXPECTED
    assert st.chi_square_power(effect, size, nodes - 1, alpha) >= 0.999
    assert size == nodes * st.MIN_EXPECTED or st.chi_square_power(effect, size - 1, nodes - 1, alpha) < 0.999


def test_sample_size_for_balance_keeps_the_promise() -> None:
    """A node with double share is found in (almost) every one of 500 simulated measurements."""
    chance = Simulation(11)
    size = st.sample_size_for_balance(3, 1e-3, 0.99)
    found = sum(
        st.chi_square_uniform({**dict.fromkeys(NODES, 0), **Counter(chance.choices(NODES, [2, 1, 1], k=size))}).p_value
        < 1e-3
        for __ in range(500)
    )
    assert found >= 485


@pytest.mark.parametrize("nodes, power, factor", [(1, 0.9, 2.0), (3, 1.0, 2.0), (3, 0.9, 1.0), (3, 0.9, -1.0)])
def test_sample_size_for_balance_refuses(nodes: int, power: float, factor: float) -> None:
    with pytest.raises(ValueError, match="sample size"):
        st.sample_size_for_balance(nodes, 0.01, power, factor)


@given(some.integers(2, 300), some.floats(1e-12, 0.5))
def test_coverage_is_the_smallest_size_of_the_bound(nodes: int, eps: float) -> None:
    size = st.sample_size_for_coverage(nodes, eps)
    assert nodes * (1 - 1 / nodes) ** size <= eps * (1 + 1e-9)
    assert nodes * (1 - 1 / nodes) ** (size - 1) >= eps * (1 - 1e-9)


def test_coverage_bounds_the_true_probability() -> None:
    """For three nodes the exact probability of a miss is 3 (2/3)^N - 3 (1/3)^N, below the union bound."""
    size = st.sample_size_for_coverage(3, 1e-6)
    assert 3 * (2 / 3) ** size - 3 * (1 / 3) ** size < 1e-6


@pytest.mark.parametrize("nodes, size", [(1, 1), (2, 64), (3, 48)])
def test_sample_size_for_cycles(nodes: int, size: int) -> None:
    assert st.sample_size_for_cycles(nodes) == size


@pytest.mark.parametrize("nodes", [2, 3])
def test_sample_size_for_cycles_bounds_the_true_probability(nodes: int) -> None:
    """Count, for a size that can be enumerated, all sequences which pass by luck."""
    eps = 0.2
    names = "123"[:nodes]
    size = st.sample_size_for_cycles(nodes, eps)
    lucky = sum(st.round_robin_cycles(word, names).exact for word in itertools.product(names, repeat=size))
    assert lucky / nodes**size < eps


@pytest.mark.parametrize("nodes, clients", [(1, 1), (2, 31), (3, 20), (40, 7)])
def test_clients_for_spread(nodes: int, clients: int) -> None:
    assert st.clients_for_spread(nodes) == clients
    if nodes > 1:
        assert nodes ** (1 - clients) < st.NEGLIGIBLE <= nodes ** (2 - clients)


@pytest.mark.parametrize("function", [st.sample_size_for_coverage, st.sample_size_for_cycles, st.clients_for_spread])
@pytest.mark.parametrize("nodes, eps", [(0, 0.1), (2, 0), (2, 1)])
def test_sizes_refuse(function: object, nodes: int, eps: float) -> None:
    assert callable(function)
    with pytest.raises(ValueError, match="want nodes >= 1"):
        function(nodes, eps)


# -- bounds and percentiles ----------------------------------------------------------


def test_rule_of_three_approximates_the_exact_bound() -> None:
    assert st.rule_of_three_upper(16_001) == pytest.approx(1.875e-4, rel=1e-3)
    for n in (30, 1000, 10**6):
        assert st.zero_failures_upper(n) <= st.rule_of_three_upper(n)
        assert st.zero_failures_upper(n) == pytest.approx(st.rule_of_three_upper(n), rel=0.06)
    assert st.rule_of_three_upper(1) == 1.0


@given(some.integers(1, 10**7), some.floats(0.5, 0.999999))
def test_zero_failures_bound_solves_its_equation(n: int, confidence: float) -> None:
    bound = st.zero_failures_upper(n, confidence)
    assert 0 < bound < 1
    assert n * math.log1p(-bound) == pytest.approx(math.log1p(-confidence), rel=1e-9)


@pytest.mark.parametrize(
    "failures, n, low, high",
    # Newcombe 1998 (Statistics in Medicine 17), table I, score method.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_table(failures: int, n: int, low: float, high: float) -> None:
    assert st.wilson_interval(failures, n) == pytest.approx((low, high), abs=6e-5)


@given(some.integers(1, 10**6).flatmap(lambda n: some.tuples(some.integers(0, n), some.just(n))))
def test_wilson_contains_the_rate(case: tuple[int, int]) -> None:
    low, high = st.wilson_interval(*case)
    assert 0 <= low <= case[0] / case[1] <= high <= 1


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
        lambda: st.rule_of_three_upper(0),
        lambda: st.zero_failures_upper(0),
        lambda: st.zero_failures_upper(1, 1.0),
        lambda: st.wilson_interval(2, 1),
        lambda: st.wilson_interval(0, 0),
        lambda: st.clopper_pearson(2, 1),
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
