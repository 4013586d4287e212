# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The control of a drill: naive nodes behind the same balancer, which must lose requests when they go.

The same applications with nothing of what makes a stop lossless: no lame duck (the process ends at once), no health
check, no retry. They are nodes of tiers that nobody declared, so that a reconciliation removes what a drill that was
killed has left.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping

from ..balancer.containers import BalancerPool
from ..cluster.node import Node
from ..cluster.spec import Tier
from ..core.http import answers
from ..engine.docker_client import DockerPoolError
from ..engine.docker_faults import DRILL_LABEL, DrillPool
from ..pool.context import node_health_url
from ..pool.revision import node_options
from .conductor import EventError
from .records import EventReport
from .schedule import BALANCER, HANG, STOP, Event

PREFIX = "/evenkeel-drill/"
_POLL_SECONDS = 0.1
# What `docker stop` waits by itself.
_NAIVE_STOP_SECONDS = 10
#: Where the balancer's web entry point listens, inside of its network.
WEB_PORT = 8000


def baseline_path(tier: Tier) -> str:
    """Where the naive nodes of a tier are asked; what follows is as at the tier itself."""
    return PREFIX + tier.name + ("/" if tier.strip_path else tier.path)


def baseline_tier(tier: Tier, cluster: str, count: int) -> Tier:
    """A tier beside the declared one, with nothing that makes changes lossless; sticky where that one is."""
    name = f"naive-{tier.name}"
    router, service = f"traefik.http.routers.{name}", f"traefik.http.services.{name}.loadbalancer"
    stripped = baseline_path(tier) if tier.strip_path else PREFIX + tier.name
    labels = {
        "evenkeel.cluster": cluster,
        "evenkeel.role": "node",
        "evenkeel.tier": name,
        "evenkeel.service": name,
        "traefik.enable": "true",
        f"{router}.entrypoints": "web",
        f"{router}.rule": f"PathPrefix(`{baseline_path(tier)}`)",
        f"{router}.priority": "100000",
        f"{router}.service": name,
        f"{router}.middlewares": name,
        f"traefik.http.middlewares.{name}.stripprefix.prefixes": stripped.rstrip("/"),
    }
    if tier.sticky:
        labels[f"{service}.sticky.cookie.name"] = f"{tier.cookie.name}_naive"
    return dataclasses.replace(tier, name=name, nodes=count, service=name, labels=labels)


