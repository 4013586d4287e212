# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a drill saw, added up: pure functions from records of single requests to figures.

All times are seconds from the begin of the load. Nothing here judges.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.drill_results import EventLoad, Span
from ..core.results import Quantiles
from ..core.stats import percentile
from ..measure.access_log import LogLine
from .records import THIS_MACHINE, EventReport, Record
from .schedule import GET, KILL, POST, SUDDEN, SWITCHING

_MS = 1000.0
# The engine needs a moment to carry a kill out; requests may still reach the node meanwhile.
_KILL_SECONDS = 0.2


def failures(records: Iterable[Record]) -> dict[str, int]:
    """Cause to the number of requests that failed for it, the most frequent first."""
    return dict(Counter(f"{record.method} {record.error}" for record in records if record.error).most_common())


def generator_faults(records: Iterable[Record]) -> list[Record]:
    """Requests that this machine could not send."""
    return [record for record in records if record.error.startswith(THIS_MACHINE)]


def in_flight(
    records: Iterable[Record],
    reports: Sequence[EventReport],
    log: Iterable[LogLine] | None = None,
    repeating: Collection[str] | None = None,
) -> list[Record]:
    """Failed requests that were under way on a node when it was killed or frozen: no balancer can save those.

    A node that hangs makes every failure unavoidable. So does a crash, except for a GET of a tier that repeats it. When
    the access log says that a request was at another node, its failure counts.

    Args:
        records: the requests.
        reports: the events.
        log: our requests in the access log; None when it was not read.
        repeating: the tiers whose GETs are sent once more; None for all.
    """
    servers = {line.key: line.server.rpartition(":")[0] for line in log or ()}
    moments = [
        (node, at, report.kind == KILL)
        for report in reports
        if report.kind in SUDDEN
        for node, at in report.left.items()
    ]

    def unavoidable(record: Record) -> bool:
        return any(
            not (killed and record.method == GET and (repeating is None or record.tier in repeating))
            and record.sent <= at + _KILL_SECONDS
            and record.done >= at
            and servers.get(record.key, node) == node
            for node, at, killed in moments
        )

    return [record for record in records if record.error and unavoidable(record)]


@dataclass(frozen=True)
class Rate:
    """What was to be offered and what left.

    Attributes:
        offered: requests per second of the schedule.
        achieved: requests per second that left.
        late_p99: seconds that 99 % of them left late at most.
    """

    offered: float
    achieved: float
    late_p99: float


def achieved_rate(records: Sequence[Record], offered: float) -> Rate:
    """The rate at which requests left: how much longer than planned the load took to send them."""
    if not records:
        return Rate(offered, 0.0, 0.0)
    sent = [record for record in records if not record.error.startswith(THIS_MACHINE)]
    planned = (max(record.at for record in records)) + 1 / offered
    took = max(itertools.chain((planned,), (record.sent for record in records)))
    return Rate(offered, len(sent) / took, percentile((record.late for record in records), 99))


