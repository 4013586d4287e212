# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Whether Docker's packet filter rules are there: without them other machines do not reach a published port."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping

_ARRIVING = ("nat", "PREROUTING")
_PASSING = ("filter", "FORWARD")
_SECONDS = 10
_JUMP = "-j DOCKER"
# Docker sets it; without its rules, nothing reaches a container then.
_CLOSED = "-P FORWARD DROP"


def _run(table: str, chain: str) -> str | None:
    """The rules of a chain; None if they cannot be read."""
    words = ("iptables", "--table", table, "--list-rules", chain)
    try:
        # Only constants are run.
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def rules_missing(
    *,
    root: bool,
    published: bool,
    config: Mapping[str, object],
    read: Callable[[str, str], str | None] = _run,
) -> bool:
    """Whether Docker has published ports, but the jump to its rules is gone, as after a firewall's reload.

    Args:
        root: whether the rules can be read.
        published: whether a running container has a published port.
        config: Docker's daemon.json.
        read: gives the rules of a table's chain, or None.
    """
    if config.get("iptables") is False or config.get("firewall-backend", "iptables") != "iptables":
        return False  # Docker writes none there.
    if not root or not published:
        return False
    arriving, passing = read(*_ARRIVING), read(*_PASSING)
    not_reached = arriving is not None and _JUMP not in arriving
    not_passed = passing is not None and _CLOSED in passing and _JUMP not in passing
    return not_reached or not_passed
