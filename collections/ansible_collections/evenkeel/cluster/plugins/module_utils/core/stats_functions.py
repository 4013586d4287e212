# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The incomplete gamma and beta functions that the tests and intervals of :mod:`core.stats` need. Pure."""

from __future__ import annotations

import math

_EPSILON = 1e-15
_TINY = 1e-300
_MAX_TERMS = 100_000


def gamma_q(a: float, x: float) -> float:
    """Regularised upper incomplete gamma function Q(a, x), exact in the far tail too.

    NR 6.2: 1 - P(a, x) by the power series (DLMF 8.7.1) for x < a + 1, otherwise the continued fraction (DLMF 8.9.2).

    Raises:
        ValueError: a <= 0 or x < 0.
    """
    _check_gamma(a, x)
    if x == 0:
        return 1.0
    return 1.0 - _gamma_series(a, x) if x < a + 1 else _gamma_fraction(a, x)


def _check_gamma(a: float, x: float) -> None:
    if not (a > 0 and x >= 0 and math.isfinite(a) and math.isfinite(x)):
        raise ValueError(f"incomplete gamma: got a={a}, x={x}, want a > 0 and x >= 0")


def _gamma_factor(a: float, x: float) -> float:
    return math.exp(a * math.log(x) - x - math.lgamma(a))


def _gamma_series(a: float, x: float) -> float:
    term = total = 1.0 / a
    for step in range(1, _MAX_TERMS):
        term *= x / (a + step)
        total += term
        if term < total * _EPSILON:
            break
    return min(1.0, total * _gamma_factor(a, x))


def _gamma_fraction(a: float, x: float) -> float:
    # Modified Lentz's method, NR 5.2.
    b = x + 1.0 - a
    c = 1.0 / _TINY
    d = 1.0 / b
    value = d
    for step in range(1, _MAX_TERMS):
        numerator = -step * (step - a)
        b += 2.0
        d = numerator * d + b
        d = 1.0 / (d if abs(d) > _TINY else _TINY)
        c = b + numerator / c
        c = c if abs(c) > _TINY else _TINY
        delta = d * c
        value *= delta
        if abs(delta - 1.0) < _EPSILON:
            break
    return min(1.0, value * _gamma_factor(a, x))


def beta_i(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function I_x(a, b) (DLMF 8.17; continued fraction of NR 6.4).

    Raises:
        ValueError: a <= 0, b <= 0, or x outside 0..1.
    """
    if not (a > 0 and b > 0 and 0 <= x <= 1 and math.isfinite(a + b)):
        raise ValueError(f"incomplete beta: got a={a}, b={b}, x={x}, want a > 0, b > 0 and 0 <= x <= 1")
    if x in (0, 1):
        return float(x)
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast below this point; DLMF 8.17.4 mirrors it
        return 1.0 - beta_i(b, a, 1.0 - x)
    factor = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x) - math.log(a)
    )
    return min(1.0, factor * _beta_fraction(a, b, x))


def _beta_fraction(a: float, b: float, x: float) -> float:
    # Modified Lentz's method, NR 5.2; two terms of the fraction per step.
    c = 1.0
    d = _inverse(1.0 - (a + b) * x / (a + 1))
    value = d
    for step in range(1, _MAX_TERMS):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        for numerator in (even, odd):
            d = _inverse(1.0 + numerator * d)
            c = 1.0 + numerator / c
            c = c if abs(c) > _TINY else _TINY
            delta = d * c
            value *= delta
        if abs(delta - 1.0) < _EPSILON:
            break
    return value


def _inverse(value: float) -> float:
    return 1.0 / (value if abs(value) > _TINY else _TINY)
