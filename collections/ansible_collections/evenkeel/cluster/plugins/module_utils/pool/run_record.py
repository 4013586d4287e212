# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a run has done so far, and when: told step by step while it runs, and part of its result afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..core.poll import Clock
from .plan import PoolAction
from .rollout_parts import NodeTiming
from .steps import RETURNING, Step


class RunRecord:
    """Steps of nodes and tiers. Threads may share one.

    Attributes:
        timings: per node, when it reached each step.
        switched: tier to when its route was switched, seconds since the run began.
        warnings: what users should know, also after success.
    """

    def __init__(self, on_step: Callable[[Step], None], clock: Clock) -> None:
        """Nothing is done yet.

        Args:
            on_step: called for each step, from several threads.
            clock: tells the time.
        """
        self._on_step = on_step
        self._clock = clock
        self._began = 0.0
        self.timings: dict[str, NodeTiming] = {}
        self.switched: dict[str, float] = {}
        self._done: list[PoolAction] = []
        self._returned: set[str] = set()
        self.warnings: list[str] = []

    def begin(self) -> None:
        """Times count from now on."""
        self._began = self._clock.now()

    def now(self) -> float:
        """Seconds since the run began."""
        return round(self._clock.now() - self._began, 3)

    def timing(self, node: str) -> NodeTiming:
        """When the node reached each step."""
        return self.timings.setdefault(node, NodeTiming())

    def served(self, node: str) -> bool:
        """Whether the node may have had requests since this run has started it.

        The balancer sends them before it has probed the node, and before this run sees it in rotation.
        """
        return self.timing(node).ready is not None

    def tell(self, tier: str, node: str, step: str) -> float:
        """Tell that a step is reached; when."""
        at = self.now()
        self._on_step(Step(tier, node, step, at))
        return at

    def mark(self, tier: str, node: str, step: str) -> None:
        """Note when the node reached the step, and tell it."""
        setattr(self.timing(node), step, self.tell(tier, node, step))

    def over(self, action: PoolAction, step: str) -> None:
        """Note that an action is done, and tell its step."""
        self.tell(action.tier, action.node, step)
        self._done.append(action)

    def all_over(self, actions: Iterable[PoolAction]) -> None:
        """Note that actions are done whose steps were told."""
        self._done.extend(actions)

    def returning(self, tier: str) -> None:
        """Note that what was done for the tier is undone."""
        self._returned.add(tier)
        self.tell(tier, "", RETURNING)

    @property
    def done(self) -> list[PoolAction]:
        """The actions that are done, without those of tiers that were returned to what they were."""
        return [action for action in self._done if action.tier not in self._returned]
