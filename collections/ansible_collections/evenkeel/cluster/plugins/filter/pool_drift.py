# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Where declaration, Docker and the balancer differ, as data."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pool_drift
short_description: List where declaration, Docker and the balancer differ
version_added: 0.1.0
author:
  - Evenkeel contributors
description:
  - Converts the result of M(evenkeel.cluster.node_pool_info) into the drift that C(playbooks/status.yml) writes as JSON
    and the evidence report shows.
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
  description: Whether all agree, the balancer's version, the differences in words, and the counts per tier.
  type: dict
"""

from collections.abc import Callable

from ..module_utils.core.results import DriftReport
from ..module_utils.pool.drift import drift_report


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., DriftReport]]:
        """Name to function."""
        return {"pool_drift": drift_report}