def quantiles(values: Iterable[float], scale: float = 1.0) -> Quantiles:
    """p50, p95, p99 and max of the values, and how many there are; only the number when there is none."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0}
    p50, p95, p99 = (round(percentile(ordered, share) * scale, 3) for share in (50, 95, 99))
    return {"count": len(ordered), "p50": p50, "p95": p95, "p99": p99, "max": round(ordered[-1] * scale, 3)}


def latency_ms(records: Iterable[Record]) -> Quantiles:
    """Latency of the answered requests in milliseconds."""
    return quantiles((record.latency for record in records if record.answered), _MS)


@dataclass(frozen=True)
class Executions:
    """What the nodes say about our POSTs.

    Attributes:
        deliveries: key -> node -> how often the node got it (executed or recognised as a repetition).
        complete: nodes whose record was read after their last request.
        not_offered: tiers whose image keeps no record of POSTs.
    """

    deliveries: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    complete: frozenset[str] = frozenset()
    not_offered: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PostAccount:
    """The clients' POSTs beside the nodes'.

    Attributes:
        answered: POSTs answered with 2xx.
        confirmed: of these, found executed exactly once.
        twice: keys delivered more than once, in whatever way it was noticed.
        missing: keys answered with 2xx by a node whose complete record lacks them.
        unknown: answered with 2xx, but by a node whose record ended before it could be read.
        not_offered: answered with 2xx by an image that keeps no record.
        again: second attempts of POSTs to these images, a bound of those executed twice; None when not known.
    """

    answered: int
    confirmed: int
    twice: tuple[str, ...]
    missing: tuple[str, ...]
    unknown: int
    not_offered: int = 0
    again: int | None = None


def account_posts(
    records: Iterable[Record], executions: Executions, again: Mapping[tuple[str, str], int] | None = None
) -> PostAccount:
    """Compare each POST with what the nodes executed; a failed POST must not have been executed twice either.

    Args:
        records: the requests.
        executions: what the nodes say.
        again: tier and method to second attempts, where they are known.
    """
    answered = confirmed = unknown = not_offered = 0
    untold: set[str] = set()
    twice, missing = [], []
    for record in records:
        if record.method != POST:
            continue
        delivered = sum(executions.deliveries.get(record.key, {}).values())
        answered += record.answered
        if delivered > 1 or record.replayed:
            twice.append(record.key)
        elif record.tier in executions.not_offered:
            not_offered += record.answered
            untold.add(record.tier)
        elif record.answered and delivered == 1:
            confirmed += 1
        elif record.answered and record.node in executions.complete:
            missing.append(record.key)
        elif record.answered:
            unknown += 1
    attempts = [(again or {}).get((tier, POST)) for tier in untold]
    known = [count for count in attempts if count is not None]
    bound = sum(known) if len(known) == len(attempts) else None
    return PostAccount(answered, confirmed, tuple(twice), tuple(missing), unknown, not_offered, bound)


@dataclass(frozen=True)
class Moves:
    """Sessions that changed their node.

    A session is a client's stay on one node; however many of its requests are under way when the node goes, it moves
    once.

    Attributes:
        expected: (client, node) of sessions whose node had left.
        unexpected: (client, node) of sessions whose node was there: these must not move.
        sessions: all (client, node) stays that were seen.
    """

    expected: frozenset[tuple[int, str]]
    unexpected: frozenset[tuple[int, str]]
    sessions: frozenset[tuple[int, str]]


def return_time(node: str, left: float, reports: Iterable[EventReport]) -> tuple[float, float]:
    """When a node of that name was started after one had left, and when that event was over; infinity for never.

    It need not be the same node: names that have become free are given again.
    """
    later = [
        (joined, report.ended)
        for report in reports
        for name, joined in report.joined.items()
        if name == node and joined > left
    ]
    return min(later, default=(float("inf"), float("inf")))


def absences(reports: Sequence[EventReport]) -> dict[str, list[tuple[float, float]]]:
    """Node to the times during which it was not to be counted on: from leaving to the end of its return."""
    away: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for report in reports:
        for node, at in report.left.items():
            away[node].append((at, return_time(node, at, reports)[1]))
    return dict(away)


def moves(records: Iterable[Record], reports: Sequence[EventReport]) -> Moves:
    """Compare the node that each cookie stood for with the node that answered."""
    away = absences(reports)
    expected: set[tuple[int, str]] = set()
    unexpected: set[tuple[int, str]] = set()
    sessions: set[tuple[int, str]] = set()
    for record in records:
        if record.home is None or record.node is None:
            continue
        stay = (record.client, record.home)
        sessions.add(stay)
        if record.node == record.home:
            continue
        gone = any(since <= record.done and record.sent <= until for since, until in away.get(record.home, ()))
        (expected if gone else unexpected).add(stay)
    return Moves(frozenset(expected), frozenset(unexpected - expected), frozenset(sessions))


def departure(node: str, joined: float, reports: Iterable[EventReport]) -> float:
    """When a node of that name was told to leave after one had been started; infinity for never."""
    return min(
        (left for report in reports for name, left in report.left.items() if name == node and left > joined),
        default=float("inf"),
    )


def join_seconds(records: Iterable[Record], reports: Sequence[EventReport]) -> dict[str, float]:
    """``node@event`` to the seconds from its start to its first answer; nodes that answered nothing are absent.

    So are those of a change of policy, and of the way back: they wait for all the others before the route is switched.
    """
    answers = _answers(records)
    times = {}
    for report in reports:
        for node, since in report.joined.items() if report.kind not in SWITCHING else ():
            until = departure(node, since, reports)
            first = next((record.done for record in answers.get(node, ()) if since <= record.done < until), None)
            if first is not None:
                times[f"{node}@{report.number}"] = first - since
    return times


def leave_seconds(records: Iterable[Record], reports: Sequence[EventReport]) -> dict[str, float]:
    """``node@event`` to the seconds from being told to leave to the last request that was still sent there.

    Nodes that were killed or frozen are absent, because they cannot say when they got their last request, and so are
    those that no answer names.
    """
    answers = _answers(records)
    times = {}
    for report in reports:
        for node, since in report.left.items() if report.kind not in SUDDEN else ():
            until = return_time(node, since, reports)[0]
            last = [record.sent for record in answers.get(node, ()) if since <= record.sent < until]
            if node in answers:
                times[f"{node}@{report.number}"] = max(last, default=since) - since
    return times


def nameless_tiers(records: Iterable[Record]) -> list[str]:
    """Tiers of which no answer's node is known: joins, leaves and moves there cannot be seen."""
    answered: dict[str, bool] = {}
    for record in records:
        if record.answered:
            answered[record.tier] = answered.get(record.tier, False) or record.node is not None
    return sorted(tier for tier, named in answered.items() if not named)


