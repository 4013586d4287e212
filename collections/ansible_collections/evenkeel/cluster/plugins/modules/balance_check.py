#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: prove that the balancer distributes requests over the nodes of a tier."""

from __future__ import annotations

DOCUMENTATION = r"""
module: balance_check
short_description: Check that requests are distributed over the nodes of a tier
version_added: 0.1.0
description:
  - Sends requests without cookies through the balancer and judges which nodes answered. Changes nothing.
  - "Every request must be answered with 200, by expected nodes only, and every node must take part."
  - >-
    With O(strategy=wrr) the distribution must be exact within one configuration generation: the answers form cycles,
    and in each cycle every node serves once. With O(strategy=p2c) it must pass a chi-square test.
  - >-
    O(strategy=hrw) keeps a client on one node, and O(strategy=leasttime) prefers the fastest node. For these, only the
    answers are judged, and with V(hrw) that one client stays on one node.
  - >-
    The control sends the same number of requests directly to one node and judges them by the same function. If the
    control does not fail, the check fails.
  - >-
    With O(members) and O(access_log), the counts of clients, nodes and access log are compared per node. A difference
    fails the check.
extends_documentation_fragment:
  - evenkeel.cluster.check
  - evenkeel.cluster.read_only
options:
  requests:
    description:
      - Number of requests to send.
      - >-
        V(0) derives it. For V(wrr), enough that a random choice would pass with a probability below 1e-9. For V(p2c),
        enough that a node with twice the share of the others is detected with a probability of 99.9 %.
    type: int
    default: 0
  connections:
    description: Number of parallel connections. With more than 1, the order is not judged, and counts may differ by 2.
    type: int
    default: 1
  alpha:
    description: Probability of a false alarm of the chi-square test.
    type: float
    default: 0.000001
  control_url:
    description: Address of one node, without the balancer. Empty means no control.
    type: str
    default: ""
  members:
    description:
      - The tier's nodes as RV(evenkeel.cluster.node_pool_info#module:nodes) lists them, to compare with their counters.
      - C(served_by), C(url) and C(address) of each entry are used. An empty list compares with no node.
    type: list
    elements: dict
    default: []
  access_log:
    description: The balancer's access log (JSON) on this host, to compare with. Empty means no comparison.
    type: path
"""

EXAMPLES = r"""
- name: Check that the dynamic tier is balanced
  evenkeel.cluster.balance_check:
    url: http://127.0.0.1:8080/api/dates/
    host: labo-http.res.ch
    tier: dynamic
    nodes: [dynamic-1, dynamic-2, dynamic-3]
    control_url: http://172.18.0.4:3000/
    members: "{{ pool.nodes | selectattr('tier', 'eq', 'dynamic') }}"
    access_log: /var/lib/evenkeel/evenkeel/log/access.log
    api_url: http://127.0.0.1:9000
    api_password_file: /var/lib/evenkeel/evenkeel/secrets/dashboard_password
    service: dynamic-3f2a91bc

- name: Check that a tier without nodes answers 503
  evenkeel.cluster.balance_check:
    url: http://127.0.0.1:8080/api/dates/
    tier: dynamic
    nodes: []
"""

