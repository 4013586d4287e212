# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The pool as a table for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pool_table
short_description: Show the pool as a table
version_added: 0.1.0
author:
  - Evenkeel contributors (!UNKNOWN)
description:
  - Converts the result of M(evenkeel.cluster.node_pool), M(evenkeel.cluster.node_pool_info) or
    M(evenkeel.cluster.cluster_info) into aligned text lines.
positional: _input
options:
  _input:
    description: The module's result.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the table
  ansible.builtin.debug:
    msg: "{{ pool | evenkeel.cluster.pool_table }}"
"""

RETURN = r"""
_value:
  description: One line per tier and other part, the nodes out of rotation, and the drift.
  type: list
  elements: str
  sample:
    - TIER    DESIRED  RUNNING  IN ROTATION  GUESTS  REVISION      DRIFT
    - static  3        2        2            0       0c1d2e3f4a5b  1 to do
    - "static: would start static-3 (scale up)"
"""

from collections.abc import Callable

from ..module_utils.pool.table import pool_table


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name to function."""
        return {"pool_table": pool_table}