class BaselinePool:
    """Naive nodes of some tiers, from :meth:`start` to :meth:`restore`.

    Args:
        pool: the containers.
        cluster: its name.
        tiers: the declared tiers to copy.
        images: tier to the image of its naive nodes, without labels of ours.
        now: seconds from the begin of the load.
        ready_timeout: seconds to wait for a node to serve.
        hang_seconds: how long a node that hangs does so; longer than clients wait for an answer.
    """

    def __init__(
        self,
        pool: DrillPool,
        cluster: str,
        tiers: Mapping[str, Tier],
        images: Mapping[str, str],
        now: Callable[[], float],
        ready_timeout: float,
        hang_seconds: float,
    ) -> None:
        """Prepare; nothing is started yet."""
        self._pool = pool
        self._hang_seconds = hang_seconds
        self._tiers = {name: baseline_tier(tier, cluster, max(tier.nodes, 2)) for name, tier in tiers.items()}
        self._images = dict(images)
        self._now = now
        self._ready_timeout = ready_timeout
        self._turn: dict[str, int] = {}
        self._frozen = ""

    def start(self) -> None:
        """Start all nodes and wait until each answers.

        Raises:
            EventError: one does not.
        """
        try:
            for name, tier in self._tiers.items():
                options = node_options(tier, self._pool.network)
                options = dataclasses.replace(options, labels={**options.labels, DRILL_LABEL: "control"})
                for number in range(1, tier.nodes + 1):
                    self._pool.start(f"{tier.name}-{number}", tier, self._images[name], "naive", options)
            for name, tier in self._tiers.items():
                for node in self.nodes(name):
                    self._await(node.id, tier)
        except DockerPoolError as error:
            raise EventError(str(error)) from error

    def nodes(self, name: str) -> list[Node]:
        """The naive nodes beside a tier, by number."""
        mine = [node for node in self._pool.nodes() if node.tier == self._tiers[name].name]
        return sorted(mine, key=lambda node: node.number)

    def _await(self, container: str, tier: Tier) -> None:
        deadline = time.monotonic() + self._ready_timeout
        while True:
            node = next((item for item in self._pool.nodes() if item.id == container), None)
            if node and node.address and answers(node_health_url(node, tier)):
                return
            if time.monotonic() > deadline:
                name = node.name if node else container[:12]
                raise EventError(
                    f"naive node {name}: got no answer within {self._ready_timeout:g} s, want one"
                    f" (fix: docker logs {name})"
                )
            time.sleep(_POLL_SECONDS)

    def perform(self, event: Event) -> EventReport:
        """Let a node go as naive nodes do: its process ends at once, or hangs; then it comes back.

        Raises:
            EventError: it did not come about.
        """
        tier = self._tiers[event.tier]
        nodes = [node for node in self.nodes(event.tier) if node.state == "running"]
        if not nodes:
            raise EventError(f"naive nodes of {event.tier}: got none that runs, want some (fix: docker logs them)")
        turn = self._turn.get(event.tier, 0)
        self._turn[event.tier] = turn + 1
        node = nodes[turn % len(nodes)]
        began = self._now()
        try:
            if event.kind == HANG:
                self._frozen = node.id
                self._pool.freeze(node.id)
                time.sleep(self._hang_seconds)
                joined = self._now()
                self._pool.thaw(node.id)
                self._frozen = ""
            else:
                self._pool.stop(node.id, 0)
                joined = self._now()
                self._pool.start_again(node.id)
            self._await(node.id, tier)
        except DockerPoolError as error:
            raise EventError(str(error)) from error
        return EventReport(
            event.number, event.kind, event.tier, began, self._now(), {node.name: began}, {node.name: joined}
        )

    def restore(self) -> None:
        """Remove all naive nodes.

        Raises:
            EventError: Docker refuses.
        """
        try:
            if self._frozen:
                self._pool.thaw(self._frozen)
            for name in self._tiers:
                for node in self.nodes(name):
                    self._pool.remove(node.id)
        except DockerPoolError as error:
            raise EventError(str(error)) from error


class BaselineBalancer:
    """A second balancer with the same routes, which is replaced as people do it: stopped, and started again.

    Args:
        pool: the balancers.
        now: seconds from the begin of the load.
        run: the drill's name.
    """

    def __init__(self, pool: BalancerPool, now: Callable[[], float], run: str) -> None:
        """Prepare; nothing is started yet."""
        self._pool = pool
        self._now = now
        self._run = run
        self._id = ""

    def start(self) -> str:
        """Start it; where its web entry point is.

        Raises:
            EventError: there is no balancer to copy, or Docker refuses.
        """
        try:
            model = next((holder for holder in self._pool.holders() if holder.slot and holder.running), None)
            if model is None:
                raise EventError("balancer: got none that runs, want one to copy (fix: ansible-playbook site.yml)")
            options = self._pool.options_of(model)
            name = f"{options.cluster}-naive-balancer"
            labels = {"evenkeel.cluster": options.cluster, "evenkeel.role": "none", DRILL_LABEL: self._run}
            self._id = self._pool.start_naive(options, model.slot, name, labels)
            return f"http://{self._pool.address(name)}:{WEB_PORT}"
        except (DockerPoolError, OSError) as error:
            raise EventError(str(error)) from error

    def perform(self, event: Event) -> EventReport:
        """Stop it and start it again.

        Raises:
            EventError: Docker refuses.
        """
        began = self._now()
        try:
            self._pool.stop(self._id, _NAIVE_STOP_SECONDS)
            self._pool.start_again(self._id)
        except DockerPoolError as error:
            raise EventError(str(error)) from error
        return EventReport(event.number, event.kind, event.tier, began, self._now())

    def restore(self) -> None:
        """Remove it.

        Raises:
            EventError: Docker refuses.
        """
        try:
            if self._id:
                self._pool.remove(self._id)
        except DockerPoolError as error:
            raise EventError(str(error)) from error


def control_kind(kinds: set[str]) -> str:
    """What happens in the control: what the drill consists of, if the control can do that, else nodes stop."""
    return next(iter(kinds)) if len(kinds) == 1 and kinds <= {HANG, BALANCER} else STOP
