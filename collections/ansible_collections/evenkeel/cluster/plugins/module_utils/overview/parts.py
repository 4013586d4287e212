# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The parts of a cluster beside its nodes, from what was read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..cluster import labels
from ..cluster.names import edge_name
from ..core.errors import Problem, join_some
from ..core.results import PartView, PoolView
from ..engine.docker_parts import EngineParts, PartContainer
from ..traefik.routes import Route, entry_service, leads_to, pool_service

SITE = "ansible-playbook site.yml"
_FILE_PROVIDER = "@file"
_POOL_SUFFIX = pool_service("")


def part(name: str, state: str, lines: Iterable[str] = (), to_do: Iterable[str] = ()) -> PartView:
    """One part."""
    return {"part": name, "state": state, "lines": list(lines), "to_do": list(to_do)}


# --------------------------------------------------------------------------
# Containers and network
# --------------------------------------------------------------------------


@dataclass(frozen=True)
class Announced:
    """One action of the balancer's plan: the container that it is about, and the action in words."""

    name: str
    text: str


def container_parts(cluster: str, found: EngineParts, announced: Sequence[Announced], told: str) -> list[PartView]:
    """Edge and balancers.

    Args:
        cluster: the cluster's name.
        found: what the engine tells.
        announced: what a run would do to them.
        told: why that is not known; empty when it is.
    """
    edge = edge_name(cluster)
    balancers = [item for item in found.containers if item.slot]
    of_edge = [item.text for item in announced if item.name == edge]
    others = [item.text for item in announced if item.name != edge]
    return [
        part("edge", _states(found.of(labels.EDGE)), (), of_edge),
        part("balancer", _states(balancers), [told] if told else [], others),
    ]


def _states(containers: Sequence[PartContainer]) -> str:
    return ", ".join(f"{item.name} {item.state}{_restarts(item.restarts)}" for item in containers) or "none"


def _restarts(count: int) -> str:
    return f" ({count} restart{'s' if count > 1 else ''})" if count else ""


def network_part(name: str, found: EngineParts) -> PartView:
    """The cluster's network."""
    return part("network", name, (), []) if found.network else part("network", "none", (), [f"create network {name}"])


def portainer_parts(name: str, containers: Sequence[PartContainer]) -> list[PartView]:
    """Portainer, when it is declared or there.

    Args:
        name: of its container; empty when it is switched off.
        containers: what there is of it.
    """
    if not name and not containers:
        return []
    if not name:
        removals = [f"remove {item.name} (cluster_portainer is false)" for item in containers]
        return [part("portainer", _states(containers), (), removals)]
    running = any(item.name == name and item.running for item in containers)
    return [part("portainer", _states(containers), (), [] if running else [f"start {name}"])]


def console_parts(names: Sequence[str], containers: Sequence[PartContainer]) -> list[PartView]:
    """The console, when it is declared or there.

    Args:
        names: of its two containers; none when it is switched off.
        containers: what there is of it.
    """
    if not names and not containers:
        return []
    running = {item.name for item in containers if item.running}
    to_do = [f"start {name}" for name in names if name not in running]
    if not names:
        to_do = [f"remove {item.name} (cluster_console is false)" for item in containers]
    return [part("console", _states(containers), (), to_do)]


# --------------------------------------------------------------------------
# What the balancer knows
# --------------------------------------------------------------------------


def provider_part(view: PoolView, found: EngineParts) -> PartView:
    """Whether the balancer's provider still hears the engine: its servers are the nodes that run."""
    if not view["balancer"]["reachable"]:
        return part("provider", "not known")
    running = [node for node in view["nodes"] if node["state"] == "running"]
    heard = [node for node in running if node["balancer_status"] != "not listed"]
    missed = [
        node["name"] for node in running if node["balancer_status"] == "not listed" and node["id"] not in found.unlisted
    ]
    # The balancer keeps what is paused or stopped by a signal: the engine tells it only of starts and ends.
    kept = {node["url"] for node in view["nodes"] if node["detail"] != "exited"}
    gone = [url for tier in view["tiers"].values() for url in tier["unknown_servers"] if url not in kept]
    got = [
        *([f"no server for {join_some(missed)}, in rotation of no service"] if missed else []),
        *([f"server {join_some(gone)}, which is gone"] if gone else []),
    ]
    lines = [
        str(Problem("provider", text, "the nodes that run: the balancer does not hear the engine", _restart(found)))
        for text in got
    ]
    return part("provider", f"lists {len(heard)} of {len(running)} running nodes", lines)


def routes_part(
    routes: Mapping[str, Route], records: Mapping[str, Mapping[str, Any] | None], services: Iterable[str], fix: str
) -> PartView:
    """Whether the balancer has the routes of its file.

    Args:
        routes: tier to route, as in the file.
        records: tier to the balancer's record of its router.
        services: the names of all services of the balancer.
        fix: what mends it.
    """
    other = [tier for tier, route in routes.items() if not leads_to(records.get(tier), route)]
    wanted = {entry_service(route) for route in routes.values()}
    known = {name.removesuffix(_FILE_PROVIDER) for name in services if name.endswith(f"{_POOL_SUFFIX}{_FILE_PROVIDER}")}
    lines = [
        str(Problem(f"route {tier}", _router(records.get(tier)), f"{routes[tier].service} as in the route file", fix))
        for tier in other
    ]
    lines += [
        str(Problem(f"route to {name}", "it at the balancer", "none, as in the route file", fix))
        for name in sorted(known - wanted)
    ]
    return part("routes", f"{len(routes) - len(other)} of {len(routes)} at the balancer", lines)


def _router(record: Mapping[str, Any] | None) -> str:
    if record is None:
        return "none at the balancer"
    return f"{record.get('service')} for {record.get('rule')} at the balancer"


def _restart(found: EngineParts) -> str:
    return restart_fix([item for item in found.containers if item.slot])


def restart_fix(balancers: Iterable[PartContainer]) -> str:
    """What makes a balancer read everything again."""
    return "docker restart " + (" ".join(item.name for item in balancers if item.running) or "the balancer")
