# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Measure how requests are distributed over a tier's nodes, with a control that must fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from ..cluster.spec import SPREADING_STRATEGIES
from ..core.errors import Finding, join_some
from ..core.poll import SYSTEM_CLOCK, Clock
from ..core.results import BalanceControl, BalanceResult
from ..core.stats import MIN_EXPECTED, sample_size_for_balance, sample_size_for_coverage, sample_size_for_cycles
from ..core.values import NumberOption
from ..core.words import LOG, NAMED_BY, UNNAMED
from .balance import BalanceRule, judge_balance, judge_shares
from .http_load import Bounds, Target, check_target, no_reply, send
from .naming import naming_of
from .observer import Observed, conclude, conclude_unmeasured, latency_summary, lost_before_problems, unobserved
from .options import MAX_REQUESTS, CheckInputError, members_in, observer_of, validate_common
from .replies import Judgement, Reply, fair_share, judge_answers, judge_guard, node_counts, not_guarded
from .three_sides import Member, Sides, compare

_AVAILABILITY_REQUESTS = 20
_GUARD_REQUESTS = 5
_ROUND_ROBIN_MIN = 60
_SEQUENCE_SHOWN = 100
BALANCE_NUMBERS = {
    "requests": NumberOption(0, MAX_REQUESTS, 0),
    "connections": NumberOption(1, 64, 1),
    "alpha": NumberOption(1e-12, 0.5, 1e-6),
}


