# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Whether Docker's packet filter rules are there: without them other machines do not reach a published port."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

_COMMAND = ("iptables", "--table", "nat", "--list-rules", "PREROUTING")
_SECONDS = 10
_JUMP = "-j DOCKER"


def _run() -> str | None:
    """The rules for what arrives; None if they cannot be read."""
    try:
        # Only constants are run.
        done = subprocess.run(_COMMAND, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def rules_missing(*, root: bool, published: bool, read: Callable[[], str | None] = _run) -> bool:
    """Whether Docker has published ports, but the jump to its rules is gone, as after a firewall's reload.

    Args:
        root: whether the rules can be read.
        published: whether a running container has a published port.
        read: gives the rules for what arrives, or None.
    """
    if not root or not published:
        return False
    rules = read()
    return rules is not None and _JUMP not in rules
