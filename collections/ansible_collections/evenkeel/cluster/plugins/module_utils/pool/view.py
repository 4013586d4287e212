# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The pool from three sides: the declaration, the engine, the balancer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from ..cluster.endpoints import Endpoint
from ..cluster.node import RUNNING, Node
from ..cluster.spec import Tier
from ..core.errors import Problem
from ..core.results import BalancerState, NodeView, PoolView, TierView
from ..engine.port import BalancerView
from ..traefik.api import TraefikApiError
from .context import Declaration, PoolState
from .overrides import Override
from .plan import LOST, drift

_NONE: Mapping[str, Override] = MappingProxyType({})


def describe(
    declaration: Declaration,
    state: PoolState,
    balancer: BalancerView | None,
    reason: str = "",
    lost: Iterable[str] = (),
    overrides: Mapping[str, Override] = _NONE,
) -> PoolView:
    """The pool from three sides.

    Args:
        declaration: what is declared.
        state: the pool's state.
        balancer: a client of the balancer's API; None for none.
        reason: why there is no client.
        lost: the tiers whose nodes have secrets mounted that were removed by hand.
        overrides: tier to the number of nodes set in the console.

    Returns:
        ``tiers`` (per tier desired, override, running, in_rotation, guests, service, revision, drift), ``nodes`` (one
        entry per container), ``undeclared`` and ``balancer`` (its version, or the reason why it cannot be asked).
    """
    members = sorted(state.nodes, key=lambda node: (node.tier, not node.managed, node.number, node.name))
    status: dict[str, dict[str, str]] = {}
    told: BalancerState = {"reachable": balancer is not None, "version": "", "reason": reason}
    services = {node.service for node in members} | {tier.service for tier in declaration.tiers.values()}
    if balancer is not None:
        try:
            told["version"] = balancer.version()
            status = {service: balancer.server_status(service) for service in sorted(services) if service}
        except TraefikApiError as error:
            told["reachable"], told["reason"] = False, str(error)
    network = next((build.options.network for build in declaration.builds.values()), "")
    entries = [_entry(node, status, declaration.tiers.get(node.tier), network) for node in members]
    differences = drift(members, declaration.targets, state.table, dict.fromkeys(lost, LOST))
    tiers: dict[str, TierView] = {
        name: {
            "desired": build.tier.nodes,
            "override": overrides[name].words if name in overrides else "",
            "running": sum(1 for entry in entries if entry["tier"] == name and entry["state"] == RUNNING),
            "in_rotation": sum(1 for entry in entries if entry["tier"] == name and entry["in_rotation"]),
            "guests": sum(1 for entry in entries if entry["tier"] == name and not entry["managed"]),
            "service": build.tier.service,
            "revision": build.revision,
            "unknown_servers": _unknown_servers(build.tier.service, status, entries),
            "drift": [*_to_derive(declaration, name), *differences.get(name, [])],
        }
        for name, build in declaration.builds.items()
    }
    undeclared = {name: found for name, found in differences.items() if name not in declaration.builds and found}
    return {"tiers": tiers, "nodes": entries, "undeclared": undeclared, "balancer": told}


def _to_derive(declaration: Declaration, tier: str) -> list[str]:
    """What a run makes before it replaces nodes, because an image or what is derived from it changed."""
    words = declaration.missing_images.get(tier, "")
    return [f"build {words}"] if words and declaration.builds[tier].tier.derived else []


def _entry(node: Node, status: Mapping[str, Mapping[str, str]], tier: Tier | None, network: str) -> NodeView:
    seen = status.get(node.service, {}).get(node.url)
    return {
        "id": node.id,
        "name": node.name,
        "tier": node.tier,
        "managed": node.managed,
        "state": node.state,
        "detail": node.detail,
        "revision": node.revision,
        "image_id": node.image_id,
        "service": node.service,
        "address": node.address,
        "served_by": node.served_by,
        "url": node.url,
        "leaving": node.leaving,
        "host": node.host,
        "direct_url": _direct_url(node, tier),
        "in_rotation": node.running and seen == "UP",
        "balancer_status": seen or "not listed",
        "remark": _remark(node, network),
    }


def _remark(node: Node, network: str) -> str:
    """Why the balancer cannot reach a guest: compose files give each project a network of its own."""
    if node.managed or not node.apart:
        return ""
    fix = f"docker network connect {network} {node.name}; in a compose file networks: [{network}], external: true"
    return str(Problem(f"guest {node.name}", f"network {node.apart} alone", f"also {network}", fix))


def _direct_url(node: Node, tier: Tier | None) -> str:
    """The tier's path at the node, not through the balancer; empty if that is not known."""
    if tier is None or not node.address:
        return ""
    return Endpoint("http", node.address, tier.port).at("/" if tier.strip_path else tier.path)


def _unknown_servers(service: str, status: Mapping[str, Mapping[str, str]], entries: Iterable[NodeView]) -> list[str]:
    """Servers in the balancer's list that are not running nodes."""
    known = {entry["url"] for entry in entries if entry["state"] == RUNNING}
    return sorted(set(status.get(service, {})) - known)
