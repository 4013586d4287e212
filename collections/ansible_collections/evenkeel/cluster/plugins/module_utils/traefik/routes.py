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

from .labels import last_resort, service_options

EDGE_MIDDLEWARE = "evenkeel-edge"
REPEAT_MIDDLEWARE = "evenkeel-repeat"
EMPTY_SERVICE = "evenkeel-empty"
_ENTRY_POINTS = ["web"]
_POOL_SUFFIX = "-pool"
_SET_SUFFIX = "-set"
_HOST_OF_RULE = re.compile(r"Host\(`([^`]*)`\)")
_PATH_OF_RULE = re.compile(r"PathPrefix\(`([^`]*)`\)")


@dataclasses.dataclass(frozen=True)
class ServerSet:
    """The servers that may be asked while a tier changes, instead of all that the balancer finds by itself.

    Attributes:
        urls: the servers, in order.
        checked: the policy as :func:`labels.service_options` gives it, as JSON.
        unchecked: the same for the last resort.
    """

    urls: tuple[str, ...]
    checked: str
    unchecked: str

    @classmethod
    def of(cls, urls: Iterable[str], labels: Mapping[str, str], service: str) -> ServerSet:
        """The set with the policy that a tier's labels have."""
        checked, unchecked = (_canonical(service_options(labels, name)) for name in (service, last_resort(service)))
        return cls(tuple(sorted(urls)), checked, unchecked)

    def balancers(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both services as Traefik's files have them."""
        servers = {"servers": [{"url": url} for url in self.urls]}
        return (
            {"loadBalancer": {**json.loads(self.checked), **servers}},
            {"loadBalancer": {**json.loads(self.unchecked), **servers}},
        )


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
        servers: the only servers that may be asked, while the tier changes; None for all that the balancer finds.
    """

    tier: str
    path: str
    strip_path: bool
    service: str
    hosts: tuple[str, ...] = ()
    repeat: bool = False
    servers: ServerSet | None = None

    @property
    def plain(self) -> Route:
        """The route to all servers that the balancer finds."""
        return dataclasses.replace(self, servers=None)


def host_rule(hosts: Iterable[str]) -> str:
    """Traefik's rule for these host names; empty for any host."""
    names = list(hosts)
    if not names:
        return ""
    return "(" + " || ".join(f"Host(`{name}`)" for name in names) + ")"


def pool_service(service: str) -> str:
    """Name of the balancer's service that a tier's router leads to: its nodes, with the last resort behind them."""
    return service + _POOL_SUFFIX


def set_services(service: str) -> tuple[str, str, str]:
    """Names of the services of a tier that changes: what its router leads to, the set, and the set's last resort."""
    name = service + _SET_SUFFIX
    return name, f"{name}-checked", f"{name}-unchecked"


def entry_service(route: Route) -> str:
    """Name of the service that the tier's router leads to."""
    return pool_service(route.service) if route.servers is None else set_services(route.service)[0]


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
    return service == entry_service(route) and record.get("rule") == route_rule(route)


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
            "service": entry_service(route),
            "middlewares": chain,
        }
        services |= _services(route, provider)
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


def _services(route: Route, provider: str) -> dict[str, Any]:
    if route.servers is None:
        checked, unchecked = f"{route.service}@{provider}", f"{last_resort(route.service)}@{provider}"
        return {entry_service(route): _failover(checked, unchecked)}
    name, checked, unchecked = set_services(route.service)
    balancers = route.servers.balancers()
    return {name: _failover(checked, unchecked), checked: balancers[0], unchecked: balancers[1]}


def _failover(service: str, fallback: str) -> dict[str, Any]:
    return {"failover": {"service": service, "fallback": fallback}}


def _canonical(options: Mapping[str, Any]) -> str:
    return json.dumps(options, sort_keys=True)


def render(config: Mapping[str, Any]) -> str:
    """The configuration as text. JSON is YAML, and needs no library on the target."""
    return json.dumps(config, indent=2, sort_keys=True) + "\n"


def active_routes(text: str) -> dict[str, Route]:
    """The tiers' routes, read back from :func:`render`'s text; empty for any other text."""
    try:
        http = json.loads(text)["http"]
        return {
            name: _route_of(name, router, http["services"])
            for name, router in http["routers"].items()
            if router["service"].endswith((_POOL_SUFFIX, _SET_SUFFIX))
        }
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return {}


def _route_of(tier: str, router: Mapping[str, Any], services: Mapping[str, Any]) -> Route:
    leads_to_set = router["service"].endswith(_SET_SUFFIX)
    service = router["service"].removesuffix(_SET_SUFFIX if leads_to_set else _POOL_SUFFIX)
    return Route(
        tier=tier,
        path=_PATH_OF_RULE.findall(router["rule"])[0],
        strip_path=f"{tier}-strip" in router["middlewares"],
        service=service,
        hosts=tuple(_HOST_OF_RULE.findall(router["rule"])),
        repeat=REPEAT_MIDDLEWARE in router["middlewares"],
        servers=_set_of(service, services) if leads_to_set else None,
    )


def _set_of(service: str, services: Mapping[str, Any]) -> ServerSet:
    _name, checked, unchecked = (services[name] for name in set_services(service))
    options = [
        _canonical({option: value for option, value in found["loadBalancer"].items() if option != "servers"})
        for found in (checked, unchecked)
    ]
    return ServerSet(tuple(server["url"] for server in checked["loadBalancer"]["servers"]), *options)