RETURN = r"""
verdict:
  description: V(pass) or V(fail).
  returned: after a measurement, also when it fails
  type: str
  sample: pass
message:
  description: The verdict in one line; the same as RV(ignore:msg) if it fails.
  returned: after a measurement, also when it fails
  type: str
  sample: >-
    balance of dynamic: 60 of 60 requests answered, 20 each on 3 nodes (exact); control failed as it must
problems:
  description: What is wrong, one line each.
  returned: after a measurement, also when it fails
  type: list
  elements: str
  sample: []
notes:
  description: Remarks on how the result was judged.
  returned: after a measurement, also when it fails
  type: list
  elements: str
  sample: []
method:
  description: >-
    How it was judged: V(exact), V(chi-square), V(affinity) (hrw), V(availability) (one node, or leasttime) or
    V(guard) (no node, so the fallback route must answer).
  returned: after a measurement, also when it fails
  type: str
  sample: exact
requests:
  description: Requests that the judged measurement had to send.
  returned: after a measurement, also when it fails
  type: int
  sample: 60
sent:
  description: Requests sent in all attempts, without the control.
  returned: after a measurement, also when it fails
  type: int
  sample: 60
lost:
  description: Requests of all attempts that were not answered with 200 (503 by the fallback route).
  returned: after a measurement, also when it fails
  type: int
  sample: 0
counts:
  description: Answers with 200 per node; expected nodes without answers have 0.
  returned: after a measurement, also when it fails
  type: dict
  sample: {dynamic-1: 20, dynamic-2: 20, dynamic-3: 20}
sequence:
  description: The nodes of the first 100 requests in the order of sending; empty text if an answer named no node.
  returned: after a measurement, also when it fails
  type: list
  elements: str
  sample: [dynamic-2, dynamic-3, dynamic-1]
statistic:
  description: Chi-square statistic against equal shares; null if it cannot be computed or is not judged.
  returned: after a measurement, also when it fails
  type: float
  sample: 0.0
p_value:
  description: Its p-value; for information only with V(exact).
  returned: after a measurement, also when it fails
  type: float
  sample: 1.0
latency_ms:
  description: Nearest-rank latency percentiles of the answered requests in milliseconds; empty if none was answered.
  returned: after a measurement, also when it fails
  type: dict
  sample: {p50: 1.2, p95: 2.0, max: 4.1}
generation:
  description: >-
    Observations of the balancer during the measurement: whether it was observed, attempts, configuration counter before
    and after, requests it counted for the service, requests of other clients, and the servers' states.
  returned: after a measurement, also when it fails
  type: dict
  sample: {observed: true, attempts: 1, before: 7, after: 7, counted: 60, foreign_requests: 0,
           servers: {"http://dynamic-1:3000": UP}}
control:
  description: >-
    The control: whether it applied, whether it failed as it must (RV(ignore:control.failed)), its counts, and the fault
    that it was found to have.
  returned: after a measurement, also when it fails
  type: dict
  sample: {applicable: true, failed: true, url: "http://172.18.0.4:3000/", requests: 60, counts: {dynamic-2: 60},
           message: "got 0 of 60 requests on dynamic-1, dynamic-3, want 20 each (fix: docker logs dynamic-1)"}
sides:
  description: >-
    Per node the requests that clients, the access log and the node itself counted (null where that side was not
    read), and how many of the answered requests the access log lacks (null likewise), or has with another node or
    status.
  returned: after a measurement, also when it fails
  type: dict
  sample: {nodes: {dynamic-1: {client: 20, access_log: 20, node: 20}}, access_log_missing: 0, access_log_differs: 0}
aspects:
  description: >-
    RV(problems) by what they concern - V(answers), V(shares) (which node how often, and in which order),
    V(observation) (the balancer's counters), V(sides) and V(control).
  returned: after a measurement, also when it fails
  type: dict
  sample: {answers: [], shares: [], observation: [], sides: [], control: []}
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils.http_load import (
    Bounds,
    HttpLoadError,
    Target,
    check_target,
    send,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.observation import (
    MAX_REQUESTS,
    CheckInputError,
    Observed,
    check_options,
    conclude,
    end_with,
    in_range,
    latency_summary,
    lost_before_problems,
    observer_of,
    unobserved,
    validate_common,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.statistics import (
    MIN_EXPECTED,
    sample_size_for_balance,
    sample_size_for_coverage,
    sample_size_for_cycles,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.three_sides import Sides, compare, members_of
from ansible_collections.evenkeel.cluster.plugins.module_utils.verdicts import (
    BalanceRule,
    Judgement,
    Problem,
    Reply,
    each,
    judge_answers,
    judge_balance,
    judge_guard,
    judge_shares,
    node_counts,
    not_guarded,
    some,
)

_AVAILABILITY_REQUESTS = 20
_GUARD_REQUESTS = 5
_ROUND_ROBIN_MIN = 60
_SEQUENCE_SHOWN = 100
_MAX_CONNECTIONS = 64


def argument_spec() -> dict[str, Any]:
    """The module's options."""
    return {
        **check_options(),
        "requests": {"type": "int", "default": 0},
        "connections": {"type": "int", "default": 1},
        "alpha": {"type": "float", "default": 1e-6},
        "control_url": {"type": "str", "default": ""},
        "members": {"type": "list", "elements": "dict", "default": []},
        "access_log": {"type": "path"},
    }


