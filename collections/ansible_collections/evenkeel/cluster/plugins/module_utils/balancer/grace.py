# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""How long a balancer that stops may go on with its requests. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import Problem, quote
from ..core.values import parse_duration

#: Key of an entry point's life cycle -> Traefik's default, the knob of the role, and an example for it.
_GRACES = {
    "requestAcceptGraceTimeout": ("0s", "load_balancer_accept_grace", "0s"),
    "graceTimeOut": ("10s", "load_balancer_finish_grace", "30s"),
}
#: Between the end of Traefik's own time and Docker's SIGKILL.
_MARGIN_SECONDS = 15
_LONGEST_SECONDS = 24 * 3600
#: Of a balancer that an earlier version made without one.
USUAL_STOP_SECONDS = 45


def read_stop_seconds(static: Mapping[str, Any]) -> tuple[int, list[Problem]]:
    """When Docker may kill a stopping balancer: after the longest time that its entry points take, and a margin.

    Args:
        static: Traefik's static configuration.

    Returns:
        Seconds from SIGTERM to SIGKILL, and what cannot be used.
    """
    longest, problems = 0.0, []
    for name, entry in (static.get("entryPoints") or {}).items():
        seconds = 0.0
        for key, value in _graces(entry):
            parsed = parse_duration(value)
            if parsed is None or parsed > _LONGEST_SECONDS:
                _default, knob, example = _GRACES[key]
                what = f"static.entryPoints.{name}.transport.lifeCycle.{key}"
                want = "a time of at most 24h, such as 30s or 10m"
                problems.append(Problem(what, quote(value), want, f"-e {knob}={example}"))
            else:
                seconds += parsed
        longest = max(longest, seconds)
    return math.ceil(longest) + _MARGIN_SECONDS, problems


def _graces(entry: object) -> Iterable[tuple[str, object]]:
    found: object = entry
    for key in ("transport", "lifeCycle"):
        found = (found.get(key) if isinstance(found, Mapping) else None) or {}
    for key, (default, _knob, _example) in _GRACES.items():
        yield key, found.get(key, default) if isinstance(found, Mapping) else default
