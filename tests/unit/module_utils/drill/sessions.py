"""A drill on a fake cluster, from options to result."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from tests.unit.fakes.traffic import WEB, DrilledCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.progress import no_progress
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.measurement import DrillPlan
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.options import (
    Margins,
    argument_spec,
    settings_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.session import DrillSession
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.stop import Stop

#: How long events take depends on the machine, see :class:`tests.unit.fakes.clock.VirtualClock`.
PATIENT = {"join_p95": 60, "leave_p95": 60, "out": 60}
REQUESTS = {"shop": {"post": "echo", "slow": "slow"}, "dates": {"post": ""}}
MARGINS = Margins(lead=0.2, tail=0.2)


@contextlib.contextmanager
def unlocked(*_: object) -> Iterator[float]:
    """No lock: the clusters of tests are their own."""
    yield 0.0


def options(cluster: DrilledCluster, **differs: Any) -> dict[str, Any]:
    """The module's options; those that are not named have their defaults."""
    defaults = {name: spec.get("default") for name, spec in argument_spec().items()}
    usual = {
        "scenario": "stop",
        "events": 2,
        "interval": 0.6,
        "rate": 100,
        "duration": 1,
        "clients": 10,
        "timeout": 2,
        "url": WEB,
        "requests": REQUESTS,
        "thresholds": PATIENT,
        "access_log": str(cluster.traffic.log),
        "cluster": cluster.name,
        "network": cluster.name,
        "tiers": [dataclasses.asdict(tier) for tier in cluster.tiers.values()],
    }
    return {**defaults, **usual, **differs}


def session(
    cluster: DrilledCluster,
    *,
    stop: Stop | None = None,
    on_progress: Callable[[str], None] = no_progress,
    tick_seconds: float = 5.0,
    lock_timeout: float = 0.0,
    lock: Callable[..., contextlib.AbstractContextManager[float]] = unlocked,
    **differs: Any,
) -> DrillSession:
    """A drill that is ready to run."""
    settings = settings_of(options(cluster, **differs), MARGINS)
    return DrillSession(
        DrillPlan(settings.events, settings.window, settings, tick_seconds),
        cluster.request(lock_timeout=float(lock_timeout)),
        cluster.drill_ports,
        stop or Stop(cluster.clock),
        on_progress,
        cluster.clock,
        cluster.clock.pause,
        lock,
    )


def drilled(cluster: DrilledCluster, **differs: Any) -> dict[str, Any]:
    """The result of a drill."""
    return session(cluster, **differs).run()
