# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Judge sticky sessions: cookies, clients that stay, first picks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..cluster.spec import SPREADING_STRATEGIES
from ..core.errors import Finding, join_some
from ..core.stats import round_robin_cycles
from .replies import Judgement, Reply, judge_answers


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


def judge_sessions(sessions: Sequence[Sequence[Reply]]) -> list[Finding]:
    """Every client stayed on the node that it got first."""
    moved = moved_clients(sessions)
    if not moved:
        return []
    first = [reply for reply in sessions[moved[0]] if reply.answered]
    leap = next(reply for reply in first if reply.served_by != first[0].served_by)
    return [
        Finding(
            f"{len(moved)} of {len(sessions)} clients moved (first: client {moved[0] + 1}"
            f" from {first[0].served_by} to {leap.served_by})",
            "each client on one node",
            f"docker inspect {first[0].served_by}",
        )
    ]


def judge_cookie(sessions: Sequence[Sequence[Reply]], rule: CookieRule) -> list[Finding]:
    """The first answer to every client sets the cookie, with the flags asked for."""
    first = [session[0] for session in sessions if session and session[0].answered]
    without = [reply.client for reply in first if not cookies_named(reply, rule.name)]
    if without:
        return [
            Finding(
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


def _flags(cookie: SetCookie, rule: CookieRule) -> Finding | None:
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
            return Finding(
                f"{name} {words(got)} in cookie {rule.name}",
                words(want),
                "set the tier's cookie options and run site.yml",
            )
    return None


def judge_first_picks(sessions: Sequence[Sequence[Reply]], rule: StickyRule) -> list[Finding]:
    """New clients are spread over the nodes; exactly under undisturbed round robin."""
    picks = [session[0].served_by for session in sessions if session and session[0].answered and session[0].served_by]
    if rule.strategy not in SPREADING_STRATEGIES or not picks:
        return []
    used = sorted(set(picks))
    if len(used) == 1:
        idle = next(node for node in rule.nodes if node != used[0])
        return [Finding(f"all {len(picks)} clients on {used[0]}", "new clients on every node", f"docker logs {idle}")]
    if rule.strategy == "wrr" and not rule.disturbed:
        missing = [node for node in rule.nodes if node not in used]
        if missing and len(picks) >= 2 * len(rule.nodes):
            return [
                Finding(
                    f"0 of {len(picks)} clients on {join_some(missing)}", "some on each", f"docker logs {missing[0]}"
                )
            ]
        cycles = round_robin_cycles(picks, rule.nodes)
        if cycles.broken_at is not None:
            return [
                Finding(
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
    if rule.strategy not in SPREADING_STRATEGIES:
        notes.append(f"first picks not judged: {rule.strategy} does not promise to spread new clients")
    return Judgement("sessions", tuple(problems), tuple(notes))


def _judge_unsticky(
    sessions: Sequence[Sequence[Reply]], replies: Sequence[Reply], problems: list[Finding], rule: StickyRule
) -> Judgement:
    kept = sum(bool(cookies_named(reply, rule.cookie.name)) for reply in replies)
    if kept:
        problems.append(
            Finding(f"cookie {rule.cookie.name} in {kept} answers", "none", "check the sticky option of the tier")
        )
    if len(rule.nodes) == 1:
        return Judgement("availability", tuple(problems), ("moving not applicable: one node",))
    if rule.strategy not in SPREADING_STRATEGIES:
        return Judgement(
            "availability", tuple(problems), (f"moving not judged: {rule.strategy} may keep a client on one node",)
        )
    moved = len(moved_clients(sessions))
    # Only undisturbed round robin promises that each client moves; otherwise one which stays may be chance.
    must = len(sessions) if rule.strategy == "wrr" and not rule.disturbed else 1
    if moved < must:
        problems.append(
            Finding(
                f"{len(sessions) - moved} of {len(sessions)} clients kept on one node",
                "clients that move",
                "check the sticky option of the tier",
            )
        )
    return Judgement("sessions", tuple(problems))
