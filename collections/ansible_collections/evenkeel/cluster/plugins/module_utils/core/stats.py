# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Statistics of a measurement: shares, cycles, chi-square, sample sizes, exact intervals.

Pure; the source is named at each formula.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .stats_functions import beta_i, gamma_q

# Chance that a measurement sized here passes or fails by luck alone.
NEGLIGIBLE = 1e-9
# Below this expectation per node the chi-square approximation is poor (NIST, section 1.3.5.15).
MIN_EXPECTED = 5
MIN_SHARES = 2  # shares are compared with each other
WHOLE = 100  # per cent


@dataclass(frozen=True)
class CountSpread:
    """Requests per node: lowest, highest, and whether round robin allows the difference."""

    exact: bool
    lowest: int
    highest: int


def round_robin_exact(counts: Mapping[str, int], expected_nodes: Iterable[str], aligned: bool = True) -> CountSpread:
    """Judge counts of one configuration generation.

    Earliest-deadline-first round robin with equal weights serves in cycles:
    each cycle is some permutation of the nodes.  So k cycles and a part of one
    more, counted from the start of a cycle (*aligned*), differ by at most 1.  A
    window that may begin inside a cycle has two parts, so it may differ by 2.

    Args:
        counts: node -> requests; nodes not expected are ignored here.
        expected_nodes: the nodes which must take part; absent ones count 0.
        aligned: the window is known to begin with a cycle.

    Raises:
        ValueError: no expected node, or a negative count.
    """
    values = [counts.get(node, 0) for node in expected_nodes]
    if not values:
        raise ValueError("no expected nodes")
    if min(values) < 0:
        raise ValueError("negative count")
    return CountSpread(max(values) - min(values) <= (1 if aligned else 2), min(values), max(values))


@dataclass(frozen=True)
class Cycles:
    """How a sequence of choices divides into cycles.

    Attributes:
        exact: every cycle has every node once, and the parts at both ends repeat none.
        offset: choices before the first whole cycle (0-based, less than the node count).
        whole: number of whole cycles.
        broken_at: index of the first choice that repeats a node of its cycle; None when exact.
    """

    exact: bool
    offset: int
    whole: int
    broken_at: int | None


