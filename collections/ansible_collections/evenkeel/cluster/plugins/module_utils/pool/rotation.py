# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Waits until the balancer has taken nodes into rotation or out of it, or has switched a route."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from urllib.parse import urlsplit

from ..cluster.endpoints import Endpoint
from ..cluster.health import TCP
from ..cluster.node import RUNNING, STARTING, Node
from ..cluster.spec import Tier
from ..core.errors import EvenkeelError, Problem
from ..core.poll import SYSTEM_CLOCK, Clock, wait_until
from ..core.progress import no_progress
from ..engine.port import BalancerView, Engine
from ..traefik.api import TraefikApiError
from ..traefik.routes import Route, leads_to
from .context import answer_of, health_of
from .starting import asked, came, why_not

_POLL_SECONDS = 0.1
# The balancer's API may be silent for this long while nodes drain, because the balancer may still serve.
_SILENCE_SECONDS = 5.0
_DEAF = "see whether the balancer still follows Docker's events: docker logs"


class ReconcileError(EvenkeelError):
    """A step failed; the message is one line per tier."""


class HaltedError(ReconcileError):
    """Nothing failed: it was asked to stop before all waves were done."""


@dataclasses.dataclass
class _Arrival:
    """Which nodes are on their way into rotation, by name.

    Attributes:
        waiting: not in rotation yet.
        answering: answer their health check.
        answers: the status of the last answer of each; 0 for none.
        arrived: found in rotation by the last look.
        nodes: as the engine reports them.
        listed: server URL to state, as the balancer reports them.
    """

    waiting: set[str]
    answering: set[str] = dataclasses.field(default_factory=set)
    answers: dict[str, int] = dataclasses.field(default_factory=dict)
    arrived: set[str] = dataclasses.field(default_factory=set)
    nodes: dict[str, Node] = dataclasses.field(default_factory=dict)
    listed: dict[str, str] = dataclasses.field(default_factory=dict)


