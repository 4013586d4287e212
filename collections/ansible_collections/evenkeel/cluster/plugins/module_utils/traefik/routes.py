# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The routes of all tiers, as Traefik's dynamic configuration for its file provider. Pure: no I/O.

The balancer finds services by the nodes' labels. Only what joins a path to a service is here, so that a change of
policy is the change of one name.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .labels import last_resort

EDGE_MIDDLEWARE = "evenkeel-edge"
REPEAT_MIDDLEWARE = "evenkeel-repeat"
EMPTY_SERVICE = "evenkeel-empty"
_ENTRY_POINTS = ["web"]
_POOL_SUFFIX = "-pool"
_HOST_OF_RULE = re.compile(r"Host\(`([^`]*)`\)")
_PATH_OF_RULE = re.compile(r"PathPrefix\(`([^`]*)`\)")


@dataclasses.dataclass(frozen=True)
class Route:
    """The balancer's service for one tier's path.

    Attributes:
        tier: the tier.
        path: its path, which begins and ends with a slash.
        strip_path: the nodes do not see the path.
        service: the balancer service that it leads to, e.g. ``static-3f2a91bc``.
        hosts: the host names that are answered; empty for any.
        repeat: a request that may be repeated, and that was answered 502, is sent once more.
    """

    tier: str
    path: str
    strip_path: bool
    service: str
    hosts: tuple[str, ...] = ()
    repeat: bool = False


def host_rule(hosts: Iterable[str]) -> str:
    """Traefik's rule for these host names; empty for any host."""
    names = list(hosts)
    if not names:
        return ""
    return "(" + " || ".join(f"Host(`{name}`)" for name in names) + ")"


def pool_service(service: str) -> str:
    """Name of the balancer's service that a tier's router leads to: its nodes, with the last resort behind them."""
    return service + _POOL_SUFFIX


def _rule(hosts: Iterable[str], path_matcher: str) -> str:
    return " && ".join(part for part in (host_rule(hosts), path_matcher) if part)


def route_rule(route: Route) -> str:
    """The rule of the tier's router."""
    return _rule(route.hosts, f"PathPrefix(`{route.path}`)")


def leads_to(record: Mapping[str, Any] | None, route: Route | None) -> bool:
    """Whether the balancer's record of a tier's router is that of the route.

    Args:
        record: of the router, from the balancer's API; None when it has none.
        route: what it should be; None for no router.
    """
    if route is None or record is None:
        return route is None and record is None
    service = str(record.get("service")).removesuffix("@file")
    return service == pool_service(route.service) and record.get("rule") == route_rule(route)


def routes_config(routes: Iterable[Route], provider: str) -> dict[str, Any]:
    """Routers and middlewares for all tiers.

    Each tier has its router and, one step below it in priority, a guard that answers 503. When the last node has
    left, Traefik drops the tier's service and its router; without the guard, the request would get a 404 or reach
    the tier at ``/``. The longer path always wins, also over a guard.

    Args:
        routes: one per tier.
        provider: the balancer's provider that finds the nodes.
    """
    routers: dict[str, Any] = {}
    services: dict[str, Any] = {}
    middlewares: dict[str, Any] = {}
    for route in routes:
        bare = route.path.rstrip("/")
        priority = 1000 + 10 * len(route.path)
        chain = [*([REPEAT_MIDDLEWARE] if route.repeat else []), EDGE_MIDDLEWARE]
        if route.strip_path and bare:
            middlewares[f"{route.tier}-strip"] = {"stripPrefix": {"prefixes": [bare]}}
            chain.insert(0, f"{route.tier}-strip")
        rule = route_rule(route)
        routers[route.tier] = {
            "entryPoints": _ENTRY_POINTS,
            "rule": rule,
            "priority": priority + 5,
            "service": pool_service(route.service),
            "middlewares": chain,
        }
        services[pool_service(route.service)] = {
            "failover": {
                "service": f"{route.service}@{provider}",
                "fallback": f"{last_resort(route.service)}@{provider}",
            }
        }
        routers[f"{route.tier}-guard"] = {
            "entryPoints": _ENTRY_POINTS,
            "rule": rule,
            "priority": priority,
            "service": EMPTY_SERVICE,
        }
        if bare:
            middlewares[f"{route.tier}-slash"] = {
                "redirectRegex": {
                    "regex": rf"^(https?://[^/]+{re.escape(bare)})(\?.*)?$",
                    "replacement": "${1}/${2}",
                }
            }
            routers[f"{route.tier}-slash"] = {
                "entryPoints": _ENTRY_POINTS,
                "rule": _rule(route.hosts, f"Path(`{bare}`)"),
                "priority": priority,
                "service": EMPTY_SERVICE,
                "middlewares": [f"{route.tier}-slash"],
            }
    http: dict[str, Any] = {"routers": routers, "services": services}
    if middlewares:
        http["middlewares"] = middlewares
    return {"http": http} if routers else {}


def render(config: Mapping[str, Any]) -> str:
    """The configuration as text. JSON is YAML, and needs no library on the target."""
    return json.dumps(config, indent=2, sort_keys=True) + "\n"


def active_routes(text: str) -> dict[str, Route]:
    """The tiers' routes, read back from :func:`render`'s text; empty for any other text."""
    try:
        routers = json.loads(text)["http"]["routers"]
        return {
            name: Route(
                tier=name,
                path=_PATH_OF_RULE.findall(router["rule"])[0],
                strip_path=f"{name}-strip" in router["middlewares"],
                service=router["service"].removesuffix(_POOL_SUFFIX),
                hosts=tuple(_HOST_OF_RULE.findall(router["rule"])),
                repeat=REPEAT_MIDDLEWARE in router["middlewares"],
            )
            for name, router in routers.items()
            if router["service"].endswith(_POOL_SUFFIX)
        }
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return {}
