# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The pool as declared, and as it is at engine and balancer: the two sides that a plan compares."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from ..cluster.derivation import findable, is_outdated
from ..cluster.endpoints import Endpoint
from ..cluster.names import node_prefix
from ..cluster.node import Node, TierBuild
from ..cluster.spec import REPLACE, Tier
from ..core.errors import EvenkeelError, Problem
from ..core.poll import Clock, wait_until
from ..engine.port import BalancerView, Engine, Image, Routes
from ..traefik.api import TraefikApiError
from ..traefik.route_file import RouteTable
from ..traefik.routes import Route
from .plan import TierTarget
from .revision import node_options, revision

# The revision of an image that is not built yet. No node has it, so check mode predicts that all are replaced.
NOT_BUILT = "not-built"
_PROBES = 32
_SETTLE_POLL_SECONDS = 0.5


class PoolInputError(EvenkeelError):
    """The declaration cannot be applied; the message is one line per problem."""


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What is declared.

    Attributes:
        cluster: the cluster's name.
        hosts: host names that the routes accept; empty for any.
        builds: tier to what its nodes are made with.
        missing_images: tier to its image in words, where that is missing, or was made of what is not declared any more.
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
        """What each tier must become."""
        return [
            TierTarget(
                name=name,
                count=build.tier.nodes,
                revision=build.revision,
                image_id=build.image_id,
                route=tier_route(build.tier, self.hosts),
                prefix=node_prefix(self.cluster, name),
                release_command="".join(build.tier.release_command[:1]),
                replace=build.tier.roll == REPLACE,
            )
            for name, build in self.builds.items()
        ]

    def route(self, tier: str) -> Route | None:
        """The tier's route as declared; None for an undeclared tier."""
        build = self.builds.get(tier)
        return tier_route(build.tier, self.hosts) if build else None


@dataclasses.dataclass(frozen=True)
class PoolState:
    """The pool at one moment.

    Attributes:
        nodes: all nodes and guests; those that drain, do not answer, or were changed by hand are marked.
        table: the routes.
    """

    nodes: list[Node]
    table: RouteTable


@dataclasses.dataclass(frozen=True)
class Ports:
    """The interfaces to a pool.

    Attributes:
        engine: where the nodes run.
        routes: the balancer's routes.
        balancer: makes a client of the balancer's API; called once per thread.
    """

    engine: Engine
    routes: Routes
    balancer: Callable[[], BalancerView]


def tier_route(tier: Tier, hosts: Iterable[str]) -> Route:
    """The tier's route as declared."""
    # The path / has nothing to strip.
    strip = tier.strip_path and tier.path != "/"
    return Route(tier.name, tier.path, strip, tier.service, tuple(hosts), tier.repeat)


def node_health_url(node: Node, tier: Tier) -> str:
    """The address of the node's health check, not through the balancer."""
    return Endpoint("http", node.address, tier.probe.port or tier.port).at(tier.probe.path)


def health_of(engine: Engine, node: Node, tier: Tier) -> int:
    """The status of the node's health answer; 0 for none."""
    return engine.health(node_health_url(node, tier), tier.probe.sent) if _is_reached(node) else 0


def drains(engine: Engine, node: Node, tier: Tier, answer: int) -> bool:
    """Whether a node with this health answer has been told to end."""
    if not tier.probe.is_draining(answer) or not tier.probe.draining_path:
        return tier.probe.is_draining(answer)
    url = Endpoint("http", node.address, tier.probe.port or tier.port).at(tier.probe.draining_path)
    return engine.health(url) == HTTPStatus.OK


def answer_of(engine: Engine, node: Node, tier: Tier) -> int:
    """The status of the application's own answer, also where the health check asks what holds it; 0 for none."""
    url = Endpoint("http", node.address, tier.port).at(tier.health.path)
    return engine.health(url, tier.health.sent) if _is_reached(node) else 0


def _is_reached(node: Node) -> bool:
    # What cannot be reached would take the whole time limit of a request.
    return bool(node.address) and not node.beyond


