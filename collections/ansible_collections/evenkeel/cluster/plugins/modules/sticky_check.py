#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: prove that clients of a tier stay on their node, or that they do not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sticky_check
short_description: Check that sticky sessions work, or that there are none
version_added: 0.1.0
description:
  - Simulates several clients, each with its own cookie jar, that send requests through the balancer. Changes nothing.
  - >-
    With O(sticky=true) every client must stay on one node and get the cookie with the required flags in its first
    answer, and new clients must be spread over the nodes (exactly, if O(strategy=wrr) and no other client sends).
  - With O(sticky=false) no answer may set the cookie, and clients must move.
  - >-
    The control of O(sticky=true) repeats the requests of the same clients without cookie jars and judges them by the
    same function. If the control does not fail, the check fails.
extends_documentation_fragment:
  - evenkeel.cluster.check
  - evenkeel.cluster.read_only
options:
  sticky:
    description: Whether the tier has sticky sessions.
    type: bool
    default: true
  cookie:
    description: Name of the sticky cookie.
    type: str
    required: true
  http_only:
    description: Whether the cookie must have C(HttpOnly).
    type: bool
    default: true
  same_site:
    description: Required value of C(SameSite); empty means that the flag must be absent.
    type: str
    choices: [lax, strict, none, ""]
    default: lax
  secure:
    description: Whether the cookie must have C(Secure). Clients do not send this cookie back over plain HTTP.
    type: bool
    default: false
  max_age:
    description: Required seconds in C(Max-Age); V(0) means that the flag must be absent. Not judged if omitted.
    type: int
  clients:
    description:
      - Number of clients to simulate.
      - >-
        V(0) derives it: at least 12, a multiple of the number of nodes, and enough that random first picks would all
        fall on one node with a probability below 1e-9.
    type: int
    default: 0
  requests_per_client:
    description: Requests that each client sends in a row. Under round robin, three in a row cannot all reach one node.
    type: int
    default: 5
"""

EXAMPLES = r"""
- name: Check that clients of the static tier stay on their node
  evenkeel.cluster.sticky_check:
    url: http://127.0.0.1:8080/
    host: labo-http.res.ch
    tier: static
    nodes: [static-1, static-2, static-3]
    cookie: evenkeel_static
    api_url: http://127.0.0.1:9000
    api_password_file: /var/lib/evenkeel/evenkeel/secrets/dashboard_password
    service: static-3f2a91bc

- name: Check that clients of the dynamic tier are not kept
  evenkeel.cluster.sticky_check:
    url: http://127.0.0.1:8080/api/dates/
    tier: dynamic
    nodes: [dynamic-1, dynamic-2, dynamic-3]
    cookie: evenkeel_dynamic
    sticky: false
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
    sticky sessions of static: 21 of 21 clients stayed, spread over 3 nodes; control failed as it must
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
    How it was judged: V(sessions), V(availability) (one node, or the strategy does not make clients move) or V(guard)
    (no node, so the fallback route must answer).
  returned: after a measurement, also when it fails
  type: str
  sample: sessions
clients:
  description: Number of simulated clients.
  returned: after a measurement, also when it fails
  type: int
  sample: 21
requests:
  description: Requests that the judged measurement had to send.
  returned: after a measurement, also when it fails
  type: int
  sample: 105
sent:
  description: Requests sent in all attempts, without the control.
  returned: after a measurement, also when it fails
  type: int
  sample: 105
lost:
  description: Requests of all attempts that were not answered with 200 (503 by the fallback route).
  returned: after a measurement, also when it fails
  type: int
  sample: 0
stayed:
  description: Clients whose requests were all served by one node.
  returned: after a measurement, also when it fails
  type: int
  sample: 21
moved:
  description: Clients whose requests were served by several nodes.
  returned: after a measurement, also when it fails
  type: int
  sample: 0
first_picks:
  description: Per node the number of clients whose first request it served; expected nodes without any have 0.
  returned: after a measurement, also when it fails
  type: dict
  sample: {static-1: 7, static-2: 7, static-3: 7}
