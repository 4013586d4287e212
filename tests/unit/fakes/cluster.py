"""A whole cluster without Docker: a fake engine, a fake balancer, the real route file, on a virtual clock."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.derivation import derivation_labels
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import TierBuild
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import Image
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.parse import parse_cluster
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import (
    Declaration,
    Ports,
    declare,
    tier_route,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.plan import drift
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import PoolRequest

from .balancer import FakeBalancer, FakeRoutes
from .clock import VirtualClock
from .engine import FakeEngine
from .history import Delays

#: The default cluster, whose nodes go without the cluster's name.
CLUSTER = "evenkeel"
HOSTS = ("localhost",)
TIERS: dict[str, dict[str, Any]] = {
    "shop": {"image": "res/shop", "context": "shop", "port": 8080, "path": "/", "nodes": 2, "sticky": True},
    "dates": {"image": "res/dates:1", "leaving": "own", "port": 8081, "path": "/api/", "strip_path": True, "nodes": 2},
}


def parsed_tiers(tiers: Mapping[str, Mapping[str, Any]] = TIERS, cluster: str = CLUSTER) -> dict[str, Tier]:
    """Tiers as preflight completes them."""
    spec, problems = parse_cluster(
        {
            "name": cluster,
            "domain": "localhost",
            "hosts": list(HOSTS),
            "engine": "docker",
            "web_port": 8080,
            "dashboard_port": 9000,
            "portainer": False,
            "portainer_port": 9090,
            "image_source": "packages",
            "registry_prefix": "",
            "apt_mirror": "",
            "ca_bundle": "",
            "state_dir": "/var/lib/fake",
            "tiers": {name: dict(tier) for name, tier in tiers.items()},
        }
    )
    if spec is None:
        raise ValueError("\n".join(str(problem) for problem in problems))
    return {tier.name: tier for tier in spec.tiers}


class FakeCluster:
    """Two tiers of two nodes, ``shop`` at / (sticky) and ``dates`` at /api/, running and routed as declared.

    Args:
        folder: for the route file.
        clock: tells and passes the time.
        delays: how long things take; zeros for a balancer that knows all at once.
        tiers: other tiers than the usual ones, as the inventory has them.
        cluster: its name.
    """

    def __init__(
        self,
        folder: Path,
        clock: VirtualClock | None = None,
        delays: Delays | None = None,
        tiers: Mapping[str, Mapping[str, Any]] = TIERS,
        cluster: str = CLUSTER,
    ) -> None:
        self.name = cluster
        self.clock = clock or VirtualClock()
        self.tiers = parsed_tiers(tiers, cluster)
        ports = {name: tier.port for name, tier in self.tiers.items()}
        self.engine = FakeEngine(self.clock, cluster, ports, delays or Delays())
        self.routes = FakeRoutes(folder / "tiers.yml", self.clock)
        self.balancer = FakeBalancer(self.engine, self.routes)
        self.ports = Ports(self.engine, self.routes, lambda: self.balancer)
        for tier in self.tiers.values():
            self.add_image(tier)
        for target in self.declaration().targets:
            for number in range(1, target.count + 1):
                self.engine.add(f"{target.prefix}{number}", self.builds[target.name])
            self.routes.point_to({target.name: target.route})
        self.routes.calls.clear()

    def add_image(self, tier: Tier, content: str = "") -> str:
        """The tier's image, with the tier's labels if it is built here; its reference."""
        reference = tier.reference
        image_labels = tier.labels if tier.context or tier.derived else {}
        if tier.derived:
            image_labels = {**image_labels, **derivation_labels(dataclasses.asdict(tier), f"id of {tier.image}")}
        content = content or f"content of {reference}"
        self.engine.images[reference] = Image(f"id of {content}", image_labels, content)
        return reference

    def request(self, **differs: Any) -> PoolRequest:
        """What is declared, with changes."""
        usual: dict[str, Any] = {"cluster": self.name, "tiers": self.tiers, "hosts": HOSTS}
        return PoolRequest(**{**usual, **differs})

    def resized(self, name: str, count: int) -> dict[str, Tier]:
        """The tiers, one of them with another number of nodes."""
        return {**self.tiers, name: dataclasses.replace(self.tiers[name], nodes=count)}

    def declaration(
        self, tiers: Mapping[str, Tier] | None = None, images: Mapping[str, str] | None = None
    ) -> Declaration:
        """What is declared, completed."""
        return declare(self.name, self.tiers if tiers is None else tiers, {}, HOSTS, self.engine)

    @property
    def builds(self) -> Mapping[str, TierBuild]:
        """Tier to what its nodes are made of."""
        return self.declaration().builds

    def names(self, tier: str = "shop") -> list[str]:
        """The tier's nodes that run."""
        return sorted(node.name for node in self.engine.nodes() if node.tier == tier and node.running)

    def drift(self) -> list[str]:
        """What a run would do, in words."""
        found = drift(self.engine.nodes(), self.declaration().targets, self.routes.table())
        return [f"{tier}: {line}" for tier, lines in found.items() for line in lines]

    def declared(self) -> bool:
        """Whether the pool is as declared, and nothing of a drill is left."""
        nodes = self.engine.nodes()
        builds = self.builds
        shown = sorted((node.tier, node.managed, node.state, node.revision) for node in nodes)
        wanted = sorted(
            (name, True, "running", build.revision) for name, build in builds.items() for _ in range(build.tier.nodes)
        )
        routed = {name: tier_route(tier, HOSTS) for name, tier in self.tiers.items()}
        left = [*self.engine.of_drills(), *(name for name in self.engine.images if "drill" in name)]
        return shown == wanted and not left and self.routes.table().routes == routed
