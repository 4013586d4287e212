# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Which tiers take over each other's paths, so that their routes change in one write. Pure.

A tier that is renamed is another tier on the same path. Two tiers may also exchange their paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..traefik.routes import Route


def takeovers(now: Mapping[str, Route], wanted: Mapping[str, Route]) -> dict[str, tuple[str, ...]]:
    """The tiers whose routes depend on each other.

    Args:
        now: tier to route, as the balancer has it.
        wanted: tier to route, as declared; a tier that is missing loses its route.

    Returns:
        Tier -> all tiers whose routes change together, itself included, in order; a tier on its own is missing.
    """
    groups: dict[str, set[str]] = {}
    for giver, taker in _handed_over(now, wanted):
        joint = groups.get(giver, {giver}) | groups.get(taker, {taker})
        groups |= dict.fromkeys(joint, joint)
    return {tier: tuple(sorted(group)) for tier, group in groups.items()}


def takeover_words(tier: str, now: Mapping[str, Route], wanted: Mapping[str, Route]) -> str:
    """What the tier takes over and what is taken from it, for people; empty for nothing."""
    handed = _handed_over(now, wanted)
    takes = [f"takes {now[giver].path} over from {giver}" for giver, taker in handed if taker == tier]
    gives = [f"{taker} takes {now[giver].path} over" for giver, taker in handed if giver == tier]
    return ", ".join([*takes, *gives])


def _handed_over(now: Mapping[str, Route], wanted: Mapping[str, Route]) -> list[tuple[str, str]]:
    """Pairs of a tier that gives up requests, and a tier that gets them."""
    return [
        (giver, taker)
        for giver in sorted(now)
        for taker in sorted(wanted)
        if giver != taker
        and _claim(now.get(giver)) != _claim(wanted.get(giver))
        and _claim(now.get(taker)) != _claim(wanted.get(taker))
        and _overlap(now[giver], wanted[taker])
    ]


def _claim(route: Route | None) -> tuple[str, Iterable[str]] | None:
    """Which requests the route is for."""
    return None if route is None else (route.path, set(route.hosts))


def _overlap(one: Route, other: Route) -> bool:
    """Whether there are requests that both are for."""
    any_host = not one.hosts or not other.hosts
    return one.path == other.path and (any_host or not set(one.hosts).isdisjoint(other.hosts))