sessions:
  description: Per client the node of each of its requests; empty text if an answer named no node.
  returned: after a measurement, also when it fails
  type: list
  elements: list
  sample: [[static-1, static-1, static-1, static-1, static-1]]
counts:
  description: Answers with 200 per node; expected nodes without answers have 0.
  returned: after a measurement, also when it fails
  type: dict
  sample: {static-1: 35, static-2: 35, static-3: 35}
cookie_seen:
  description: The first cookie of that name as it was set, attribute names in lower case; null if there was none.
  returned: after a measurement, also when it fails
  type: dict
  sample: {name: evenkeel_static, attributes: {path: /, httponly: "", samesite: Lax}}
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
  sample: {observed: true, attempts: 1, before: 7, after: 7, counted: 105, foreign_requests: 0,
           servers: {"http://static-1:8080": UP}}
control:
  description: >-
    The control: whether it applied, whether it failed as it must (RV(ignore:control.failed)), how many clients
    without a cookie jar stayed and moved, the nodes of each, and the fault that it was found to have.
  returned: after a measurement, also when it fails
  type: dict
  sample: {applicable: true, failed: true, clients: 21, requests: 105, stayed: 0, moved: 21,
           sessions: [[static-2, static-1, static-3, static-2, static-1]],
           message: "got 21 of 21 clients moved (first: client 1 from static-2 to static-1), want each client on one
             node (fix: docker inspect static-2)"}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils.http_load import Bounds, Target, send_clients
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
from ansible_collections.evenkeel.cluster.plugins.module_utils.statistics import clients_for_spread
from ansible_collections.evenkeel.cluster.plugins.module_utils.verdicts import (
    MIN_REQUESTS_PER_CLIENT,
    CookieRule,
    Judgement,
    Problem,
    Reply,
    StickyRule,
    cookies_named,
    judge_answers,
    judge_guard,
    judge_sessions,
    judge_sticky,
    moved_clients,
    node_counts,
    not_guarded,
    sessions_of,
)

_MIN_CLIENTS = 12
_MAX_CLIENTS = 1000
_GUARD_CLIENTS = 5


def argument_spec() -> dict[str, Any]:
    """The module's options."""
    return {
        **check_options(),
        "sticky": {"type": "bool", "default": True},
        "cookie": {"type": "str", "required": True},
        "http_only": {"type": "bool", "default": True},
        "same_site": {"type": "str", "choices": ["lax", "strict", "none", ""], "default": "lax"},
        "secure": {"type": "bool", "default": False},
        "max_age": {"type": "int"},
        "clients": {"type": "int", "default": 0},
        "requests_per_client": {"type": "int", "default": 5},
    }


def derived_clients(nodes: int) -> int:
    """How many clients the claim needs: a multiple of the nodes, two for each at least."""
    if nodes == 0:
        return _GUARD_CLIENTS
    size = max(_MIN_CLIENTS, clients_for_spread(nodes), 2 * nodes)
    return min(_MAX_CLIENTS, -(-size // nodes) * nodes)


@dataclass(frozen=True)
class Plan:
    """What to measure, and by which rule to judge it."""

    target: Target
    bounds: Bounds
    clients: int
    each: int
    rule: StickyRule

    @property
    def requests(self) -> int:
        """Requests of all clients."""
        return self.clients * self.each

    def send(self, keep_cookies: bool) -> list[Reply]:
        """Measure once."""
        return send_clients(self.target, self.clients, self.each, keep_cookies, self.bounds)


def make_plan(params: Mapping[str, Any]) -> Plan:
    """Validate the parameters.

    Raises:
        CheckInputError: one cannot be used.
    """
    target, bounds = validate_common(params)
    in_range(params, "clients", 0, _MAX_CLIENTS)
    in_range(params, "requests_per_client", MIN_REQUESTS_PER_CLIENT, MAX_REQUESTS // _MAX_CLIENTS)
    if params["max_age"] is not None:
        in_range(params, "max_age", 0, 2**31)
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
    return Plan(target, bounds, clients, params["requests_per_client"] if nodes else 1, rule)


def run_control(plan: Plan) -> tuple[dict[str, Any], list[Problem]]:
    """Let the same clients send without cookie jars, and demand that they do not stay."""
    rule = plan.rule
    if not rule.sticky or len(rule.nodes) <= 1 or rule.strategy in ("hrw", "leasttime"):
        facts = {"applicable": False, "failed": None, "clients": 0, "requests": 0, "stayed": 0, "moved": 0}
        return {**facts, "sessions": [], "message": ""}, []
    replies = plan.send(keep_cookies=False)
    sessions = sessions_of(replies, plan.clients)
    moved = len(moved_clients(sessions))
    # Only clients that move count as the failure that is wanted; a control that was not answered proves nothing.
    broken = judge_answers(replies, plan.requests, rule.nodes)
    guilty = judge_sessions(sessions)
    problems = [replace(problem, got=f"a control with {problem.got}") for problem in broken]
    if not guilty:
        problems.append(
            Problem(
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


def success(plan: Plan, judgement: Judgement, picks: Mapping[str, int], control: Mapping[str, Any]) -> str:
    """The verdict of a passed check in words."""
    nodes = plan.rule.nodes
    if not nodes:
        return f"no node: all {plan.requests} requests answered with 503 by the guard"
    if judgement.method == "availability":
        return f"{plan.requests} of {plan.requests} requests answered; {judgement.notes[0]}"
    if not plan.rule.sticky:
        return f"no cookie {plan.rule.cookie.name}, and clients move over {len(nodes)} nodes"
    used = sum(count > 0 for count in picks.values())
    text = f"{plan.clients} of {plan.clients} clients stayed, spread over {used} nodes"
    return text + ("; control failed as it must" if control["failed"] else "; control not applicable")


def _cookie_seen(replies: Sequence[Reply], name: str) -> dict[str, Any] | None:
    for reply in replies:
        for cookie in cookies_named(reply, name):
            return {"name": cookie.name, "attributes": cookie.attributes}
    return None


def check(params: Mapping[str, Any]) -> dict[str, Any]:
    """Measure, judge, run the control, and give the module's result.

    Raises:
        CheckInputError: a parameter cannot be used.
        TraefikApiError: the balancer's API gave no usable answer.
    """
    plan = make_plan(params)

    def measure() -> list[Reply]:
        return plan.send(keep_cookies=True)

    observed: Observed
    if not plan.rule.nodes:
        observed = unobserved(measure())
        judgement = judge_guard(observed.replies)
    else:
        observed = observer_of(params).measure(measure)
        plan = replace(plan, rule=replace(plan.rule, disturbed=observed.disturbed))
        judgement = judge_sticky(sessions_of(observed.replies, plan.clients), plan.requests, plan.rule)
    control, control_problems = run_control(plan)
    problems = [*lost_before_problems(observed), *judgement.problems, *observed.problems, *control_problems]
    sessions = sessions_of(observed.replies, plan.clients)
    moved = len(moved_clients(sessions))
    picks = node_counts((session[0] for session in sessions if session), plan.rule.nodes)
    return conclude(
        f"sticky sessions of {params['tier']}",
        problems,
        success(plan, judgement, picks, control) if not problems else "",
        {
            "notes": [*judgement.notes, *observed.notes],
            "method": judgement.method,
            "clients": plan.clients,
            "requests": plan.requests,
            "sent": observed.sent,
            "lost": observed.lost if plan.rule.nodes else not_guarded(observed.replies),
            "stayed": plan.clients - moved,
            "moved": moved,
            "first_picks": picks,
            "sessions": [[reply.served_by or "" for reply in session] for session in sessions],
            "counts": node_counts(observed.replies, plan.rule.nodes),
            "cookie_seen": _cookie_seen(observed.replies, plan.rule.cookie.name),
            "latency_ms": latency_summary(observed.replies),
            "generation": observed.facts,
            "control": control,
        },
    )


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    end_with(module, f"sticky sessions of {module.params['tier']}", check)


if __name__ == "__main__":
    main()
