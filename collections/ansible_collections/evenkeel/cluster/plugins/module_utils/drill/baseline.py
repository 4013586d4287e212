# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The unprotected baseline behind the same balancer, which must lose requests when its nodes go.

The same applications with nothing of what makes a stop lossless: no drain (the process ends at once), no health
check, no retry. They are nodes of tiers that are not declared, so that a reconciliation removes what a drill that was
killed has left.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from ..cluster import labels
from ..cluster.names import node_name
from ..cluster.node import Node, TierBuild
from ..cluster.spec import Tier
from ..core.errors import EvenkeelError
from ..core.poll import SYSTEM_CLOCK, Clock, wait_until
from ..engine.port import FaultyEngine
from ..pool.context import health_of
from ..pool.revision import node_options
from .event_runner import EventError
from .ports import Balancers
from .records import EventReport
from .schedule import HANG, Event

PREFIX = "/evenkeel-drill/"
#: The revision of the baseline's nodes.
REVISION = "baseline"
_POLL_SECONDS = 0.1
# What `docker stop` waits by itself.
_PLAIN_STOP_SECONDS = 10
_EXPECTED = (EvenkeelError, OSError)


def baseline_path(tier: Tier) -> str:
    """Where the baseline of a tier is asked; what follows is as at the tier itself."""
    return PREFIX + tier.name + ("/" if tier.strip_path else tier.path)


def baseline_tier(tier: Tier, cluster: str, count: int) -> Tier:
    """A tier beside the declared one, with nothing that makes changes lossless; sticky where that one is."""
    name = f"baseline-{tier.name}"
    router, service = f"traefik.http.routers.{name}", f"traefik.http.services.{name}.loadbalancer"
    stripped = baseline_path(tier) if tier.strip_path else PREFIX + tier.name
    tier_labels = {
        labels.CLUSTER: cluster,
        labels.ROLE: labels.NODE,
        labels.TIER: name,
        labels.SERVICE: name,
        "traefik.enable": "true",
        f"{router}.entrypoints": "web",
        f"{router}.rule": f"PathPrefix(`{baseline_path(tier)}`)",
        f"{router}.priority": "100000",
        f"{router}.service": name,
        f"{router}.middlewares": name,
        f"traefik.http.middlewares.{name}.stripprefix.prefixes": stripped.rstrip("/"),
    }
    if tier.sticky:
        tier_labels[f"{service}.sticky.cookie.name"] = f"{tier.cookie.name}_baseline"
    return dataclasses.replace(tier, name=name, nodes=count, service=name, labels=tier_labels)


