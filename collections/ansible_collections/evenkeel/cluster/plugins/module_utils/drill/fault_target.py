# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Performs a drill's events on the declared pool: through the engine, and through the pool's own reconciliation."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Mapping

from ..cluster.node import Node
from ..cluster.spec import Tier
from ..core.errors import EvenkeelError
from ..core.poll import SYSTEM_CLOCK, Clock, wait_until
from ..engine.port import BalancerView, Engine
from ..pool.context import health_of
from ..pool.plan import DRAIN, START
from ..pool.reconcile import Outcome, PoolRequest, reconcile_locked
from ..traefik.labels import policy_labels, service_name, tier_labels
from .event_runner import EventError
from .ports import DrillPorts
from .records import EventReport
from .schedule import BALANCER, GROW, GUEST_JOINS, GUEST_LEAVES, HANG, KILL, POLICY, RESTORE, ROLL, SHRINK, STOP, Event

ROLL_VARIABLE = "EVENKEEL_DRILL"
_POLL_SECONDS = 0.05
# What `docker stop` waits by itself.
_PLAIN_STOP_SECONDS = 10
# How long a killed node stays away, and a frozen one after the balancer has noticed.
_AWAY_SECONDS = 1.0
# A node that hangs and is still in rotation after this time will not leave any more.
_OUT_SECONDS = 15.0
_EXPECTED = (EvenkeelError, OSError)


def resized(tier: Tier, count: int) -> Tier:
    """The tier with another number of nodes."""
    return dataclasses.replace(tier, nodes=count)


def renewed(tier: Tier, mark: str) -> Tier:
    """The tier with another revision: an environment variable that no application reads."""
    return dataclasses.replace(tier, environment={**tier.environment, ROLL_VARIABLE: mark})


def other_policy(tier: Tier, cluster: str) -> Tier:
    """The tier with another balancing policy: another cookie where it is sticky, sticky where it is not."""
    cookie = dataclasses.replace(tier.cookie, name=f"{tier.cookie.name}_drill") if tier.sticky else tier.cookie
    policy = policy_labels(True, tier.strategy, cookie, tier.probe, tier.max_failures)
    service = service_name(tier.name, tier.port, policy)
    return dataclasses.replace(
        tier, sticky=True, cookie=cookie, service=service, labels=tier_labels(cluster, tier.name, service, policy)
    )


def victim(nodes: Iterable[Node], tier: str, turns: Mapping[str, int]) -> Node:
    """The running managed node of the tier that had its turn longest ago.

    Raises:
        EventError: the tier has fewer than two, so that none would serve meanwhile.
    """
    running = [node for node in nodes if node.tier == tier and node.managed and node.running]
    if len(running) < 2:
        raise EventError(
            f"tier {tier}: got {len(running)} running nodes, want at least 2 (fix: -e {tier.replace('-', '_')}_nodes=3)"
        )
    return min(running, key=lambda node: (turns.get(node.name, -1), node.number, node.name))


class NodeWatch:
    """Waits for one node at the balancer.

    Args:
        balancer: what lists it.
        engine: where it runs.
        patience: seconds after which a wait has failed.
        clock: tells and passes the time.
    """

    def __init__(self, balancer: BalancerView, engine: Engine, patience: float, clock: Clock) -> None:
        """Nothing is asked yet."""
        self._balancer = balancer
        self._engine = engine
        self._patience = patience
        self._clock = clock

    def node(self, container: str) -> Node:
        """The node as the engine has it now.

        Raises:
            EventError: it is gone.
        """
        found = next((node for node in self._engine.nodes() if node.id == container), None)
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

        def look() -> str:
            node = self.node(container)
            if not node.address or self.listed(node) != "UP":
                return "not in rotation"
            return "" if tier.probe.is_ready(health_of(self._engine, node, tier)) else "no answer"

        if wait_until(look, self._patience, _POLL_SECONDS, self._clock):
            name = self.node(container).name
            raise EventError(
                f"node {name}: got no place in rotation within {self._patience:g} s, want one (fix: docker logs {name})"
            )
        return self.node(container)

    def out(self, node: Node, since: float) -> float:
        """Seconds since then until the balancer has the node out of rotation; after a while it is not waited for."""
        left = max(since + _OUT_SECONDS - self._clock.now(), 0.0)
        wait_until(lambda: "in" if self.listed(node) == "UP" else "", left, _POLL_SECONDS, self._clock)
        return self._clock.now() - since


