# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Documentation shared by the modules that reconcile the pool."""

from __future__ import annotations


class ModuleDocFragment:
    """Options that M(evenkeel.cluster.node_pool) and M(evenkeel.cluster.drill) have in common."""

    DOCUMENTATION = r"""
options:
  workers:
    description:
      - Number of containers that are created in parallel.
      - A whole number from 1 to 64.
    type: raw
    default: 8
  surge_percent:
    description:
      - Percent of a tier's nodes that are replaced at a time (at least one node).
      - A whole number from 1 to 100.
    type: raw
    default: 25
  ready_timeout:
    description:
      - Seconds without progress after which nodes that are not in rotation count as failed and are removed.
      - The option C(ready_seconds) of a tier goes before it.
      - A whole number from 1 to 3600.
    type: raw
    default: 60
  lock_timeout:
    description:
      - Seconds to wait for the lock while another run works on the same cluster.
      - A whole number from 0 to 86400.
    type: raw
    default: 300
  progress_file:
    description:
      - File to which a line is appended for each step as it happens; created with mode 0600 if it does not exist. If it
        cannot be written, the run goes on without progress lines. Empty writes none.
      - >-
        If it is not set, the steps are shown on the screen: as they happen with the connection V(local), at the end of
        the task with others, and not at all in a loop, in check mode, with C(async) or with C(no_log).
    type: path
"""
