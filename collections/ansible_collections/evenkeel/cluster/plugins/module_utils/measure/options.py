# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The options that the checks have in common, read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..cluster.spec import STRATEGIES
from ..core.errors import InputError
from ..core.poll import SYSTEM_CLOCK, Clock
from ..core.results import CheckResult
from ..core.values import NumberOption, number_specs, read_numbers
from ..core.verdict import FAILED
from ..traefik.api import TraefikApi, TraefikApiError, read_password
from .http_load import Bounds, Target, check_target
from .observer import Observer
from .three_sides import Member, members_of

MAX_REQUESTS = 100_000
TIMEOUT = NumberOption(0.01, 600, 5.0)
#: The numbers that all checks have as options.
COMMON_NUMBERS = {
    "timeout": TIMEOUT,
    "time_limit": NumberOption(0.01, 600, 60.0),
    "attempts": NumberOption(1, 20, 5),
}


class CheckInputError(InputError):
    """A parameter cannot be used; one line ``what: got ..., want ... (fix: ...)`` for each."""


def check_options() -> dict[str, Any]:
    """Argument spec shared by the checks; documented in the fragment evenkeel.cluster.check."""
    return {
        "url": {"type": "str", "required": True},
        "host": {"type": "str", "default": ""},
        "tier": {"type": "str", "required": True},
        "nodes": {"type": "list", "elements": "str", "required": True},
        "strategy": {"type": "str", "choices": list(STRATEGIES), "default": "wrr"},
        **number_specs(COMMON_NUMBERS, raw=False),
        "keep_alive": {"type": "bool", "default": True},
        "api_url": {"type": "str", "default": ""},
        "api_user": {"type": "str", "default": "admin"},
        "api_password_file": {"type": "path", "no_log": False},  # the path is no secret
        "service": {"type": "str", "default": ""},
        "members": {"type": "list", "elements": "dict", "default": []},
        "access_log": {"type": "path"},
    }


def check_numbers(params: Mapping[str, Any], numbers: Mapping[str, NumberOption]) -> None:
    """Refuse numbers out of their range, and those that are none.

    Raises:
        CheckInputError: there are some; one line for each.
    """
    __, problems = read_numbers(params, numbers)
    if problems:
        raise CheckInputError(*problems)


def validate_common(params: Mapping[str, Any], numbers: Mapping[str, NumberOption]) -> tuple[Target, Bounds]:
    """Check the shared parameters and give the target and the bounds.

    Args:
        params: the module's options.
        numbers: those that only this check has.

    Raises:
        InputError: a parameter cannot be used.
    """
    check_numbers(params, {**numbers, **COMMON_NUMBERS})
    nodes = params["nodes"]
    twice = sorted({node for node in nodes if nodes.count(node) > 1})
    if twice or not all(node.strip() for node in nodes):
        got = f"{twice[0]} twice" if twice else "an empty name"
        raise CheckInputError(f"nodes: got {got}, want each node once (fix: pass the names of node_pool_info)")
    if bool(params["api_url"]) != bool(params["service"]):
        got, want = ("api_url", "service") if params["api_url"] else ("service", "api_url")
        raise CheckInputError(f"{want}: got {got} without it, want both or none (fix: pass {want} too)")
    target = Target(params["url"], params["host"], params["timeout"], params["keep_alive"])
    check_target(target)
    return target, Bounds(params["time_limit"])


def members_in(params: Mapping[str, Any]) -> tuple[Member, ...]:
    """The tier's nodes among the parameters.

    Raises:
        CheckInputError: an entry is not one of node_pool_info's.
    """
    try:
        return members_of(params["members"])
    except ValueError as error:
        raise CheckInputError(f"{error} (fix: pass its nodes)") from error


def observer_of(params: Mapping[str, Any], clock: Clock = SYSTEM_CLOCK) -> Observer:
    """Make the observer which the parameters ask for.

    Raises:
        TraefikApiError: the address or the password file cannot be used.
    """
    api = None
    if params["api_url"]:
        password = read_password(params["api_password_file"]) if params["api_password_file"] else ""
        user = params["api_user"] if password else ""
        api = TraefikApi(params["api_url"], user, password, params["timeout"])
    return Observer(api, params["service"], params["attempts"], clock)


def outcome(
    subject: str, check: Callable[[Mapping[str, Any]], CheckResult], params: Mapping[str, Any]
) -> tuple[bool, dict[str, Any]]:
    """Run a check.

    Args:
        subject: what is measured, for a message.
        check: the measurement; gives the module's result.
        params: the module's options.

    Returns:
        Whether the module fails (also when the verdict is :data:`FAILED`), and its result.
    """
    try:
        result = check(params)
    except InputError as error:
        return True, {"msg": str(error)}
    except TraefikApiError as error:
        return True, {"msg": f"{subject}: {error}"}
    if result["verdict"] == FAILED:
        return True, {"msg": result["message"], "changed": False, **result}
    return False, {"changed": False, **result}
