# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Carries a plan out: thin I/O around :mod:`pool.plan`, with the balancer's API as the judge of every step.

Nothing here waits for a time; it waits for facts (the node answers, the balancer lists it, the route leads to it, the
balancer lists it no more) until a deadline. A tier whose nodes are replaced is returned to what it was when a step does
not come about: nodes that have been drained are kept, stopped, until all steps are done, and are started again.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ..cluster.node import Node
from ..cluster.spec import Tier
from ..core.errors import EvenkeelError
from ..core.http import answers
from ..core.progress import no_progress, timed
from ..engine.docker_client import DockerPoolError
from ..engine.docker_nodes import DockerPool
from ..traefik.api import TraefikApi, TraefikApiError
from ..traefik.route_file import RouteFile
from ..traefik.routes import Route, pool_service
from .context import node_health_url, tier_route
from .plan import DRAIN, REMOVE, ROUTE, START, PoolAction
from .revision import TierBuild

_POLL_SECONDS = 0.1
# Draining is waiting, not work: all nodes that leave do so together.
_DRAIN_THREADS = 128
_KILLED = 137
# So long the balancer's API may be silent while nodes drain. Its data path may well go on meanwhile.
_SILENCE_SECONDS = 5.0
_EXPECTED = (DockerPoolError, TraefikApiError, OSError)
_Item = TypeVar("_Item")


class ReconcileError(EvenkeelError):
    """A step did not come about; the message is one line per tier."""


@dataclasses.dataclass
class NodeTiming:
    """When a node got how far, in seconds since the reconciliation began."""

    started: float | None = None
    ready: float | None = None
    in_rotation: float | None = None
    drain_began: float | None = None
    gone: float | None = None


@dataclasses.dataclass
class _RollbackState:
    """How far the replacement of one tier's nodes has got: what it takes to return.

    Attributes:
        started: names of new nodes.
        drained: nodes that have been told to leave, kept until all steps are done.
        former: the route before, and whether it was left.
    """

    former: Route | None = None
    rerouted: bool = False
    started: list[str] = dataclasses.field(default_factory=list)
    drained: list[Node] = dataclasses.field(default_factory=list)


