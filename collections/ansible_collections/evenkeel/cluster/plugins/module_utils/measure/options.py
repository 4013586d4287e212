# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The options that the checks have in common, read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..core.errors import EvenkeelError
from ..core.results import CheckResult
from ..core.verdict import PASSED
from ..traefik.api import TraefikApi, TraefikApiError, read_password
from .http_load import Bounds, HttpLoadError, Target, check_target
from .observer import Observer
from .replies import STRATEGIES

MAX_REQUESTS = 100_000
MAX_TIMEOUT = 600.0
MAX_ATTEMPTS = 20


class CheckInputError(EvenkeelError):
    """A parameter cannot be used; one line ``what: got ..., want ... (fix: ...)``."""


def check_options() -> dict[str, Any]:
    """Argument spec shared by the checks; documented in the fragment evenkeel.cluster.check."""
    return {
        "url": {"type": "str", "required": True},
        "host": {"type": "str", "default": ""},
        "tier": {"type": "str", "required": True},
        "nodes": {"type": "list", "elements": "str", "required": True},
        "strategy": {"type": "str", "choices": list(STRATEGIES), "default": "wrr"},
        "timeout": {"type": "float", "default": 5.0},
        "time_limit": {"type": "float", "default": 60.0},
        "keep_alive": {"type": "bool", "default": True},
        "attempts": {"type": "int", "default": 5},
        "api_url": {"type": "str", "default": ""},
        "api_user": {"type": "str", "default": "admin"},
        "api_password_file": {"type": "path", "no_log": False},  # the path is no secret
        "service": {"type": "str", "default": ""},
    }


def in_range(params: Mapping[str, Any], name: str, low: float, high: float) -> None:
    """Refuse a number outside low..high, and one that is not a number at all.

    Raises:
        CheckInputError: it is.
    """
    value = params[name]
    if isinstance(value, bool) or not math.isfinite(value) or not low <= value <= high:
        raise CheckInputError(f"{name}: got {value}, want {low:g} to {high:g} (fix: pass a number in this range)")


def validate_common(params: Mapping[str, Any]) -> tuple[Target, Bounds]:
    """Check the shared parameters and give the target and the bounds.

    Raises:
        CheckInputError: a parameter cannot be used.
    """
    in_range(params, "timeout", 0.01, MAX_TIMEOUT)
    in_range(params, "time_limit", 0.01, MAX_TIMEOUT)
    in_range(params, "attempts", 1, MAX_ATTEMPTS)
    nodes = params["nodes"]
    twice = sorted({node for node in nodes if nodes.count(node) > 1})
    if twice or not all(node.strip() for node in nodes):
        got = f"{twice[0]} twice" if twice else "an empty name"
        raise CheckInputError(f"nodes: got {got}, want each node once (fix: pass the names of node_pool_info)")
    if bool(params["api_url"]) != bool(params["service"]):
        got, want = ("api_url", "service") if params["api_url"] else ("service", "api_url")
        raise CheckInputError(f"{want}: got {got} without it, want both or none (fix: pass {want} too)")
    target = Target(params["url"], params["host"], params["timeout"], params["keep_alive"])
    try:
        check_target(target)
    except HttpLoadError as exc:
        raise CheckInputError(str(exc)) from exc
    return target, Bounds(params["time_limit"])


def observer_of(params: Mapping[str, Any]) -> Observer:
    """Make the observer which the parameters ask for.

    Raises:
        TraefikApiError: the address or the password file cannot be used.
    """
    api = None
    if params["api_url"]:
        password = read_password(params["api_password_file"]) if params["api_password_file"] else ""
        user = params["api_user"] if password else ""
        api = TraefikApi(params["api_url"], user, password, params["timeout"])
    return Observer(api, params["service"], params["attempts"])


def outcome(
    subject: str, check: Callable[[Mapping[str, Any]], CheckResult], params: Mapping[str, Any]
) -> tuple[bool, dict[str, Any]]:
    """Run a check.

    Args:
        subject: what is measured, for a message.
        check: the measurement; gives the module's result.
        params: the module's options.

    Returns:
        Whether the module fails (also when the verdict is not ``pass``), and its result.
    """
    try:
        result = check(params)
    except CheckInputError as error:
        return True, {"msg": str(error)}
    except TraefikApiError as error:
        return True, {"msg": f"{subject}: {error}"}
    if result["verdict"] != PASSED:
        return True, {"msg": result["message"], "changed": False, **result}
    return False, {"changed": False, **result}
