# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The options of what reconciles a pool."""

from __future__ import annotations

from typing import Any

from ..core.values import NumberOption

#: How a pool is reconciled: what the modules that do it have in common.
RECONCILE_NUMBERS = {
    "workers": NumberOption(1, 64, 8),
    "surge_percent": NumberOption(1, 100, 25),
    "ready_timeout": NumberOption(1, 3600, 60),
    "lock_timeout": NumberOption(0, 86_400, 300),
}


def pool_arguments() -> dict[str, dict[str, Any]]:
    """The options that node_pool and node_pool_info have in common."""
    return {
        "cluster": {"type": "str", "required": True},
        "network": {"type": "str", "required": True},
        "tiers": {"type": "list", "elements": "dict", "required": True},
        "images": {"type": "dict", "default": {}},
        "hosts": {"type": "list", "elements": "str", "default": []},
        "routes_file": {"type": "path", "required": True},
        "api_url": {"type": "str", "required": True},
        "api_user": {"type": "str", "default": "admin"},
        # The path is no secret, what is in the file is.
        "api_password_file": {"type": "path", "required": True, "no_log": False},
    }
