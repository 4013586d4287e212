# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a drill will do, decided before it begins: which requests leave when, and which events happen when.

Pure: no clock, no network. The load is open loop: the time of a request follows from its number alone, so a slow
answer never holds back the requests after it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GET = "GET"
POST = "POST"
GROW = "grow"
SHRINK = "shrink"
ROLL = "roll"
STOP = "stop"
KILL = "kill"
HANG = "hang"
GUEST_JOINS = "guest joins"
GUEST_LEAVES = "guest leaves"
POLICY = "policy"
BALANCER = "balancer"
RESTORE = "restore"
# A scenario goes through its kinds in turn; each turn is another tier's.
SCENARIOS: dict[str, tuple[str, ...]] = {
    "steady": (),
    "scale": (GROW, SHRINK),
    "roll": (ROLL,),
    "stop": (STOP,),
    "kill": (KILL,),
    "hang": (HANG,),
    "guest": (GUEST_JOINS, GUEST_LEAVES),
    "policy": (POLICY,),
    "balancer": (BALANCER,),
    "mixed": (GROW, STOP, GUEST_JOINS, GUEST_LEAVES, SHRINK, ROLL),
}
# After these the pool is not what was declared; the last event under load restores it.
_ALTERING = frozenset({GROW, SHRINK, ROLL, POLICY, GUEST_JOINS, GUEST_LEAVES})
# What takes a node away without warning: requests in flight there cannot be saved.
SUDDEN = frozenset({KILL, HANG})
#: In a policy switch no new node gets traffic until all are ready, so their join times are not measured.
SWITCHING = frozenset({POLICY, RESTORE})
# What a tier must have two nodes for: one serves while the other is away.
NEEDS_TWO = frozenset({STOP, KILL, HANG})


@dataclass(frozen=True)
class Mix:
    """What the load consists of.

    Attributes:
        clients: how many clients share the requests.
        post_share: share of requests that are POST.
        slow_share: share of requests that the node takes its time for.
        sticky_share: share of clients that keep cookies.
        fresh_share: share of clients that open a connection per request.
    """

    clients: int = 40
    post_share: float = 0.3
    slow_share: float = 0.02
    sticky_share: float = 0.5
    fresh_share: float = 0.25


@dataclass(frozen=True)
class Client:
    """One simulated client.

    Attributes:
        number: 0-based.
        sticky: keeps its cookies.
        fresh: opens a connection per request.
    """

    number: int
    sticky: bool
    fresh: bool


@dataclass(frozen=True)
class Paths:
    """Where a tier takes which request; None for a kind of request that it does not take."""

    get: str
    post: str | None = None
    slow: str | None = None
    slow_post: str | None = None


@dataclass(frozen=True)
class Arrival:
    """One request and its time.

    Attributes:
        index: its number, 0-based.
        at: seconds from the begin of the load at which it leaves.
        tier: where it goes.
        method: GET or POST.
        slow: the node is asked to take its time.
        client: the number of the client that sends it.
    """

    index: int
    at: float
    tier: str
    method: str
    slow: bool
    client: int


@dataclass(frozen=True)
class Event:
    """One change of the cluster and its time, seconds from the begin of the load."""

    number: int
    kind: str
    tier: str
    at: float

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.at:6.1f} s  {self.kind}" + (f" ({self.tier})" if self.tier else "")


def spread(count: int, share: float) -> list[bool]:
    """That many flags, of which the share, rounded, is set, evenly spread."""
    wanted = round(count * share)
    return [(number + 1) * wanted // count > number * wanted // count for number in range(count)]


def make_clients(mix: Mix) -> list[Client]:
    """The clients: both kinds of connections among the sticky ones and among the others."""
    sticky = spread(mix.clients, mix.sticky_share)
    fresh: dict[bool, Iterator[bool]] = {
        kind: iter(spread(max(sticky.count(kind), 1), mix.fresh_share)) for kind in (True, False)
    }
    return [Client(number, kind, next(fresh[kind])) for number, kind in enumerate(sticky)]


def arrivals(paths: dict[str, Paths], rate: float, mix: Mix, seed: int) -> Iterator[Arrival]:
    """The requests, without end: the tiers in turn at a fixed rate, the rest drawn from the seed.

    Args:
        paths: tier to what it can be asked.
        rate: requests per second, all tiers together.
        mix: what the load consists of.
        seed: the same seed gives the same load.
    """
    chance = random.Random(seed)
    tiers = list(paths)
    index = 0
    while True:
        tier = tiers[index % len(tiers)]
        can = paths[tier]
        # Each draw is made whatever the tier can do, so that the paths of one tier do not change another's load.
        post, slow, client = chance.random() < mix.post_share, chance.random() < mix.slow_share, chance.random()
        method = POST if post and can.post is not None else GET
        slow = slow and (can.slow_post if method == POST else can.slow) is not None
        yield Arrival(index, index / rate, tier, method, slow, int(client * mix.clients))
        index += 1


def path_of(paths: Paths, method: str, slow: bool) -> str:
    """Where a request goes."""
    chosen = {
        (GET, False): paths.get,
        (GET, True): paths.slow,
        (POST, False): paths.post,
        (POST, True): paths.slow_post,
    }[method, slow]
    return paths.get if chosen is None else chosen


def plan_events(scenario: str, tiers: Sequence[str], count: int, first: float, interval: float) -> list[Event]:
    """The events of a scenario.

    Args:
        scenario: one of :data:`SCENARIOS`.
        tiers: which tiers take turns.
        count: how many events, besides the last one, which restores the declared pool.
        first: when the first one happens; before it the load runs undisturbed.
        interval: seconds from one to the next.
    """
    kinds = SCENARIOS[scenario]
    events = []
    for number in range(count if kinds else 0):
        turn, place = divmod(number, len(kinds))
        events.append(Event(number, kinds[place], tiers[turn % len(tiers)], first + number * interval))
    if any(event.kind in _ALTERING for event in events):
        events.append(Event(len(events), RESTORE, "", first + len(events) * interval))
    return events


@dataclass(frozen=True)
class LoadWindow:
    """How long the load runs.

    Attributes:
        duration: seconds it lasts at least.
        tail: seconds it goes on after the last event has ended.
        limit: never longer than this.
    """

    duration: float
    tail: float
    limit: float

    def goes_on(self, now: float, events_ended: float | None) -> bool:
        """Whether a request that is due now is still sent; *events_ended* is None while events are to come."""
        if now >= self.limit:
            return False
        return events_ended is None or now < max(self.duration, events_ended + self.tail)


def least_seconds(events: Sequence[Event], duration: float, tail: float) -> float:
    """How long the load runs when every event ends at once."""
    return max(duration, events[-1].at + tail if events else 0.0)


def planned_requests(rate: float, seconds: float) -> int:
    """How many requests are due within that many seconds."""
    # The tolerance keeps the request that is due exactly at the end out, whatever the last digit says.
    return math.ceil(rate * seconds - 1e-6)
