# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Hides a result that later tasks need and no one has to see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Discreet:
    """Mixed into an action plugin: its result is registered, but shown only if the task fails.

    A task's own ``no_log`` would hide the reason of a failure too.
    """

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module; its result, marked as not to be shown."""
        plain: Callable[..., dict[str, Any]] = super().run  # type: ignore[misc]
        result = plain(tmp, task_vars)
        if not result.get("failed"):
            result["_ansible_no_log"] = True
        return result
