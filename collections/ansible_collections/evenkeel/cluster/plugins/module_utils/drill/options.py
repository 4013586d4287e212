# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The drill's options: what is accepted, and what follows from them. Pure but for the folder to write to."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.drill_results import DrillPlanned
from ..core.errors import quote
from ..core.values import NumberOption, number_specs, of_role, read_numbers
from ..measure.http_load import HttpLoadError, Target, check_target
from ..measure.options import CheckInputError
from ..pool.options import RECONCILE_NUMBERS, pool_arguments
from .judge import Thresholds
from .schedule import (
    GUEST_JOINS,
    NEEDS_TWO,
    SCENARIOS,
    Event,
    LoadWindow,
    Mix,
    Paths,
    least_seconds,
    plan_events,
    planned_requests,
)

MAX_REQUESTS = 2_000_000


@dataclasses.dataclass(frozen=True)
class Margins:
    """How long the load runs alone, in seconds.

    Attributes:
        lead: before the first event.
        tail: after the last one has ended.
    """

    lead: float = 3.0
    tail: float = 2.0


_NUMBERS = {
    **of_role(
        "drill",
        {
            "events": NumberOption(1, 1000, 6),
            "interval": NumberOption(0.1, 600, 4.0),
            "amount": NumberOption(1, 100, 2),
            "rate": NumberOption(0.1, 20_000, 400.0),
            "duration": NumberOption(1, 86_400, 20.0),
            "time_limit": NumberOption(1, 86_400, 600.0),
            "clients": NumberOption(1, 1000, 40),
            "post_share": NumberOption(0, 1, 0.3),
            "slow_share": NumberOption(0, 1, 0.02),
            "sticky_share": NumberOption(0, 1, 0.5),
            "new_connection_share": NumberOption(0, 1, 0.25),
            "timeout": NumberOption(0.1, 600, 10.0),
        },
    ),
    # The role has no variables for these.
    "seed": NumberOption(0, 999_999_999, 1),
    **of_role("node_pool", RECONCILE_NUMBERS),
    **of_role("drill", {"surge_percent": RECONCILE_NUMBERS["surge_percent"]}),
}
_PATH_KEYS = tuple(item.name for item in dataclasses.fields(Paths))
_RELATIVE = re.compile(r"(?!/)[A-Za-z0-9._~%!$&'()*+,;=@/?-]*", re.ASCII)
_AT_MOST_ONE = frozenset({"rate_share"})
_LIMITS = {
    item.name: NumberOption(
        0,
        1 if item.name in _AT_MOST_ONE else MAX_REQUESTS,
        item.default,
        f"""-e '{{"drill_thresholds": {{"{item.name}": {item.default:g}}}}}'""",
    )
    for item in dataclasses.fields(Thresholds)
    if isinstance(item.default, (int, float))
}


def argument_spec() -> dict[str, dict[str, Any]]:
    """The module's options."""
    return {
        **pool_arguments(),
        "scenario": {"type": "str", "required": True},
        "only": {"type": "list", "elements": "str", "default": []},
        **number_specs(_NUMBERS),
        "url": {"type": "str", "required": True},
        "host": {"type": "str", "default": ""},
        "requests": {"type": "dict", "default": {}},
        "access_log": {"type": "path"},
        "thresholds": {"type": "dict", "default": {}, "options": number_specs(_LIMITS)},
        "control": {"type": "bool", "default": True},
        "control_images": {"type": "dict", "default": {}},
        "folder": {"type": "path"},
        "progress_file": {"type": "path"},
    }


@dataclasses.dataclass(frozen=True)
class Settings:
    """A drill that can be carried out."""

    scenario: str
    tiers: tuple[str, ...]
    events: tuple[Event, ...]
    window: LoadWindow
    rate: float
    mix: Mix
    timeout: float
    seed: int
    url: str
    host: str
    paths: dict[str, Paths]
    access_log: str
    limits: Thresholds
    control: bool
    control_images: dict[str, str]
    folder: str
    amount: int

    @property
    def seconds(self) -> float:
        """How long the load runs at least."""
        return least_seconds(self.events, self.window.duration, self.window.tail)

    @property
    def subject(self) -> str:
        """What the verdict is about."""
        return f"drill {self.scenario} of {', '.join(self.tiers)}"

    def plan(self) -> DrillPlanned:
        """What is going to happen, for the result."""
        return {
            "rate": self.rate,
            "seconds": self.seconds,
            "requests": planned_requests(self.rate, self.seconds),
            "events": [str(event) for event in self.events],
        }


def settings_of(params: Mapping[str, Any], margins: Margins = Margins()) -> Settings:
    """Check all options that can be checked without looking at the cluster.

    Args:
        params: the module's options.
        margins: how long the load runs before and after the events.

    Raises:
        CheckInputError: some cannot be used; one line for each, as far as they can be judged alone.
    """
    numbers, problems = read_numbers(params, _NUMBERS)
    limits, more = _thresholds(params["thresholds"])
    if params["scenario"] not in SCENARIOS:
        known = ", ".join(SCENARIOS)
        problems.insert(0, f"scenario: got {quote(params['scenario'])}, want one of {known} (fix: scenario: stop)")
    if problems or more:
        raise CheckInputError("\n".join([*problems, *more]))
    return _settings({**params, **numbers}, limits, margins)