def read_tiers(raw: Iterable[Mapping[str, Any]]) -> dict[str, Tier]:
    """The tiers by name, from the form in which modules pass them on.

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
    """Complete the declaration with the images that the engine has.

    Args:
        cluster: the cluster's name.
        tiers: the tiers by name.
        images: tier to image reference; any other tier uses the newest image that was built for it, or its image as
            declared.
        hosts: host names that the routes accept; empty for any.
        engine: where the nodes run.

    Raises:
        PoolInputError: an image was built for another policy.
        EngineError: the engine does not answer.
    """
    builds: dict[str, TierBuild] = {}
    missing: dict[str, str] = {}
    for name, tier in tiers.items():
        reference = images.get(name) or tier.reference
        image = engine.image(reference)
        # A run that derives images names theirs.
        newest = tier.derived and reference == tier.reference
        if image is not None and newest and _is_outdated(tier, image, engine):
            image = None
        if image is None:
            missing[name] = f"{tier.derived} of {tier.image} with these options" if tier.derived else reference
        builds[name] = build_of(tier, reference, image, engine.network)
    return Declaration(cluster, tuple(hosts), builds, missing)


def _is_outdated(tier: Tier, image: Image, engine: Engine) -> bool:
    """Whether what the last run derived is of another image or has other options: only a run that builds can tell more.

    Raises:
        EngineError: the engine does not answer.
    """
    base = engine.image(findable(tier.image))
    return is_outdated(dataclasses.asdict(tier), image.labels, base.id if base else "")


def build_of(tier: Tier, reference: str, image: Image | None, network: str) -> TierBuild:
    """What the tier's nodes are made with.

    Args:
        tier: the tier.
        reference: of its image.
        image: the image; None when it is missing.
        network: the nodes' network.

    Raises:
        PoolInputError: the image was built for another policy.
    """
    options = node_options(tier, network)
    if image is None:
        return TierBuild(tier, reference, NOT_BUILT, NOT_BUILT, options)
    # A container inherits its image's labels. If the image was built for another policy, it would join two services.
    built_for = image.labels.get("evenkeel.service", tier.service)
    if built_for != tier.service:
        raise PoolInputError(
            Problem(
                f"image {reference}",
                f"labels of policy {built_for}",
                tier.service,
                "ansible-playbook site.yml builds it again",
            )
        )
    return TierBuild(tier, reference, image.id, revision(image.content or image.id, options), options)


def observe(declaration: Declaration, ports: Ports, balancer: BalancerView | None) -> PoolState:
    """Read the pool's state.

    Args:
        declaration: has the tiers, whose nodes are asked whether they drain or do not answer.
        ports: the engine and the routes.
        balancer: tells which nodes are out of rotation; only these are asked. Without it, or if it does not answer,
            no node is marked.

    Raises:
        EngineError: the engine does not answer.
    """
    nodes = ports.engine.nodes()
    altered = ports.engine.alterations(nodes, declaration.builds)
    nodes = [
        dataclasses.replace(node, altered=", ".join(altered[node.id].words), mendable=altered[node.id].mendable)
        if node.id in altered
        else node
        for node in nodes
    ]
    return PoolState(_marked(declaration.tiers, nodes, ports.engine, balancer), ports.routes.table())


def _marked(tiers: Mapping[str, Tier], nodes: list[Node], engine: Engine, balancer: BalancerView | None) -> list[Node]:
    """The nodes; those that run and drain, or do not answer, are marked."""
    if balancer is None:
        return nodes
    services = {node.service for node in nodes if node.tier in tiers and node.service}
    try:
        status = {service: balancer.server_status(service) for service in sorted(services)}
    except TraefikApiError:
        return nodes
    out = {
        node.id: node
        for node in nodes
        if node.running and node.tier in tiers and node.address and status.get(node.service, {}).get(node.url) != "UP"
    }
    if not out:
        return nodes
    # Side by side: each node that hangs takes its whole time limit.
    with ThreadPoolExecutor(min(len(out), _PROBES)) as threads:
        asked = threads.map(lambda node: _asked(engine, node, tiers[node.tier]), out.values())
        marked = dict(zip(out, asked, strict=True))
    return [marked.get(node.id, node) for node in nodes]


def _asked(engine: Engine, node: Node, tier: Tier) -> Node:
    """The node, marked by what it answers."""
    answer = health_of(engine, node, tier)
    leaving = drains(engine, node, tier, answer)
    silent = node.managed and not leaving and not tier.probe.is_ready(answer)
    return dataclasses.replace(node, leaving=leaving, silent=silent)


def settle(
    declaration: Declaration,
    ports: Ports,
    balancer: BalancerView | None,
    state: PoolState,
    seconds: float,
    clock: Clock,
    only: Collection[str] = (),
) -> PoolState:
    """Give nodes that do not answer the time to become ready: a run that was killed may have started them just now.

    Args:
        declaration: what is declared.
        ports: the engine and the routes.
        balancer: as for :func:`observe`.
        state: the pool's state; it is read again only when there is something to wait for.
        seconds: the time that nodes get where their tier does not say it.
        clock: tells and passes the time.
        only: the tiers that are waited for; empty for all.

    Returns:
        The pool's state afterwards. Nodes that it still marks as silent are there to be replaced.

    Raises:
        EngineError: the engine does not answer.
    """
    found = [state]
    began = clock.now()
    patience = {
        name: float(tier.ready_seconds) or seconds
        for name, tier in declaration.tiers.items()
        if not only or name in only
    }

    def look() -> str:
        passed = clock.now() - began
        silent = [
            node
            for node in found[-1].nodes
            if node.silent and passed <= patience.get(node.tier, -1.0) and _is_current(node, declaration)
        ]
        if silent:
            found.append(observe(declaration, ports, balancer))
        return "some" if silent else ""

    wait_until(look, max([seconds, *patience.values()]), _SETTLE_POLL_SECONDS, clock)
    return found[-1]


def _is_current(node: Node, declaration: Declaration) -> bool:
    """Whether the node would stay if it answered."""
    build = declaration.builds.get(node.tier)
    return build is not None and node.managed and node.revision == build.revision and not node.altered