class Reconciler:
    """Applies actions: tiers side by side, the steps of a tier in order, the nodes of a step side by side."""

    def __init__(
        self,
        pool: DockerPool,
        balancer: Callable[[], TraefikApi],
        builds: Mapping[str, TierBuild],
        routes: RouteFile,
        *,
        workers: int,
        ready_timeout: float,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = no_progress,
    ) -> None:
        """Prepare the threads; nothing is done yet.

        Args:
            pool: the containers.
            balancer: makes a client of the balancer's API; called once per thread.
            builds: tier name to what its nodes are made of.
            routes: the balancer's route file.
            workers: containers created at once; more than 8 bring nothing on one engine.
            ready_timeout: seconds without any progress after which a step has failed.
            clock: monotonic seconds.
            tell: takes a line whenever something has happened; called from several threads.
        """
        self._pool = pool
        self._balancer = balancer
        self._builds = dict(builds)
        self._routes = routes
        self._ready_timeout = ready_timeout
        self._clock = clock
        self._tell = tell
        self._began = clock()
        self._starters = ThreadPoolExecutor(workers, thread_name_prefix="start")
        self._probers = ThreadPoolExecutor(workers, thread_name_prefix="probe")
        self._drainers = ThreadPoolExecutor(_DRAIN_THREADS, thread_name_prefix="drain")
        self.timings: dict[str, NodeTiming] = {}
        #: Tier to when its route was switched, seconds since the reconciliation began.
        self.switched: dict[str, float] = {}
        self.done: list[PoolAction] = []
        self.warnings: list[str] = []

    def apply(self, actions: Sequence[PoolAction]) -> None:
        """Carry out the actions.

        Raises:
            ReconcileError: naming every tier that failed; the others are finished all the same.
        """
        self._began = self._clock()
        tiers = list(dict.fromkeys(action.tier for action in actions))
        with ThreadPoolExecutor(max(len(tiers), 1), thread_name_prefix="tier") as threads:
            runs = {tier: threads.submit(self._tier, [a for a in actions if a.tier == tier]) for tier in tiers}
            errors = [run.exception() for run in runs.values()]
        self._starters.shutdown()
        self._probers.shutdown()
        self._drainers.shutdown()
        for error in errors:
            if error is not None and not isinstance(error, (ReconcileError, *_EXPECTED)):
                raise error
        problems = [str(error) for error in errors if error is not None]
        if problems:
            raise ReconcileError("\n".join(dict.fromkeys(problems)))

    def _tier(self, actions: Sequence[PoolAction]) -> None:
        needs_balancer = any(action.kind in {START, ROUTE, DRAIN} for action in actions)
        balancer = self._balancer() if needs_balancer else None
        course = _RollbackState(former=self._routes.of(actions[0].tier))
        try:
            for step in sorted({action.step for action in actions}):
                self._step(balancer, [action for action in actions if action.step == step], course)
        except (ReconcileError, *_EXPECTED) as error:
            if balancer is None or not (course.drained or course.rerouted):
                raise  # nobody has left yet
            raise ReconcileError(f"{error}; {self._return(balancer, actions[0].tier, course)}") from error
        self._each(self._starters, lambda node: self._pool.remove(node.id), course.drained)

    def _step(self, balancer: TraefikApi | None, actions: Sequence[PoolAction], course: _RollbackState) -> None:
        self._each(self._starters, self._remove, _of_kind(actions, REMOVE))
        if balancer is None:
            return
        starts = _of_kind(actions, START)
        self._start_step(balancer, starts, keep=not (course.drained or _of_kind(actions, DRAIN)))
        course.started += [action.node for action in starts]
        for action in _of_kind(actions, ROUTE):
            course.rerouted = True
            self._route(balancer, action)
        self._drain_step(balancer, _of_kind(actions, DRAIN), course)

    def _each(self, threads: ThreadPoolExecutor, work: Callable[[_Item], None], items: Iterable[_Item]) -> None:
        """Do it for all, side by side; the first error is raised when all are over."""
        _ended([threads.submit(work, item) for item in items])

    def _timing(self, node: str) -> NodeTiming:
        return self.timings.setdefault(node, NodeTiming())

    def _now(self) -> float:
        return round(self._clock() - self._began, 3)

    def _mark(self, node: str, step: str) -> None:
        """Note when the node got so far, and tell it."""
        at = self._now()
        setattr(self._timing(node), step, at)
        self._tell(node_line(node, step, at))

    def _remove(self, action: PoolAction) -> None:
        self._pool.remove(action.id)
        self._tell(timed(f"{action.node}: removed", self._now()))
        self.done.append(action)

    def _start(self, action: PoolAction) -> None:
        build = self._builds[action.tier]
        self._pool.start(action.node, build.tier, build.image, build.revision, build.options)
        self._mark(action.node, "started")

    def _start_step(self, balancer: TraefikApi, actions: Sequence[PoolAction], *, keep: bool) -> None:
        """Start nodes and wait for them. Of a step that fails, those in rotation stay if *keep*, the others go."""
        if not actions:
            return
        names = {action.node for action in actions}
        try:
            self._each(self._starters, self._start, actions)
            self._await_rotation(balancer, self._builds[actions[0].tier], names, probed=not keep)
        except Exception:
            # What was there before keeps serving; what did not come up goes, so that the next run starts clean.
            self._discard({name for name in names if not keep or self._timing(name).in_rotation is None})
            raise
        self.done += actions

    def _discard(self, names: Container[str]) -> None:
        """Remove managed nodes: at once those that never served, drained those that did."""
        going = [node for node in self._pool.nodes() if node.managed and node.name in names]
        self._each(self._drainers, self._discard_one, going)

    def _discard_one(self, node: Node) -> None:
        if self._timing(node.name).in_rotation is not None:
            self._pool.stop(node.id, self._stop_seconds(node.tier))
            self._tell(timed(f"{node.name}: drained and removed again", self._now()))
        else:
            self._tell(timed(f"{node.name}: did not come up, removed", self._now()))
        self._pool.remove(node.id)

    def _await_rotation(self, balancer: TraefikApi, build: TierBuild, names: set[str], *, probed: bool) -> None:
        """Until the nodes answer their health check and the balancer lists them as up.

        Args:
            balancer: the client of its API.
            build: of the nodes' tier.
            names: of the nodes.
            probed: wait for an answer to the balancer's own health check as well. It has new servers up on trust, for
                one interval: good enough beside others, not where those are about to leave.
        """
        waiting = set(names)
        deadline = self._clock() + self._ready_timeout
        while waiting:
            nodes = {node.name: node for node in self._pool.nodes() if node.name in waiting}
            self._check_alive(waiting, nodes)
            self._probe(build.tier, [nodes[name] for name in waiting if self._timing(name).ready is None])
            listed = balancer.server_status(build.tier.service)
            arrived = {
                name for name in waiting if self._timing(name).ready and listed.get(nodes[name].url, "DOWN") == "UP"
            }
            if probed and arrived:
                answered = balancer.server_up(build.tier.service)
                arrived = {name for name in arrived if answered.get(nodes[name].url)}
            for name in arrived:
                self._mark(name, "in_rotation")
            waiting -= arrived
            if arrived:
                deadline = self._clock() + self._ready_timeout
            elif self._clock() > deadline:
                raise ReconcileError(self._not_ready(build.tier, nodes, sorted(waiting), listed))
            if waiting:
                time.sleep(_POLL_SECONDS)

    def _check_alive(self, waiting: set[str], nodes: Mapping[str, Node]) -> None:
        for name in sorted(waiting):
            node = nodes.get(name)
            if node is None:
                raise ReconcileError(f"node {name}: got no container, want it running (fix: see who removed it)")
            if node.state != "running":
                raise ReconcileError(
                    f"node {name}: got state {node.state}, want it running; last log lines: {self._pool.logs(node.id)}"
                    " (fix: mend the image; the nodes that ran before keep serving)"
                )

    def _not_ready(
        self, tier: Tier, nodes: Mapping[str, Node], waiting: Sequence[str], listed: Container[str] = ()
    ) -> str:
        first = waiting[0]
        seen = "no place in the balancer's rotation"
        if self._timing(first).ready is None:
            seen = f"no 200 from {tier.health_path}"
        elif first in nodes and nodes[first].url in listed:
            seen = f"no 200 from {tier.health_path} when the balancer asks"
        more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
        logs = self._pool.logs(nodes[first].id) if first in nodes else ""
        return (
            f"node {first}{more}: got {seen} within {self._ready_timeout:g} s, want it ready; last log lines:"
            f" {logs or 'none'} (fix: docker run the image and request {tier.health_path}; the nodes that ran"
            " before keep serving)"
        )

    def _probe(self, tier: Tier, nodes: Sequence[Node]) -> None:
        def probe(node: Node) -> None:
            if node.address and answers(node_health_url(node, tier)):
                self._timing(node.name).ready = self._now()

        runs = [self._probers.submit(probe, node) for node in nodes]
        for run in runs:
            run.result()

    def _route(self, balancer: TraefikApi, action: PoolAction) -> None:
        build = self._builds.get(action.tier)
        route = tier_route(build.tier) if build else None
        self.switched[action.tier] = self._now()
        self._routes.lead(action.tier, route)
        deadline = self._clock() + self._ready_timeout
        while not self._leads_to(balancer, action.tier, route):
            if self._clock() > deadline:
                raise ReconcileError(
                    f"route of tier {action.tier}: got another service than {route.service if route else 'none'} from"
                    " the balancer, want the new route (fix: see the balancer's log)"
                )
            time.sleep(_POLL_SECONDS)
        self._tell(timed(f"{action.tier}: route {'switched' if route else 'dropped'}", self._now()))
        self.done.append(action)

    def _leads_to(self, balancer: TraefikApi, tier: str, route: Route | None) -> bool:
        record = balancer.router(tier)
        if route is None or record is None:
            return route is None and record is None
        leads = str(record.get("service")).removesuffix("@file") == pool_service(route.service)
        return leads and record.get("rule") == self._routes.rule(route)

    # -- leaving ---------------------------------------------------------------

    def _drain_step(self, balancer: TraefikApi, actions: Sequence[PoolAction], course: _RollbackState) -> None:
        """Drain nodes side by side until they have ended and the balancer lists them no more."""
        if not actions:
            return
        ids = {action.id for action in actions}
        leaving = [node for node in self._pool.nodes() if node.id in ids]
        services = sorted({node.service for node in leaving if node.service})
        _listed(balancer, services)  # nobody is told to leave while nobody can say whether he left
        course.drained += leaving
        runs = [self._drainers.submit(self._drain, action) for action in actions]
        try:
            self._watch_leaving(balancer, services, leaving, runs)
        finally:
            _ended(runs)
        self.done += actions

    def _watch_leaving(
        self, balancer: TraefikApi, services: Sequence[str], leaving: Sequence[Node], runs: Sequence[Future[None]]
    ) -> None:
        answered, deadline = self._clock(), None
        while True:
            over = all(run.done() for run in runs)
            if over and any(run.exception() for run in runs):
                return  # the caller raises it
            if over and deadline is None:
                deadline = self._clock() + self._ready_timeout
            try:
                up = _listed(balancer, services)
                answered = self._clock()
            except TraefikApiError:
                if self._clock() - answered > _SILENCE_SECONDS:
                    raise
                up = None
            if over and up is not None:
                still = self._still_in_rotation(leaving, up) if up else []
                if not still:
                    return
                if deadline is not None and self._clock() > deadline:
                    raise ReconcileError(
                        f"node {still[0]}: got a place in the balancer's rotation {self._ready_timeout:g} s after its"
                        " end, want none (fix: see whether the balancer still follows Docker's events: docker logs)"
                    )
            time.sleep(_POLL_SECONDS)

    def _still_in_rotation(self, leaving: Sequence[Node], up: Container[str]) -> list[str]:
        """Who has ended and is asked all the same; an address that another node has by now is that one's."""
        named = [node for node in leaving if node.url in up]
        if not named:
            return []
        gone = {node.id for node in leaving}
        taken = {node.url for node in self._pool.nodes() if node.state == "running" and node.id not in gone}
        return [node.name for node in named if node.url not in taken]

    def _stop_seconds(self, tier: str) -> int:
        build = self._builds.get(tier)
        return build.tier.stop_seconds if build else 30

    def _drain(self, action: PoolAction) -> None:
        self._mark(action.node, "drain_began")
        timeout = self._stop_seconds(action.tier)
        code = self._pool.stop(action.id, timeout)
        if code == _KILLED:
            self.warnings.append(
                f"node {action.node}: got no end within {timeout} s of SIGTERM, want it to drain and exit"
                " (it was killed; fix: see the node image contract)"
            )
        self._mark(action.node, "gone")

    # -- the way back ------------------------------------------------------------

    def _return(self, balancer: TraefikApi, tier: str, course: _RollbackState) -> str:
        """Return the tier to what it was before; what came of it, in words."""
        self.done = [action for action in self.done if action.tier != tier]
        back = {node.name for node in course.drained}
        self._tell(timed(f"tier {tier}: a step failed, returning to what it was", self._now()))
        words = f"tier {tier} was returned to what it was"
        try:
            self._each(self._starters, lambda node: self._pool.start_again(node.id), course.drained)
            if course.former is not None and course.rerouted:
                self._routes.lead(tier, course.former)
            self._await_answers(tier, back)
        except (ReconcileError, *_EXPECTED) as error:
            return f"tier {tier} could not be returned to what it was: {error}; its new nodes keep serving"
        told = f", {_nodes(back)} started again" if back else ""
        try:
            self._await_listed(balancer, {node.url: node for node in course.drained})
        except (ReconcileError, TraefikApiError):
            kept = f"; {_nodes(course.started)} kept until the balancer can be asked" if course.started else ""
            return f"{words}{told}{kept}"
        self._discard(course.started)
        return f"{words}{told}" + (f", {_nodes(course.started)} removed" if course.started else "")

    def _await_answers(self, tier: str, names: Container[str]) -> None:
        """Until nodes that were started again answer their health check."""
        build = self._builds.get(tier)
        if build is None:
            return
        deadline = self._clock() + self._ready_timeout
        while True:
            nodes = {node.name: node for node in self._pool.nodes() if node.tier == tier and node.name in names}
            deaf = [
                name
                for name, node in nodes.items()
                if not (node.address and answers(node_health_url(node, build.tier)))
            ]
            if not deaf:
                return
            if self._clock() > deadline:
                raise ReconcileError(self._not_ready(build.tier, nodes, sorted(deaf)))
            time.sleep(_POLL_SECONDS)

    def _await_listed(self, balancer: TraefikApi, nodes: Mapping[str, Node]) -> None:
        """Until the balancer has the nodes in rotation."""
        services = sorted({node.service for node in nodes.values() if node.service})
        deadline = self._clock() + self._ready_timeout
        while not nodes.keys() <= _listed(balancer, services):
            if self._clock() > deadline:
                raise ReconcileError("not in rotation")
            time.sleep(_POLL_SECONDS)


def _ended(runs: Iterable[Future[None]]) -> None:
    """Wait for all, then raise the first error."""
    errors = [error for error in (run.exception() for run in runs) if error is not None]
    if errors:
        raise errors[0]


def _listed(balancer: TraefikApi, services: Iterable[str]) -> set[str]:
    """The servers that the balancer sends new requests to."""
    return {url for service in services for url, state in balancer.server_status(service).items() if state == "UP"}


def _nodes(names: Sized) -> str:
    return "1 node" if len(names) == 1 else f"{len(names)} nodes"


def _of_kind(actions: Iterable[PoolAction], kind: str) -> list[PoolAction]:
    return [action for action in actions if action.kind == kind]


# What happens to a node, in words; what only begins bears no time, which would read as how long it took.
_STEPS = {"started": "started", "in_rotation": "in rotation", "drain_began": "drains", "gone": "gone"}
_BEGINS = frozenset({"drain_began"})


def node_line(node: str, step: str, at: float) -> str:
    """That a node has got so far.

    Args:
        node: its name.
        step: the name of a timing of :class:`reconcile.NodeTiming`.
        at: seconds from the begin of the reconciliation.
    """
    what = f"{node}: {_STEPS[step]}"
    return what if step in _BEGINS else timed(what, at)
