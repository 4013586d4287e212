"""What must be there after each operation of a random life. Pure.

An operation never names a node by its name, only by its place among those that run. So each subset of a life can be
played as well, and a failing life can be shrunk.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

STATIC, DYNAMIC, EXTRA = "static", "dynamic", "extra"
#: The tiers that are always declared and that the load goes to.
LASTING = (STATIC, DYNAMIC)

SCALE = "scale"
ROLL = "roll"
STICKY = "sticky"
ADD_TIER = "add tier"
REMOVE_TIER = "remove tier"
REPLACE_BALANCER = "replace balancer"
GUEST_JOINS = "guest joins"
GUEST_LEAVES = "guest leaves"
STOP = "stop"
KILL = "kill"
PAUSE = "pause"
REMOVE = "remove"
KILL_BALANCER = "kill balancer"
KILL_EDGE = "kill edge"
RESTART_ENGINE = "restart engine"

#: Kind -> how often it is drawn, beside the others.
WEIGHTS: Mapping[str, int] = MappingProxyType(
    {
        SCALE: 6,
        ROLL: 3,
        STICKY: 1,
        ADD_TIER: 2,
        REMOVE_TIER: 2,
        REPLACE_BALANCER: 1,
        GUEST_JOINS: 3,
        GUEST_LEAVES: 3,
        STOP: 3,
        KILL: 4,
        PAUSE: 1,
        REMOVE: 2,
        KILL_BALANCER: 1,
        KILL_EDGE: 1,
        RESTART_ENGINE: 1,
    }
)
#: A run: after it all is as declared.
RUNS = frozenset({SCALE, ROLL, STICKY, ADD_TIER, REMOVE_TIER})
_ABOUT_NODES = frozenset({STOP, KILL, PAUSE, REMOVE})
_MEASURED = frozenset({KILL_BALANCER, KILL_EDGE, RESTART_ENGINE})
MOST = 5
# A POST that was in flight on a node that is killed.
IN_FLIGHT = 5
# What sticky clients send to a node whose address is gone, until the balancer knows.
ADDRESS_GONE = 10
# What a node has received that does not answer any more, until it is out of rotation: a second of the load at most.
UNANSWERED = 60


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        kind: one of :data:`WEIGHTS`.
        tier: which tier; empty where it is about none.
        number: how many nodes, or which of those that run.
    """

    kind: str
    tier: str = ""
    number: int = 0

    def __str__(self) -> str:
        """One line for people."""
        return " ".join([self.kind, *([f"{self.tier} {self.number}"] if self.tier else [])])


@dataclasses.dataclass(frozen=True)
class State:
    """What is declared and what runs.

    Attributes:
        declared: tier -> how many nodes.
        running: tier -> how many of its managed nodes run and answer.
        guests: tier -> how many of its guests run.
        sticky: the tiers with sticky sessions.
        live_restore: whether containers go on without the engine.
        paused: tier -> how many of its managed nodes are paused.
    """

    declared: Mapping[str, int]
    running: Mapping[str, int]
    guests: Mapping[str, int]
    sticky: frozenset[str]
    live_restore: bool = False
    paused: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Seen:
    """What the cluster shows.

    Attributes:
        running: tier -> managed nodes that run.
        guests: tier -> guests that run.
        serving: tier -> how many different nodes answered.
        status: tier -> the HTTP statuses of its path.
        lost_gets: GETs that the load lost since the last look.
        lost_posts: POSTs that it lost.
        twice: POSTs that were executed twice.
    """

    running: Mapping[str, int]
    guests: Mapping[str, int]
    serving: Mapping[str, int]
    status: Mapping[str, frozenset[int]]
    lost_gets: int = 0
    lost_posts: int = 0
    twice: int = 0


START = State(
    declared={STATIC: 3, DYNAMIC: 3},
    running={STATIC: 3, DYNAMIC: 3},
    guests={STATIC: 0, DYNAMIC: 0},
    sticky=frozenset({STATIC}),
)


def draw(count: int, seed: int, without: Collection[str] = ()) -> list[Operation]:
    """A life.

    Args:
        count: how many operations.
        seed: which they are follows from it.
        without: kinds that are not drawn.
    """
    chance = random.Random(seed)
    weights = {kind: weight for kind, weight in WEIGHTS.items() if kind not in without}
    kinds = chance.choices(list(weights), list(weights.values()), k=count)
    return [_drawn(kind, chance) for kind in kinds]


def _drawn(kind: str, chance: random.Random) -> Operation:
    tier, number = chance.choice(LASTING), chance.randrange(2, MOST + 1)
    if kind in {ADD_TIER, REMOVE_TIER}:
        return Operation(kind, EXTRA, chance.randrange(3) if kind == ADD_TIER else 0)
    if kind in {REPLACE_BALANCER, *_MEASURED}:
        return Operation(kind)
    return Operation(kind, tier, number)


