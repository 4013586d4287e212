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
      - How many containers are created at the same time.
      - A whole number from 1 to 64.
    type: raw
    default: 8
  surge_percent:
    description:
      - How many nodes of a tier are replaced at a time, in percent of its count (at least one).
      - A whole number from 1 to 100.
    type: raw
    default: 25
  ready_timeout:
    description:
      - Seconds without progress after which nodes that are not in rotation count as failed and are removed.
      - A whole number from 1 to 3600.
    type: raw
    default: 60
  lock_timeout:
    description:
      - Seconds to wait for another run on the same cluster.
      - A whole number from 0 to 86400.
    type: raw
    default: 300
  progress_file:
    description:
      - File to which a line is appended for each step as it happens; made when it is missing, for its owner alone.
        One that cannot be written to ends the progress, not the run. Empty writes none.
      - >-
        When it is not set, the steps are shown on the screen: as they happen where the connection is V(local), at the
        end of the task elsewhere, and not at all in a loop, in check mode, with C(async) or with C(no_log).
    type: path
"""
