# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Where declaration, Docker and the balancer differ, as data."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pool_drift
short_description: List where declaration, Docker and the balancer differ
version_added: 0.1.0
author:
  - Evenkeel contributors (!UNKNOWN)
description:
  - Converts the result of M(evenkeel.cluster.cluster_info) or M(evenkeel.cluster.node_pool_info) into the drift that
    C(playbooks/status.yml) writes as JSON and the evidence report shows.
positional: _input
options:
  _input:
    description: The module's result.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write the drift
  ansible.builtin.copy:
    content: "{{ pool | evenkeel.cluster.pool_drift | to_nice_json }}"
    dest: drift.json
    mode: "0644"
"""

RETURN = r"""
_value:
  description: >-
    Whether all is as declared, the balancer's version, the differences in words, the counts per tier, and the other
    parts.
  type: dict
  contains:
    agreed:
      description: Whether there is no difference.
      type: bool
      sample: false
    balancer:
      description: The balancer's version; empty when it did not answer.
      type: str
      sample: 3.7.15
    lines:
      description: The differences in words.
      type: list
      elements: str
      sample: ["tier static: got 2 nodes running, want 3 (fix: ansible-playbook site.yml)"]
    tiers:
      description: Per tier its counts on the three sides, and what a run does about it.
      type: list
      elements: dict
      sample:
        - {tier: static, declared: 3, docker: 2, balancer: 2, guests: 0, revision: 0c1d2e3f4a5b,
           to_do: [start static-3 (scale up)]}
    parts:
      description: The other parts of the cluster, if the result has them, and what a run does about them.
      type: list
      elements: dict
      sample:
        - {part: edge, state: evenkeel-edge running, lines: [], to_do: []}
"""

from collections.abc import Callable

from ..module_utils.core.results import DriftReport
from ..module_utils.pool.drift import drift_report


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., DriftReport]]:
        """Name to function."""
        return {"pool_drift": drift_report}
