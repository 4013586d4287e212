"""Several rows as one: all is done that they do, then one run must mend it. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from tests.bench.faults.fault import MENDS, Fault

JOIN = "+"
GROUP = "several at once"
# A row that names a node when it has ended means one that another row may have removed.
_NAMED = ("$STATIC", "$DYNAMIC")
# Ways to end a cause that is still there while the run mends: beside another row the run would be right to refuse.
_LASTING = ("unmounted", "pool_given_back")


def joinable(row: Fault) -> bool:
    """Whether it is mended by an ordinary run, and needs nothing before or beside that."""
    beside = row.needs or row.prepare or row.hold or row.lift or row.clean in _LASTING
    return row.ends == MENDS and not beside and "play " not in row.do and row.run == ("site.yml",)


def joined(rows: Sequence[Fault]) -> Fault:
    """One row that does what all do, in their order.

    What one of them cannot do any more after another, such as to rename what was removed, is left out.
    """
    return Fault(
        JOIN.join(row.name for row in rows),
        GROUP,
        "; ".join(row.done for row in rows),
        _one_after_another(row.do for row in rows),
        ends=MENDS,
        seconds=None,
        lost=None,
        then="\n".join(row.then for row in rows if not any(name in row.then for name in _NAMED)).strip(),
        clean=_one_after_another(row.clean for row in rows if row.clean),
        told=any(row.told for row in rows),
    )


def _one_after_another(texts: Iterable[str]) -> str:
    # A subshell each: what one fails at does not keep the next from its turn.
    return "\n".join(f"(\n{text}\n) || true" for text in texts)


def batches(rows: Iterable[Fault], size: int, seed: int) -> list[Fault]:
    """The rows that can be joined, each once, ``size`` at a time, in an order drawn from the seed."""
    turn = [row for row in rows if joinable(row)]
    random.Random(seed).shuffle(turn)
    return [joined(turn[at : at + size]) for at in range(0, len(turn), size)]