def round_robin_cycles(sequence: Sequence[str], expected_nodes: Collection[str]) -> Cycles:
    """Divide a sequence of choices, in their true order, into round-robin cycles.

    Stricter than counts: it sees order, and it does not depend on where in a
    cycle the measurement began.  The order inside the cycles may differ (a heap
    breaks ties between equal deadlines), so all offsets are tried and the one
    which holds longest is reported.

    Args:
        sequence: names in the order of choice.
        expected_nodes: the nodes of a cycle; any other name breaks it.

    Raises:
        ValueError: no expected nodes.
    """
    nodes = frozenset(expected_nodes)
    if not nodes:
        raise ValueError("no expected nodes")
    end = len(sequence)
    breaks = [_first_break(sequence, offset, nodes) for offset in range(len(nodes))]
    held = [end if broken is None else broken for broken in breaks]
    offset = held.index(max(held))
    return Cycles(breaks[offset] is None, offset, max(held[offset] - offset, 0) // len(nodes), breaks[offset])


def _first_break(sequence: Sequence[str], offset: int, nodes: frozenset[str]) -> int | None:
    """Index of the first foreign name, or of the first repeated in its own cycle; cycles begin at *offset*."""
    seen: set[str] = set()
    for index, name in enumerate(sequence):
        if (index - offset) % len(nodes) == 0:
            seen.clear()
        if name in seen or name not in nodes:
            return index
        seen.add(name)
    return None


def chi_square_tail(statistic: float, dof: int) -> float:
    """P(X > statistic) for X ~ chi-square with *dof* degrees of freedom: Q(dof/2, statistic/2) (NIST 1.3.6.6.6)."""
    return gamma_q(dof / 2, statistic / 2)


def chi_square_critical(alpha: float, dof: int) -> float:
    """The value which a chi-square variable exceeds with probability *alpha* (bisection on the tail).

    Raises:
        ValueError: alpha outside (0, 1) or dof < 1.
    """
    if not 0 < alpha < 1 or dof < 1:
        raise ValueError(f"chi-square: got alpha={alpha}, dof={dof}, want 0 < alpha < 1 and dof >= 1")
    low, high = 0.0, float(dof)
    while chi_square_tail(high, dof) > alpha:
        low, high = high, high * 2
    while high - low > high * 1e-12:
        middle = (low + high) / 2
        if chi_square_tail(middle, dof) > alpha:
            low = middle
        else:
            high = middle
    return high


@dataclass(frozen=True)
class ChiSquare:
    """Result of a goodness-of-fit test."""

    statistic: float
    dof: int
    p_value: float


def chi_square_uniform(counts: Mapping[str, int]) -> ChiSquare:
    """Pearson's goodness-of-fit test of equal shares (NIST 1.3.5.15).

    Args:
        counts: node -> requests, with the nodes which got none.

    Raises:
        ValueError: fewer than two nodes, a negative count, or no request at all.
    """
    total = sum(counts.values())
    if len(counts) < MIN_SHARES or min(counts.values()) < 0 or total == 0:
        raise ValueError(f"chi-square: got counts {dict(counts)}, want two nodes or more and at least one request")
    expected = total / len(counts)
    statistic = sum((count - expected) ** 2 for count in counts.values()) / expected
    dof = len(counts) - 1
    return ChiSquare(statistic, dof, chi_square_tail(statistic, dof))


def chi_square_power(effect: float, requests: int, dof: int, alpha: float) -> float:
    """Probability that the test rejects when the truth differs by *effect*.

    The statistic is then non-central chi-square with lambda = requests * w^2
    (Cohen 1988, Statistical Power Analysis, ch. 7), evaluated as a Poisson
    mixture of central ones (Abramowitz & Stegun 26.4.25).

    Args:
        effect: Cohen's w^2 = sum (p - p0)^2 / p0.
        requests: sample size.
        dof: degrees of freedom.
        alpha: significance level of the test.
    """
    critical = chi_square_critical(alpha, dof)
    half = requests * effect / 2
    if half == 0:
        return alpha
    # Terms further than this from the Poisson mean weigh nothing in double precision.
    reach = 12 * math.sqrt(half) + 40
    power = 0.0
    for term in range(max(0, int(half - reach)), int(half + reach) + 1):
        weight = math.exp(term * math.log(half) - half - math.lgamma(term + 1))
        power += weight * chi_square_tail(critical, dof + 2 * term)
    return min(1.0, power)


def sample_size_for_balance(nodes: int, alpha: float, power: float = 0.999, factor: float = 2.0) -> int:
    """Requests needed to see that one node gets *factor* times the share of each other.

    The smallest sample for which the chi-square test at level *alpha* rejects
    with probability *power*; never less than MIN_EXPECTED per node.

    Raises:
        ValueError: fewer than two nodes, or a probability or factor out of range.
    """
    if nodes < MIN_SHARES or not 0 < power < 1 or factor <= 0 or factor == 1:
        raise ValueError(f"sample size: got nodes={nodes}, power={power}, factor={factor}")
    total = nodes - 1 + factor
    shares = [factor / total] + [1 / total] * (nodes - 1)
    effect = sum((share - 1 / nodes) ** 2 * nodes for share in shares)
    low, high = 0, nodes * MIN_EXPECTED
    if chi_square_power(effect, high, nodes - 1, alpha) >= power:
        return high
    while chi_square_power(effect, high, nodes - 1, alpha) < power:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if chi_square_power(effect, middle, nodes - 1, alpha) < power:
            low = middle
        else:
            high = middle
    return high


def sample_size_for_coverage(nodes: int, eps: float = NEGLIGIBLE) -> int:
    """Requests after which a fair random choice has missed any node with probability < *eps*.

    Union bound of the coupon collector: n (1 - 1/n)^N < eps (Motwani & Raghavan
    1995, Randomized Algorithms, section 3.6).

    Raises:
        ValueError: no node, or eps outside (0, 1).
    """
    if nodes < 1 or not 0 < eps < 1:
        raise ValueError(f"coverage: got nodes={nodes}, eps={eps}, want nodes >= 1 and 0 < eps < 1")
    if nodes == 1:
        return 1
    return math.floor(math.log(nodes / eps) / -math.log1p(-1 / nodes)) + 1


def sample_size_for_cycles(nodes: int, eps: float = NEGLIGIBLE) -> int:
    """Requests (a multiple of *nodes*) after which a fair random choice would pass for round robin by luck < *eps*.

    A window of c cycles has c - 1 whole ones at any offset; a random cycle is a
    permutation with probability n!/n^n, and n offsets are tried.

    Raises:
        ValueError: no node, or eps outside (0, 1).
    """
    if nodes < 1 or not 0 < eps < 1:
        raise ValueError(f"cycles: got nodes={nodes}, eps={eps}, want nodes >= 1 and 0 < eps < 1")
    if nodes == 1:
        return 1
    per_cycle = math.lgamma(nodes + 1) - nodes * math.log(nodes)
    return nodes * (1 + math.ceil(math.log(eps / nodes) / per_cycle))


def clients_for_spread(nodes: int, eps: float = NEGLIGIBLE) -> int:
    """Clients whose fair random first picks all fall on one node with probability < *eps*: n^(1 - clients) < eps.

    Raises:
        ValueError: no node, or eps outside (0, 1).
    """
    if nodes < 1 or not 0 < eps < 1:
        raise ValueError(f"spread: got nodes={nodes}, eps={eps}, want nodes >= 1 and 0 < eps < 1")
    if nodes == 1:
        return 1
    return math.floor(1 - math.log(eps) / math.log(nodes)) + 1


def sample_size_for_failure_rate(rate: float, confidence: float = 0.95) -> int:
    """Requests of which none may fail, to say with *confidence* that fewer than *rate* of all would.

    The smallest n with (1 - rate)^n <= 1 - confidence, :func:`zero_failures_upper` solved for n (Clopper & Pearson
    1934); about 3 / rate at 95 % (Hanley & Lippman-Hand 1983).

    Raises:
        ValueError: rate or confidence outside (0, 1).
    """
    if not 0 < rate < 1 or not 0 < confidence < 1:
        raise ValueError(f"failure rate: got rate={rate}, confidence={confidence}, want both between 0 and 1")
    return math.ceil(math.log1p(-confidence) / math.log1p(-rate) - 1e-9)


def clopper_pearson(failures: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided exact interval of a failure rate (Clopper & Pearson 1934; NIST 7.2.4.1).

    The bounds are quantiles of beta distributions, found by bisection: below the lower one, *failures* or more have a
    probability of less than (1 - confidence) / 2, above the upper one *failures* or fewer.

    Raises:
        ValueError: counts or confidence out of range.
    """
    if n < 1 or not 0 <= failures <= n or not 0 < confidence < 1:
        raise ValueError(f"interval: got {failures} of {n} at {confidence}")
    tail = (1 - confidence) / 2
    low = 0.0 if failures == 0 else _beta_quantile(tail, failures, n - failures + 1)
    high = 1.0 if failures == n else _beta_quantile(1 - tail, failures + 1, n - failures)
    return low, high


def _beta_quantile(probability: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    while high - low > 1e-15 + high * 1e-12:
        middle = (low + high) / 2
        if beta_i(a, b, middle) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def zero_failures_upper(n: int, confidence: float = 0.95) -> float:
    """Exact one-sided upper bound on the failure rate after 0 failures in *n* (Clopper & Pearson 1934).

    Solves (1 - p)^n = 1 - confidence.

    Raises:
        ValueError: n < 1, or confidence outside (0, 1).
    """
    if n < 1 or not 0 < confidence < 1:
        raise ValueError(f"bound: got n={n}, confidence={confidence}, want n >= 1 and 0 < confidence < 1")
    return -math.expm1(math.log1p(-confidence) / n)


def percentile(values: Iterable[float], percent: float) -> float:
    """Nearest-rank percentile: the smallest value with at least *percent* % of the values at or below it.

    Definition 1 of Hyndman & Fan 1996 (Sample quantiles in statistical
    packages): always a value that was measured.

    Raises:
        ValueError: no values, or percent outside 0..100.
    """
    ordered = sorted(values)
    if not ordered or not 0 <= percent <= WHOLE:
        raise ValueError(f"percentile: got {len(ordered)} values and {percent} %, want values and 0..100 %")
    # The tolerance keeps 99.9 % of 1000 at rank 999, which floating point puts just above it.
    return ordered[max(1, math.ceil(percent * len(ordered) / WHOLE - 1e-9)) - 1]
