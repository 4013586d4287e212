# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The pool from three sides: declared, the engine's, the balancer's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from ..cluster.endpoints import Endpoint
from ..cluster.node import Node
from ..cluster.spec import Tier
from ..core.http import health
from ..core.results import BalancerView, NodeView, PoolView, TierView
from ..traefik.api import TraefikApi, TraefikApiError
from .context import PoolContext, node_health_url
from .plan import drift


def noticed_leaving(context: PoolContext, nodes: Iterable[Node], balancer: TraefikApi) -> list[Node]:
    """The nodes, those marked that run but say that they were told to leave.

    Only nodes that the balancer does not have in rotation are asked; a balancer that does not answer marks nobody.
    """
    members = list(nodes)
    services = {tier.service for tier in context.tiers.values()}
    try:
        status = {service: balancer.server_status(service) for service in services}
    except TraefikApiError:
        return members
    return [
        dataclasses.replace(node, leaving=True)
        if node.state == "running"
        and status.get(node.service, {}).get(node.url) == "DOWN"
        and node.tier in context.tiers
        and node.address
        and health(node_health_url(node, context.tiers[node.tier])) == HTTPStatus.SERVICE_UNAVAILABLE
        else node
        for node in members
    ]


def describe(context: PoolContext, nodes: Iterable[Node], balancer: TraefikApi | None) -> PoolView:
    """The pool from three sides: declared, Docker's, the balancer's.

    Returns:
        ``tiers`` (per tier desired, running, in_rotation, guests, service, revision, drift), ``nodes`` (one entry
        per container) and ``balancer`` (its version, or the reason why it cannot be asked).
    """
    members = sorted(nodes, key=lambda node: (node.tier, not node.managed, node.number, node.name))
    status: dict[str, dict[str, str]] = {}
    told: BalancerView = {"reachable": balancer is not None, "version": "", "reason": ""}
    services = {node.service for node in members} | {tier.service for tier in context.tiers.values()}
    if balancer is not None:
        try:
            told["version"] = balancer.version()
            status = {service: balancer.server_status(service) for service in sorted(services) if service}
        except TraefikApiError as error:
            told["reachable"], told["reason"] = False, str(error)
    entries = [_entry(node, status, context.tiers.get(node.tier)) for node in members]
    differences = drift(members, context.targets, context.routed)
    tiers: dict[str, TierView] = {
        name: {
            "desired": tier.nodes,
            "running": sum(1 for entry in entries if entry["tier"] == name and entry["state"] == "running"),
            "in_rotation": sum(1 for entry in entries if entry["tier"] == name and entry["in_rotation"]),
            "guests": sum(1 for entry in entries if entry["tier"] == name and not entry["managed"]),
            "service": tier.service,
            "revision": context.builds[name].revision,
            "unknown_servers": _unknown_servers(tier.service, status, entries),
            "drift": differences.get(name, []),
        }
        for name, tier in context.tiers.items()
    }
    undeclared = {name: found for name, found in differences.items() if name not in context.tiers and found}
    return {"tiers": tiers, "nodes": entries, "undeclared": undeclared, "balancer": told}


def _entry(node: Node, status: Mapping[str, Mapping[str, str]], tier: Tier | None) -> NodeView:
    seen = status.get(node.service, {}).get(node.url)
    return {
        "id": node.id,
        "name": node.name,
        "tier": node.tier,
        "managed": node.managed,
        "state": node.state,
        "revision": node.revision,
        "image_id": node.image_id,
        "service": node.service,
        "address": node.address,
        "served_by": node.served_by,
        "url": node.url,
        "leaving": node.leaving,
        "direct_url": _direct_url(node, tier),
        "in_rotation": node.state == "running" and seen == "UP",
        "balancer_status": seen or "not listed",
    }


def _direct_url(node: Node, tier: Tier | None) -> str:
    """The tier's path at the node, past the balancer; empty where that is not known."""
    if tier is None or not node.address:
        return ""
    return Endpoint("http", node.address, tier.port).at("/" if tier.strip_path else tier.path)


def _unknown_servers(
    service: str, status: Mapping[str, Mapping[str, str]], entries: Iterable[NodeView]
) -> list[str]:
    """Servers that the balancer lists and Docker does not know as running nodes."""
    known = {entry["url"] for entry in entries if entry["state"] == "running"}
    return sorted(set(status.get(service, {})) - known)
