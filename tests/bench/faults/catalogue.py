"""All rows, and which of them a campaign plays in which order. Pure."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence

from tests.bench.faults import rows_balancer, rows_engine, rows_hand, rows_machine, rows_nodes, rows_state
from tests.bench.faults.fault import CLOCK, ENGINE, PORTAINER, PRUNE, Fault
from tests.bench.faults.together import JOIN, joined

ROWS: tuple[Fault, ...] = (
    *rows_engine.ROWS,
    *rows_balancer.ROWS,
    *rows_nodes.ROWS,
    *rows_state.ROWS,
    *rows_machine.ROWS,
    *rows_hand.ROWS,
)

#: Why a row is not played unless asked for.
LEFT_OUT = {
    CLOCK: "the clock is the whole machine's: played with --allow clock only",
    PRUNE: "it removes the images of other projects: played with --allow prune only",
    PORTAINER: "the cluster must have Portainer: played with -e cluster_portainer=true only",
    ENGINE: "it stops every container of the machine: not played with --keep engine",
}
#: What needs no permission.
ALLOWED = frozenset({ENGINE})


def by_name(name: str) -> Fault:
    """The row of this name, or of these names joined (:mod:`tests.bench.faults.together`).

    Raises:
        StopIteration: there is none.
    """
    if JOIN in name:
        return joined([by_name(part) for part in name.split(JOIN)])
    return next(row for row in ROWS if row.name == name)


def playable(row: Fault, allowed: Collection[str]) -> bool:
    """Whether a row needs nothing beside what is allowed."""
    return set(row.needs) <= set(allowed)


def chosen(names: Collection[str], groups: Collection[str], *, short: bool, allowed: Collection[str]) -> list[Fault]:
    """The rows to play: those named or of a group named, or all; of the short form alone when asked for."""
    rows = [row for row in ROWS if (not names and not groups) or row.name in names or row.group in groups]
    return [row for row in rows if playable(row, allowed) and (row.short or not short)]


def unknown(names: Iterable[str], groups: Iterable[str]) -> list[str]:
    """What no row or group is called."""
    known = {row.name for row in ROWS}
    parts = {row.group for row in ROWS}
    return sorted({*names} - known | {*groups} - parts)


def order(rows: Sequence[Fault], rounds: int, seed: int) -> list[tuple[int, Fault]]:
    """Each row once per round, in an order drawn from the seed: round and row."""
    chance = random.Random(seed)
    found: list[tuple[int, Fault]] = []
    for number in range(1, rounds + 1):
        turn = list(rows)
        chance.shuffle(turn)
        found += [(number, row) for row in turn]
    return found
