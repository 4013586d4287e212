"""Chi-square tests and sample sizes, against published tables, exact identities and properties."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ansible_collections.evenkeel.cluster.plugins.module_utils.core import stats as st
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.stats_functions import gamma_q

NODES = ["n-1", "n-2", "n-3"]


class Simulation(random.Random):
    """Reproducible chance."""


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
    """Q(1, x) = exp(-x) and Q(1/2, x) = erfc(sqrt x) (DLMF 8.4)."""
    assert gamma_q(1, x) == pytest.approx(math.exp(-x), rel=1e-10)
    assert gamma_q(0.5, x) == pytest.approx(math.erfc(math.sqrt(x)), rel=1e-8, abs=1e-300)


@given(some.integers(1, 60), some.floats(0.001, 300))
def test_gamma_is_the_poisson_tail(a: int, x: float) -> None:
    """Q(n, x) is the probability of fewer than n Poisson events (DLMF 8.4.10)."""
    poisson = math.fsum(math.exp(k * math.log(x) - x - math.lgamma(k + 1)) for k in range(a))
    assert gamma_q(a, x) == pytest.approx(poisson, rel=1e-8, abs=1e-300)


@given(some.floats(0.01, 1e4), some.floats(0, 2e4))
def test_gamma_is_a_probability_that_falls_with_x(a: float, x: float) -> None:
    assert 0 <= gamma_q(a, x * 1.01 + 0.01) <= gamma_q(a, x) + 1e-12 <= 1 + 1e-12


@pytest.mark.parametrize("a, x", [(0, 1), (-1, 1), (1, -1), (math.nan, 1), (1, math.inf)])
def test_gamma_refuses(a: float, x: float) -> None:
    with pytest.raises(ValueError, match="incomplete gamma"):
        gamma_q(a, x)


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
    low, high = st.clopper_pearson(alarms, runs, 0.9999)
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