class BaselinePool:
    """Unprotected nodes of some tiers, from :meth:`start` to :meth:`restore`; an :class:`event_runner.FaultTarget`.

    Args:
        engine: where they run.
        builds: the declared tiers to copy, each with the image of the baseline, which has no labels of ours.
        cluster: its name.
        now: seconds from the begin of the load.
        patience: seconds to wait for a node to serve.
        hang_seconds: how long a node that hangs does so; longer than clients wait for an answer.
        clock: tells and passes the time.
    """

    def __init__(
        self,
        engine: FaultyEngine,
        builds: Mapping[str, tuple[Tier, str]],
        cluster: str,
        now: Callable[[], float],
        patience: float,
        hang_seconds: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Prepare; nothing is started yet."""
        self._engine = engine
        self._cluster = cluster
        self._builds = {
            name: _build(baseline_tier(tier, cluster, max(tier.nodes, 2)), image, engine.network)
            for name, (tier, image) in builds.items()
        }
        self._now = now
        self._patience = patience
        self._hang_seconds = hang_seconds
        self._clock = clock
        self._turn: dict[str, int] = {}
        self._frozen = ""

    def start(self) -> None:
        """Start all nodes and wait until each answers.

        Raises:
            EventError: one does not.
        """
        try:
            for build in self._builds.values():
                for number in range(1, build.tier.nodes + 1):
                    self._engine.start(node_name(self._cluster, build.tier.name, number), build)
            for name in self._builds:
                for node in self.nodes(name):
                    self._await(node.id, name)
        except _EXPECTED as error:
            raise EventError(str(error)) from error

    def nodes(self, name: str) -> list[Node]:
        """The baseline's nodes beside a tier, by number."""
        mine = [node for node in self._engine.nodes() if node.tier == self._builds[name].tier.name]
        return sorted(mine, key=lambda node: node.number)

    def _await(self, container: str, name: str) -> None:
        """Until the node answers its health check."""
        tier = self._builds[name].tier

        def look() -> str:
            node = next((item for item in self.nodes(name) if item.id == container), None)
            if node is None or not node.address:
                return node.name if node else container[:12]
            return "" if tier.probe.is_ready(health_of(self._engine, node, tier)) else node.name

        silent = wait_until(look, self._patience, _POLL_SECONDS, self._clock)
        if silent:
            raise EventError(
                f"baseline node {silent}: got no answer within {self._patience:g} s, want one"
                f" (fix: docker logs {silent})"
            )

    def perform(self, event: Event) -> EventReport:
        """Let a node go unprotected: its process ends at once, or hangs; then it comes back.

        Raises:
            EventError: it did not come about.
        """
        nodes = [node for node in self.nodes(event.tier) if node.running]
        if not nodes:
            raise EventError(f"baseline nodes of {event.tier}: got none that runs, want some (fix: docker logs them)")
        turn = self._turn.get(event.tier, 0)
        self._turn[event.tier] = turn + 1
        node = nodes[turn % len(nodes)]
        began = self._now()
        try:
            joined = self._hang(node) if event.kind == HANG else self._stop(node)
            self._await(node.id, event.tier)
        except _EXPECTED as error:
            raise EventError(str(error)) from error
        return EventReport(
            event.number, event.kind, event.tier, began, self._now(), {node.name: began}, {node.name: joined}
        )

    def _hang(self, node: Node) -> float:
        """Freeze and thaw it; when it was thawed."""
        self._frozen = node.id
        self._engine.freeze(node.id)
        self._clock.sleep(self._hang_seconds)
        joined = self._now()
        self._engine.thaw(node.id)
        self._frozen = ""
        return joined

    def _stop(self, node: Node) -> float:
        """End it at once and start it again; when it was started."""
        self._engine.stop(node.id, 0)
        joined = self._now()
        self._engine.start_again(node.id)
        return joined

    def restore(self) -> None:
        """Remove all its nodes.

        Raises:
            EventError: the engine refuses.
        """
        try:
            if self._frozen:
                self._engine.thaw(self._frozen)
            for name in self._builds:
                for node in self.nodes(name):
                    self._engine.remove(node.id)
        except _EXPECTED as error:
            raise EventError(str(error)) from error


def _build(tier: Tier, image: str, network: str) -> TierBuild:
    options = node_options(tier, network)
    options = dataclasses.replace(options, labels={**options.labels, labels.DRILL: "control"})
    return TierBuild(tier, image, image, REVISION, options)


class BaselineBalancer:
    """A second balancer with the same routes, which is replaced without protection: stopped, and started again.

    Args:
        balancers: what starts it.
        now: seconds from the begin of the load.
        run: the drill's name.
    """

    def __init__(self, balancers: Balancers, now: Callable[[], float], run: str) -> None:
        """Prepare; nothing is started yet."""
        self._balancers = balancers
        self._now = now
        self._run = run
        self._id = ""

    def start(self) -> str:
        """Start it; where its web entry point is.

        Raises:
            EventError: there is no balancer to copy, or the engine refuses.
        """
        try:
            self._id, url = self._balancers.start_baseline(self._run)
        except _EXPECTED as error:
            raise EventError(str(error)) from error
        return url

    def perform(self, event: Event) -> EventReport:
        """Stop it and start it again.

        Raises:
            EventError: the engine refuses.
        """
        began = self._now()
        try:
            self._balancers.stop(self._id, _PLAIN_STOP_SECONDS)
            self._balancers.start_again(self._id)
        except _EXPECTED as error:
            raise EventError(str(error)) from error
        return EventReport(event.number, event.kind, event.tier, began, self._now())

    def restore(self) -> None:
        """Remove it.

        Raises:
            EventError: the engine refuses.
        """
        try:
            if self._id:
                self._balancers.remove(self._id)
        except _EXPECTED as error:
            raise EventError(str(error)) from error
