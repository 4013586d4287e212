"""What happens in the control of a drill."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.fakes.traffic import DrilledCluster
from tests.unit.module_utils.drill.sessions import MARGINS, options

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.control import control_kind, control_plan
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.measurement import DrillPlan
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.options import settings_of
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import (
    BALANCER,
    GROW,
    HANG,
    KILL,
    RESTORE,
    STOP,
)


@pytest.mark.parametrize(
    "kinds, control",
    [({HANG}, HANG), ({BALANCER}, BALANCER), ({KILL}, STOP), ({GROW, RESTORE}, STOP), ({STOP}, STOP)],
)
def test_the_control_hangs_where_the_drill_hangs_and_else_stops(kinds: set[str], control: str) -> None:
    assert control_kind(kinds) == control


@pytest.mark.parametrize(
    "scenario, events, kind, count", [("stop", 50, STOP, 6), ("hang", 50, HANG, 2), ("roll", 3, STOP, 4)]
)
def test_the_control_is_as_short_as_its_few_events(
    tmp_path: Path, scenario: str, events: int, kind: str, count: int
) -> None:
    settings = settings_of(options(DrilledCluster(tmp_path), scenario=scenario, events=events, duration=60), MARGINS)
    plan = DrillPlan(settings.events, settings.window, settings)
    control = control_plan(plan)
    assert {event.kind for event in control.events} == {kind}
    assert len(control.events) == count
    assert [event.at for event in control.events] == pytest.approx([0.2 + 0.6 * place for place in range(count)])
    assert control.seconds == pytest.approx(control.events[-1].at + 0.2)
    assert plan.seconds >= 60
