# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""A drill second by second: pure functions from records to short series that a chart can show without the records."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from ..core.drill_results import Timeline
from ..core.stats import percentile
from .records import Record

BIN_SECONDS = 0.25
# A bin with fewer requests misses nodes that do serve, and has no tail to speak of.
_REQUESTS_PER_BIN = 40
# More bins than a screen has columns only make a report heavy.
_MAX_BINS = 2000
_MS = 1000.0


def bin_seconds(rate: float, seconds: float) -> float:
    """How long a bin is: a quarter of a second, or as many quarters as the rate and the length of the load ask for.

    Raises:
        ValueError: rate not above 0, or negative seconds.
    """
    if not rate > 0 or seconds < 0:
        raise ValueError(f"timeline: got rate={rate}, seconds={seconds}, want rate > 0 and seconds >= 0")
    wanted = max(_REQUESTS_PER_BIN / rate, seconds / _MAX_BINS)
    return BIN_SECONDS * max(1, math.ceil(wanted / BIN_SECONDS - 1e-9))


def timeline(records: Iterable[Record], rate: float, seconds: float) -> Timeline:
    """What became of the requests that were due in each bin.

    A bin with nothing to tell has null. A node counts as in use in a bin when it answered a request that was due then.

    Returns:
        ``bin_seconds``; per bin ``answered`` and ``failed`` requests, ``p50_ms``, ``p95_ms`` and ``p99_ms``; per tier
        ``nodes`` in use.
    """
    width = bin_seconds(rate, seconds)
    bins: list[list[Record]] = []
    for record in records:
        index = int(record.at / width)
        while len(bins) <= index:
            bins.append([])
        bins[index].append(record)
    tiers = sorted({record.tier for inside in bins for record in inside})
    good = [[record for record in inside if record.answered] for inside in bins]
    return {
        "bin_seconds": width,
        "answered": [len(answered) for answered in good],
        "failed": [len(inside) - len(answered) for inside, answered in zip(bins, good, strict=True)],
        "p50_ms": [_percentile_ms(answered, 50) for answered in good],
        "p95_ms": [_percentile_ms(answered, 95) for answered in good],
        "p99_ms": [_percentile_ms(answered, 99) for answered in good],
        "nodes": {tier: [_nodes(answered, tier) for answered in good] for tier in tiers},
    }


def _percentile_ms(records: Sequence[Record], share: float) -> float | None:
    if not records:
        return None
    return round(percentile((record.latency for record in records), share) * _MS, 2)


def _nodes(records: Iterable[Record], tier: str) -> int:
    return len({record.node for record in records if record.tier == tier and record.node is not None})


def listed(seconds: Mapping[str, float]) -> list[float]:
    """Times without their names, in order."""
    return sorted(round(value, 3) for value in seconds.values())
