# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Performs a drill's events on a real cluster: through the engine, and through the pool's own plan and rollout."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable, Mapping

from ..balancer.swap import BalancerError
from ..cluster.node import Node
from ..cluster.spec import Tier
from ..core.http import answers
from ..engine.docker_client import DockerPoolError
from ..engine.docker_faults import DrillPool
from ..pool.context import PoolContext, node_health_url
from ..pool.plan import DRAIN, START, PoolAction, plan
from ..pool.revision import TierBuild, node_options, revision
from ..pool.rollout import ReconcileError, Reconciler
from ..traefik.api import TraefikApi, TraefikApiError
from ..traefik.labels import policy_labels, service_name, tier_labels
from .conductor import EventError
from .records import EventReport
from .schedule import BALANCER, GROW, GUEST_JOINS, GUEST_LEAVES, HANG, KILL, POLICY, RESTORE, ROLL, SHRINK, STOP, Event

ROLL_VARIABLE = "EVENKEEL_DRILL"
_POLL_SECONDS = 0.05
# What `docker stop` waits by itself.
_PLAIN_STOP_SECONDS = 10
# So long a killed node stays away, and a frozen one after the balancer has noticed.
_AWAY_SECONDS = 1.0
# A node that hangs and is still in rotation after so long will not leave any more.
_OUT_SECONDS = 15.0
_EXPECTED = (BalancerError, DockerPoolError, ReconcileError, TraefikApiError, OSError)


def resized(build: TierBuild, count: int) -> TierBuild:
    """The tier with another number of nodes."""
    return dataclasses.replace(build, tier=dataclasses.replace(build.tier, nodes=count))


def renewed(build: TierBuild, mark: str, network: str) -> TierBuild:
    """The tier with another revision: an environment variable that no application reads."""
    tier = dataclasses.replace(build.tier, environment={**build.tier.environment, ROLL_VARIABLE: mark})
    options = node_options(tier, network)
    return dataclasses.replace(build, tier=tier, options=options, revision=revision(build.image_id, options))


def other_policy(tier: Tier, cluster: str) -> Tier:
    """The tier with another balancing policy: another cookie where it is sticky, sticky where it is not."""
    cookie = dataclasses.replace(tier.cookie, name=f"{tier.cookie.name}_drill") if tier.sticky else tier.cookie
    policy = policy_labels(True, tier.strategy, cookie, tier.health_path, tier.max_failures)
    service = service_name(tier.name, tier.port, policy)
    return dataclasses.replace(
        tier, sticky=True, cookie=cookie, service=service, labels=tier_labels(cluster, tier.name, service, policy)
    )


def victim(nodes: Iterable[Node], tier: str, turns: Mapping[str, int]) -> Node:
    """The running managed node of the tier that had its turn longest ago.

    Raises:
        EventError: the tier has fewer than two, so that nobody would serve meanwhile.
    """
    running = [node for node in nodes if node.tier == tier and node.managed and node.state == "running"]
    if len(running) < 2:
        raise EventError(
            f"tier {tier}: got {len(running)} running nodes, want at least 2 (fix: -e {tier.replace('-', '_')}_nodes=3)"
        )
    return min(running, key=lambda node: (turns.get(node.name, -1), node.number, node.name))


class Waiter:
    """Waits for facts at the balancer, with a deadline."""

    def __init__(self, balancer: TraefikApi, pool: DrillPool, timeout: float) -> None:
        """Remember whom to ask."""
        self._balancer = balancer
        self._pool = pool
        self._timeout = timeout

    def node(self, container: str) -> Node:
        """The node as Docker has it now.

        Raises:
            EventError: it is gone.
        """
        found = next((node for node in self._pool.nodes() if node.id == container), None)
        if found is None:
            raise EventError(f"container {container[:12]}: got none, want it running (fix: see who removed it)")
        return found

    def listed(self, node: Node) -> str:
        """What the balancer says of the node: UP, DOWN, or empty when it does not list it."""
        return self._balancer.server_status(node.service).get(node.url, "")

    def up(self, container: str, tier: Tier) -> Node:
        """Until the node answers and is in rotation.

        Raises:
            EventError: it does not get there.
        """
        deadline = time.monotonic() + self._timeout
        while True:
            node = self.node(container)
            if node.address and self.listed(node) == "UP" and answers(node_health_url(node, tier)):
                return node
            if time.monotonic() > deadline:
                raise EventError(
                    f"node {node.name}: got no place in rotation within {self._timeout:g} s, want one"
                    f" (fix: docker logs {node.name})"
                )
            time.sleep(_POLL_SECONDS)

    def out(self, node: Node, since: float) -> float:
        """Seconds since then until the balancer has the node out of rotation; after a while it is not waited for."""
        while self.listed(node) == "UP" and time.monotonic() - since < _OUT_SECONDS:
            time.sleep(_POLL_SECONDS)
        return time.monotonic() - since