def _answers(records: Iterable[Record]) -> dict[str, list[Record]]:
    by_node: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.node is not None:
            by_node[record.node].append(record)
    for mine in by_node.values():
        mine.sort(key=lambda record: record.done)
    return by_node


def around(records: Sequence[Record], report: EventReport, seconds: float) -> EventLoad:
    """Throughput, latency and failures before, during and after an event."""
    return {
        "before": window(records, max(report.began - seconds, 0.0), report.began),
        "during": window(records, max(report.began, 0.0), report.ended),
        "after": window(records, max(report.ended, 0.0), report.ended + seconds),
    }


def window(records: Sequence[Record], begin: float, end: float) -> Span:
    """Figures of the requests that were due in [begin, end); the records must be in the order of due."""
    first, last = (bisect_left(records, moment, key=lambda record: record.at) for moment in (begin, end))
    inside = records[first:last]
    good = [record for record in inside if record.answered]
    length = end - begin
    return {
        "seconds": round(length, 3),
        "requests": len(inside),
        "failed": len(inside) - len(good),
        "answered_per_second": round(len(good) / length, 1) if length > 0 else 0.0,
        "latency_ms": latency_ms(good),
    }


@dataclass(frozen=True)
class NodeCount:
    """What one node counted, all its lives added up.

    Attributes:
        requests: served since the drill began.
        complete: whether its counter was read after its last request, in each of its lives.
    """

    requests: int
    complete: bool


@dataclass(frozen=True)
class Counts:
    """The same requests from three sides.

    Attributes:
        client: requests that got an answer, whatever its status.
        log: how many of our requests the access log has; None when it was not read.
        log_missing: answered requests that it lacks.
        log_differs: requests that it has with another status.
        retried: attempts of the balancer beyond the first of each request; None when not known.
        nodes: node -> (what it counted, None when its image counts nothing; answers that clients got from it).
        incomplete: nodes whose counter ended unread.
        short: nodes that counted less than clients got from them.
    """

    client: int
    log: int | None
    log_missing: int
    log_differs: int
    retried: int | None
    nodes: Mapping[str, tuple[int | None, int]]
    incomplete: tuple[str, ...]
    short: tuple[str, ...]


def compare_counts(
    records: Iterable[Record],
    log: Iterable[LogLine] | None,
    nodes: Mapping[str, NodeCount],
    uncounted: Collection[str] = (),
    again: Mapping[tuple[str, str], int] | None = None,
) -> Counts:
    """Put the clients' records, the access log and the nodes' counters side by side.

    Args:
        records: the requests.
        log: ours in the access log; None when it was not read.
        nodes: node to what it counted.
        uncounted: tiers whose image counts nothing.
        again: tier and method to second attempts, where they are known.
    """
    answered = [record for record in records if record.status is not None]
    lines = {line.key: line for line in log} if log is not None else {}
    got = Counter(record.node for record in answered if record.node is not None)
    silent = {record.node for record in answered if record.node is not None and record.tier in uncounted}
    counted = {**dict.fromkeys(silent), **{name: count.requests for name, count in nodes.items()}}
    return Counts(
        client=len(answered),
        log=None if log is None else len(lines),
        log_missing=0 if log is None else sum(record.key not in lines for record in answered),
        log_differs=sum(record.key in lines and lines[record.key].status != record.status for record in answered),
        retried=sum(again.values()) if again else None,
        nodes={name: (count, got[name]) for name, count in sorted(counted.items())},
        incomplete=tuple(sorted(name for name, count in nodes.items() if not count.complete)),
        short=tuple(sorted(name for name, count in nodes.items() if count.complete and count.requests < got[name])),
    )
