# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Applies a plan. The balancer's API tells whether each step is done.

Nothing here waits for a fixed time. Each step waits for facts, until a deadline: the node answers, the balancer lists
it, the route leads to it, the balancer does not list it any more. Drained nodes are kept, stopped, until all steps of
their tier are done: if a step fails, they are started again, and the tier returns to its former state.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..cluster.names import node_prefix
from ..cluster.node import Node
from ..cluster.spec import REPLACE
from ..core.errors import EvenkeelError
from ..core.poll import SYSTEM_CLOCK, Clock
from ..traefik.routes import Route
from . import rollout_parts as parts
from . import steps
from .context import Declaration, Ports
from .handover import Handover
from .mending import mend
from .plan import DRAIN, MEND, RELEASE, REMOVE, ROUTE, START, PoolAction, free_names
from .release import release
from .rollout_parts import RollbackState, RolloutLimits, ended, node_words, of_kind
from .rotation import HaltedError, ReconcileError, RotationWatch
from .run_record import RunRecord
from .starting import start_node
from .steps import Step, no_step
from .tier_servers import TierServers

# Draining is waiting, not work, so all nodes that leave drain at the same time.
_DRAIN_THREADS = 128
_KILLED = 137
_DEFAULT_STOP_SECONDS = 30
_EXPECTED = (EvenkeelError, OSError)
__all__ = ["Rollout", "RolloutLimits"]
_Item = TypeVar("_Item")


