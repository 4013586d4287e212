"""Whether a row ended as it says, from what was measured; and the figures of its load. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tests.bench.faults.fault import HEALS, REFUSED, Fault, Measured

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import THIS_MACHINE, Record
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import GET

_SECONDS_SHOWN = 2
# A run that refuses says what it got, what it wants and how to mend it, in one line.
_REFUSAL = re.compile(r"got .*want .*\(fix: ", re.DOTALL)
_LONGEST_LINE = 500
_CRASHES = ("Traceback", "MODULE FAILURE", "Unexpected Exception", "AnsibleUndefined", "has no attribute")


def judge(fault: Fault, seen: Measured) -> list[str]:
    """Why a row did not end as it says, one line each; none when it did."""
    if seen.problems:
        return list(seen.problems)
    found = _judge_run(fault, seen) if fault.ends != HEALS else _judge_healing(fault, seen)
    if fault.seconds is not None:
        if seen.serves is None:
            found.insert(0, f"serves: got no answer by itself, want one within {fault.seconds:g} s")
        elif fault.seconds and seen.serves > fault.seconds:
            found.insert(0, f"serves: got {seen.serves:.1f} s, want at most {fault.seconds:g} s")
    for what, count, bound in (
        ("GETs lost", seen.lost, fault.lost),
        ("POSTs lost", seen.posts, fault.posts if fault.lost is not None else None),
        ("sessions moved", seen.moved, fault.moved),
        ("POSTs executed twice", seen.twice, 0),
    ):
        if bound is not None and count > bound:
            first = f", first: {seen.first}" if "lost" in what else ""
            found.append(f"{what}: got {count}, want at most {bound}{first}")
    return found + ([seen.left] if seen.left else [])


def _judge_healing(fault: Fault, seen: Measured) -> list[str]:
    if seen.serves is None or fault.seconds is None or seen.serves > fault.seconds:
        return []
    left = "; ".join(seen.told) or "differences"
    if seen.healed is None:
        return [f"as declared: got {left}, want none within {fault.seconds:g} s"]
    if seen.healed > fault.seconds:
        return [f"as declared: got it after {seen.healed:.1f} s, want at most {fault.seconds:g} s"]
    return []


def _judge_run(fault: Fault, seen: Measured) -> list[str]:
    if fault.ends == REFUSED:
        return _judge_refusal(fault, seen)
    found = []
    if fault.told and not seen.told:
        found.append("status: got no drift, want it to name what a run would mend")
    elif fault.told and fault.says and not re.search(fault.says, "\n".join(seen.told), re.IGNORECASE):
        found.append(f"status: got '{'; '.join(seen.told)}', want /{fault.says}/")
    if not seen.mended:
        found.append(f"run: got '{seen.refusal or 'a cluster that is not as declared'}', want it mended")
    if fault.seconds is not None and seen.lost_mending:
        found.append(f"run: got {seen.lost_mending} requests lost while it mended, want 0")
    return found


def _judge_refusal(fault: Fault, seen: Measured) -> list[str]:
    found = []
    if not seen.refusal:
        found.append("run: got success, want a refusal")
    else:
        found += refusal_problems(seen.refusal, fault.says)
    if seen.mended is False:
        found.append("after the cause: got a cluster that one run does not mend, want it as declared")
    return found


def refusal_problems(refusal: str, says: str) -> list[str]:
    """What is wrong with the message of a run that failed."""
    found = []
    crashes = [word for word in _CRASHES if word in refusal]
    if crashes:
        found.append(f"refusal: got '{crashes[0]}' in it, want one line")
    elif not _REFUSAL.search(refusal):
        found.append(f"refusal: got '{refusal[:200]}', want 'what: got ..., want ... (fix: ...)'")
    if max(map(len, refusal.splitlines()), default=0) > _LONGEST_LINE:
        found.append(f"refusal: got a line of more than {_LONGEST_LINE} characters, want a short one")
    if says and not re.search(says, refusal, re.IGNORECASE):
        found.append(f"refusal: got '{refusal[:200]}', want /{says}/ in it")
    return found


def moves(records: Iterable[Record]) -> int:
    """How often a client with a session was answered by another node than before."""
    homes: dict[tuple[int, str], str] = {}
    count = 0
    for record in sorted(records, key=lambda one: one.done):
        if record.home is None or record.node is None or not record.answered:
            continue
        key = (record.client, record.tier)
        count += homes.get(key, record.home) != record.node
        homes[key] = record.node
    return count


def lost(records: Iterable[Record]) -> list[Record]:
    """The requests that the cluster lost, in the order in which they were due; not those that never left here."""
    failed = (record for record in records if record.error and not record.error.startswith(THIS_MACHINE))
    return sorted(failed, key=lambda record: record.at)


def figures(records: Sequence[Record], mending: float | None) -> dict[str, float | int | str]:
    """What became of a row's requests, for :class:`Measured`.

    Args:
        records: all requests.
        mending: when the run began, seconds from the begin of the load; None without one.
    """
    # A request that was due before the run may fail in it: it failed because of the fault.
    before = [record for record in records if mending is None or record.at < mending]
    failed = lost(before)
    gets = sum(record.method == GET for record in failed)
    return {
        "requests": len(records),
        "lost": gets,
        "posts": len(failed) - gets,
        "lost_mending": len(lost(records)) - len(failed),
        "twice": sum(record.replayed for record in records),
        "moved": moves(before),
        "down": round(failed[-1].at - failed[0].at, _SECONDS_SHOWN) if failed else 0.0,
        "first": f"{failed[0].error} for {failed[0].method} {failed[0].tier}" if failed else "",
    }
