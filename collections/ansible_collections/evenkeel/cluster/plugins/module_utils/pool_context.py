# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What the pool modules share: their arguments, and the pool as declared, as Docker has it, as the balancer sees it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer_routes import Route, active_routes
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster_spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.docker_pool import DockerPool
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool_plan import ROUTE, Action, Node, TierTarget, drift
from ansible_collections.evenkeel.cluster.plugins.module_utils.reconcile import (
    RouteFile,
    TierBuild,
    health,
    node_health_url,
    tier_route,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.revision import node_options, revision
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik_api import (
    TraefikApi,
    TraefikApiError,
    read_password,
)

# The revision of an image that is not there yet: no node has it, so check mode predicts that all are replaced.
NOT_BUILT = "not-built"


class PoolInputError(Exception):
    """The declaration cannot be carried out; the message is one line per problem."""


def pool_arguments() -> dict[str, dict[str, Any]]:
    """The options that node_pool and node_pool_info have in common."""
    return {
        "cluster": {"type": "str", "required": True},
        "network": {"type": "str", "required": True},
        "tiers": {"type": "list", "elements": "dict", "required": True},
        "images": {"type": "dict", "default": {}},
        "hosts": {"type": "list", "elements": "str", "default": []},
        "routes_file": {"type": "path", "required": True},
        "api_url": {"type": "str", "required": True},
        "api_user": {"type": "str", "default": "admin"},
        # The path is no secret, what is in the file is.
        "api_password_file": {"type": "path", "required": True, "no_log": False},
    }


@dataclasses.dataclass(frozen=True)
class PoolContext:
    """The declared pool beside the actual one."""

    cluster: str
    pool: DockerPool
    tiers: dict[str, Tier]
    builds: dict[str, TierBuild]
    missing_images: dict[str, str]
    hosts: list[str]
    routes_path: Path
    routes_text: str

    @property
    def targets(self) -> list[TierTarget]:
        """What each tier is to become."""
        return [
            TierTarget(name, build.tier.nodes, build.revision, build.image_id, build.tier.service)
            for name, build in self.builds.items()
        ]

    @property
    def current_routes(self) -> dict[str, Route]:
        """The tiers' routes as the balancer has them now."""
        return active_routes(self.routes_text)

    @property
    def routed(self) -> dict[str, str]:
        """Which service each tier's route leads to now."""
        return {name: route.service for name, route in self.current_routes.items()}

    def route_file(self) -> RouteFile:
        """The route file as it is now, to be changed route by route."""
        return RouteFile(self.routes_path, self.hosts, self.current_routes)

    def route_actions(self, planned: Iterable[Action]) -> list[Action]:
        """Rewrites of routes whose path or host names changed although their service did not."""
        moving = {action.tier for action in planned if action.kind == ROUTE}
        current = self.current_routes
        hosts_changed = self.route_file().text() != self.routes_text
        return [
            Action(ROUTE, name, name, 1, "path or host names changed")
            for name, tier in self.tiers.items()
            if name not in moving and name in current and (hosts_changed or current[name] != tier_route(tier))
        ]


def load(params: Mapping[str, Any]) -> PoolContext:
    """Read the declaration, the images and the route file; connect to Docker.

    Raises:
        PoolInputError: the tiers are not a specification made by preflight.
        DockerPoolError: Docker does not answer.
    """
    try:
        tiers = {str(item["name"]): Tier.from_dict(item) for item in params["tiers"]}
    except (KeyError, TypeError) as error:
        raise PoolInputError(
            f"tiers: got an incomplete specification ({error}), want cluster_spec.tiers of evenkeel.cluster.preflight"
            " (fix: pass cluster_spec.tiers)"
        ) from error
    pool = DockerPool(params["cluster"], params["network"], {name: tier.port for name, tier in tiers.items()})
    pool.connect()
    builds: dict[str, TierBuild] = {}
    missing: dict[str, str] = {}
    for name, tier in tiers.items():
        reference = params["images"].get(name) or (f"{tier.image}:latest" if tier.context else tier.image)
        found = pool.image(reference)
        image_id, labels = found or (NOT_BUILT, {})
        if found is None:
            missing[name] = reference
        _check_policy(tier, reference, labels)
        options = node_options(tier, params["network"])
        builds[name] = TierBuild(
            tier=tier,
            image=reference,
            image_id=image_id,
            revision=revision(image_id, options) if found else NOT_BUILT,
            options=options,
        )
    path = Path(params["routes_file"])
    return PoolContext(
        cluster=params["cluster"],
        pool=pool,
        tiers=tiers,
        builds=builds,
        missing_images=missing,
        hosts=list(params["hosts"]),
        routes_path=path,
        routes_text=path.read_text(encoding="utf-8") if path.is_file() else "",
    )


def _check_policy(tier: Tier, reference: str, labels: Mapping[str, str]) -> None:
    """A container inherits its image's labels: one built for another policy would join two services at once."""
    built_for = labels.get("evenkeel.service", tier.service)
    if built_for != tier.service:
        raise PoolInputError(
            f"image {reference}: got labels of policy {built_for}, want {tier.service}"
            " (fix: ansible-playbook site.yml builds it anew)"
        )


def balancer_of(params: Mapping[str, Any]) -> TraefikApi:
    """A client of the balancer's API.

    Raises:
        TraefikApiError: the password file cannot be read.
    """
    return TraefikApi(params["api_url"], params["api_user"], read_password(params["api_password_file"]))


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


def describe(context: PoolContext, nodes: Iterable[Node], balancer: TraefikApi | None) -> dict[str, Any]:
    """The pool from three sides: declared, Docker's, the balancer's.

    Returns:
        ``tiers`` (per tier desired, running, in_rotation, guests, service, revision, drift), ``nodes`` (one entry
        per container) and ``balancer`` (its version, or the reason why it cannot be asked).
    """
    members = sorted(nodes, key=lambda node: (node.tier, not node.managed, node.number, node.name))
    status: dict[str, dict[str, str]] = {}
    told = {"reachable": balancer is not None, "version": "", "reason": ""}
    services = {node.service for node in members} | {tier.service for tier in context.tiers.values()}
    if balancer is not None:
        try:
            told["version"] = balancer.version()
            status = {service: balancer.server_status(service) for service in sorted(services) if service}
        except TraefikApiError as error:
            told |= {"reachable": False, "reason": str(error)}
    entries = [_entry(node, status) for node in members]
    differences = drift(members, context.targets, context.routed)
    tiers = {
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


def _entry(node: Node, status: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    entry = dataclasses.asdict(node)
    seen = status.get(node.service, {}).get(node.url)
    return {**entry, "in_rotation": node.state == "running" and seen == "UP", "balancer_status": seen or "not listed"}


def _unknown_servers(
    service: str, status: Mapping[str, Mapping[str, str]], entries: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Servers that the balancer lists and Docker does not know as running nodes."""
    known = {entry["url"] for entry in entries if entry["state"] == "running"}
    return sorted(set(status.get(service, {})) - known)
