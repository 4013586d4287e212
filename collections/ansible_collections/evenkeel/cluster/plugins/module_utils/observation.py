# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Measure while watching the balancer: did its configuration or health change, and did others send too?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.evenkeel.cluster.plugins.module_utils.http_load import (
    Bounds,
    HttpLoadError,
    Target,
    check_target,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.statistics import percentile
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik_api import (
    Snapshot,
    TraefikApi,
    TraefikApiError,
    read_password,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.verdicts import STRATEGIES, Problem, Reply, message

MAX_REQUESTS = 100_000
MAX_TIMEOUT = 600.0
MAX_ATTEMPTS = 20

# A node's counter in the balancer moves just after the client has its answer.
_COUNTER_PATIENCE = 1.0
_POLL = 0.05
_QUIET_FOR = 0.3
_QUIET_PATIENCE = 5.0


@dataclass(frozen=True)
class Observed:
    """One measurement and what the balancer did meanwhile.

    Attributes:
        replies: those of the last attempt, which is judged.
        lost_before: requests lost in earlier attempts; a repetition does not forgive them.
        sent: requests of all attempts.
        disturbed: why the last attempt was not alone in one generation; empty when it was, or nobody watched.
        problems: what the balancer's counters contradict.
        facts: for the module's result.
    """

    replies: list[Reply]
    lost_before: list[Reply]
    sent: int
    disturbed: str
    problems: tuple[Problem, ...]
    facts: dict[str, Any]

    @property
    def lost(self) -> int:
        """Requests of all attempts which were not answered with 200."""
        return len(self.lost_before) + sum(not reply.answered for reply in self.replies)

    @property
    def notes(self) -> list[str]:
        """What a reader must know about the circumstances."""
        notes = []
        if not self.facts["observed"]:
            notes.append("configuration changes and requests of others not observed: no api_url")
        if self.facts["attempts"] > 1:
            notes.append(f"measured {self.facts['attempts']} times: the configuration or a node's health changed")
        down = sorted(url for url, state in self.facts.get("servers", {}).items() if state != "UP")
        if down:
            notes.append(f"the balancer says DOWN for {', '.join(down)}")
        return notes


def unobserved(replies: list[Reply]) -> Observed:
    """A single measurement during which nobody watched the balancer."""
    return Observed(replies, [], len(replies), "", (), {"observed": False, "attempts": 1})


class Observer:
    """Repeats a measurement while the balancer's configuration or health changes under it.

    Args:
        api: the balancer's API; None = measure once, unwatched.
        service: the tier's service.
        attempts: how often to measure at most.
    """

    def __init__(self, api: TraefikApi | None, service: str, attempts: int) -> None:
        """Remember what to watch; nothing is sent yet."""
        self.api = api
        self.service = service
        self.attempts = attempts

    def measure(self, send: Callable[[], list[Reply]]) -> Observed:
        """Measure until one attempt lay in one generation, at most `attempts` times.

        Raises:
            TraefikApiError: the API gave no usable answer.
        """
        if self.api is None:
            return unobserved(send())
        lost: list[Reply] = []
        sent = attempt = 0
        while True:
            attempt += 1
            before = self.api.snapshot(self.service)
            replies = send()
            after = self._settled(before, sum(reply.answered for reply in replies))
            sent += len(replies)
            if not _moved(before, after) or attempt >= self.attempts:
                return self._conclude(before, after, replies, Observed(replies, lost, sent, "", (), {}), attempt)
            lost += [reply for reply in replies if not reply.answered]
            self._wait_until_quiet()

    def _settled(self, before: Snapshot, answered: int) -> Snapshot:
        """Read until the balancer has counted what the client has got."""
        api = self._require()
        deadline = time.monotonic() + _COUNTER_PATIENCE
        while True:
            after = api.snapshot(self.service)
            if after.requests - before.requests >= answered or time.monotonic() >= deadline:
                return after
            time.sleep(_POLL)

    def _wait_until_quiet(self) -> None:
        """Wait until the generation stands still for a moment, but not for ever."""
        api = self._require()
        deadline = time.monotonic() + _QUIET_PATIENCE
        generation, since = api.config_reloads(), time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - since < _QUIET_FOR:
            time.sleep(_POLL)
            reloads = api.config_reloads()
            if reloads != generation:
                generation, since = reloads, time.monotonic()

    def _require(self) -> TraefikApi:
        if self.api is None:
            raise TraefikApiError("no client", "one", "pass api_url")
        return self.api

    def _conclude(
        self, before: Snapshot, after: Snapshot, replies: list[Reply], so_far: Observed, attempt: int
    ) -> Observed:
        answered = sum(reply.answered for reply in replies)
        counted = after.requests - before.requests
        disturbed = ""
        if _moved(before, after):
            disturbed = f"configuration or health changed in each of {attempt} measurements"
        elif counted > answered:
            disturbed = f"{counted - answered} requests of others, or retries, during the measurement"
        problems: tuple[Problem, ...] = ()
        if counted < answered and after.reloads == before.reloads:
            problems = (
                Problem(
                    f"{counted} requests counted for service {self.service}",
                    f"at least {answered}",
                    "check that the route leads to this service and that service metrics are on",
                ),
            )
        return Observed(
            replies=replies,
            lost_before=so_far.lost_before,
            sent=so_far.sent,
            disturbed=disturbed,
            problems=problems,
            facts={
                "observed": True,
                "attempts": attempt,
                "before": before.reloads,
                "after": after.reloads,
                "counted": counted,
                "foreign_requests": max(0, counted - answered),
                "servers": after.servers,
            },
        )


def _moved(before: Snapshot, after: Snapshot) -> bool:
    return before.reloads != after.reloads or before.servers != after.servers


# --------------------------------------------------------------------------
# What both checks take
# --------------------------------------------------------------------------


class CheckInputError(Exception):
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


# --------------------------------------------------------------------------
# What both checks give
# --------------------------------------------------------------------------


def lost_before_problems(observed: Observed) -> list[Problem]:
    """Requests lost in attempts whose distribution is not judged any more."""
    if not observed.lost_before:
        return []
    first = observed.lost_before[0]
    return [
        Problem(
            f"{len(observed.lost_before)} requests lost while the configuration changed"
            f" (first: {first.error or f'status {first.status}'} at request {first.index + 1})",
            "none lost",
            "see the balancer's access log",
        )
    ]


def latency_summary(replies: Sequence[Reply]) -> dict[str, float]:
    """Nearest-rank percentiles of the answered requests in milliseconds; {} when there is none."""
    values = [reply.latency * 1000 for reply in replies if reply.answered]
    if not values:
        return {}
    return {
        "p50": round(percentile(values, 50), 3),
        "p95": round(percentile(values, 95), 3),
        "max": round(max(values), 3),
    }


def conclude(subject: str, problems: Sequence[Problem], success: str, measured: Mapping[str, Any]) -> dict[str, Any]:
    """The module's result: verdict, one line, all problems, and the measurements."""
    return {
        "verdict": "fail" if problems else "pass",
        "message": message(subject, problems) if problems else f"{subject}: {success}",
        "problems": [str(problem) for problem in problems],
        **measured,
    }


def end_with(module: AnsibleModule, subject: str, check: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
    """Run a check and end the module with its result; a verdict that is not ``pass`` fails it."""
    try:
        result = check(module.params)
    except CheckInputError as error:
        module.fail_json(msg=str(error))
    except TraefikApiError as error:
        module.fail_json(msg=f"{subject}: {error}")
    if result["verdict"] != "pass":
        module.fail_json(msg=result["message"], changed=False, **result)
    module.exit_json(changed=False, **result)
