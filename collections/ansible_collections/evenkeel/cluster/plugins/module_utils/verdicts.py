# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Judge what a measurement saw: pure functions from replies to problems.

A judgement never looks at the network and never decides what to measure; the
control of a check goes through the very same functions as the check itself.

What the balancer's strategies promise to one client which sends one request
after the other (read in Traefik 3.7, pkg/server/service/loadbalancer, and measured):

* wrr: earliest deadline first; every cycle of n choices is a permutation of the
  n nodes, as long as neither the configuration nor a node's health changes.
* p2c: with nothing else in flight, a fair random choice.
* hrw: rendezvous hashing of the client's address; one address stays on one node.
* leasttime: the fastest node; equal shares are not promised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from ansible_collections.evenkeel.cluster.plugins.module_utils.statistics import (
    ChiSquare,
    chi_square_uniform,
    round_robin_cycles,
    round_robin_exact,
)

STRATEGIES = ("wrr", "p2c", "hrw", "leasttime")

# Three answers in a row cannot come from one node under round robin: a cycle ends after one, the next begins with one.
MIN_REQUESTS_PER_CLIENT = 3

_SHOWN = 3


@dataclass(frozen=True)
class Reply:
    """What became of one request.

    Attributes:
        index: position in the order of sending, 0-based.
        sent: seconds from the start of the measurement.
        latency: seconds until the whole answer, or the failure.
        status: HTTP status; None when nothing was answered.
        served_by: ``X-Served-By``; None when absent.
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
class Problem:
    """One thing that is not as it must be."""

    got: str
    want: str
    fix: str

    def __str__(self) -> str:
        """Give the words of a message, without its subject."""
        return f"got {self.got}, want {self.want} (fix: {self.fix})"


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
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    chi_square: ChiSquare | None = None

    @property
    def ok(self) -> bool:
        """The claim holds."""
        return not self.problems


def message(subject: str, problems: Sequence[Problem]) -> str:
    """One line: the first problem in full and how many more there are."""
    more = f"; and {len(problems) - 1} more, see problems" if len(problems) > 1 else ""
    return f"{subject}: {problems[0]}{more}"


def some(names: Iterable[str]) -> str:
    """Join names for a message, cut after a few."""
    listed = list(names)
    rest = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + rest


def node_counts(replies: Iterable[Reply], nodes: Iterable[str] = ()) -> dict[str, int]:
    """Requests served per node, the expected ones first and present even with 0."""
    counted = Counter(reply.served_by for reply in replies if reply.answered and reply.served_by)
    counts = {node: counted.pop(node, 0) for node in nodes}
    return counts | dict(sorted((str(node), count) for node, count in counted.items()))


def each(requests: int, nodes: int) -> str:
    """Words for the fair share: ``20 each``, ``20 or 21 each``."""
    share, rest = divmod(requests, nodes)
    return f"{share} or {share + 1} each" if rest else f"{share} each"


# --------------------------------------------------------------------------
# Answers
# --------------------------------------------------------------------------


def judge_answers(replies: Sequence[Reply], planned: int, nodes: Sequence[str]) -> list[Problem]:
    """Every planned request was sent and answered with 200 by an expected node."""
    problems = []
    lost = [reply for reply in replies if not reply.answered]
    if lost:
        first = lost[0]
        what = first.error or f"status {first.status}"
        source = f" from {first.served_by}" if first.served_by else ""
        fix = f"docker logs {first.served_by}" if first.served_by else "check the address and the balancer's log"
        problems.append(
            Problem(
                f"{len(lost)} of {len(replies)} requests lost (first: {what}{source} at request {first.index + 1})",
                f"{planned} answered with status 200",
                fix,
            )
        )
    elif len(replies) < planned:
        problems.append(
            Problem(
                f"only {len(replies)} of {planned} requests sent within the time limit",
                "all of them",
                "raise time_limit, or lower requests",
            )
        )
    nameless = sum(reply.answered and not reply.served_by for reply in replies)
    if nameless:
        problems.append(
            Problem(
                f"{nameless} of {len(replies)} answers without X-Served-By",
                "the name of the node in each",
                "the tier's image must send it",
            )
        )
    foreign = {node: count for node, count in node_counts(replies).items() if node not in nodes}
    if foreign:
        name = next(iter(foreign))
        problems.append(
            Problem(
                f"{sum(foreign.values())} of {len(replies)} requests on {some(foreign)}",
                f"answers from {some(nodes)} only" if nodes else "no node at all",
                f"docker inspect {name}",
            )
        )
    return problems


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
        "guard", (Problem(f"{what}{source} for {len(wrong)} of {len(replies)} requests", "503 from the guard", fix),)
    )


# --------------------------------------------------------------------------
# Balance
# --------------------------------------------------------------------------


@dataclass(frozen=True)
class BalanceRule:
    """How requests must be distributed.

    Attributes:
        nodes: names that the tier's nodes answer with.
        strategy: the balancer's strategy.
        alpha: probability of a false alarm of the chi-square test.
        ordered: one request at a time, so the replies are in the order of choice.
        disturbed: why round robin cannot be exact in this measurement; empty when it must be.
    """

    nodes: tuple[str, ...]
    strategy: str = "wrr"
    alpha: float = 1e-6
    ordered: bool = True
    disturbed: str = ""


def judge_balance(replies: Sequence[Reply], planned: int, rule: BalanceRule) -> Judgement:
    """Judge a measurement of a tier with at least one node."""
    problems = judge_answers(replies, planned, rule.nodes)
    sequence = [reply.served_by for reply in replies if reply.answered and reply.served_by]
    shares = judge_shares(sequence, rule)
    return Judgement(shares.method, (*problems, *shares.problems), shares.notes, shares.chi_square)


def judge_shares(sequence: Sequence[str], rule: BalanceRule) -> Judgement:
    """Judge which nodes were chosen, in the order of choice."""
    counts = Counter(sequence)
    shares = {node: counts[node] for node in rule.nodes}
    total = sum(shares.values())
    missing = [node for node, count in shares.items() if count == 0]
    if len(rule.nodes) == 1:
        return Judgement("availability", tuple(_missing(missing, total, 1)), ("distribution not applicable: one node",))
    if rule.strategy == "leasttime":
        note = "leasttime prefers the fastest node: equal shares are not promised"
        idle = (f"no request on {some(missing)}",) if missing else ()
        return Judgement("availability", notes=(note, *idle))
    if rule.strategy == "hrw":
        return _judge_affinity(shares)
    if missing or total == 0:
        method = "exact" if rule.strategy == "wrr" and not rule.disturbed else "chi-square"
        result = chi_square_uniform(shares) if total else None
        return Judgement(method, tuple(_missing(missing, total, len(rule.nodes))), chi_square=result)
    if rule.strategy == "wrr" and not rule.disturbed:
        return _judge_round_robin(sequence, shares, rule)
    return _judge_chi_square(shares, rule)


def _missing(missing: Sequence[str], total: int, nodes: int) -> list[Problem]:
    if not missing:
        return []
    want = each(total, nodes) if total else "some on each"
    return [Problem(f"0 of {total} requests on {some(missing)}", want, f"docker logs {missing[0]}")]


def _judge_affinity(shares: Mapping[str, int]) -> Judgement:
    used = [node for node, count in shares.items() if count]
    note = "hrw keeps one client address on one node: distribution needs clients with several addresses"
    if len(used) == 1:
        return Judgement("affinity", notes=(note,))
    return Judgement(
        "affinity",
        (
            Problem(
                f"requests of one client on {some(used) or 'no node'}", "all on one node", "check the nodes' health"
            ),
        ),
        (note,),
    )


def _most_off(shares: Mapping[str, int]) -> str:
    mean = sum(shares.values()) / len(shares)
    return max(shares, key=lambda node: abs(shares[node] - mean))


def _judge_round_robin(sequence: Sequence[str], shares: Mapping[str, int], rule: BalanceRule) -> Judgement:
    total = sum(shares.values())
    result = chi_square_uniform(shares)
    off = _most_off(shares)
    problem = None
    # The window may begin inside a cycle (its offset is not ours to choose), so counts alone may differ by 2.
    if not round_robin_exact(shares, rule.nodes, aligned=False).exact:
        problem = Problem(
            f"{shares[off]} of {total} requests on {off}", each(total, len(shares)), f"docker inspect {off}"
        )
    elif rule.ordered:
        cycles = round_robin_cycles(sequence, rule.nodes)
        if cycles.broken_at is not None:
            problem = Problem(
                f"{sequence[cycles.broken_at]} twice in one cycle at request {cycles.broken_at + 1}",
                f"every node once in each cycle of {len(shares)}",
                f"check weight and health of {sequence[cycles.broken_at]}",
            )
    notes = () if rule.ordered else ("parallel requests: counts may differ by 2, order is not judged",)
    return Judgement("exact", (problem,) if problem else (), notes, result)


def _judge_chi_square(shares: Mapping[str, int], rule: BalanceRule) -> Judgement:
    result = chi_square_uniform(shares)
    total = sum(shares.values())
    notes = (f"judged by chi-square instead of exactly: {rule.disturbed}",) if rule.disturbed else ()
    if result.p_value >= rule.alpha:
        return Judgement("chi-square", (), notes, result)
    off = _most_off(shares)
    problem = Problem(
        f"{shares[off]} of {total} requests on {off} (chi-square {result.statistic:.1f}, p {result.p_value:.2g})",
        f"about {each(total, len(shares))} (p >= {rule.alpha:g})",
        f"docker inspect {off}",
    )
    return Judgement("chi-square", (problem,), notes, result)


# --------------------------------------------------------------------------
# Sticky sessions
# --------------------------------------------------------------------------


@dataclass(frozen=True)
class CookieRule:
    """How the sticky cookie must look; ``same_site`` empty = no attribute, ``max_age`` None = not judged."""

    name: str
    http_only: bool = True
    same_site: str = "lax"
    secure: bool = False
    max_age: int | None = None


@dataclass(frozen=True)
class StickyRule:
    """How clients must be kept.

    Attributes:
        nodes: names that the tier's nodes answer with.
        cookie: the sticky cookie.
        sticky: whether clients must stay (True) or must not be kept (False).
        strategy: the balancer's strategy, which decides on first picks.
        disturbed: why first picks cannot be exact in this measurement; empty when they must be.
    """

    nodes: tuple[str, ...]
    cookie: CookieRule
    sticky: bool = True
    strategy: str = "wrr"
    disturbed: str = ""


@dataclass(frozen=True)
class SetCookie:
    """A parsed ``Set-Cookie`` line; attribute names in lower case."""

    name: str
    value: str
    attributes: dict[str, str] = field(default_factory=dict)


def parse_set_cookie(line: str) -> SetCookie:
    """Split a ``Set-Cookie`` line as user agents do (RFC 6265, section 5.2)."""
    pair, *rest = line.split(";")
    name, __, value = pair.partition("=")
    attributes = {}
    for part in rest:
        key, __, text = part.partition("=")
        attributes[key.strip().lower()] = text.strip()
    return SetCookie(name.strip(), value.strip(), attributes)


def cookies_named(reply: Reply, name: str) -> list[SetCookie]:
    """The cookies of that name which a reply sets."""
    return [cookie for cookie in map(parse_set_cookie, reply.set_cookie) if cookie.name == name]


def sessions_of(replies: Iterable[Reply], clients: int) -> list[list[Reply]]:
    """Replies per client, each in order of sending."""
    sessions: list[list[Reply]] = [[] for __ in range(clients)]
    for reply in replies:
        sessions[reply.client].append(reply)
    return sessions


def moved_clients(sessions: Iterable[Sequence[Reply]]) -> list[int]:
    """Clients whose requests were served by more than one node."""
    return [
        number
        for number, session in enumerate(sessions)
        if len({reply.served_by for reply in session if reply.answered}) > 1
    ]


def judge_sessions(sessions: Sequence[Sequence[Reply]]) -> list[Problem]:
    """Every client stayed on the node that it got first."""
    moved = moved_clients(sessions)
    if not moved:
        return []
    first = [reply for reply in sessions[moved[0]] if reply.answered]
    leap = next(reply for reply in first if reply.served_by != first[0].served_by)
    return [
        Problem(
            f"{len(moved)} of {len(sessions)} clients moved (first: client {moved[0] + 1}"
            f" from {first[0].served_by} to {leap.served_by})",
            "each client on one node",
            f"docker inspect {first[0].served_by}",
        )
    ]


def judge_cookie(sessions: Sequence[Sequence[Reply]], rule: CookieRule) -> list[Problem]:
    """The first answer to every client sets the cookie, with the flags asked for."""
    first = [session[0] for session in sessions if session and session[0].answered]
    without = [reply.client for reply in first if not cookies_named(reply, rule.name)]
    if without:
        return [
            Problem(
                f"no cookie {rule.name} for {len(without)} of {len(first)} clients",
                "one in the first answer to each",
                "check the sticky options of the tier (hrw sets no cookie)",
            )
        ]
    for reply in first:
        for cookie in cookies_named(reply, rule.name):
            problem = _flags(cookie, rule)
            if problem:
                return [problem]
    return []


def _flags(cookie: SetCookie, rule: CookieRule) -> Problem | None:
    def words(value: object) -> str:
        return {True: "present", False: "absent"}.get(value, str(value)) if isinstance(value, bool) else str(value)

    has = cookie.attributes
    wanted: list[tuple[str, object, object]] = [
        ("HttpOnly", "httponly" in has, rule.http_only),
        ("Secure", "secure" in has, rule.secure),
        ("SameSite", has.get("samesite", "").lower() or "absent", rule.same_site.lower() or "absent"),
    ]
    if rule.max_age is not None:
        wanted.append(("Max-Age", has.get("max-age", "absent"), str(rule.max_age) if rule.max_age else "absent"))
    for name, got, want in wanted:
        if got != want:
            return Problem(
                f"{name} {words(got)} in cookie {rule.name}",
                words(want),
                "set the tier's cookie options and run site.yml",
            )
    return None


def judge_first_picks(sessions: Sequence[Sequence[Reply]], rule: StickyRule) -> list[Problem]:
    """New clients are spread over the nodes; exactly under undisturbed round robin."""
    picks = [session[0].served_by for session in sessions if session and session[0].answered and session[0].served_by]
    if rule.strategy in ("hrw", "leasttime") or not picks:
        return []
    used = sorted(set(picks))
    if len(used) == 1:
        idle = next(node for node in rule.nodes if node != used[0])
        return [Problem(f"all {len(picks)} clients on {used[0]}", "new clients on every node", f"docker logs {idle}")]
    if rule.strategy == "wrr" and not rule.disturbed:
        missing = [node for node in rule.nodes if node not in used]
        if missing and len(picks) >= 2 * len(rule.nodes):
            return [
                Problem(f"0 of {len(picks)} clients on {some(missing)}", "some on each", f"docker logs {missing[0]}")
            ]
        cycles = round_robin_cycles(picks, rule.nodes)
        if cycles.broken_at is not None:
            return [
                Problem(
                    f"{picks[cycles.broken_at]} twice in one cycle for client {cycles.broken_at + 1}",
                    f"first picks with every node once in each cycle of {len(rule.nodes)}",
                    f"check weight and health of {picks[cycles.broken_at]}",
                )
            ]
    return []


def judge_sticky(sessions: Sequence[Sequence[Reply]], planned: int, rule: StickyRule) -> Judgement:
    """Judge clients, each with its own cookie jar, of a tier with at least one node."""
    replies = sorted((reply for session in sessions for reply in session), key=lambda reply: reply.index)
    problems = judge_answers(replies, planned, rule.nodes)
    if not rule.sticky:
        return _judge_unsticky(sessions, replies, problems, rule)
    problems += judge_cookie(sessions, rule.cookie)
    if len(rule.nodes) == 1:
        return Judgement("availability", tuple(problems), ("staying not applicable: one node",))
    problems += judge_sessions(sessions)
    problems += judge_first_picks(sessions, rule)
    notes = [f"first picks not judged exactly: {rule.disturbed}"] if rule.disturbed else []
    if rule.strategy in ("hrw", "leasttime"):
        notes.append(f"first picks not judged: {rule.strategy} does not promise to spread new clients")
    return Judgement("sessions", tuple(problems), tuple(notes))


def _judge_unsticky(
    sessions: Sequence[Sequence[Reply]], replies: Sequence[Reply], problems: list[Problem], rule: StickyRule
) -> Judgement:
    kept = sum(bool(cookies_named(reply, rule.cookie.name)) for reply in replies)
    if kept:
        problems.append(
            Problem(f"cookie {rule.cookie.name} in {kept} answers", "none", "check the sticky option of the tier")
        )
    if len(rule.nodes) == 1:
        return Judgement("availability", tuple(problems), ("moving not applicable: one node",))
    if rule.strategy in ("hrw", "leasttime"):
        return Judgement(
            "availability", tuple(problems), (f"moving not judged: {rule.strategy} may keep a client on one node",)
        )
    moved = len(moved_clients(sessions))
    # Only undisturbed round robin promises that each client moves; otherwise one which stays may be chance.
    must = len(sessions) if rule.strategy == "wrr" and not rule.disturbed else 1
    if moved < must:
        problems.append(
            Problem(
                f"{len(sessions) - moved} of {len(sessions)} clients kept on one node",
                "clients that move",
                "check the sticky option of the tier",
            )
        )
    return Judgement("sessions", tuple(problems))
