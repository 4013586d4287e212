# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The options of the module ``cluster_info``."""

from __future__ import annotations

from typing import Any

from ..pool.options import pool_arguments


def overview_arguments() -> dict[str, dict[str, Any]]:
    """The module's options."""
    return {
        **pool_arguments(),
        "balancer": {"type": "dict", "default": {}},
        "files": {"type": "dict", "default": {}},
        "secret_contents": {"type": "dict", "default": {}, "no_log": True},
        "addresses": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "address": {"type": "str", "required": True},
                "port": {"type": "int", "required": True},
                "path": {"type": "str", "default": "/"},
                "host": {"type": "str", "default": ""},
                "serves": {"type": "bool", "default": False},
                "tls": {"type": "bool", "default": False},
            },
        },
        # The paths are no secret, what is in the files is.
        "secrets": {"type": "list", "elements": "path", "default": [], "no_log": False},
        "console": {"type": "list", "elements": "str", "default": []},
        "portainer": {"type": "str", "default": ""},
        "state_dir": {"type": "path"},
        "min_free_disk": {"type": "str", "default": ""},
        "require_agreement": {"type": "bool", "default": False},
        "settle_timeout": {"type": "int", "default": 5},
    }
