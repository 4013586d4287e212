"""What happened in a reconciliation, as lines."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.pool import steps
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.steps import Step


@pytest.mark.parametrize(
    "step, at, line",
    [
        (steps.STARTED, 0.26, "static-4: started 0.3 s"),
        (steps.READY, 0.9, ""),
        (steps.IN_ROTATION, 1.0, "static-4: in rotation 1.0 s"),
        (steps.DRAIN_BEGAN, 1.04, "static-4: drains"),
        (steps.GONE, 4.2, "static-4: gone 4.2 s"),
        (steps.ROUTE_SWITCHED, 2.0, "static: route switched 2.0 s"),
    ],
)
def test_a_step_is_a_line(step: str, at: float, line: str) -> None:
    assert Step("static", "static-4", step, at).line == line
