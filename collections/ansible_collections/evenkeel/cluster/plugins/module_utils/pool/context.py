# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The pool as declared, and the pool as engine and balancer have it: the two sides that a plan compares."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from ..cluster.endpoints import Endpoint
from ..cluster.names import node_prefix
from ..cluster.node import Node, TierBuild
from ..cluster.spec import Tier
from ..core.errors import EvenkeelError, Problem
from ..engine.port import BalancerView, Engine, Image, Routes
from ..traefik.api import TraefikApiError
from ..traefik.route_file import RouteTable
from ..traefik.routes import Route
from .plan import TierTarget
from .revision import node_options, revision

# The revision of an image that is not there yet: no node has it, so check mode predicts that all are replaced.
NOT_BUILT = "not-built"


class PoolInputError(EvenkeelError):
    """The declaration cannot be carried out; the message is one line per problem."""


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What is declared.

    Attributes:
        cluster: the cluster's name.
        hosts: host names that the routes accept; empty for any.
        builds: tier to what its nodes are made of.
        missing_images: tier to the reference of an image that is not there.
    """

    cluster: str
    hosts: tuple[str, ...]
    builds: Mapping[str, TierBuild]
    missing_images: Mapping[str, str]

    @property
    def tiers(self) -> dict[str, Tier]:
        """The tiers by name."""
        return {name: build.tier for name, build in self.builds.items()}

    @property
    def targets(self) -> list[TierTarget]:
        """What each tier is to become."""
        return [
            TierTarget(
                name=name,
                count=build.tier.nodes,
                revision=build.revision,
                image_id=build.image_id,
                route=tier_route(build.tier, self.hosts),
                prefix=node_prefix(self.cluster, name),
            )
            for name, build in self.builds.items()
        ]

    def route(self, tier: str) -> Route | None:
        """The tier's route as declared; None for a tier that is not."""
        build = self.builds.get(tier)
        return tier_route(build.tier, self.hosts) if build else None


@dataclasses.dataclass(frozen=True)
class PoolState:
    """What is there at one moment.

    Attributes:
        nodes: all nodes and guests, those marked that run but were told to leave.
        table: the routes.
    """

    nodes: list[Node]
    table: RouteTable


@dataclasses.dataclass(frozen=True)
class Ports:
    """What a pool is reached through.

    Attributes:
        engine: where the nodes run.
        routes: where the tiers' paths lead.
        balancer: makes a client of the balancer's API; called once per thread.
    """

    engine: Engine
    routes: Routes
    balancer: Callable[[], BalancerView]


def tier_route(tier: Tier, hosts: Iterable[str]) -> Route:
    """The tier's route as declared."""
    # The path / has nothing to strip.
    return Route(tier.name, tier.path, tier.strip_path and tier.path != "/", tier.service, tuple(hosts))


def node_health_url(node: Node, tier: Tier) -> str:
    """Where the node is asked whether it wants requests, past the balancer."""
    return Endpoint("http", node.address, tier.port).at(tier.health_path)


def read_tiers(raw: Iterable[Mapping[str, Any]]) -> dict[str, Tier]:
    """The tiers in the form in which they travel between modules.

    Raises:
        PoolInputError: they are not a specification made by preflight.
    """
    try:
        return {str(item["name"]): Tier.from_dict(item) for item in raw}
    except (KeyError, TypeError) as error:
        want = "cluster_spec.tiers of evenkeel.cluster.preflight"
        raise PoolInputError(
            Problem("tiers", f"an incomplete specification ({error})", want, "pass cluster_spec.tiers")
        ) from error


def declare(
    cluster: str, tiers: Mapping[str, Tier], images: Mapping[str, str], hosts: Iterable[str], engine: Engine
) -> Declaration:
    """Complete what is declared with the images that the engine has.

    Args:
        cluster: the cluster's name.
        tiers: the tiers by name.
        images: tier to image reference; a tier that is not named uses the newest image that was built for it, or its
            image as declared.
        hosts: host names that the routes accept; empty for any.
        engine: where the nodes run.

    Raises:
        PoolInputError: an image was built for another policy.
        EngineError: the engine does not answer.
    """
    builds: dict[str, TierBuild] = {}
    missing: dict[str, str] = {}
    for name, tier in tiers.items():
        reference = images.get(name) or (f"{tier.image}:latest" if tier.context else tier.image)
        image = engine.image(reference)
        if image is None:
            missing[name] = reference
        builds[name] = build_of(tier, reference, image, engine.network)
    return Declaration(cluster, tuple(hosts), builds, missing)


def build_of(tier: Tier, reference: str, image: Image | None, network: str) -> TierBuild:
    """What the tier's nodes are made of.

    Raises:
        PoolInputError: the image was built for another policy.
    """
    options = node_options(tier, network)
    if image is None:
        return TierBuild(tier, reference, NOT_BUILT, NOT_BUILT, options)
    # A container inherits its image's labels: one built for another policy would join two services at once.
    built_for = image.labels.get("evenkeel.service", tier.service)
    if built_for != tier.service:
        raise PoolInputError(
            Problem(
                f"image {reference}",
                f"labels of policy {built_for}",
                tier.service,
                "ansible-playbook site.yml builds it anew",
            )
        )
    return TierBuild(tier, reference, image.id, revision(image.content or image.id, options), options)


def observe(declaration: Declaration, ports: Ports, balancer: BalancerView | None) -> PoolState:
    """Read what is there.

    Args:
        declaration: names the tiers, whose nodes are asked whether they drain.
        ports: the engine and the routes.
        balancer: names the nodes that are out of rotation, the only ones that are asked; None or one that does not
            answer marks none.

    Raises:
        EngineError: the engine does not answer.
    """
    nodes = ports.engine.nodes()
    return PoolState(_marked(declaration.tiers, nodes, ports.engine, balancer), ports.routes.table())


def _marked(tiers: Mapping[str, Tier], nodes: list[Node], engine: Engine, balancer: BalancerView | None) -> list[Node]:
    """The nodes, those marked that run and say that they were told to leave."""
    if balancer is None:
        return nodes
    services = {node.service for node in nodes if node.tier in tiers and node.service}
    try:
        status = {service: balancer.server_status(service) for service in sorted(services)}
    except TraefikApiError:
        return nodes
    return [
        dataclasses.replace(node, leaving=True)
        if node.running
        and status.get(node.service, {}).get(node.url) == "DOWN"
        and node.tier in tiers
        and node.address
        and engine.health(node_health_url(node, tiers[node.tier])) == HTTPStatus.SERVICE_UNAVAILABLE
        else node
        for node in nodes
    ]
