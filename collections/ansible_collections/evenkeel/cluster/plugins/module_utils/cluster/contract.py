# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a node image offers to the cluster: its internal port and its scratch folders. See docs/node-images.md."""

from __future__ import annotations

# Every node answers here with its counters; the balancer never routes to it.
STATS_PORT = 9180
# Scratch space of a node whose root file system is read-only. noexec: nothing that an attacker writes can run.
SCRATCH_FOLDERS = ("run", "tmp")
SCRATCH_OPTIONS = "rw,nosuid,nodev,noexec,mode=1777,size=64m"
