# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a person does to one node, without a lost request: stop it, start it, restart it, remove it.

The cluster's lock must be held. As in a reconciliation, a node leaves rotation before it is told to end, and an
action is over when the balancer knows about it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

from ..cluster.node import Node
from ..cluster.spec import Tier
from ..core.errors import EvenkeelError, Problem
from ..core.poll import SYSTEM_CLOCK, Clock
from . import steps
from .context import Ports
from .rotation import RotationWatch
from .steps import Step, no_step
from .tier_servers import TierServers

_KILLED = 137


class OneNode:
    """Does it to one node of a declared tier.

    Args:
        node: the node.
        tier: its tier.
        ports: engine, routes and balancer.
        patience: seconds without progress after which a wait has failed.
        on_step: called for each step.
        clock: tells and passes the time.
    """

    def __init__(
        self,
        node: Node,
        tier: Tier,
        ports: Ports,
        patience: float,
        *,
        on_step: Callable[[Step], None] = no_step,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Nothing is done yet."""
        self._node = node
        self._tier = tier
        self._ports = ports
        self._patience = tier.ready_seconds or patience
        self._on_step = on_step
        self._clock = clock
        self._began = clock.now()
        self._is_told = False
        self.warnings: list[str] = []

    def stop(self) -> None:
        """Take it out of rotation, and end it; Docker does not start it again by itself.

        Raises:
            EvenkeelError: it still gets requests, and was not told to end; or the engine refuses.
        """
        with self._servers() as (watch, servers):
            self._leave(watch, servers)

    def start(self) -> None:
        """Start one that has ended, and wait until it is in rotation.

        Raises:
            EvenkeelError: it does not come into rotation.
        """
        with self._servers() as (watch, servers):
            self._join(watch, servers)

    def restart(self) -> None:
        """Stop it and start it again; once it was told to end, it is started whatever fails in between.

        Raises:
            EvenkeelError: it cannot be stopped without a loss, or does not come into rotation again.
        """
        with self._servers() as (watch, servers):
            try:
                if self._node.running:
                    self._leave(watch, servers)
            except BaseException:
                if self._is_told:
                    servers.readmit([self._node])
                    self._ports.engine.start_again(self._node.id)
                raise
            self._join(watch, servers)

    def crash(self, kill: Callable[[], None], away: float) -> None:
        """End it as in a crash, and start it again, whatever fails in between.

        Args:
            kill: ends it at once.
            away: seconds until it is started again.

        Raises:
            EvenkeelError: the balancer does not answer, and it was not killed; or it does not come into rotation again.
            OSError: the route file cannot be written; it was not killed.
        """
        with self._servers() as (watch, servers):
            watch.up([self._node.service] if self._node.service else [])
            try:
                kill()
                self._clock.sleep(away)
            finally:
                self._ports.engine.start_again(self._node.id)
            self._enter(watch, servers)

    def remove(self) -> None:
        """Stop it if it runs, and remove it.

        Raises:
            EvenkeelError: it cannot be stopped without a loss, or the engine refuses.
        """
        with self._servers() as (watch, servers):
            if self._node.running:
                self._leave(watch, servers)
            self._ports.engine.remove(self._node.id)
            self._tell(steps.REMOVED)

    @contextlib.contextmanager
    def _servers(self) -> Iterator[tuple[RotationWatch, TierServers]]:
        """The tier's servers, held together until the end."""
        watch = RotationWatch(self._ports.engine, self._ports.balancer(), self._patience, _one_by_one, self._clock)
        servers = TierServers(self._tier.name, self._tier, self._ports, watch, self._patience, self._clock)
        try:
            servers.begin(self._ports.routes.of(self._tier.name))
            yield watch, servers
        finally:
            self.warnings += servers.end()

    def _leave(self, watch: RotationWatch, servers: TierServers) -> None:
        # If the balancer does not answer, nothing is stopped: it could not tell when the node is out of rotation.
        watch.up([self._node.service] if self._node.service else [])
        self._tell(steps.DRAIN_BEGAN)
        self.warnings += servers.withdraw([self._node])
        signal = servers.signal_for(self._node.id)
        self._is_told = True
        if self._ports.engine.stop(self._node.id, self._tier.stop_seconds, signal) == _KILLED:
            self.warnings.append(
                f"node {self._node.name}: got no end within {self._tier.stop_seconds} s, want it to drain and exit"
                " (it was killed; fix: see the node image contract)"
            )
        watch.leave([self._node], lambda: True)
        self._tell(steps.GONE)

    def _join(self, watch: RotationWatch, servers: TierServers) -> None:
        servers.readmit([self._node])
        self._ports.engine.start_again(self._node.id)
        self._enter(watch, servers)

    def _enter(self, watch: RotationWatch, servers: TierServers) -> None:
        self._tell(steps.STARTED)
        watch.enter(self._tier, {self._node.name}, probed=True, ready=self._told(steps.READY))
        servers.admit({node.url for node in self._ports.engine.nodes() if node.id == self._node.id})
        self._tell(steps.IN_ROTATION)

    def _told(self, step: str) -> Callable[[str], None]:
        return lambda _name: self._tell(step)

    def _tell(self, step: str) -> None:
        self._on_step(Step(self._tier.name, self._node.name, step, round(self._clock.now() - self._began, 3)))


def find_node(nodes: Iterable[Node], container: str) -> Node:
    """The cluster's node with this identifier.

    Raises:
        EvenkeelError: there is none now.
    """
    found = next((node for node in nodes if node.id == container), None)
    if found is None:
        got = f"none with the identifier {container[:12]}"
        raise EvenkeelError(Problem("node", got, "one of this cluster", "look at the nodes again"))
    return found


def _one_by_one(work: Callable[[Node], None], nodes: Iterable[Node]) -> None:
    for node in nodes:
        work(node)
