"""The lines of a reconciliation derive from what happened."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.pool import steps
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.steps import Step


@pytest.mark.parametrize(
    "step, node, at, line",
    [
        (steps.STARTED, "static-4", 0.31, "static-4: started 0.3 s"),
        (steps.READY, "static-4", 0.5, ""),
        (steps.IN_ROTATION, "static-4", 1.04, "static-4: in rotation 1.0 s"),
        (steps.DRAIN_BEGAN, "static-1", 1.1, "static-1: drains"),
        (steps.GONE, "static-1", 4.2, "static-1: gone 4.2 s"),
        (steps.REMOVED, "static-2", 0.0, "static-2: removed 0.0 s"),
        (steps.DISCARDED, "static-4", 60.0, "static-4: did not come up, removed 60.0 s"),
        (steps.DISCARDED_DRAINED, "static-4", 9.9, "static-4: drained and removed again 9.9 s"),
        (steps.ROUTE_SWITCHED, "", 2.0, "static: route switched 2.0 s"),
        (steps.ROUTE_DROPPED, "", 2.0, "static: route dropped 2.0 s"),
        (steps.RETURNING, "", 3.0, "tier static: a step failed, returning to what it was 3.0 s"),
    ],
)
def test_a_line_tells_what_happened_and_when(step: str, node: str, at: float, line: str) -> None:
    assert Step("static", node, step, at).line == line
