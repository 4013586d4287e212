# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Measure whether clients stay with their node, with a control that must fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..cluster.spec import SPREADING_STRATEGIES
from ..core.errors import Finding
from ..core.poll import SYSTEM_CLOCK, Clock
from ..core.results import CookieSeen, SessionControl, StickyResult
from ..core.stats import clients_for_spread
from ..core.values import NumberOption
from ..core.words import LOG, NAMED_BY
from .http_load import Bounds, Target, no_reply, send_clients
from .naming import confirm_cookies
from .observer import Observed, conclude, conclude_unmeasured, latency_summary, lost_before_problems, unobserved
from .options import MAX_REQUESTS, CheckInputError, check_numbers, members_in, observer_of, validate_common
from .replies import MIN_REQUESTS_PER_CLIENT, Judgement, Reply, judge_answers, judge_guard, node_counts, not_guarded
from .sessions import CookieRule, StickyRule, cookies_named, judge_sessions, judge_sticky, moved_clients, sessions_of
from .three_sides import Sides

_MIN_CLIENTS = 12
_MAX_CLIENTS = 1000
_GUARD_CLIENTS = 5
STICKY_NUMBERS = {
    "clients": NumberOption(0, _MAX_CLIENTS, 0),
    "requests_per_client": NumberOption(MIN_REQUESTS_PER_CLIENT, MAX_REQUESTS // _MAX_CLIENTS, 5),
}
_MAX_AGE = NumberOption(0, 2**31, 0)
NO_CONTROL: SessionControl = {
    "applicable": False,
    "failed": None,
    "clients": 0,
    "requests": 0,
    "stayed": 0,
    "moved": 0,
    "sessions": [],
    "message": "",
}


def derived_clients(nodes: int) -> int:
    """How many clients the claim needs: a multiple of the nodes, two for each at least."""
    if nodes == 0:
        return _GUARD_CLIENTS
    size = max(_MIN_CLIENTS, clients_for_spread(nodes), 2 * nodes)
    return min(_MAX_CLIENTS, -(-size // nodes) * nodes)


@dataclass(frozen=True)
class MeasurementPlan:
    """What to measure, and by which rule to judge it."""

    target: Target
    bounds: Bounds
    clients: int
    each: int
    rule: StickyRule
    sides: Sides

    @property
    def requests(self) -> int:
        """Requests of all clients."""
        return self.clients * self.each

    def send(self, keep_cookies: bool, on_reply: Callable[[Reply], None] = no_reply) -> list[Reply]:
        """Measure once."""
        return self.sides.watch(
            lambda ids: send_clients(
                replace(self.target, request_ids=ids), self.clients, self.each, keep_cookies, self.bounds, on_reply
            )
        )


def make_plan(params: Mapping[str, Any], clock: Clock = SYSTEM_CLOCK) -> MeasurementPlan:
    """Validate the parameters.

    Raises:
        InputError: one cannot be used.
    """
    target, bounds = validate_common(params, STICKY_NUMBERS)
    if params["max_age"] is not None:
        check_numbers(params, {"max_age": _MAX_AGE})
    if not params["cookie"].strip():
        raise CheckInputError("cookie: got an empty name, want the sticky cookie's (fix: pass tier.cookie.name)")
    if params["sticky"] and params["secure"] and target.url.lower().startswith("http:"):
        raise CheckInputError(
            "secure: got true for a plain HTTP address, want false there, because clients never send such a cookie"
            " back (fix: use an https address or secure: false)"
        )
    nodes = tuple(params["nodes"])
    clients = params["clients"] or derived_clients(len(nodes))
    if len(nodes) > 1 and clients == 1:
        raise CheckInputError("clients: got 1, want 2 or more to see them spread (fix: clients: 0 derives it)")
    cookie = CookieRule(params["cookie"], params["http_only"], params["same_site"], params["secure"], params["max_age"])
    rule = StickyRule(nodes, cookie, params["sticky"], params["strategy"])
    sides = Sides(members_in(params), params["access_log"] or "", clock, names_only=True)
    return MeasurementPlan(target, bounds, clients, params["requests_per_client"] if nodes else 1, rule, sides)


def run_control(plan: MeasurementPlan) -> tuple[SessionControl, list[Finding]]:
    """Let the same clients send without cookie jars, and demand that they do not stay."""
    rule = plan.rule
    if not rule.sticky or len(rule.nodes) <= 1 or rule.strategy not in SPREADING_STRATEGIES:
        return NO_CONTROL, []
    replies = plan.send(keep_cookies=False)
    sessions = sessions_of(replies, plan.clients)
    moved = len(moved_clients(sessions))
    # Only clients that move count as the failure that is wanted; a control that was not answered proves nothing.
    broken = judge_answers(replies, plan.requests, rule.nodes)
    guilty = judge_sessions(sessions)
    problems = [replace(problem, got=f"a control with {problem.got}") for problem in broken]
    if not guilty:
        problems.append(
            Finding(
                "a control which did not fail: no client without a cookie jar moved",
                "clients that move without their cookie",
                "look for something other than the cookie that keeps them",
            )
        )
    return {
        "applicable": True,
        "failed": bool(guilty) and not broken,
        "clients": plan.clients,
        "requests": len(replies),
        "stayed": plan.clients - moved,
        "moved": moved,
        "sessions": [[reply.served_by or "" for reply in session] for session in sessions],
        "message": str((guilty or problems)[0]),
    }, problems


def success(
    plan: MeasurementPlan, judgement: Judgement, picks: Mapping[str, int], control: SessionControl, named_by: str
) -> str:
    """The verdict of a passed check in words."""
    nodes = plan.rule.nodes
    told = f", {NAMED_BY[LOG]}" if named_by == LOG else ""
    if not nodes:
        return f"no node: all {plan.requests} requests answered with 503 by the guard"
    if judgement.method == "availability":
        return f"{plan.requests} of {plan.requests} requests answered; {judgement.notes[0]}"
    if not plan.rule.sticky:
        return f"no cookie {plan.rule.cookie.name}, and clients move over {len(nodes)} nodes{told}"
    used = sum(count > 0 for count in picks.values())
    text = f"{plan.clients} of {plan.clients} clients stayed, spread over {used} nodes{told}"
    return text + ("; control failed as it must" if control["failed"] else "; control not applicable")


def _cookie_seen(replies: Sequence[Reply], name: str) -> CookieSeen | None:
    for reply in replies:
        for cookie in cookies_named(reply, name):
            return {"name": cookie.name, "attributes": cookie.attributes}
    return None


def check(
    params: Mapping[str, Any], clock: Clock = SYSTEM_CLOCK, on_reply: Callable[[Reply], None] = no_reply
) -> StickyResult:
    """Measure, judge, run the control, and give the module's result.

    Args:
        params: the module's options.
        clock: tells and passes the time of all waits.
        on_reply: is given each reply of the measurement when it is there; a repeated one begins with index 0 again.

    Raises:
        InputError: a parameter cannot be used.
        TraefikApiError: the balancer's API gave no usable answer.
    """
    plan = make_plan(params, clock)

    def measure() -> list[Reply]:
        return plan.send(keep_cookies=True, on_reply=on_reply)

    observed: Observed
    if not plan.rule.nodes:
        observed = unobserved(measure())
        judgement = judge_guard(observed.replies)
    else:
        observed = observer_of(params, clock).measure(measure)
        plan = replace(plan, rule=replace(plan.rule, disturbed=observed.disturbed))
        judgement = judge_sticky(sessions_of(observed.replies, plan.clients), plan.requests, plan.rule)
    reading = plan.sides.reading
    reason = observed.unmeasurable(logged=reading.logged) if plan.rule.nodes else ""
    contradictions: list[Finding] = []
    confirmed: tuple[str, ...] = ()
    if reading.named_by == LOG and plan.rule.sticky and not reason:
        contradictions, confirmed = confirm_cookies(observed.replies, plan.rule.cookie.name, plan.sides.servers)
    control, control_problems = (NO_CONTROL, []) if reason else run_control(plan)
    problems = [
        *lost_before_problems(observed),
        *judgement.problems,
        *contradictions,
        *observed.problems,
        *control_problems,
    ]
    sessions = sessions_of(observed.replies, plan.clients)
    moved = len(moved_clients(sessions))
    picks = node_counts((session[0] for session in sessions if session), plan.rule.nodes)
    words = success(plan, judgement, picks, control, reading.named_by) if not problems else ""
    subject = f"sticky sessions of {params['tier']}"
    return {
        **(conclude_unmeasured(subject, reason) if reason else conclude(subject, problems, words)),
        "notes": [*judgement.notes, *observed.notes, *confirmed, *reading.notes],
        "named_by": reading.named_by,
        "method": judgement.method,
        "clients": plan.clients,
        "requests": plan.requests,
        "sent": observed.sent,
        "lost": 0 if reason else observed.lost if plan.rule.nodes else not_guarded(observed.replies),
        "stayed": plan.clients - moved,
        "moved": moved,
        "first_picks": picks,
        "sessions": [[reply.served_by or "" for reply in session] for session in sessions],
        "counts": node_counts(observed.replies, plan.rule.nodes),
        "cookie_seen": _cookie_seen(observed.replies, plan.rule.cookie.name),
        "latency_ms": latency_summary(observed.replies),
        "generation": observed.facts,
        "control": control,
    }