@dataclasses.dataclass(frozen=True)
class RolloutLimits:
    """How much is done at once, and for how long it is waited for.

    Attributes:
        amount: by how many nodes a tier grows.
        workers: containers created at once.
        surge_percent: how many nodes of a tier are replaced at a time.
        ready_timeout: seconds to wait for a node to serve.
    """

    amount: int
    workers: int
    surge_percent: int
    ready_timeout: float


class DockerFaultTarget:
    """Performs events on the declared pool.

    Args:
        context: the pool as declared, with a :class:`DrillPool`.
        balancer: makes a client of the balancer's API.
        now: seconds from the begin of the load.
        run: the drill's name.
        measures: how much is done at once.
        renew_balancer: replaces the balancer by another.
    """

    def __init__(
        self,
        context: PoolContext,
        balancer: Callable[[], TraefikApi],
        now: Callable[[], float],
        run: str,
        measures: RolloutLimits,
        renew_balancer: Callable[[], None],
    ) -> None:
        """Prepare; nothing is changed yet."""
        if not isinstance(context.pool, DrillPool):
            raise TypeError("context: want one with a DrillPool")
        self._context = context
        self._pool = context.pool
        self._network = context.pool.network
        self._balancer = balancer
        self._now = now
        self._run = run
        self._measures = measures
        self._renew_balancer = renew_balancer
        self._builds = dict(context.builds)
        self._guests: dict[str, str] = {}
        self._away: dict[str, str] = {}
        self._frozen: set[str] = set()
        self._turns: dict[str, int] = {}
        self._turn = itertools.count()
        self._images: set[str] = set()
        self._waiter_: Waiter | None = None

    @property
    def _waiter(self) -> Waiter:
        if self._waiter_ is None:  # made in the thread that uses it: a client keeps one connection
            self._waiter_ = Waiter(self._balancer(), self._pool, self._measures.ready_timeout)
        return self._waiter_

    def prepare(self, events: Iterable[Event]) -> None:
        """Make what takes long before the load begins.

        Raises:
            DockerPoolError: Docker refuses.
        """
        for tier in {event.tier for event in events if event.kind == POLICY}:
            build = self._context.builds[tier]
            if build.tier.context:
                self._pool.bare_image(build.image, self._bare_name(tier))
                self._images.add(self._bare_name(tier))

    def _bare_name(self, tier: str) -> str:
        return f"evenkeel-drill/{self._context.cluster}-{tier}"

    def perform(self, event: Event) -> EventReport:
        """Do it, wait until it is done, and say what happened.

        Raises:
            EventError: it did not come about.
        """
        work: dict[str, Callable[[Event], EventReport]] = {
            GROW: self._resize,
            SHRINK: self._resize,
            ROLL: self._roll,
            POLICY: self._policy,
            BALANCER: self._balancer_renewed,
            RESTORE: self._declared,
            STOP: self._stop,
            KILL: self._kill,
            HANG: self._hang,
            GUEST_JOINS: self._guest_joins,
            GUEST_LEAVES: self._guest_leaves,
        }
        try:
            return work[event.kind](event)
        except _EXPECTED as error:
            raise EventError(str(error)) from error

    def restore(self) -> None:
        """Undo what is left of the events and reconcile to the declared pool.

        Raises:
            EventError: it did not come about.
        """
        try:
            self._undo()
            self._reconcile(dict(self._context.builds))
        except _EXPECTED as error:
            raise EventError(str(error)) from error
        finally:
            for image in self._images:
                self._pool.remove_image(f"{image}:latest")

    def _undo(self) -> None:
        for container in list(self._frozen):
            self._pool.thaw(container)
            self._frozen.discard(container)
        for container in list(self._away):
            self._pool.start_again(container)
            del self._away[container]
        for container in self._pool.of_drills():
            self._pool.stop(container, _PLAIN_STOP_SECONDS)
            self._pool.remove(container)
        self._guests.clear()

    # -- through the plan and the reconciler -----------------------------------

    def _reconcile(self, builds: dict[str, TierBuild]) -> tuple[dict[str, float], dict[str, float]]:
        """Make the pool equal to the builds; who left and who joined, and when."""
        path = self._context.routes_path
        context = dataclasses.replace(
            self._context,
            builds=builds,
            tiers={name: build.tier for name, build in builds.items()},
            routes_text=path.read_text(encoding="utf-8") if path.is_file() else "",
        )
        nodes = self._pool.nodes()
        actions = plan(nodes, context.targets, context.routed, self._measures.surge_percent)
        actions += context.route_actions(actions)
        reconciler = Reconciler(
            self._pool,
            self._balancer,
            builds,
            context.route_file(),
            workers=self._measures.workers,
            ready_timeout=self._measures.ready_timeout,
        )
        began = self._now()
        reconciler.apply(actions)
        self._builds = builds
        return times_of(actions, nodes, reconciler, began)

    def _change(self, event: Event, builds: dict[str, TierBuild]) -> EventReport:
        began = self._now()
        left, joined = self._reconcile(builds)
        return EventReport(event.number, event.kind, event.tier, began, self._now(), left, joined)

    def _with(self, tier: str, build: TierBuild) -> dict[str, TierBuild]:
        return {**self._builds, tier: build}

    def _resize(self, event: Event) -> EventReport:
        build = self._builds[event.tier]
        declared = self._context.builds[event.tier].tier.nodes
        count = declared + self._measures.amount if event.kind == GROW else declared
        return self._change(event, self._with(event.tier, resized(build, count)))

    def _roll(self, event: Event) -> EventReport:
        build = renewed(self._builds[event.tier], f"{self._run}-{event.number}", self._network)
        return self._change(event, self._with(event.tier, build))

    def _policy(self, event: Event) -> EventReport:
        now, declared = self._builds[event.tier], self._context.builds[event.tier]
        if now.tier.service != declared.tier.service:
            return self._change(event, self._with(event.tier, resized(declared, now.tier.nodes)))
        tier = other_policy(now.tier, self._context.cluster)
        image, image_id = now.image, now.image_id
        if tier.context:
            image = f"{self._bare_name(event.tier)}:latest"
            found = self._pool.image(image)
            if found is None:
                raise EventError(f"image {image}: got none, want the one made for this drill (fix: run it again)")
            image_id = found[0]
        options = node_options(tier, self._network)
        build = TierBuild(tier, image, image_id, revision(image_id, options), options)
        return self._change(event, self._with(event.tier, build))

    def _balancer_renewed(self, event: Event) -> EventReport:
        began = self._now()
        self._renew_balancer()
        return EventReport(event.number, event.kind, event.tier, began, self._now())

    def _declared(self, event: Event) -> EventReport:
        self._undo()
        return self._change(event, dict(self._context.builds))

    # -- one node ---------------------------------------------------------------

    def _victim(self, event: Event) -> tuple[Node, Tier]:
        node = victim(self._pool.nodes(), event.tier, self._turns)
        self._turns[node.name] = next(self._turn)
        return node, self._builds[event.tier].tier

    def _stop(self, event: Event) -> EventReport:
        node, tier = self._victim(event)
        self._away[node.id] = node.name
        began = self._now()
        self._pool.stop(node.id, _PLAIN_STOP_SECONDS)
        return self._back(event, node, tier, began)

    def _kill(self, event: Event) -> EventReport:
        node, tier = self._victim(event)
        self._away[node.id] = node.name
        began = self._now()
        self._pool.kill(node.id)
        time.sleep(_AWAY_SECONDS)
        return self._back(event, node, tier, began)

    def _back(self, event: Event, node: Node, tier: Tier, began: float) -> EventReport:
        joined = self._now()
        self._pool.start_again(node.id)
        del self._away[node.id]
        self._waiter.up(node.id, tier)
        return self._there_and_back(event, node, began, joined)

    def _there_and_back(self, event: Event, node: Node, began: float, joined: float) -> EventReport:
        name = node.served_by
        return EventReport(event.number, event.kind, event.tier, began, self._now(), {name: began}, {name: joined})

    def _hang(self, event: Event) -> EventReport:
        node, tier = self._victim(event)
        self._frozen.add(node.id)
        began, since = self._now(), time.monotonic()
        self._pool.freeze(node.id)
        out = self._waiter.out(node, since)
        time.sleep(_AWAY_SECONDS)
        joined = self._now()
        self._pool.thaw(node.id)
        self._frozen.discard(node.id)
        self._waiter.up(node.id, tier)
        report = self._there_and_back(event, node, began, joined)
        return dataclasses.replace(report, out={node.served_by: out})

    # -- guests -----------------------------------------------------------------

    def _guest_joins(self, event: Event) -> EventReport:
        build = self._builds[event.tier]
        began = self._now()
        container = self._pool.run_guest(build.image, self._run)
        self._guests[event.tier] = container
        node = self._waiter.up(container, build.tier)
        return EventReport(event.number, event.kind, event.tier, began, self._now(), joined={node.served_by: began})

    def _guest_leaves(self, event: Event) -> EventReport:
        container = self._guests.pop(event.tier, None)
        if container is None:
            raise EventError(f"guest of {event.tier}: got none, want one that joined before (fix: an even events)")
        node = self._waiter.node(container)
        began = self._now()
        self._pool.stop(container, _PLAIN_STOP_SECONDS)
        self._pool.remove(container)
        return EventReport(event.number, event.kind, event.tier, began, self._now(), {node.served_by: began})


def times_of(
    actions: Iterable[PoolAction], nodes: Iterable[Node], reconciler: Reconciler, began: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Who left and who joined in a reconciliation, by what they call themselves, and when.

    Where the route is switched to another service, the nodes of the old one leave at that moment, before they drain.
    """
    names = {node.name: node.served_by for node in nodes}
    left, joined = {}, {}
    for action in actions:
        timing = reconciler.timings.get(action.node)
        if timing is None:
            continue
        if action.kind == DRAIN and timing.drain_began is not None:
            at = min(timing.drain_began, reconciler.switched.get(action.tier, timing.drain_began))
            left[names.get(action.node, action.node)] = began + at
        elif action.kind == START and timing.started is not None:
            joined[action.node] = began + timing.started
    return left, joined
