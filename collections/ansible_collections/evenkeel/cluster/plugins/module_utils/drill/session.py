# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Runs a drill from its settings to its result: the load, the events, the observers, the control."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from ..cluster import labels
from ..cluster.node import Node
from ..cluster.spec import REPLACE
from ..core.errors import EvenkeelError
from ..core.folder import make_folder
from ..core.lock import cluster_lock
from ..core.poll import SYSTEM_CLOCK, Clock
from ..core.progress import no_progress
from ..measure.access_log import AccessLogReader
from ..measure.options import CheckInputError
from ..pool.context import Declaration
from ..pool.reconcile import PoolRequest, require_as_declared
from .attempts import AttemptWatch
from .conclusion import conclude, planned, write
from .control import Control
from .fault_target import PoolFaultTarget
from .judge import Evidence
from .load import Load, LoadSpec
from .measurement import DrillPlan, Measurement, Observers, restored
from .naming import ServerNames
from .node_counters import NodeCounters, NodePoller
from .options import Settings, needs_labels
from .ports import DrillPorts
from .records import EventReport
from .schedule import make_clients
from .stop import Stop


class DrillSession:
    """One drill, with its control.

    Args:
        plan: what is to be measured.
        request: the declared pool.
        ports: what the cluster is reached through.
        stop: ends the drill early.
        on_progress: takes a line whenever something has happened; called from several threads.
        clock: tells and passes the time.
        pause: lets that many seconds of the clock pass in an event loop.
        lock: holds the cluster's lock.
    """

    def __init__(
        self,
        plan: DrillPlan,
        request: PoolRequest,
        ports: DrillPorts,
        stop: Stop,
        on_progress: Callable[[str], None] = no_progress,
        clock: Clock = SYSTEM_CLOCK,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        lock: Callable[..., contextlib.AbstractContextManager[float]] = cluster_lock,
    ) -> None:
        """Prepare; nothing is asked yet."""
        self._plan = plan
        # The run after the drill settles the numbers set in the console, and says so.
        self._request = dataclasses.replace(request, overrides_file="")
        self._overrides_file = request.overrides_file
        self._ports = ports
        self._stop = stop
        self._on_progress = on_progress
        self._clock = clock
        self._pause = pause
        self._lock = lock
        self._name = f"drill-{time.time_ns():x}"

    @property
    def _settings(self) -> Settings:
        return self._plan.settings

    def run(self, *, check_mode: bool = False) -> dict[str, Any]:
        """Check, measure, run the control, and give the module's result.

        Args:
            check_mode: only check, and say what would happen.

        Raises:
            PoolInputError: the pool is not as declared.
            CheckInputError: an option does not go with the pool.
            EvenkeelError: the cluster did not answer before the load, or another run holds its lock.
        """
        settings = self._settings
        patience = 0.0 if check_mode else self._request.lock_timeout
        with self._lock(self._request.cluster, "drill", patience, self._on_progress):
            declaration = self._require_cluster()
            if check_mode:
                return planned(settings)
            make_folder(settings.folder)
            evidence = self._drill(declaration)
            control = self._control(declaration) if settings.control and not self._stop.event.is_set() else None
        result = conclude(settings, evidence, control)
        try:
            files = write(settings, self._name, result, {"": evidence, "-control": control})
        except OSError as error:
            # What the drill has shown is not lost with its records.
            files = []
            result["drill"]["notes"].append(
                f"records: got '{error.strerror or error}' for {settings.folder}, not written"
            )
        return {**result, "files": files}

    def _require_cluster(self) -> Declaration:
        """Refuse a pool that is not as declared: what a drill returns to must be what it began with."""
        declaration = require_as_declared(
            dataclasses.replace(self._request, overrides_file=self._overrides_file), self._ports.pool
        )
        for tier in sorted(needs_labels(self._settings.events)):
            reference = declaration.builds[tier].image
            image = self._ports.engine.image(reference)
            if image is None or image.labels.get(labels.TIER) != tier:
                raise CheckInputError(
                    f"guest of {tier}: got image {reference} without the label evenkeel.tier={tier}, want it built with"
                    " its tier's labels (fix: leave the tier out, by drill_tiers or the tiers of prove_drills)"
                )
        for tier in sorted(self._settings.paths):
            if declaration.tiers[tier].roll == REPLACE:
                raise CheckInputError(
                    f"tier {tier}: got roll: replace, want a tier whose nodes may run side by side, because a drill"
                    " starts more of them (fix: leave the tier out, by drill_tiers or the tiers of prove_drills)"
                )
        self._ports.balancer().version()
        return declaration

    def _new_load(self, bases: Mapping[str, str], run: str) -> Load:
        """A load against these addresses."""
        settings = self._settings
        spec = LoadSpec(settings.paths, make_clients(settings.mix), run, settings.rate, settings.timeout)
        return Load(spec, bases, self._ports.sender(), self._clock, self._pause)

    def _drill(self, declaration: Declaration) -> Evidence:
        settings, clock = self._settings, self._clock
        tiers = declaration.tiers
        load = self._new_load({name: settings.url + tiers[name].path for name in settings.tiers}, self._name)
        target = PoolFaultTarget(self._request, self._ports, load.now, self._name, settings.amount, clock)
        counters, servers = NodeCounters(f"{self._name}-"), ServerNames()
        observers = Observers(
            nodes=NodePoller(self._members, counters, self._ports.read, clock, servers=servers),
            counters=counters,
            log=AccessLogReader(Path(settings.access_log), f"{self._name}-", self._clock)
            if settings.access_log
            else None,
            servers=servers,
            attempts=AttemptWatch(self._ports.attempts, clock),
        )

        def work() -> Evidence:
            target.prepare(settings.events)
            evidence = Measurement(self._plan, load, target, observers, self._stop, self._on_progress, clock).run()
            self._on_progress("the pool is returned to its declaration")
            return evidence

        repeating = frozenset(name for name in settings.tiers if tiers[name].repeat)
        return dataclasses.replace(restored(target, work), repeating=repeating)

    def _members(self) -> list[Node]:
        return [node for node in self._ports.engine.nodes() if node.tier in self._settings.tiers]

    def _control(self, declaration: Declaration) -> Evidence:
        control = Control(
            plan=self._plan,
            declaration=declaration,
            ports=self._ports,
            name=f"{self._name}c",
            new_load=self._new_load,
            patience=self._request.limits.ready_timeout,
            stop=self._stop,
            on_progress=lambda line: self._on_progress(f"control: {line}"),
            clock=self._clock,
        )
        try:
            return control.run()
        except EvenkeelError as error:
            # What the drill itself has shown is not lost with its control.
            return Evidence([], (EventReport(0, "control", "", 0.0, 0.0, error=str(error)),), 1)
