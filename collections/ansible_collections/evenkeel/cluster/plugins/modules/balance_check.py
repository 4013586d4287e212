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
    fails the check. An image that counts no requests leaves two sides, see RV(ignore:sides.own_count_offered).
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
named_by:
  description: >-
    How it is known which node answered - V(header) (C(X-Served-By)), V(log) (the balancer's access log), or empty text
    if neither tells.
  returned: after a measurement, also when it fails
  type: str
  sample: header
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
    status. RV(ignore:sides.own_count_offered) is false if the tier's image counts no requests.
  returned: after a measurement, also when it fails
  type: dict
  sample: {nodes: {dynamic-1: {client: 20, access_log: 20, node: 20}}, access_log_missing: 0, access_log_differs: 0,
           own_count_offered: true}
aspects:
  description: >-
    RV(problems) by what they concern - V(answers), V(shares) (which node how often, and in which order),
    V(observation) (the balancer's counters), V(sides) and V(control).
  returned: after a measurement, also when it fails
  type: dict
  sample: {answers: [], shares: [], observation: [], sides: [], control: []}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.values import number_specs
from ..module_utils.measure.balance_check import BALANCE_NUMBERS, check
from ..module_utils.measure.options import check_options, outcome


def argument_spec() -> dict[str, Any]:
    """The module's options."""
    return {
        **check_options(),
        **number_specs(BALANCE_NUMBERS, raw=False),
        "control_url": {"type": "str", "default": ""},
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    failed, result = outcome(f"balance of {module.params['tier']}", check, module.params)
    if failed:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
