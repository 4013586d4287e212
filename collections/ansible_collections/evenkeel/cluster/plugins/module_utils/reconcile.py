# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Carries a plan out: thin I/O around :mod:`pool_plan`, with the balancer's API as the judge of every step.

Nothing here waits for a time; it waits for facts (the node answers, the balancer lists it, the route leads to it)
until a deadline, and a step that does not come about is undone while the nodes that were there keep serving.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

with contextlib.suppress(ImportError):  # the module reports a missing docker SDK, which brings it
    import requests

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer_routes import (
    Route,
    pool_service,
    render,
    route_rule,
    routes_config,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster_spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.docker_pool import DockerPool, DockerPoolError
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool_plan import (
    DRAIN,
    REMOVE,
    ROUTE,
    START,
    Action,
    Node,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.progress import node_line, silent, timed
from ansible_collections.evenkeel.cluster.plugins.module_utils.revision import NodeOptions
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik_api import TraefikApi, TraefikApiError

_POLL_SECONDS = 0.1
_PROBE_TIMEOUT_SECONDS = 1.0
# Draining is waiting, not work: all nodes that leave do so together.
_DRAIN_THREADS = 128
_KILLED = 137


class ReconcileError(Exception):
    """A step did not come about; the message is one line per tier."""


@dataclasses.dataclass(frozen=True)
class TierBuild:
    """All that is needed to make a node of one tier."""

    tier: Tier
    image: str
    image_id: str
    revision: str
    options: NodeOptions


@dataclasses.dataclass
class NodeTiming:
    """When a node got how far, in seconds since the reconciliation began."""

    started: float | None = None
    ready: float | None = None
    in_rotation: float | None = None
    drain_began: float | None = None
    gone: float | None = None


class RouteFile:
    """The balancer's route file: which tier's path leads to which service."""

    def __init__(self, path: Path, hosts: Sequence[str], routes: Mapping[str, Route]) -> None:
        """Hold the routes; the file is written only by :meth:`lead`."""
        self._path = path
        self._hosts = list(hosts)
        self._routes = dict(routes)
        self._lock = threading.Lock()

    def text(self) -> str:
        """What the file should say now."""
        ordered = [self._routes[name] for name in sorted(self._routes)]
        return render(routes_config(ordered, self._hosts))

    def rule(self, route: Route) -> str:
        """The rule that the balancer shows for the route."""
        return route_rule(route, self._hosts)

    def lead(self, tier: str, route: Route | None) -> None:
        """Let the tier's path lead to the route, or drop it, and replace the file at once."""
        with self._lock:
            if route is None:
                self._routes.pop(tier, None)
            else:
                self._routes[tier] = route
            write_atomically(self._path, self.text())


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that a reader sees the old or the new text, never a part.

    The temporary name does not end in .yml: the balancer watches the folder.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


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
        tell: Callable[[str], None] = silent,
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
        self.done: list[Action] = []
        self.warnings: list[str] = []

    def apply(self, actions: Sequence[Action]) -> None:
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
            if error is not None and not isinstance(error, (ReconcileError, DockerPoolError, TraefikApiError, OSError)):
                raise error
        problems = [str(error) for error in errors if error is not None]
        if problems:
            raise ReconcileError("\n".join(dict.fromkeys(problems)))

    def _tier(self, actions: Sequence[Action]) -> None:
        needs_balancer = any(action.kind in {START, ROUTE} for action in actions)
        balancer = self._balancer() if needs_balancer else None
        for step in sorted({action.step for action in actions}):
            of_step = [action for action in actions if action.step == step]
            self._together(self._starters, self._remove, _of_kind(of_step, REMOVE))
            if balancer is not None:
                self._start_step(balancer, _of_kind(of_step, START))
                for action in _of_kind(of_step, ROUTE):
                    self._route(balancer, action)
            self._together(self._drainers, self._drain, _of_kind(of_step, DRAIN))

    def _together(self, threads: ThreadPoolExecutor, work: Callable[[Action], None], actions: Iterable[Action]) -> None:
        runs: list[Future[None]] = [threads.submit(work, action) for action in actions]
        errors = [error for error in (run.exception() for run in runs) if error is not None]
        if errors:
            raise errors[0]

    def _timing(self, node: str) -> NodeTiming:
        return self.timings.setdefault(node, NodeTiming())

    def _now(self) -> float:
        return round(self._clock() - self._began, 3)

    def _mark(self, node: str, step: str) -> None:
        """Note when the node got so far, and tell it."""
        at = self._now()
        setattr(self._timing(node), step, at)
        self._tell(node_line(node, step, at))

    def _remove(self, action: Action) -> None:
        self._pool.remove(action.id)
        self._tell(timed(f"{action.node}: removed", self._now()))
        self.done.append(action)

    def _start(self, action: Action) -> None:
        build = self._builds[action.tier]
        self._pool.start(action.node, build.tier, build.image, build.revision, build.options)
        self._mark(action.node, "started")

    def _start_step(self, balancer: TraefikApi, actions: Sequence[Action]) -> None:
        if not actions:
            return
        names = {action.node for action in actions}
        try:
            self._together(self._starters, self._start, actions)
            self._await_rotation(balancer, self._builds[actions[0].tier], names)
        except Exception:
            # What was there before keeps serving; what did not come up goes, so that the next run starts clean.
            self._undo(names)
            raise
        self.done += actions

    def _undo(self, names: set[str]) -> None:
        for node in self._pool.nodes():
            if node.managed and node.name in names and self._timing(node.name).in_rotation is None:
                self._pool.remove(node.id)
                self._tell(timed(f"{node.name}: did not come up, removed", self._now()))

    def _await_rotation(self, balancer: TraefikApi, build: TierBuild, names: set[str]) -> None:
        """Until the nodes answer their health check and the balancer lists them as up."""
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
            for name in arrived:
                self._mark(name, "in_rotation")
            waiting -= arrived
            if arrived:
                deadline = self._clock() + self._ready_timeout
            elif self._clock() > deadline:
                raise ReconcileError(self._not_ready(build.tier, nodes, sorted(waiting)))
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

    def _not_ready(self, tier: Tier, nodes: Mapping[str, Node], waiting: Sequence[str]) -> str:
        first = waiting[0]
        deaf = self._timing(first).ready is None
        seen = f"no 200 from {tier.health_path}" if deaf else "no place in the balancer's rotation"
        more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
        logs = self._pool.logs(nodes[first].id) if first in nodes else ""
        return (
            f"node {first}{more}: got {seen} within {self._ready_timeout:g} s, want it ready; last log lines:"
            f" {logs or 'none'} (fix: docker run the image and request {tier.health_path}; the nodes that ran"
            " before keep serving)"
        )

    def _probe(self, tier: Tier, nodes: Sequence[Node]) -> None:
        def probe(node: Node) -> None:
            if node.address and answers(f"http://{node.address}:{tier.port}{tier.health_path}"):
                self._timing(node.name).ready = self._now()

        runs = [self._probers.submit(probe, node) for node in nodes]
        for run in runs:
            run.result()

    def _route(self, balancer: TraefikApi, action: Action) -> None:
        build = self._builds.get(action.tier)
        route = tier_route(build.tier) if build else None
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

    def _drain(self, action: Action) -> None:
        build = self._builds.get(action.tier)
        self._mark(action.node, "drain_began")
        timeout = build.tier.stop_seconds if build else 30
        code = self._pool.stop(action.id, timeout)
        if code == _KILLED:
            self.warnings.append(
                f"node {action.node}: got no end within {timeout} s of SIGTERM, want it to drain and exit"
                " (it was killed; fix: see the node image contract)"
            )
        self._pool.remove(action.id)
        self._mark(action.node, "gone")
        self.done.append(action)


def tier_route(tier: Tier) -> Route:
    """The tier's route as declared."""
    return Route(tier=tier.name, path=tier.path, strip_path=tier.strip_path, service=tier.service)


def _of_kind(actions: Iterable[Action], kind: str) -> list[Action]:
    return [action for action in actions if action.kind == kind]


def answers(url: str) -> bool:
    """Whether a GET of the address is answered with 200, soon."""
    try:
        answer = requests.get(url, timeout=_PROBE_TIMEOUT_SECONDS, headers={"Connection": "close"})
        return bool(answer.status_code == requests.codes.ok)
    except requests.RequestException:
        return False