def derived_requests(nodes: int, strategy: str, alpha: float) -> int:
    """How many requests the claim needs; a multiple of the nodes where shares are compared."""
    if nodes == 0:
        return _GUARD_REQUESTS
    if nodes == 1 or strategy not in SPREADING_STRATEGIES:
        return _AVAILABILITY_REQUESTS
    if strategy == "wrr":
        # Not less than the coverage bound, so that the chi-square fallback judges enough, too.
        size = max(_ROUND_ROBIN_MIN, sample_size_for_cycles(nodes), nodes * MIN_EXPECTED)
    else:
        size = max(sample_size_for_balance(nodes, alpha), sample_size_for_coverage(nodes))
    return min(MAX_REQUESTS, -(-size // nodes) * nodes)


@dataclass(frozen=True)
class MeasurementPlan:
    """What to measure, and by which rule to judge it."""

    target: Target
    bounds: Bounds
    requests: int
    connections: int
    rule: BalanceRule
    control: Target | None
    sides: Sides


def make_plan(params: Mapping[str, Any], clock: Clock = SYSTEM_CLOCK) -> MeasurementPlan:
    """Validate the parameters.

    Raises:
        InputError: one cannot be used.
    """
    target, bounds = validate_common(params, BALANCE_NUMBERS)
    nodes = tuple(params["nodes"])
    control = None
    if params["control_url"]:
        control = replace(target, url=params["control_url"])
        check_target(control, "control_url")
    requests = params["requests"] or derived_requests(len(nodes), params["strategy"], params["alpha"])
    compared = len(nodes) > 1 and params["strategy"] in SPREADING_STRATEGIES
    if compared and requests < len(nodes) * MIN_EXPECTED:
        raise CheckInputError(
            f"requests: got {requests} for {len(nodes)} nodes, want at least {len(nodes) * MIN_EXPECTED}"
            " (fix: requests: 0 derives it)"
        )
    rule = BalanceRule(nodes, params["strategy"], params["alpha"], ordered=params["connections"] == 1)
    sides = Sides(members_in(params), params["access_log"] or "", clock)
    return MeasurementPlan(target, bounds, requests, params["connections"], rule, control if compared else None, sides)


def named_by_address(replies: list[Reply], url: str, members: Sequence[Member]) -> list[Reply]:
    """The replies of one node that was asked directly; without a name in its answers, its address tells which it is."""
    if naming_of((reply.served_by for reply in replies), logged=False) != UNNAMED:
        return replies
    asked = urlsplit(url).hostname
    node = next((member.node for member in members if urlsplit(member.stats).hostname == asked), asked)
    return [replace(reply, served_by=node) if reply.status is not None else reply for reply in replies]


def run_control(plan: MeasurementPlan, rule: BalanceRule) -> tuple[BalanceControl, list[Finding]]:
    """Send as many requests to one node, judge them alike, and demand that the judgement fails."""
    if plan.control is None:
        return {"applicable": False, "failed": None, "url": None, "requests": 0, "counts": {}, "message": ""}, []
    replies = send(plan.control, plan.requests, plan.connections, plan.bounds)
    replies = named_by_address(replies, plan.control.url, plan.sides.members)
    counts = node_counts(replies)
    # Only unequal shares count as the failure that is wanted; a control that was not answered proves nothing.
    broken = judge_answers(replies, plan.requests, rule.nodes)
    guilty = judge_shares([reply.served_by for reply in replies if reply.answered and reply.served_by], rule)
    problems = [replace(problem, got=f"a control with {problem.got}") for problem in broken]
    if guilty.ok:
        problems.append(
            Finding(
                f"a control which did not fail at {plan.control.url} ({', '.join(counts)})",
                "unequal shares from one node",
                "pass the direct address of one node as control_url",
            )
        )
    failed = not guilty.ok and not broken
    return {
        "applicable": True,
        "failed": failed,
        "url": plan.control.url,
        "requests": len(replies),
        "counts": counts,
        "message": str((guilty.problems or problems)[0]),
    }, problems


def success(plan: MeasurementPlan, observed: Observed, judgement: Judgement, control: BalanceControl) -> str:
    """The verdict of a passed check in words."""
    count, nodes = len(observed.replies), plan.rule.nodes
    if not nodes:
        return f"no node: all {count} requests answered with 503 by the guard"
    text = f"{count} of {count} requests answered"
    if judgement.method == "availability":
        used = [node for node, served in node_counts(observed.replies).items() if served]
        return f"{text} by {join_some(used)}; {judgement.notes[0]}"
    if judgement.method == "affinity":
        return f"{text} by one node; {judgement.notes[0]}"
    if judgement.method == "exact":
        text += (
            f", {fair_share(count, len(nodes)) if plan.rule.ordered else 'equal shares'} on {len(nodes)} nodes (exact)"
        )
    elif judgement.chi_square:
        text += f" by {len(nodes)} nodes (chi-square {judgement.chi_square.statistic:.1f},"
        text += f" p {judgement.chi_square.p_value:.3g})"
    if plan.sides.reading.named_by == LOG:
        text += f", {NAMED_BY[LOG]}"
    return text + ("; control failed as it must" if control["failed"] else "; no control")


def check(
    params: Mapping[str, Any], clock: Clock = SYSTEM_CLOCK, on_reply: Callable[[Reply], None] = no_reply
) -> BalanceResult:
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
        return plan.sides.watch(
            lambda ids: send(
                replace(plan.target, request_ids=ids), plan.requests, plan.connections, plan.bounds, on_reply
            )
        )

    if not plan.rule.nodes:
        observed = unobserved(measure())
        judgement = judge_guard(observed.replies)
        rule = plan.rule
    else:
        observed = observer_of(params, clock).measure(measure)
        rule = replace(plan.rule, disturbed=observed.disturbed)
        judgement = judge_balance(observed.replies, plan.requests, rule)
    foreign = observed.facts["foreign_requests"] if observed.facts["observed"] else None
    agreement = compare(observed.replies, plan.sides.reading, plan.sides.members, foreign)
    reason = observed.unmeasurable(logged=plan.sides.reading.logged) if rule.nodes else ""
    control, control_problems = run_control(replace(plan, control=None) if reason else plan, rule)
    broken = judge_answers(observed.replies, plan.requests, rule.nodes) if rule.nodes else list(judgement.problems)
    aspects: dict[str, list[Finding]] = {
        "answers": [*lost_before_problems(observed), *broken],
        "shares": [problem for problem in judgement.problems if problem not in broken],
        "observation": list(observed.problems),
        "sides": list(agreement.problems),
        "control": control_problems,
    }
    if reason:
        aspects = {name: [] for name in aspects}
    problems = [problem for found in aspects.values() for problem in found]
    subject = f"balance of {params['tier']}"
    words = success(plan, observed, judgement, control) if not problems else ""
    return {
        **(conclude_unmeasured(subject, reason) if reason else conclude(subject, problems, words)),
        "notes": [*judgement.notes, *observed.notes, *agreement.notes],
        "named_by": plan.sides.reading.named_by,
        "method": judgement.method,
        "requests": plan.requests,
        "sent": observed.sent,
        "lost": 0 if reason else observed.lost if rule.nodes else not_guarded(observed.replies),
        "counts": node_counts(observed.replies, rule.nodes),
        "sequence": [reply.served_by or "" for reply in observed.replies[:_SEQUENCE_SHOWN]],
        "statistic": judgement.chi_square.statistic if judgement.chi_square else None,
        "p_value": judgement.chi_square.p_value if judgement.chi_square else None,
        "latency_ms": latency_summary(observed.replies),
        "generation": observed.facts,
        "control": control,
        "sides": agreement.as_result(),
        "aspects": {name: [str(problem) for problem in found] for name, found in aspects.items()},
    }
