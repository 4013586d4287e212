# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Look until what may still change has settled, on a clock that tests can replace."""

from __future__ import annotations

from typing import Protocol

from ..core.poll import SYSTEM_CLOCK, Clock, wait_until
from ..core.results import PoolResult, PoolView
from ..pool.drift import disagreements

_POLL_SECONDS = 0.2
# The balancer has what the engine told it well within this time.
_PATIENCE_SECONDS = 1.5


class Looks(Protocol):
    """What can be looked at several times."""

    def view(self) -> PoolView:
        """A look."""

    def unsettled(self, view: PoolView) -> bool:
        """Whether a further look may find less."""


def settled(looks: Looks, seconds: float, *, must_agree: bool, clock: Clock = SYSTEM_CLOCK) -> tuple[PoolResult, str]:
    """The last look, and why it is a failure; empty when it is none.

    Args:
        looks: what is looked at.
        seconds: to wait for agreement.
        must_agree: whether declaration, engine and balancer must agree.
        clock: tells and passes the time.

    Raises:
        EvenkeelError: it cannot be looked at.
    """
    found: list[PoolResult] = []

    def reason() -> str:
        view = looks.view()
        found.append({**view, "agreement": disagreements(view)})
        if must_agree:
            return "\n".join(found[-1]["agreement"])
        return "not settled" if looks.unsettled(view) else ""

    problem = wait_until(reason, seconds if must_agree else _PATIENCE_SECONDS, _POLL_SECONDS, clock)
    return found[-1], problem if must_agree else ""
