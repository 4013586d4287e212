# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The pool as declared, beside the pool as the engine has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..cluster.node import Node
from ..cluster.spec import Tier
from ..core.errors import EvenkeelError
from ..engine.docker_nodes import DockerPool
from ..traefik.api import TraefikApi, read_password
from ..traefik.route_file import RouteFile
from ..traefik.routes import Route, active_routes
from .plan import ROUTE, PoolAction, TierTarget
from .revision import TierBuild, node_options, revision


def tier_route(tier: Tier) -> Route:
    """The tier's route as declared."""
    return Route(tier=tier.name, path=tier.path, strip_path=tier.strip_path, service=tier.service)


def node_health_url(node: Node, tier: Tier) -> str:
    """Where the node is asked whether it wants requests, past the balancer."""
    return f"http://{node.address}:{tier.port}{tier.health_path}"


# The revision of an image that is not there yet: no node has it, so check mode predicts that all are replaced.
NOT_BUILT = "not-built"


class PoolInputError(EvenkeelError):
    """The declaration cannot be carried out; the message is one line per problem."""


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

    def route_actions(self, planned: Iterable[PoolAction]) -> list[PoolAction]:
        """Rewrites of routes whose path or host names changed although their service did not."""
        moving = {action.tier for action in planned if action.kind == ROUTE}
        current = self.current_routes
        hosts_changed = self.route_file().text() != self.routes_text
        return [
            PoolAction(ROUTE, name, name, 1, "path or host names changed")
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
