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
    description: C(Host) header to send; empty for that of O(url).
    type: str
    default: ""
  tier:
    description: Name of the tier, for messages.
    type: str
    required: true
  nodes:
    description:
      - What the tier's nodes answer as C(X-Served-By), guests included.
      - See RV(evenkeel.cluster.node_pool_info#module:nodes).
      - An empty list expects the guard, which answers 503. With one node only its answers are judged.
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
      - How often to measure at most, if the balancer's configuration or a node's health changes meanwhile.
      - A repetition never forgives a lost request. Without O(api_url) there is one attempt.
    type: int
    default: 5
  api_url:
    description:
      - Address of the balancer's dashboard entry point, such as V(http://127.0.0.1:9000).
      - With it the check sees configuration generations and the requests of others. It needs O(service).
    type: str
    default: ""
  api_user:
    description: User of the balancer's API; used together with O(api_password_file).
    type: str
    default: admin
  api_password_file:
    description: File with the password of O(api_user) in its first line.
    type: path
  service:
    description: The tier's service at the balancer, without provider (then V(@docker)) or with it. It needs O(api_url).
    type: str
    default: ""
requirements:
  - requests
author:
  - Evenkeel contributors (!UNKNOWN)
"""