def step(state: State, operation: Operation) -> State | None:
    """The state after an operation; None when it cannot be done there, so it is left out."""
    kind, tier = operation.kind, operation.tier
    if kind in RUNS:
        return _after_run(state, operation)
    if kind in _ABOUT_NODES:
        # The load goes on: one node at least answers without the one that the operation is about.
        if state.running.get(tier, 0) < 2:
            return None
        left = state.running[tier] - (kind != KILL)
        paused = {**state.paused, tier: state.paused.get(tier, 0) + (kind == PAUSE)}
        return dataclasses.replace(state, running={**state.running, tier: left}, paused=paused)
    if kind == GUEST_JOINS:
        return dataclasses.replace(state, guests={**state.guests, tier: state.guests[tier] + 1})
    if kind == GUEST_LEAVES:
        if not state.guests[tier]:
            return None
        return dataclasses.replace(state, guests={**state.guests, tier: state.guests[tier] - 1})
    return _after_restart(state) if kind == RESTART_ENGINE else state


def _after_restart(state: State) -> State:
    if state.live_restore:
        return state
    # A guest has no restart policy; a paused node ends with the engine and is started again.
    running = {tier: count + state.paused.get(tier, 0) for tier, count in state.running.items()}
    return dataclasses.replace(state, running=running, guests=dict.fromkeys(state.guests, 0), paused={})


def _after_run(state: State, operation: Operation) -> State | None:
    declared, sticky = dict(state.declared), state.sticky
    tier = operation.tier
    if operation.kind in {SCALE, ADD_TIER}:
        declared[tier] = operation.number
    elif operation.kind == REMOVE_TIER:
        if tier not in declared:
            return None
        del declared[tier]
    elif operation.kind == STICKY:
        sticky = sticky ^ {tier}
    # A run starts what is missing and takes every guest away.
    return State(declared, dict(declared), dict.fromkeys(declared, 0), sticky, state.live_restore)


def allowed(operation: Operation) -> tuple[float, float]:
    """How many GETs and POSTs an operation may cost."""
    if operation.kind in _MEASURED:
        return float("inf"), float("inf")
    if operation.kind == PAUSE:
        return UNANSWERED, UNANSWERED
    if operation.kind == REMOVE:
        return ADDRESS_GONE, ADDRESS_GONE
    return 0, IN_FLIGHT if operation.kind == KILL else 0


def wrong(state: State, operation: Operation | None, seen: Seen) -> list[str]:
    """Where what is seen differs from the model; *operation* is None when there was none."""
    found = []
    for tier, count in state.running.items():
        running, guests = seen.running.get(tier, 0), seen.guests.get(tier, 0)
        if running != count:
            found.append(f"{tier}: got {running} nodes running, want {count}")
        if guests != state.guests.get(tier, 0):
            found.append(f"{tier}: got {guests} guests running, want {state.guests.get(tier, 0)}")
        there = running + guests
        if seen.serving.get(tier, 0) != there:
            found.append(f"{tier}: got answers of {seen.serving.get(tier, 0)} nodes, want of {there}")
        status = frozenset({200 if there else 503})
        if seen.status.get(tier) != status:
            found.append(f"{tier}: got status {sorted(seen.status.get(tier, ()))}, want {sorted(status)}")
    found += [
        f"{tier}: got {count} nodes running, want none of a tier that is not declared"
        for tier, count in sorted(seen.running.items())
        if count and tier not in state.running
    ]
    return found + (_lost(operation, seen) if operation else [])


def _lost(operation: Operation, seen: Seen) -> list[str]:
    gets, posts = allowed(operation)
    counts = (("GETs lost", seen.lost_gets, gets), ("POSTs lost", seen.lost_posts, posts))
    found = [f"{what}: got {count}, want at most {most:g}" for what, count, most in counts if count > most]
    return found + ([f"POSTs executed twice: got {seen.twice}, want 0"] if seen.twice else [])


class World(Protocol):
    """Where a life is played."""

    def perform(self, operation: Operation, after: State) -> str:
        """Do it; *after* is the state that it must come to. Why it failed, empty when it did not."""

    def look(self, settled: Callable[[Seen], bool]) -> Seen:
        """What is there as soon as it is settled, or at the end of a time limit."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """Where a life went wrong: the number of the operation and why."""

    number: int
    operation: Operation
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        """For people."""
        return f"operation {self.number} ({self.operation}): " + "; ".join(self.reasons)


def live(
    operations: Sequence[Operation], world: World, say: Callable[[str], None] = lambda _: None, start: State = START
) -> Failure | None:
    """Play a life; where it went wrong, None when it did not."""
    state = start
    for number, operation in enumerate(operations):
        after = step(state, operation)
        if after is None:
            continue
        problem = world.perform(operation, after)
        seen = world.look(lambda seen, after=after: not wrong(after, None, seen))  # type: ignore[misc]
        reasons = ([problem] if problem else []) + wrong(after, operation, seen)
        say(f"{number}: {operation}: lost {seen.lost_gets}+{seen.lost_posts}" + "".join(f"; {why}" for why in reasons))
        if reasons:
            return Failure(number, operation, tuple(reasons))
        state = after
    return None
