"""What is done to one container when a person asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.leaving import DRAIN_COMMANDS
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError, Problem
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.poll import Clock
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_errors import docker_errors
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import Ports
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.one_node import OneNode, find_node
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.steps import Step

from . import verbs
from .drained import Drained
from .pool import Pool
from .stopped import Stopped

# A killed node is started again after this time: see the note in `_kill`.
_AWAY_SECONDS = 1.0
_OUTPUT_SHOWN = 200
# After these it drains no more, also when they fail half-way.
_ENDING = frozenset({verbs.START, verbs.STOP, verbs.RESTART, verbs.REMOVE, verbs.KILL})


class Hands(Protocol):
    """What is done to one container, beside what a reconciliation does. Each raises an ``EngineError`` if it fails."""

    def kill(self, container: str) -> None:
        """SIGKILL, as in a crash."""

    def execute(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        """Run a command in it; its exit code and its output."""


class DockerHands:
    """The same at a Docker Engine.

    Args:
        client: of the engine; its version must be known, see :meth:`DockerClient.connect`.
    """

    def __init__(self, client: DockerClient) -> None:
        """Nothing is done yet."""
        self._client = client

    def kill(self, container: str) -> None:
        """SIGKILL, as in a crash."""
        with docker_errors(f"kill of {container[:12]}"):
            self._client.api.kill(container, "SIGKILL")

    def execute(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        """Run a command in it; its exit code and its output."""
        return self._client.execute(container, command)


class NodeWork:
    """Carries out the verbs of one node. The cluster's lock must be held.

    Args:
        hands: does to a container what the pool's ports cannot.
        drained: the nodes that people have told to drain; kept here.
        stopped: the nodes that people have stopped; kept here.
        patience: seconds that a node gets to become ready.
        clock: tells and passes the time.
    """

    def __init__(self, hands: Hands, drained: Drained, stopped: Stopped, patience: float, clock: Clock) -> None:
        """Nothing is done yet."""
        self._hands = hands
        self._drained = drained
        self._stopped = stopped
        self._patience = patience
        self._clock = clock

    def do(
        self, verb: str, container: str, actor: str, reached: tuple[Pool, Ports], on_step: Callable[[Step], None]
    ) -> list[str]:
        """Carry out a verb; what else to know.

        Args:
            verb: one of :data:`verbs.OF_NODES`.
            container: the node's identifier.
            actor: the person.
            reached: what is declared, and what it is reached through.
            on_step: called for each step.

        Raises:
            EvenkeelError: it cannot be done, or failed half-way.
        """
        pool, ports = reached
        node = find_node(ports.engine.nodes(), container)
        tier = pool.request.tiers[node.tier]
        target = OneNode(node, tier, ports, self._patience, on_step=on_step, clock=self._clock)
        work: dict[str, Callable[[], object]] = {
            verbs.STOP: target.stop,
            verbs.START: target.start,
            verbs.RESTART: target.restart,
            verbs.REMOVE: target.remove,
            verbs.KILL: lambda: self._kill(node, target),
            verbs.DRAIN: lambda: self._tell(node, tier, "on"),
            verbs.UNDRAIN: lambda: self._tell(node, tier, "off"),
        }
        is_done = False
        try:
            work[verb]()
            is_done = True
        finally:
            if is_done or verb in _ENDING:
                target.warnings += self._remember(verb, node, actor)
        return target.warnings

    def _remember(self, verb: str, node: Node, actor: str) -> list[str]:
        """Keep what the person has done; a warning if that is not on disk: the node is as asked for nevertheless."""
        if verb == verbs.DRAIN:
            return _warned(lambda: self._drained.add(node.id, actor))
        found = _warned(lambda: self._drained.remove(node.id))
        if verb == verbs.STOP:
            found += _warned(lambda: self._stopped.add([node.id]))
        return found

    def _kill(self, node: Node, target: OneNode) -> None:
        # Docker takes a kill through its API for a stop by a person, and does not start the container again.
        target.crash(lambda: self._hands.kill(node.id), _AWAY_SECONDS)

    def _tell(self, node: Node, tier: Tier, word: str) -> None:
        command = [*DRAIN_COMMANDS[tier.leaving], word]
        code, output = self._hands.execute(node.id, command)
        if code:
            got = f"exit code {code}: {output.strip()[-_OUTPUT_SHOWN:]}"
            raise EvenkeelError(Problem(f"{' '.join(command)} in {node.name}", got, "success", "read its log"))


def _warned(change: Callable[[], None]) -> list[str]:
    try:
        change()
    except OSError as error:
        return [str(error)]
    return []