def _settings(params: Mapping[str, Any], limits: Thresholds, margins: Margins) -> Settings:
    """What follows from options whose numbers have been read."""
    if params["clients"] > params["rate"]:
        raise CheckInputError(
            f"clients: got {params['clients']}, want at most one per request and second, {params['rate']:g}"
            f" (fix: clients: {max(int(params['rate']), 1)})"
        )
    declared = {str(item["name"]): item for item in params["tiers"]}
    tiers = _tiers(params["only"], list(declared))
    events = plan_events(params["scenario"], tiers, params["events"], margins.lead, params["interval"])
    _check_nodes(events, {name: int(declared[name]["nodes"]) for name in tiers})
    window = LoadWindow(params["duration"], margins.tail, params["time_limit"])
    _check_length(events, window, params["rate"])
    _check_addresses(params)
    return Settings(
        scenario=params["scenario"],
        tiers=tuple(tiers),
        events=tuple(events),
        window=window,
        rate=params["rate"],
        mix=Mix(
            params["clients"],
            params["post_share"],
            params["slow_share"],
            params["sticky_share"],
            params["new_connection_share"],
        ),
        timeout=params["timeout"],
        seed=params["seed"],
        url=params["url"].rstrip("/"),
        host=params["host"],
        paths=_paths(params["requests"], list(declared), tiers),
        access_log=params["access_log"] or "",
        limits=limits,
        control=params["control"] and bool(events),
        control_images=_images(params["control_images"], list(declared)),
        folder=params["folder"] or "",
        amount=params["amount"],
    )


def _tiers(only: Sequence[str], declared: Sequence[str]) -> list[str]:
    if not declared:
        raise CheckInputError("tiers: got none, want at least one (fix: declare it in cluster_tiers)")
    for name in only:
        _known_tier("only", name, declared)
    return [name for name in declared if not only or name in only]


def _known_tier(what: str, name: str, declared: Sequence[str]) -> None:
    if name not in declared:
        raise CheckInputError(
            f"{what}: got tier {name!r}, want one of {', '.join(declared)} (fix: use one of these, or declare the tier)"
        )


def _check_nodes(events: Sequence[Event], nodes: Mapping[str, int]) -> None:
    for name, count in nodes.items():
        need = 2 if any(event.tier == name and event.kind in NEEDS_TWO for event in events) else 1
        if count < need:
            raise CheckInputError(
                f"tier {name}: got {count} declared nodes, want at least {need} for this drill"
                f" (fix: -e {name.replace('-', '_')}_nodes=3, or leave it out, by drill_tiers or the tiers of"
                " prove_drills)"
            )


def _check_length(events: Sequence[Event], window: LoadWindow, rate: float) -> None:
    least = least_seconds(events, window.duration, window.tail)
    if window.limit < least:
        raise CheckInputError(
            f"time_limit: got {window.limit:g}, want at least {least:g}, the seconds of the load and its events"
            f" (fix: time_limit: {2 * least:g})"
        )
    count = planned_requests(rate, least)
    if count > MAX_REQUESTS:
        raise CheckInputError(
            f"rate and duration: got {count} requests, want at most {MAX_REQUESTS} (fix: a shorter drill, more often)"
        )


def _check_addresses(params: Mapping[str, Any]) -> None:
    try:
        check_target(Target(params["url"], params["host"]))
    except HttpLoadError as error:
        raise CheckInputError(str(error)) from error
    if "?" in params["url"] or "#" in params["url"]:
        raise CheckInputError(f"url: got {params['url']!r}, want one without query (fix: http://127.0.0.1:8080)")


def _paths(asked: Mapping[str, Any], declared: Sequence[str], tiers: Sequence[str]) -> dict[str, Paths]:
    for name, given in asked.items():
        _known_tier("requests", name, declared)
        unknown = sorted(set(given) - set(_PATH_KEYS)) if isinstance(given, Mapping) else [str(given)]
        if unknown:
            raise CheckInputError(
                f"requests of {name}: got {unknown[0]!r}, want {', '.join(_PATH_KEYS)} (fix: {{post: echo.php}})"
            )
        for key, path in given.items():
            if not isinstance(path, str) or not _RELATIVE.fullmatch(path):
                raise CheckInputError(
                    f"requests of {name}: got {path!r} for {key}, want a path relative to the tier's"
                    " (fix: slow.php?delay_ms=500)"
                )
    return {name: Paths(**{"get": "", **asked.get(name, {})}) for name in tiers}


def _images(images: Mapping[str, Any], declared: Sequence[str]) -> dict[str, str]:
    for name, image in images.items():
        _known_tier("control_images", name, declared)
        if not isinstance(image, str) or not image:
            raise CheckInputError(
                f"control_images of {name}: got {image!r}, want an image's name (fix: leave it out, one is made)"
            )
    return dict(images)


def _thresholds(given: Mapping[str, Any]) -> tuple[Thresholds, list[str]]:
    # Ansible fills suboptions in only when the dict itself was given.
    named = {name: value for name, value in given.items() if value is not None}
    found, problems = read_numbers(named, {name: number for name, number in _LIMITS.items() if name in named})
    return Thresholds(**found), [f"thresholds.{problem}" for problem in problems]


def needs_labels(events: Sequence[Event]) -> set[str]:
    """Tiers whose image must carry the tier's labels, because a container is started from it by hand."""
    return {event.tier for event in events if event.kind == GUEST_JOINS}