class Rollout:
    """Applies actions: tiers side by side, the steps of a tier in order, the nodes of a step side by side."""

    def __init__(
        self,
        declaration: Declaration,
        ports: Ports,
        limits: RolloutLimits,
        *,
        on_step: Callable[[Step], None] = no_step,
        halt: Callable[[], str] = str,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Nothing is done yet.

        Args:
            declaration: what is declared.
            ports: engine, routes and balancer.
            limits: how much is done at the same time.
            on_step: called for each step, from several threads.
            halt: asked before each wave; a reason to stop there, or an empty text to go on.
            clock: tells and passes the time.
        """
        self._declaration = declaration
        self._ports = ports
        self._engine = ports.engine
        self._routes = ports.routes
        self._balancer = ports.balancer
        self._limits = limits
        self._halt = halt
        self._clock = clock
        self._handovers: dict[str, Handover] = {}
        self._coming: set[str] = set()
        self._servers: dict[str, TierServers] = {}
        self._lead = functools.partial(TierServers.lead, ports.routes, sets=self._servers)
        self._lost_routes: dict[str, Route | None] = {}
        self.record = RunRecord(on_step, clock)

    def apply(self, actions: Sequence[PoolAction]) -> None:
        """Carry out the actions.

        Raises:
            HaltedError: it was asked to stop, and nothing failed.
            ReconcileError: at least one tier failed; it names each. The other tiers are finished nevertheless.
        """
        self.record.begin()
        tiers = list(dict.fromkeys(action.tier for action in actions))
        groups = {action.together: Handover(action.together, self._switch) for action in actions if action.together}
        self._handovers = {tier: handover for group, handover in groups.items() for tier in group}
        self._coming = {action.node for action in of_kind(actions, START)}
        self._lost_routes = parts.lost_routes(actions, self._routes.of, self._declaration.route)
        with (
            ThreadPoolExecutor(self._limits.workers, thread_name_prefix="start") as self._starters,
            ThreadPoolExecutor(self._limits.workers, thread_name_prefix="probe") as self._probers,
            ThreadPoolExecutor(_DRAIN_THREADS, thread_name_prefix="drain") as self._drainers,
            ThreadPoolExecutor(max(len(tiers), 1), thread_name_prefix="tier") as threads,
        ):
            runs = {tier: threads.submit(self._tier, [a for a in actions if a.tier == tier]) for tier in tiers}
            errors = [run.exception() for run in runs.values()]
        for error in errors:
            if error is not None and not isinstance(error, _EXPECTED):
                raise error
        failed = [error for error in errors if error is not None]
        if failed:
            kind = HaltedError if all(isinstance(error, HaltedError) for error in failed) else ReconcileError
            raise kind("\n".join(dict.fromkeys(map(str, failed))))

    def _tier(self, actions: Sequence[PoolAction]) -> None:
        tier, halted = actions[0].tier, ""
        watch, rollback = None, RollbackState()
        try:
            if any(action.kind != REMOVE for action in actions):
                watch = self._watch(tier)
            rollback = RollbackState(former=parts.plain(self._routes.of(tier)), staying=self._staying(tier, actions))
            self._hold_together(watch, actions, rollback.former)
            for step in sorted({action.step for action in actions}):
                # Between the end of the only node and the start of the next one there is nothing to stop at.
                halted = "" if rollback.drained and self._in_turn(tier) else self._halt()
                if halted:
                    break
                self._step(watch, [action for action in actions if action.step == step], rollback)
        except _EXPECTED as error:
            if rollback.handed_over:
                raise ReconcileError(
                    f"{error}; the routes stay as declared (run it again to end what was begun)"
                ) from error
            if watch is None or not (rollback.drained or rollback.rerouted):
                raise  # no node has left yet
            raise ReconcileError(parts.told_once(error, self._return(watch, tier, rollback))) from error
        finally:
            if tier in self._handovers and not rollback.handed_over:
                self._handovers[tier].give_up()
            if tier in self._servers:
                self.record.warnings += self._servers[tier].end()
        self._each(self._starters, lambda node: self._engine.remove(node.id), rollback.drained)
        if halted:
            raise HaltedError(f"tier {tier}: got '{halted}' before all waves were done, want all (fix: repeat it)")

    def _hold_together(self, watch: RotationWatch | None, actions: Sequence[PoolAction], former: Route | None) -> None:
        """Write down which servers of the tier may be asked, where its nodes come or go."""
        if watch is None:
            return
        tier, declared = actions[0].tier, self._declaration.tiers.get(actions[0].tier)
        self._servers[tier] = TierServers(tier, declared, self._ports, watch, self._limits.ready_timeout, self._clock)
        now = self._routes.of(tier)
        is_left = now is not None and now.servers is not None
        if is_left or any(action.kind in {START, DRAIN, MEND} for action in actions):
            self._servers[tier].begin(former)

    def _watch(self, tier: str = "") -> RotationWatch:
        probe_each = functools.partial(self._each, self._probers)
        build = self._declaration.builds.get(tier)
        patience = (build.tier.ready_seconds if build else 0) or self._limits.ready_timeout
        return RotationWatch(self._engine, self._balancer(), patience, probe_each, self._clock)

    def _in_turn(self, tier: str) -> bool:
        """Whether a node of the tier must end before another one starts."""
        return tier in self._declaration.builds and self._declaration.builds[tier].tier.roll == REPLACE

    def _step(self, watch: RotationWatch | None, actions: Sequence[PoolAction], rollback: RollbackState) -> None:
        self._remove_step(of_kind(actions, REMOVE))
        if watch is None:
            return
        self._mend_step(watch, of_kind(actions, MEND), rollback)
        for action in of_kind(actions, RELEASE):
            release(self._engine, self._declaration.cluster, self._declaration.builds[action.tier])
            self.record.over(action, steps.RELEASED)
        starts = of_kind(actions, START)
        self._start_step(watch, starts, keep=not (rollback.drained or of_kind(actions, DRAIN)))
        rollback.started += [action.node for action in starts]
        for action in of_kind(actions, ROUTE):
            if action.together:
                self._enter_staying(watch, action.tier, rollback)
                self._handovers[action.tier].join(action.tier)
                rollback.handed_over = True
            else:
                rollback.rerouted = True
                lost = {tier: route for tier, route in self._lost_routes.items() if self._routes.of(tier) is None}
                self._lead({**lost, action.tier: self._declaration.route(action.tier)})
            self._routed(watch, action)
        if of_kind(actions, DRAIN) and watch.is_served(self._engine.nodes(), actions[0].tier):
            self._enter_staying(watch, actions[0].tier, rollback)
            # A run that was killed may have left a route that the balancer has not read.
            watch.routed(actions[0].tier, self._routes.of(actions[0].tier))
            if rollback.former is None:
                self._servers[actions[0].tier].begin(self._routes.of(actions[0].tier))
        self._drain_step(watch, of_kind(actions, DRAIN), rollback)

    def _each(self, threads: ThreadPoolExecutor, work: Callable[[_Item], None], items: Iterable[_Item]) -> None:
        """Do it for all, side by side; the first error is raised when all are over."""
        ended([threads.submit(work, item) for item in items])

    # -- set back -----------------------------------------------------------------

    def _mend_step(self, watch: RotationWatch, actions: Sequence[PoolAction], rollback: RollbackState) -> None:
        """Set back what was changed by hand, and wait until the nodes serve; those that do not are replaced."""
        if not actions:
            return
        tier = actions[0].tier
        ids = {action.id for action in actions}
        nodes = [node for node in self._engine.nodes() if node.id in ids]
        probe_each = functools.partial(self._each, self._starters)
        failed = mend(self._engine, watch, self._declaration.builds[tier], nodes, probe_each)
        failed |= parts.missing(actions, nodes)
        for action in actions:
            if action.id not in failed:
                self.record.over(action, steps.MENDED)
        if failed:
            self.record.warnings += [f"{problem}; it was replaced" for problem in failed.values()]
            self._replace(watch, [action for action in actions if action.id in failed], rollback)

    def _replace(self, watch: RotationWatch, actions: Sequence[PoolAction], rollback: RollbackState) -> None:
        """Start as many new nodes as there are actions, then drain the actions' nodes."""
        tier = actions[0].tier
        taken = self._coming | {name for node in self._engine.nodes() for name in (node.name, node.own_name)}
        names = free_names(node_prefix(self._declaration.cluster, tier), taken, len(actions))
        starts = [PoolAction(START, tier, name, 0, "replaces a node that could not be mended") for name in names]
        drains = [PoolAction(DRAIN, tier, action.node, 0, "could not be mended", action.id) for action in actions]
        first, last = (drains, []) if self._in_turn(tier) else ([], drains)
        self._drain_step(watch, first, rollback)
        self._start_step(watch, starts, keep=False)
        rollback.started += names
        self._enter_staying(watch, tier, rollback)
        self._drain_step(watch, last, rollback)

    # -- joining -----------------------------------------------------------------

    def _remove_step(self, actions: Sequence[PoolAction]) -> None:
        alive = parts.started_since(actions, self._engine.nodes)
        self._each(self._starters, lambda action: self._remove(action, alive), actions)

    def _remove(self, action: PoolAction, alive: Container[str]) -> None:
        if action.id in alive:
            self._engine.stop(action.id, self._stop_seconds(action.tier))
        self._engine.remove(action.id)
        self.record.over(action, steps.REMOVED)

    def _start(self, action: PoolAction) -> None:
        start_node(self._engine, action.node, self._declaration.builds[action.tier])
        self.record.mark(action.tier, action.node, steps.STARTED)

    def _start_step(self, watch: RotationWatch, actions: Sequence[PoolAction], *, keep: bool) -> None:
        """Start nodes and wait for them. If that fails, all are removed; with *keep*, those in rotation stay."""
        if not actions:
            return
        tier, names = actions[0].tier, {action.node for action in actions}
        declared = self._declaration.tiers[tier]
        try:
            self._each(self._starters, self._start, actions)
            watch.enter(
                declared,
                names,
                # Of an image without the contract, the balancer may judge an answer otherwise than this run does.
                probed=not (keep and declared.health.contract),
                ready=lambda name: self.record.mark(tier, name, steps.READY),
                entered=lambda name: self.record.mark(tier, name, steps.IN_ROTATION),
            )
            self._servers[tier].admit({node.url for node in self._engine.nodes() if node.name in names})
        except Exception as error:
            # The nodes from before keep serving. Those that did not come up are removed: the next run starts clean.
            with parts.told_after(error, "and what had started could not be removed"):
                self._discard({name for name in names if not keep or not self.record.served(name)})
            raise
        self.record.all_over(actions)

    def _discard(self, names: Container[str]) -> None:
        """Remove managed nodes; those that served are drained first."""
        going = [node for node in self._engine.nodes() if node.managed and node.name in names]
        served = [node for node in going if self.record.served(node.name)]
        self._each(self._drainers, self._discard_one, [node for node in going if node not in served])
        for tier, leaving in parts.by_tier(served):
            self.record.warnings += self._servers[tier].withdraw(leaving)
        self._each(self._drainers, self._discard_one, served)

    def _discard_one(self, node: Node) -> None:
        if self.record.served(node.name):
            self._engine.stop(node.id, self._stop_seconds(node.tier), self._servers[node.tier].signal_for(node.id))
            self.record.tell(node.tier, node.name, steps.DISCARDED_DRAINED)
        else:
            self.record.tell(node.tier, node.name, steps.DISCARDED)
        self._engine.remove(node.id)

    def _switch(self, tiers: Iterable[str]) -> None:
        """Change the routes of these tiers in one write; if the balancer does not follow, they get the former ones."""
        wanted = {tier: self._declaration.route(tier) for tier in tiers}
        former, watch = {tier: parts.plain(self._routes.of(tier)) for tier in wanted}, self._watch()
        self._lead(wanted)
        try:
            for tier in wanted:
                watch.routed(tier, self._routes.of(tier))
        except _EXPECTED:
            self._lead(former)
            raise

    def _routed(self, watch: RotationWatch, action: PoolAction) -> None:
        self.record.switched[action.tier] = self.record.now()
        watch.routed(action.tier, self._routes.of(action.tier))
        is_declared = action.tier in self._declaration.builds
        self.record.tell(action.tier, "", steps.ROUTE_SWITCHED if is_declared else steps.ROUTE_DROPPED)
        self.record.all_over([action])

    # -- leaving -----------------------------------------------------------------

    def _staying(self, tier: str, actions: Sequence[PoolAction]) -> list[str]:
        """The names of the tier's nodes that must serve before others leave, or before another tier's route does."""
        build = self._declaration.builds.get(tier)
        leaving = {action.id for action in actions}
        if build is None or not any(action.kind == DRAIN or action.together for action in actions):
            return []
        return parts.staying(self._engine.nodes(), build, leaving)

    def _enter_staying(self, watch: RotationWatch, tier: str, rollback: RollbackState) -> None:
        """Wait for the nodes that stay: a run that was killed may have left some that have just started."""
        build = self._declaration.builds.get(tier)
        if build is not None and rollback.staying:
            watch.enter(build.tier, rollback.staying, probed=True)
        rollback.staying = []

    def _drain_step(self, watch: RotationWatch, actions: Sequence[PoolAction], rollback: RollbackState) -> None:
        """Drain nodes side by side until they have ended and the balancer does not list them any more."""
        if not actions:
            return
        ids = {action.id for action in actions}
        leaving = [node for node in self._engine.nodes() if node.id in ids]
        # If the balancer does not answer, no node is drained: it could not tell when the node is out of rotation.
        watch.up({node.service for node in leaving if node.service})
        rollback.drained += leaving
        for action in actions:
            self.record.mark(action.tier, action.node, steps.DRAIN_BEGAN)
        self.record.warnings += self._servers[actions[0].tier].withdraw(leaving)
        runs = [self._drainers.submit(self._drain, action) for action in actions]
        try:
            watch.leave(leaving, lambda: parts.all_over(runs))
        finally:
            ended(runs)
        self.record.all_over(actions)

    def _stop_seconds(self, tier: str) -> int:
        build = self._declaration.builds.get(tier)
        return build.tier.stop_seconds if build else _DEFAULT_STOP_SECONDS

    def _drain(self, action: PoolAction) -> None:
        timeout, signal = self._stop_seconds(action.tier), self._servers[action.tier].signal_for(action.id)
        code = self._engine.stop(action.id, timeout, signal)
        if code == _KILLED:
            self.record.warnings.append(
                f"node {action.node}: got no end within {timeout} s of SIGTERM, want it to drain and exit"
                " (it was killed; fix: see the node image contract)"
            )
        self.record.mark(action.tier, action.node, steps.GONE)

    # -- rollback ---------------------------------------------------------------

    def _return(self, watch: RotationWatch, tier: str, rollback: RollbackState) -> str:
        """Return the tier to its former state; the result in words."""
        self.record.returning(tier)
        back = {node.name for node in rollback.drained}
        words = f"tier {tier} was returned to what it was"
        try:
            self._servers[tier].readmit(rollback.drained)
            self._each(self._starters, lambda node: self._engine.start_again(node.id), rollback.drained)
            if rollback.rerouted:
                # Until they serve, the new nodes do.
                watch.answer_as_made(back)
                watch.listed(rollback.drained, one_is_enough=True)
                self._lead({tier: rollback.former})
            elif tier in self._declaration.builds:
                watch.answer(self._declaration.builds[tier].tier, back)
        except _EXPECTED as error:
            return f"tier {tier} could not be returned to what it was: {error}; its new nodes keep serving"
        again = f", {node_words(back)} started again" if back else ""
        try:
            watch.listed(rollback.drained)
            self._servers[tier].admit({node.url for node in rollback.drained})
            self._discard(rollback.started)
        except _EXPECTED:
            kept = f"; {node_words(rollback.started)} kept until the balancer can be asked" if rollback.started else ""
            return f"{words}{again}{kept}"
        return f"{words}{again}" + (f", {node_words(rollback.started)} removed" if rollback.started else "")