def _failures(works: Iterable[Callable[[], object]]) -> list[str]:
    """Do all of it; one line for each that failed."""
    return [problem for problem in map(_failure, works) if problem]


def _failure(work: Callable[[], object]) -> str:
    try:
        work()
    except _EXPECTED as error:
        return str(error)
    return ""


class PoolFaultTarget:
    """Performs events on the declared pool; an :class:`event_runner.FaultTarget`.

    Args:
        request: the pool as declared; the cluster's lock is held.
        ports: what it is reached through.
        now: seconds from the begin of the load.
        run: the drill's name.
        amount: by how many nodes a tier grows.
        clock: tells and passes the time.
    """

    def __init__(
        self,
        request: PoolRequest,
        ports: DrillPorts,
        now: Callable[[], float],
        run: str,
        amount: int,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Prepare; nothing is changed yet."""
        self._declared = request
        self._current = request
        self._ports = ports
        self._engine = ports.engine
        self._now = now
        self._run = run
        self._amount = amount
        self._clock = clock
        self._guests: dict[str, str] = {}
        self._away: dict[str, str] = {}
        self._frozen: set[str] = set()
        self._turns: dict[str, int] = {}
        self._turn = itertools.count()
        self._images: set[str] = set()

    @property
    def _watch(self) -> NodeWatch:
        patience = self._declared.limits.ready_timeout
        return NodeWatch(self._ports.balancer(), self._engine, patience, self._clock)

    def prepare(self, events: Iterable[Event]) -> None:
        """Make what takes long before the load begins.

        Raises:
            EngineError: the engine refuses.
        """
        for name in sorted({event.tier for event in events if event.kind == POLICY}):
            tier = self._declared.tiers[name]
            if tier.context or tier.derived:
                # Its labels name the declared policy, and a node's labels must name one policy alone.
                self._engine.bare_image(self._image(tier), self._bare_name(name))
                self._images.add(self._bare_name(name))

    def _image(self, tier: Tier) -> str:
        return self._declared.images.get(tier.name) or tier.reference

    def _bare_name(self, tier: str) -> str:
        return f"evenkeel-drill/{self._declared.cluster}-{tier}"

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
            RESTORE: self._restored,
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
        # What cannot be undone, the reconciliation may still mend.
        problems = _failures([self._undo, lambda: self._reconcile(self._declared)])
        for image in self._images:
            self._engine.remove_image(f"{image}:latest")
        if problems:
            raise EventError(*problems)

    def _undo(self) -> None:
        """Undo every event that is left, then raise the first error."""
        undone = [
            *(functools.partial(self._thaw, node) for node in list(self._frozen)),
            *(functools.partial(self._start_again, node) for node in list(self._away)),
            *(functools.partial(self._take_away, node) for node in self._engine.of_drills()),
        ]
        self._guests.clear()
        problems = _failures(undone)
        if problems:
            raise EventError(*problems)

    def _thaw(self, node: str) -> None:
        self._engine.thaw(node)
        self._frozen.discard(node)

    def _start_again(self, node: str) -> None:
        del self._away[node]
        self._engine.start_again(node)

    def _take_away(self, node: str) -> None:
        self._engine.stop(node, _PLAIN_STOP_SECONDS)
        self._engine.remove(node)

    # -- through the pool's reconciliation ----------------------------------------

    def _reconcile(self, request: PoolRequest) -> Outcome:
        """Make the pool equal to the request."""
        outcome = reconcile_locked(request, self._ports.pool, clock=self._clock)
        self._current = request
        return outcome

    def _change(self, event: Event, request: PoolRequest) -> EventReport:
        began = self._now()
        left, joined = times_of(self._reconcile(request), began)
        return EventReport(event.number, event.kind, event.tier, began, self._now(), left, joined)

    def _with(self, tier: Tier, images: Mapping[str, str] | None = None) -> PoolRequest:
        """The pool as it is now, but for one tier, and for the images if there are others."""
        tiers = {**self._current.tiers, tier.name: tier}
        return dataclasses.replace(
            self._current, tiers=tiers, images=self._current.images if images is None else images
        )

    def _resize(self, event: Event) -> EventReport:
        declared = self._declared.tiers[event.tier].nodes
        count = declared + self._amount if event.kind == GROW else declared
        return self._change(event, self._with(resized(self._current.tiers[event.tier], count)))

    def _roll(self, event: Event) -> EventReport:
        tier = renewed(self._current.tiers[event.tier], f"{self._run}-{event.number}")
        return self._change(event, self._with(tier))

    def _policy(self, event: Event) -> EventReport:
        name = event.tier
        now, declared = self._current.tiers[name], self._declared.tiers[name]
        others = {tier: image for tier, image in self._current.images.items() if tier != name}
        if now.service != declared.service:
            own = {tier: image for tier, image in self._declared.images.items() if tier == name}
            return self._change(event, self._with(resized(declared, now.nodes), {**others, **own}))
        own = {name: f"{self._bare_name(name)}:latest" if now.context or now.derived else self._image(now)}
        return self._change(event, self._with(other_policy(now, self._declared.cluster), {**others, **own}))

    def _balancer_renewed(self, event: Event) -> EventReport:
        began = self._now()
        self._ports.balancers.renew()
        return EventReport(event.number, event.kind, event.tier, began, self._now())

    def _restored(self, event: Event) -> EventReport:
        self._undo()
        return self._change(event, self._declared)

    # -- one node ---------------------------------------------------------------

    def _victim(self, event: Event) -> tuple[Node, Tier]:
        node = victim(self._engine.nodes(), event.tier, self._turns)
        self._turns[node.name] = next(self._turn)
        return node, self._current.tiers[event.tier]

    def _stop(self, event: Event) -> EventReport:
        node, tier = self._victim(event)
        self._away[node.id] = node.name
        began = self._now()
        self._engine.stop(node.id, _PLAIN_STOP_SECONDS)
        return self._back(event, node, tier, began)

    def _kill(self, event: Event) -> EventReport:
        node, tier = self._victim(event)
        self._away[node.id] = node.name
        began = self._now()
        self._engine.kill(node.id)
        self._clock.sleep(_AWAY_SECONDS)
        return self._back(event, node, tier, began)

    def _back(self, event: Event, node: Node, tier: Tier, began: float) -> EventReport:
        joined = self._now()
        self._engine.start_again(node.id)
        del self._away[node.id]
        self._watch.up(node.id, tier)
        return self._there_and_back(event, node, began, joined)

    def _there_and_back(self, event: Event, node: Node, began: float, joined: float) -> EventReport:
        name = node.served_by
        return EventReport(event.number, event.kind, event.tier, began, self._now(), {name: began}, {name: joined})

    def _hang(self, event: Event) -> EventReport:
        node, tier = self._victim(event)
        watch = self._watch
        self._frozen.add(node.id)
        began, since = self._now(), self._clock.now()
        self._engine.freeze(node.id)
        out = watch.out(node, since)
        self._clock.sleep(_AWAY_SECONDS)
        joined = self._now()
        self._engine.thaw(node.id)
        self._frozen.discard(node.id)
        watch.up(node.id, tier)
        report = self._there_and_back(event, node, began, joined)
        return dataclasses.replace(report, out={node.served_by: out})

    # -- guests -----------------------------------------------------------------

    def _guest_joins(self, event: Event) -> EventReport:
        tier = self._current.tiers[event.tier]
        began = self._now()
        container = self._engine.run_guest(self._image(tier), self._run)
        self._guests[event.tier] = container
        node = self._watch.up(container, tier)
        return EventReport(event.number, event.kind, event.tier, began, self._now(), joined={node.served_by: began})

    def _guest_leaves(self, event: Event) -> EventReport:
        container = self._guests.pop(event.tier, None)
        if container is None:
            raise EventError(f"guest of {event.tier}: got none, want one that joined before (fix: an even events)")
        node = self._watch.node(container)
        began = self._now()
        self._engine.stop(container, _PLAIN_STOP_SECONDS)
        self._engine.remove(container)
        return EventReport(event.number, event.kind, event.tier, began, self._now(), {node.served_by: began})


def times_of(outcome: Outcome, began: float) -> tuple[dict[str, float], dict[str, float]]:
    """Which nodes left and which joined in a reconciliation, by what they call themselves, and when.

    Where the route is switched to another service, the nodes of the old one leave at that moment, before they drain.
    """
    names = {node.name: node.served_by for node in outcome.before}
    left, joined = {}, {}
    for action in outcome.planned:
        timing = outcome.timings.get(action.node)
        if timing is None:
            continue
        if action.kind == DRAIN and timing.drain_began is not None:
            at = min(timing.drain_began, outcome.switched.get(action.tier, timing.drain_began))
            left[names.get(action.node, action.node)] = began + at
        elif action.kind == START and timing.started is not None:
            joined[action.node] = began + timing.started
    return left, joined
