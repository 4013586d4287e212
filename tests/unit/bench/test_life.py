"""A random life: its model, its judgement, and how a failing one is made short."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench import random_life
from tests.bench.life import model
from tests.bench.life.model import (
    ADD_TIER,
    DYNAMIC,
    EXTRA,
    GUEST_JOINS,
    GUEST_LEAVES,
    KILL,
    KILL_EDGE,
    PAUSE,
    REMOVE,
    REMOVE_TIER,
    RESTART_ENGINE,
    ROLL,
    SCALE,
    START,
    STATIC,
    STICKY,
    STOP,
    WEIGHTS,
    Operation,
    Seen,
    State,
    draw,
    live,
    step,
    wrong,
)
from tests.bench.life.shrink import shrink
from tests.unit.fakes.cluster import parsed_tiers

GOOD = Seen(
    running={STATIC: 3, DYNAMIC: 3},
    guests={},
    serving={STATIC: 3, DYNAMIC: 3},
    status={STATIC: frozenset({200}), DYNAMIC: frozenset({200})},
)
SCALED = Operation(SCALE, STATIC, 3)


def seen_of(state: State) -> Seen:
    """What a cluster shows that is as the model says."""
    guests = dict(state.guests.items())
    there = {tier: count + guests.get(tier, 0) for tier, count in state.running.items()}
    status = {tier: frozenset({200 if count else 503}) for tier, count in there.items()}
    return Seen(state.running, guests, there, status)


class FaithfulWorld:
    """Does what the model says."""

    def __init__(self) -> None:
        self.state = START
        self.done: list[Operation] = []

    def perform(self, operation: Operation, after: State) -> str:
        self.done.append(operation)
        self.state = after
        return ""

    def look(self, settled: Callable[[Seen], bool]) -> Seen:
        return seen_of(self.state)


class BuggyWorld(FaithfulWorld):
    """Loses a node when a tier is rolled after a guest has joined, whatever happened between."""

    def look(self, settled: Callable[[Seen], bool]) -> Seen:
        seen = super().look(settled)
        kinds = [operation.kind for operation in self.done]
        if kinds[-1] == ROLL and GUEST_JOINS in kinds:
            return dataclasses.replace(seen, running={**seen.running, STATIC: seen.running[STATIC] - 1})
        return seen


# --------------------------------------------------------------------------
# The model
# --------------------------------------------------------------------------


def test_a_life_is_the_same_for_the_same_seed_and_has_every_kind() -> None:
    life = draw(200, seed=3)
    assert len(life) == 200
    assert life == draw(200, seed=3)
    assert life != draw(200, seed=4)
    assert {operation.kind for operation in life} == set(WEIGHTS)
    assert draw(500, seed=1)[:15] != draw(15, seed=2)


@given(st.integers(0, 10**6))
def test_any_life_leaves_the_load_a_node_of_each_tier(seed: int) -> None:
    state = START
    for operation in draw(40, seed):
        after = step(state, operation)
        if after is None:
            continue
        assert after.running.keys() == after.declared.keys()
        assert all(0 <= after.running[tier] <= after.declared[tier] for tier in after.declared)
        assert all(after.running[tier] >= 1 for tier in (STATIC, DYNAMIC))
        assert wrong(after, operation, seen_of(after)) == []
        state = after


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_any_part_of_a_life_can_be_lived(seed: int, part: int) -> None:
    chance = random.Random(part)
    life = [operation for operation in draw(40, seed) if chance.random() < 0.5]
    assert live(life, FaithfulWorld()) is None


@pytest.mark.parametrize(
    "operations, running, guests",
    [
        ([Operation(SCALE, STATIC, 5)], {STATIC: 5, DYNAMIC: 3}, 0),
        ([Operation(STOP, STATIC)], {STATIC: 2, DYNAMIC: 3}, 0),
        ([Operation(KILL, STATIC)], {STATIC: 3, DYNAMIC: 3}, 0),
        ([Operation(PAUSE, STATIC), Operation(REMOVE, STATIC)], {STATIC: 1, DYNAMIC: 3}, 0),
        ([Operation(STOP, STATIC)] * 3, {STATIC: 1, DYNAMIC: 3}, 0),
        ([Operation(STOP, STATIC), Operation(ROLL, DYNAMIC)], {STATIC: 3, DYNAMIC: 3}, 0),
        ([Operation(STOP, STATIC), Operation(RESTART_ENGINE)], {STATIC: 2, DYNAMIC: 3}, 0),
        ([Operation(GUEST_JOINS, STATIC)] * 2, {STATIC: 3, DYNAMIC: 3}, 2),
        ([Operation(GUEST_JOINS, STATIC), Operation(GUEST_LEAVES, STATIC)], {STATIC: 3, DYNAMIC: 3}, 0),
        ([Operation(GUEST_JOINS, STATIC), Operation(RESTART_ENGINE)], {STATIC: 3, DYNAMIC: 3}, 0),
        ([Operation(PAUSE, STATIC), Operation(RESTART_ENGINE)], {STATIC: 3, DYNAMIC: 3}, 0),
        ([Operation(GUEST_LEAVES, STATIC)], {STATIC: 3, DYNAMIC: 3}, 0),
        ([Operation(ADD_TIER, EXTRA, 2)], {STATIC: 3, DYNAMIC: 3, EXTRA: 2}, 0),
        ([Operation(ADD_TIER, EXTRA, 2), Operation(REMOVE_TIER, EXTRA)], {STATIC: 3, DYNAMIC: 3}, 0),
        ([Operation(REMOVE_TIER, EXTRA)], {STATIC: 3, DYNAMIC: 3}, 0),
        ([Operation(KILL_EDGE)], {STATIC: 3, DYNAMIC: 3}, 0),
    ],
)
def test_what_must_be_there(operations: Sequence[Operation], running: dict[str, int], guests: int) -> None:
    state = START
    for operation in operations:
        state = step(state, operation) or state
    assert state.running == running
    assert state.guests[STATIC] == guests


def test_with_live_restore_a_restart_of_the_engine_changes_nothing() -> None:
    state = dataclasses.replace(START, live_restore=True)
    for operation in [Operation(PAUSE, STATIC), Operation(GUEST_JOINS, STATIC), Operation(RESTART_ENGINE)]:
        state = step(state, operation) or state
    assert (state.running[STATIC], state.guests[STATIC], state.live_restore) == (2, 1, True)


def test_a_change_of_policy_is_taken_back_by_the_next() -> None:
    once = step(START, Operation(STICKY, DYNAMIC))
    assert once is not None
    assert once.sticky == {STATIC, DYNAMIC}
    twice = step(once, Operation(STICKY, DYNAMIC))
    assert twice is not None
    assert twice.sticky == {STATIC}


# --------------------------------------------------------------------------
# Judgement
# --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operation, seen, reason",
    [
        (SCALED, {}, ""),
        (SCALED, {"running": {STATIC: 2, DYNAMIC: 3}}, "static: got 2 nodes running, want 3"),
        (SCALED, {"serving": {STATIC: 2, DYNAMIC: 3}}, "static: got answers of 2 nodes, want of 3"),
        (SCALED, {"status": {STATIC: frozenset({200, 502}), DYNAMIC: frozenset({200})}}, "got status [200, 502], want"),
        (SCALED, {"running": {STATIC: 3, DYNAMIC: 3, EXTRA: 1}}, "extra: got 1 nodes running, want none of a tier"),
        (SCALED, {"lost_gets": 1}, "GETs lost: got 1, want at most 0"),
        (SCALED, {"lost_posts": 1}, "POSTs lost: got 1, want at most 0"),
        (SCALED, {"twice": 1}, "POSTs executed twice: got 1, want 0"),
        (Operation(KILL, STATIC), {"lost_posts": 5}, ""),
        (Operation(KILL, STATIC), {"lost_posts": 6}, "POSTs lost: got 6, want at most 5"),
        (Operation(KILL, STATIC), {"lost_gets": 1}, "GETs lost: got 1"),
        (Operation(REMOVE, STATIC), {"lost_gets": 10, "lost_posts": 10}, ""),
        (Operation(REMOVE, STATIC), {"lost_gets": 11}, "GETs lost: got 11"),
        (Operation(PAUSE, STATIC), {"lost_posts": 60, "lost_gets": 60}, ""),
        (Operation(PAUSE, STATIC), {"lost_gets": 61}, "GETs lost: got 61, want at most 60"),
        (Operation(KILL_EDGE), {"lost_posts": 60, "lost_gets": 500}, ""),
        (Operation(KILL_EDGE), {"twice": 1}, "POSTs executed twice"),
        (None, {"lost_gets": 9, "twice": 9}, ""),
    ],
)
def test_what_is_seen_is_judged(operation: Operation | None, seen: dict[str, object], reason: str) -> None:
    found = wrong(START, operation, dataclasses.replace(GOOD, **seen))  # type: ignore[arg-type]
    assert reason in " ".join(found)
    assert bool(found) == bool(reason)


def test_a_guest_is_beside_the_declared_nodes() -> None:
    with_guest = dataclasses.replace(GOOD, guests={STATIC: 1}, serving={STATIC: 4, DYNAMIC: 3})
    assert wrong(START, None, with_guest) == ["static: got 1 guests running, want 0"]
    joined = step(START, Operation(GUEST_JOINS, STATIC))
    assert joined is not None
    assert wrong(joined, None, with_guest) == []
    assert wrong(joined, None, GOOD) == ["static: got 0 guests running, want 1"]
    instead = dataclasses.replace(with_guest, running={STATIC: 2, DYNAMIC: 3}, serving={STATIC: 3, DYNAMIC: 3})
    assert wrong(joined, None, instead) == ["static: got 2 nodes running, want 3"]


def test_a_tier_without_nodes_answers_503() -> None:
    state = step(START, Operation(ADD_TIER, EXTRA, 0))
    assert state is not None
    assert wrong(state, None, seen_of(state)) == []
    assert seen_of(state).status[EXTRA] == {503}


def test_a_life_ends_where_it_goes_wrong() -> None:
    life = [SCALED, Operation(GUEST_JOINS, STATIC), Operation(KILL, DYNAMIC), Operation(ROLL, DYNAMIC), SCALED]
    said: list[str] = []
    failure = live(life, BuggyWorld(), said.append)
    assert failure is not None
    assert str(failure).startswith("operation 3 (roll dynamic 0): static: got 2 nodes running, want 3; ")
    assert len(said) == 4
    assert live(life, FaithfulWorld()) is None


def test_a_guest_that_a_run_has_taken_away_leaves_no_more() -> None:
    world = FaithfulWorld()
    life = [Operation(GUEST_JOINS, STATIC), SCALED, Operation(GUEST_LEAVES, STATIC), Operation(KILL, STATIC)]
    assert live(life, world) is None
    assert [operation.kind for operation in world.done] == [GUEST_JOINS, SCALE, KILL]


def test_an_operation_that_fails_is_the_end() -> None:
    class Refuses(FaithfulWorld):
        def perform(self, operation: Operation, after: State) -> str:
            return "scale.yml: got an error" if operation.number == 4 else super().perform(operation, after)

    failure = live([SCALED, Operation(SCALE, STATIC, 4)], Refuses())
    assert failure is not None
    assert failure.reasons[0] == "scale.yml: got an error"


# --------------------------------------------------------------------------
# Shrinking
# --------------------------------------------------------------------------


def test_a_long_failing_life_is_shrunk_to_the_two_that_matter() -> None:
    life = draw(200, seed=5)
    failure = live(life, BuggyWorld())
    assert failure is not None
    tries = 0

    def fails(part: Sequence[Operation]) -> bool:
        nonlocal tries
        tries += 1
        return live(part, BuggyWorld()) is not None

    short = shrink(life[: failure.number + 1], fails)
    assert [operation.kind for operation in short] == [GUEST_JOINS, ROLL]
    assert tries < 60


@given(st.sets(st.integers(0, 60), min_size=1, max_size=5))
def test_all_that_is_needed_stays_and_nothing_else(needed: set[int]) -> None:
    items = list(range(61))
    assert shrink(items, lambda part: needed <= set(part)) == sorted(needed)


def test_no_list_is_tried_empty_and_one_item_is_short_enough() -> None:
    tried: list[list[int]] = []

    def fails(part: Sequence[int]) -> bool:
        tried.append(list(part))
        return True

    assert len(shrink([1, 2, 3, 4], fails)) == 1
    assert [] not in tried
    assert shrink([7], fails) == [7]


def test_when_time_is_over_the_shortest_until_then_is_kept() -> None:
    left = 2

    def fails(part: Sequence[int]) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and 0 in part

    assert shrink(list(range(16)), fails) == list(range(4))


def test_the_kinds_are_all_known_to_the_model() -> None:
    tiers = {ADD_TIER: EXTRA, REMOVE_TIER: EXTRA}
    for kind in WEIGHTS:
        step(START, Operation(kind, tiers.get(kind, STATIC), 2))
        assert model.allowed(Operation(kind))[0] >= 0


def test_every_state_of_a_life_can_be_declared() -> None:
    """The tiers that a run is given are those that preflight takes, with their counts and policies."""
    state = START
    for operation in [Operation(ADD_TIER, EXTRA, 2), Operation(STICKY, DYNAMIC), Operation(SCALE, STATIC, 5)]:
        state = step(state, operation) or state
    _, variables = random_life.declared(state)
    tiers = parsed_tiers(json.loads(variables)["cluster_tiers"])
    assert {name: tier.nodes for name, tier in tiers.items()} == {STATIC: 5, DYNAMIC: 3, EXTRA: 2}
    assert {name for name, tier in tiers.items() if tier.sticky} == {STATIC, DYNAMIC}
