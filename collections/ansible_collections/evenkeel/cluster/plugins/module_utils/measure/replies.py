# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Replies of a measurement, and whether every request was answered. Pure.

A judgement never looks at the network and never decides what to measure; the
control of a check goes through the very same functions as the check itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from ..core.errors import Finding, join_some
from ..core.stats import ChiSquare

# Three answers in a row cannot come from one node under round robin: a cycle ends after one, the next begins with one.
MIN_REQUESTS_PER_CLIENT = 3


# What an application may answer at its path to each client that has not logged in.
_OWN_ANSWERS = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
        HTTPStatus.UNAUTHORIZED,
    }
)


@dataclass(frozen=True)
class Reply:
    """What became of one request.

    Attributes:
        index: position in the order of sending, 0-based.
        sent: seconds from the start of the measurement.
        latency: seconds until the whole answer, or the failure.
        status: HTTP status; None when nothing was answered.
        served_by: the node, by ``X-Served-By`` or by the balancer's access log; None when neither names it.
        error: why nothing was answered, in words.
        set_cookie: the ``Set-Cookie`` header lines.
        client: which client sent it, 0-based.
    """

    index: int
    sent: float
    latency: float
    status: int | None
    served_by: str | None
    error: str | None = None
    set_cookie: tuple[str, ...] = ()
    client: int = 0

    @property
    def answered(self) -> bool:
        """The request was served: status 200."""
        return self.status == HTTPStatus.OK


@dataclass(frozen=True)
class Judgement:
    """What a measurement proves.

    Attributes:
        method: ``exact``, ``chi-square``, ``affinity``, ``availability``, ``sessions`` or ``guard``.
        problems: why the claim does not hold; empty when it does.
        notes: what a reader must know about the judgement.
        chi_square: the test's result when there was one.
    """

    method: str
    problems: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    chi_square: ChiSquare | None = None

    @property
    def ok(self) -> bool:
        """The claim holds."""
        return not self.problems


def node_counts(replies: Iterable[Reply], nodes: Iterable[str] = ()) -> dict[str, int]:
    """Requests served per node, the expected ones first and present even with 0."""
    counted = Counter(reply.served_by for reply in replies if reply.answered and reply.served_by)
    counts = {node: counted.pop(node, 0) for node in nodes}
    return counts | dict(sorted((str(node), count) for node, count in counted.items()))


def fair_share(requests: int, nodes: int) -> str:
    """Words for the fair share: ``20 each``, ``20 or 21 each``."""
    share, rest = divmod(requests, nodes)
    return f"{share} or {share + 1} each" if rest else f"{share} each"


def judge_answers(replies: Sequence[Reply], planned: int, nodes: Sequence[str]) -> list[Finding]:
    """Every planned request was sent and answered with 200 by an expected node."""
    problems = []
    lost = [reply for reply in replies if not reply.answered]
    if lost:
        first = lost[0]
        what = first.error or f"status {first.status}"
        source = f" from {first.served_by}" if first.served_by else ""
        fix = f"docker logs {first.served_by}" if first.served_by else "check the address and the balancer's log"
        problems.append(
            Finding(
                f"{len(lost)} of {len(replies)} requests lost (first: {what}{source} at request {first.index + 1})",
                f"{planned} answered with status 200",
                fix,
            )
        )
    elif len(replies) < planned:
        problems.append(
            Finding(
                f"only {len(replies)} of {planned} requests sent within the time limit",
                "all of them",
                "raise time_limit, or lower requests",
            )
        )
    nameless = sum(reply.answered and not reply.served_by for reply in replies)
    if nameless:
        problems.append(
            Finding(
                f"{nameless} of {len(replies)} answers without the name of their node",
                "each named by X-Served-By, or each by the balancer's access log",
                "see the tier's image and the access log",
            )
        )
    foreign = {node: count for node, count in node_counts(replies).items() if node not in nodes}
    if foreign:
        name = next(iter(foreign))
        problems.append(
            Finding(
                f"{sum(foreign.values())} of {len(replies)} requests on {join_some(foreign)}",
                f"answers from {join_some(nodes)} only" if nodes else "no node at all",
                f"docker inspect {name}",
            )
        )
    return problems


def unmeasurable(replies: Sequence[Reply], *, logged: bool = False) -> str:
    """Why the answers of a healthy tier cannot tell which node gave them; empty when they can.

    Only where it holds for all of them: an image that is as it is. Anything else is a fault.

    Args:
        replies: what clients got.
        logged: the access log was read. What it lacks is a fault then.
    """
    statuses = {reply.status for reply in replies}
    if len(statuses) != 1:
        return ""
    (status,) = statuses
    if status in _OWN_ANSWERS:
        return (
            f"got status {status} for all {len(replies)} requests, want 200 to measure by"
            " (fix: nothing; or let the tier's path answer 200)"
        )
    if status == HTTPStatus.OK and not logged and not any(reply.served_by for reply in replies):
        return (
            f"got {len(replies)} answers without X-Served-By and no access log, want one of the two to name the nodes"
            " (fix: pass access_log and members, and see that the log can be read)"
        )
    return ""


def not_guarded(replies: Iterable[Reply]) -> int:
    """Requests which the guard of a tier without nodes did not answer."""
    return sum(reply.status != HTTPStatus.SERVICE_UNAVAILABLE for reply in replies)


def judge_guard(replies: Sequence[Reply]) -> Judgement:
    """A tier without nodes: every request is refused with 503 and reaches no node."""
    wrong = [reply for reply in replies if reply.status != HTTPStatus.SERVICE_UNAVAILABLE]
    if not wrong and replies:
        return Judgement("guard", notes=("the tier has no node: the guard answers 503",))
    first = wrong[0] if wrong else None
    what = (first.error or f"status {first.status}") if first else "no request sent"
    source = f" from {first.served_by}" if first and first.served_by else ""
    fix = f"docker stop {first.served_by}" if first and first.served_by else "run site.yml"
    return Judgement(
        "guard", (Finding(f"{what}{source} for {len(wrong)} of {len(replies)} requests", "503 from the guard", fix),)
    )
