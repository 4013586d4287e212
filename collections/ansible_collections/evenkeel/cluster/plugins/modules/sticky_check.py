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
  - >-
    If O(access_log) names the nodes, the cookies must stand for the nodes that it names; these are hashes of the nodes'
    addresses.
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
    members: "{{ pool.nodes | selectattr('tier', 'eq', 'static') }}"
    access_log: /var/lib/evenkeel/evenkeel/log/access.log
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
  description: >-
    V(pass), V(fail), or V(not measured) if the tier answers all requests with a redirect or 401, or if neither a header
    nor the access log names the nodes. Only V(fail) fails the module.
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
named_by:
  description: >-
    How it is known which node answered - V(header) (C(X-Served-By)), V(log) (the balancer's access log), or empty text
    if neither tells.
  returned: after a measurement, also when it fails
  type: str
  sample: header
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

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.values import number_specs
from ..module_utils.measure.options import check_options, outcome
from ..module_utils.measure.session_check import STICKY_NUMBERS, check


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
        **number_specs(STICKY_NUMBERS, raw=False),
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    failed, result = outcome(f"sticky sessions of {module.params['tier']}", check, module.params)
    if failed:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