def derived_requests(nodes: int, strategy: str, alpha: float) -> int:
    """How many requests the claim needs; a multiple of the nodes where shares are compared."""
    if nodes == 0:
        return _GUARD_REQUESTS
    if nodes == 1 or strategy in ("hrw", "leasttime"):
        return _AVAILABILITY_REQUESTS
    if strategy == "wrr":
        # Not less than the coverage bound, so that the chi-square fallback judges enough, too.
        size = max(_ROUND_ROBIN_MIN, sample_size_for_cycles(nodes), nodes * MIN_EXPECTED)
    else:
        size = max(sample_size_for_balance(nodes, alpha), sample_size_for_coverage(nodes))
    return min(MAX_REQUESTS, -(-size // nodes) * nodes)


@dataclass(frozen=True)
class Plan:
    """What to measure, and by which rule to judge it."""

    target: Target
    bounds: Bounds
    requests: int
    connections: int
    rule: BalanceRule
    control: Target | None
    sides: Sides


def make_plan(params: Mapping[str, Any]) -> Plan:
    """Validate the parameters.

    Raises:
        CheckInputError: one cannot be used.
    """
    target, bounds = validate_common(params)
    in_range(params, "requests", 0, MAX_REQUESTS)
    in_range(params, "connections", 1, _MAX_CONNECTIONS)
    in_range(params, "alpha", 1e-12, 0.5)
    nodes = tuple(params["nodes"])
    control = None
    if params["control_url"]:
        control = replace(target, url=params["control_url"])
        try:
            check_target(control, "control_url")
        except HttpLoadError as exc:
            raise CheckInputError(str(exc)) from exc
    requests = params["requests"] or derived_requests(len(nodes), params["strategy"], params["alpha"])
    compared = len(nodes) > 1 and params["strategy"] in ("wrr", "p2c")
    if compared and requests < len(nodes) * MIN_EXPECTED:
        raise CheckInputError(
            f"requests: got {requests} for {len(nodes)} nodes, want at least {len(nodes) * MIN_EXPECTED}"
            " (fix: requests: 0 derives it)"
        )
    rule = BalanceRule(nodes, params["strategy"], params["alpha"], ordered=params["connections"] == 1)
    try:
        sides = Sides(members_of(params["members"]), params["access_log"] or "")
    except ValueError as exc:
        raise CheckInputError(f"{exc} (fix: pass its nodes)") from exc
    return Plan(target, bounds, requests, params["connections"], rule, control if compared else None, sides)


def run_control(plan: Plan, rule: BalanceRule) -> tuple[dict[str, Any], list[Problem]]:
    """Send as many requests to one node, judge them alike, and demand that the judgement fails."""
    if plan.control is None:
        return {"applicable": False, "failed": None, "url": None, "requests": 0, "counts": {}, "message": ""}, []
    replies = send(plan.control, plan.requests, plan.connections, plan.bounds)
    counts = node_counts(replies)
    # Only unequal shares count as the failure that is wanted; a control that was not answered proves nothing.
    broken = judge_answers(replies, plan.requests, rule.nodes)
    guilty = judge_shares([reply.served_by for reply in replies if reply.answered and reply.served_by], rule)
    problems = [replace(problem, got=f"a control with {problem.got}") for problem in broken]
    if guilty.ok:
        problems.append(
            Problem(
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


def success(plan: Plan, observed: Observed, judgement: Judgement, control: Mapping[str, Any]) -> str:
    """The verdict of a passed check in words."""
    count, nodes = len(observed.replies), plan.rule.nodes
    if not nodes:
        return f"no node: all {count} requests answered with 503 by the guard"
    text = f"{count} of {count} requests answered"
    if judgement.method == "availability":
        used = [node for node, served in node_counts(observed.replies).items() if served]
        return f"{text} by {some(used)}; {judgement.notes[0]}"
    if judgement.method == "affinity":
        return f"{text} by one node; {judgement.notes[0]}"
    if judgement.method == "exact":
        text += f", {each(count, len(nodes)) if plan.rule.ordered else 'equal shares'} on {len(nodes)} nodes (exact)"
    elif judgement.chi_square:
        text += f" by {len(nodes)} nodes (chi-square {judgement.chi_square.statistic:.1f},"
        text += f" p {judgement.chi_square.p_value:.3g})"
    return text + ("; control failed as it must" if control["failed"] else "; no control")


def check(params: Mapping[str, Any]) -> dict[str, Any]:
    """Measure, judge, run the control, and give the module's result.

    Raises:
        CheckInputError: a parameter cannot be used.
        TraefikApiError: the balancer's API gave no usable answer.
    """
    plan = make_plan(params)

    def measure() -> list[Reply]:
        return plan.sides.watch(
            lambda ids: send(replace(plan.target, request_ids=ids), plan.requests, plan.connections, plan.bounds)
        )

    if not plan.rule.nodes:
        observed = unobserved(measure())
        judgement = judge_guard(observed.replies)
        rule = plan.rule
    else:
        observed = observer_of(params).measure(measure)
        rule = replace(plan.rule, disturbed=observed.disturbed)
        judgement = judge_balance(observed.replies, plan.requests, rule)
    foreign = observed.facts["foreign_requests"] if observed.facts["observed"] else None
    agreement = compare(observed.replies, plan.sides.reading, plan.sides.members, foreign)
    control, control_problems = run_control(plan, rule)
    broken = judge_answers(observed.replies, plan.requests, rule.nodes) if rule.nodes else list(judgement.problems)
    aspects = {
        "answers": [*lost_before_problems(observed), *broken],
        "shares": [problem for problem in judgement.problems if problem not in broken],
        "observation": list(observed.problems),
        "sides": list(agreement.problems),
        "control": control_problems,
    }
    problems = [problem for found in aspects.values() for problem in found]
    return conclude(
        f"balance of {params['tier']}",
        problems,
        success(plan, observed, judgement, control) if not problems else "",
        {
            "notes": [*judgement.notes, *observed.notes, *agreement.notes],
            "method": judgement.method,
            "requests": plan.requests,
            "sent": observed.sent,
            "lost": observed.lost if rule.nodes else not_guarded(observed.replies),
            "counts": node_counts(observed.replies, rule.nodes),
            "sequence": [reply.served_by or "" for reply in observed.replies[:_SEQUENCE_SHOWN]],
            "statistic": judgement.chi_square.statistic if judgement.chi_square else None,
            "p_value": judgement.chi_square.p_value if judgement.chi_square else None,
            "latency_ms": latency_summary(observed.replies),
            "generation": observed.facts,
            "control": control,
            "sides": agreement.as_result(),
            "aspects": {name: [str(problem) for problem in found] for name, found in aspects.items()},
        },
    )


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    end_with(module, f"balance of {module.params['tier']}", check)


if __name__ == "__main__":
    main()