class RotationWatch:
    """Waits for facts at one balancer.

    Args:
        engine: where the nodes run.
        balancer: what lists the nodes.
        patience: seconds without any progress after which a wait has failed.
        each: calls a function for all items, side by side.
        clock: tells and passes the time.
    """

    def __init__(
        self,
        engine: Engine,
        balancer: BalancerView,
        patience: float,
        each: Callable[[Callable[[Node], None], Iterable[Node]], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Prepare; nothing is asked yet."""
        self._engine = engine
        self._balancer = balancer
        self._patience = patience
        self._each = each
        self._clock = clock

    # -- in -------------------------------------------------------------------------

    def enter(
        self,
        tier: Tier,
        names: Collection[str],
        *,
        probed: bool,
        ready: Callable[[str], None] = no_progress,
        entered: Callable[[str], None] = no_progress,
    ) -> None:
        """Wait until the nodes answer their health check and the balancer lists them as up.

        Args:
            tier: the nodes' tier.
            names: the nodes' names.
            probed: also require a successful probe by the balancer. Traefik lists a new server as UP before its first
                probe; acceptable when scaling up, not when the old nodes are about to drain.
            ready: called once for each node that answers.
            entered: called once for each node in rotation.

        Raises:
            ReconcileError: a node ends, or no other node joins in time.
        """
        arrival = _Arrival(set(names))
        while arrival.waiting:
            if wait_until(
                lambda: self._look(tier, arrival, ready, probed=probed), self._patience, _POLL_SECONDS, self._clock
            ):
                raise ReconcileError(self._not_ready(tier, arrival))
            for name in sorted(arrival.arrived):
                entered(name)
            arrival.waiting -= arrival.arrived

    def _look(self, tier: Tier, arrival: _Arrival, ready: Callable[[str], None], *, probed: bool) -> str:
        """Look once; empty when at least one more node is in rotation."""
        arrival.nodes = {node.name: node for node in self._engine.nodes() if node.name in arrival.waiting}
        self._check_alive(tier, arrival)

        def probe(node: Node) -> None:
            arrival.answers[node.name] = health_of(self._engine, node, tier)
            if tier.probe.is_ready(arrival.answers[node.name]):
                arrival.answering.add(node.name)
                ready(node.name)

        beyond = {name for name in arrival.waiting if arrival.nodes[name].beyond}
        self._each(probe, [arrival.nodes[name] for name in sorted(arrival.waiting - arrival.answering)])
        arrival.listed = self._balancer.server_status(tier.service)
        ready_ones = (arrival.waiting & arrival.answering) | beyond
        arrived = {name for name in ready_ones if arrival.listed.get(arrival.nodes[name].url) == "UP"}
        # Whether one that cannot be asked here answers, the balancer's own probe tells.
        if unsure := arrived if probed else arrived & beyond:
            answered = self._balancer.server_up(tier.service)
            arrived -= {name for name in unsure if not answered.get(arrival.nodes[name].url)}
        for name in sorted(arrived & beyond):
            ready(name)
        arrival.arrived = arrived
        return "" if arrived else "none"

    def _check_alive(self, tier: Tier, arrival: _Arrival) -> None:
        for name in sorted(arrival.waiting):
            node = arrival.nodes.get(name)
            if node is None:
                raise ReconcileError(Problem(f"node {name}", "no container", "it running", "see what removed it"))
            if node.state not in {RUNNING, STARTING}:
                why = why_not(self._engine, tier, node, 0, "mend the image")
                raise ReconcileError(f"node {name}: got state {node.condition}, want it running; {why}")

    def _not_ready(self, tier: Tier, arrival: _Arrival) -> str:
        """Why the first of the waiting nodes does not serve."""
        waiting = sorted(arrival.waiting)
        first = waiting[0]
        node = arrival.nodes.get(first)
        # What holds an application says only whether it is ready: the line tells of the application's own answer.
        own = answer_of(self._engine, node, tier) if node is not None and tier.health.kind != TCP else 0
        seen, want = "no place in the balancer's rotation", "it ready"
        otherwise = f"docker run the image and request {tier.health.path}"
        if first not in arrival.answering and not (node is not None and node.beyond):
            seen, want = came(tier, arrival.answers.get(first, 0), own)
        elif node is not None and node.url in arrival.listed:
            seen = f"no {tier.probe.balanced} from {asked(tier)} when the balancer asks"
        else:
            otherwise = _DEAF
        more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
        why = why_not(self._engine, tier, node, 0 if tier.health.is_balanced(own) else own, otherwise)
        return f"node {first}{more}: got {seen} within {self._patience:g} s, want {want}; {why}"

    def answer(self, tier: Tier, names: Container[str]) -> None:
        """Wait until nodes of the tier that were started again answer their health check.

        Raises:
            ReconcileError: one does not.
        """
        arrival = _Arrival(set())

        def look() -> str:
            members = [node for node in self._engine.nodes() if node.tier == tier.name and node.name in names]
            members = [node for node in members if not node.beyond]
            arrival.nodes = {node.name: node for node in members}
            arrival.answers = {node.name: health_of(self._engine, node, tier) for node in members}
            arrival.waiting = {name for name, answer in arrival.answers.items() if not tier.probe.is_ready(answer)}
            return "some" if arrival.waiting else ""

        if wait_until(look, self._patience, _POLL_SECONDS, self._clock):
            raise ReconcileError(self._not_ready(tier, arrival))

    def answer_as_made(self, names: Container[str]) -> None:
        """Wait until nodes that were started again answer the health check that they were made with.

        Raises:
            ReconcileError: one does not.
        """

        def look() -> str:
            members = [node for node in self._engine.nodes() if node.name in names]
            return ", ".join(sorted(node.name for node in members if not self._answers_as_made(node)))

        if late := wait_until(look, self._patience, _POLL_SECONDS, self._clock):
            got = f"no answer of one that serves within {self._patience:g} s of its start"
            raise ReconcileError(Problem(f"node {late}", got, "it ready as before", "docker logs"))

    def _answers_as_made(self, node: Node) -> bool:
        if node.probe is None or node.beyond:
            return node.running
        port = node.probe.port or urlsplit(node.url).port
        if not node.address or port is None:
            return False
        url = Endpoint("http", node.address, port).at(node.probe.path)
        return node.probe.is_ready(self._engine.health(url, node.probe.sent))

    def listed(self, nodes: Sequence[Node], *, one_is_enough: bool = False) -> None:
        """Wait until the balancer has the nodes, or at least one of them, in rotation.

        Raises:
            ReconcileError: not within the patience.
        """
        services = services_of(nodes)
        urls = {node.url for node in nodes}

        def look() -> str:
            found = urls & self.up(services)
            return "" if found == urls or (found and one_is_enough) else "not in rotation"

        if reason := wait_until(look, self._patience, _POLL_SECONDS, self._clock):
            raise ReconcileError(reason)

    # -- out ------------------------------------------------------------------------

    def up(self, services: Iterable[str]) -> set[str]:
        """The servers that the balancer sends new requests to."""
        return {
            url for service in services for url, state in self._balancer.server_status(service).items() if state == "UP"
        }

    def known(self, services: Iterable[str]) -> set[str]:
        """The servers that the balancer knows, whatever their state."""
        return {url for service in services for url in self._balancer.server_status(service)}

    def is_served(self, nodes: Iterable[Node], tier: str) -> bool:
        """Whether the balancer knows any server of the tier.

        It drops a whole service when two containers of it contradict each other, as a label set by hand does. Then none
        of the tier serves, and waiting before the contradicting one leaves would never end.
        """
        return bool(self.known({node.service for node in nodes if node.tier == tier and node.service}))

    def leave(self, leaving: Sequence[Node], over: Callable[[], bool | None]) -> None:
        """Wait until the nodes have ended and the balancer does not list them any more.

        Args:
            leaving: the nodes.
            over: whether all have ended; None when one could not be stopped, which the caller reports.

        Raises:
            ReconcileError: the balancer still lists one that has ended.
            TraefikApiError: the balancer is silent for too long.
        """
        services = services_of(leaving)
        answered, deadline = self._clock.now(), None
        while True:
            ended = over()
            if ended is None:
                return
            if ended and deadline is None:
                deadline = self._clock.now() + self._patience
            up: set[str] | None = None
            try:
                up = self.up(services)
                answered = self._clock.now()
            except TraefikApiError:
                if self._clock.now() - answered > _SILENCE_SECONDS:
                    raise
            if ended and up is not None:
                still = self._still_in_rotation(leaving, up) if up else []
                if not still:
                    return
                if deadline is not None and self._clock.now() > deadline:
                    raise ReconcileError(
                        f"node {still[0]}: got a place in the balancer's rotation {self._patience:g} s after its"
                        f" end, want none (fix: {_DEAF})"
                    )
            self._clock.sleep(_POLL_SECONDS)

    def _still_in_rotation(self, leaving: Sequence[Node], up: Container[str]) -> list[str]:
        """Nodes that have ended and are still in rotation. An address that another node has by now does not count."""
        named = [node for node in leaving if node.url in up]
        if not named:
            return []
        gone = {node.id for node in leaving}
        taken = {node.url for node in self._engine.nodes() if node.running and node.id not in gone}
        return [node.name for node in named if node.url not in taken]

    # -- routes -----------------------------------------------------------------------

    def routed(self, tier: str, route: Route | None) -> None:
        """Wait until the balancer has the tier's route; None for no route.

        Raises:
            ReconcileError: it does not.
        """
        reason = wait_until(
            lambda: "" if leads_to(self._balancer.router(tier), route) else "another",
            self._patience,
            _POLL_SECONDS,
            self._clock,
        )
        if reason:
            raise ReconcileError(
                Problem(
                    f"route of tier {tier}",
                    f"another service than {route.service if route else 'none'} from the balancer",
                    "the new route",
                    "see the balancer's log",
                )
            )


def services_of(nodes: Iterable[Node]) -> list[str]:
    """The balancer's services that the nodes belong to."""
    return sorted({node.service for node in nodes if node.service})
