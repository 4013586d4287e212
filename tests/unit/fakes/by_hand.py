"""What a user does to nodes of the fake engine with commands of an engine: keeps :class:`engine_contract.ByHand`."""

from __future__ import annotations

from .engine import FakeEngine


class FakeHand:
    """Changes nodes past the engine's port.

    Args:
        engine: whose nodes are changed.
    """

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine

    def rename(self, node: str, name: str) -> None:
        """Give it another name."""
        self._engine.by_id(node).put(name=name)

    def leave_network(self, node: str) -> None:
        """Take it off the cluster's network."""
        found = self._engine.by_id(node)
        found.detached = found.node.address
        found.put(address="")
        found.health.set(self._engine.clock.now(), 0)

    def limit(self, node: str) -> None:
        """Give it less memory, and let it not be started again."""
        self._engine.by_id(node).limits = "memory 60 MiB, want 256 MiB"

    def limit_for_good(self, node: str) -> None:
        """Give it a limit that cannot be set back while it runs."""
        found = self._engine.by_id(node)
        found.limits, found.mendable = "CPU shares 512, want none", False

    def copy(self, node: str, name: str) -> str:
        """Start another container with its labels; the new one's identifier."""
        return self._engine.duplicate(node, name)
