# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The control of a drill: the same load on an unprotected baseline, which must lose requests."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from ..cluster.spec import Tier
from ..core.poll import SYSTEM_CLOCK, Clock, wait_until
from ..pool.context import Declaration
from .baseline import BaselineBalancer, BaselinePool, baseline_path
from .event_runner import EventError
from .judge import Evidence
from .load import Load
from .measurement import DrillPlan, Measurement, Observers, restored
from .options import Settings
from .ports import DrillPorts
from .schedule import BALANCER, HANG, STOP, plan_events
from .stop import Stop

# A control proves that the measurement can fail; it need not last as long.
_CONTROL_EVENTS = 6
# A node of the baseline hangs for longer than its clients wait: two take as long as all the others.
_CONTROL_HANGS = 2
_POLL_SECONDS = 0.2


def control_kind(kinds: set[str]) -> str:
    """What happens in the control: what the drill consists of, if the control can do that, else nodes stop."""
    return next(iter(kinds)) if len(kinds) == 1 and kinds <= {HANG, BALANCER} else STOP


def control_plan(plan: DrillPlan) -> DrillPlan:
    """What happens in the control: at most a few events of the drill's kind, or stops."""
    events, settings = plan.events, plan.settings
    kind = control_kind({event.kind for event in events})
    count = min(len(events), _CONTROL_HANGS if kind == HANG else _CONTROL_EVENTS)
    first = events[0].at
    interval = events[1].at - first if len(events) > 1 else first
    return dataclasses.replace(
        plan,
        events=plan_events(kind, settings.tiers, count, first, interval),
        window=dataclasses.replace(plan.window, duration=0.0),
    )


@dataclasses.dataclass(frozen=True)
class Control:
    """Measures the unprotected baseline.

    Attributes:
        plan: the drill's own.
        declaration: the declared pool.
        ports: what the cluster is reached through.
        name: the control's name.
        new_load: makes a load against these addresses, tier to URL.
        patience: seconds to wait for the baseline to serve.
        stop: ends it early.
        on_progress: takes a line whenever something has happened.
        clock: tells and passes the time.
    """

    plan: DrillPlan
    declaration: Declaration
    ports: DrillPorts
    name: str
    new_load: Callable[[Mapping[str, str], str], Load]
    patience: float
    stop: Stop
    on_progress: Callable[[str], None]
    clock: Clock = SYSTEM_CLOCK

    @property
    def _settings(self) -> Settings:
        return self.plan.settings

    @property
    def _tiers(self) -> dict[str, Tier]:
        return {name: self.declaration.tiers[name] for name in self._settings.tiers}

    def run(self) -> Evidence:
        """Measure; whatever was started is removed again.

        Raises:
            EvenkeelError: it did not come about.
        """
        plan = control_plan(self.plan)
        if any(event.kind == BALANCER for event in plan.events):
            return self._of_balancer(plan)
        return self._of_nodes(plan)

    def _of_balancer(self, plan: DrillPlan) -> Evidence:
        load = self.new_load({}, self.name)
        baseline = BaselineBalancer(self.ports.balancers, load.now, self.name)

        def work() -> Evidence:
            self.on_progress("an unprotected balancer starts")
            url = baseline.start()
            load.point_to({name: url + tier.path for name, tier in self._tiers.items()})
            return self._measured(plan, load, baseline)

        return restored(baseline, work)

    def _of_nodes(self, plan: DrillPlan) -> Evidence:
        settings, engine = self._settings, self.ports.engine
        load = self.new_load(
            {name: settings.url + baseline_path(tier) for name, tier in self._tiers.items()}, self.name
        )
        made: list[str] = []
        try:
            images = dict(settings.control_images)
            for name in self._tiers.keys() - images.keys():
                made.append(f"evenkeel-drill/{self.declaration.cluster}-baseline-{name}")
                engine.bare_image(self.declaration.builds[name].image, made[-1])
                images[name] = f"{made[-1]}:latest"
            baseline = BaselinePool(
                engine,
                {name: (tier, images[name]) for name, tier in self._tiers.items()},
                self.declaration.cluster,
                load.now,
                self.patience,
                settings.timeout + 1,
                self.clock,
            )

            def work() -> Evidence:
                self.on_progress("unprotected nodes start")
                baseline.start()
                return self._measured(plan, load, baseline)

            return restored(baseline, work)
        finally:
            for image in made:
                engine.remove_image(f"{image}:latest")

    def _measured(self, plan: DrillPlan, load: Load, baseline: BaselinePool | BaselineBalancer) -> Evidence:
        """Measure as soon as the balancer has the baseline's routes."""
        failure = wait_until(load.probe, self.patience, _POLL_SECONDS, self.clock)
        if failure:
            raise EventError(
                f"baseline nodes: got {failure} for {self.patience:g} s, want 200 through the balancer"
                " (fix: see its log)"
            )
        return Measurement(plan, load, baseline, Observers(), self.stop, self.on_progress, self.clock).run()
