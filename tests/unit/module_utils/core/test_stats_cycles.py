"""Round robin: exact counts and cycles, by tables and properties."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ansible_collections.evenkeel.cluster.plugins.module_utils.core import stats as st

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
