# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Documentation shared by the modules that measure a tier through the balancer."""

from __future__ import annotations


class ModuleDocFragment:
    """Options that M(evenkeel.cluster.balance_check) and M(evenkeel.cluster.sticky_check) have in common."""

    DOCUMENTATION = r"""
options:
  url:
    description: Address of the tier at the balancer, such as V(http://127.0.0.1:8080/api/dates/).
    type: str
    required: true
  host:
    description: C(Host) header to send; empty means that of O(url).
    type: str
    default: ""
  tier:
    description: Name of the tier, for messages.
    type: str
    required: true
  nodes:
    description:
      - Names of the tier's nodes, guests included. Answers name their node in C(X-Served-By); if none does,
        O(access_log) tells which node answered.
      - See RV(evenkeel.cluster.node_pool_info#module:nodes).
      - An empty list expects the fallback route, which answers 503. With one node, only its answers are judged.
    type: list
    elements: str
    required: true
  strategy:
    description: How the balancer chooses a node of this tier.
    type: str
    choices: [wrr, p2c, hrw, leasttime]
    default: wrr
  timeout:
    description: Seconds to wait for a connection, and for each part of an answer.
    type: float
    default: 5.0
  time_limit:
    description: Seconds after which a measurement sends no further request.
    type: float
    default: 60.0
  keep_alive:
    description: Reuse connections (V(true)), or open one per request (V(false)).
    type: bool
    default: true
  attempts:
    description:
      - Maximum number of measurements. A measurement is repeated if the balancer's configuration or a node's health
        changes while it runs.
      - A lost request fails the check even if the measurement is repeated. Without O(api_url) there is one attempt.
    type: int
    default: 5
  api_url:
    description:
      - Address of the balancer's dashboard entry point, such as V(http://127.0.0.1:9000).
      - With it, the check sees configuration generations and requests of other clients. It needs O(service).
    type: str
    default: ""
  api_user:
    description: User of the balancer's API; used together with O(api_password_file).
    type: str
    default: admin
  api_password_file:
    description: File whose first line is the password of O(api_user).
    type: path
  service:
    description: The tier's service at the balancer; without a provider, V(@docker) is added. It needs O(api_url).
    type: str
    default: ""
  members:
    description:
      - The tier's nodes as RV(evenkeel.cluster.node_pool_info#module:nodes) lists them, to compare with their counters
        and to know them in O(access_log).
      - C(served_by), C(url) and C(address) of each entry are used. An empty list compares with no node.
    type: list
    elements: dict
    default: []
  access_log:
    description:
      - The balancer's access log (JSON) on this host, which must keep the header C(X-Request-Id) and C(ServiceAddr).
      - Without it, an image that does not send C(X-Served-By) cannot be measured.
    type: path
author:
  - Evenkeel contributors (!UNKNOWN)
"""
