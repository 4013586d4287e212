# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Which servers of a tier may be asked while the tier changes.

The balancer asks whatever runs: a node from its start, and one that leaves until its health check says so. Images that
keep our contract can do with that. For all others the tier's route leads, while it changes, to a set of servers that
is written down: a node is in it when the balancer's own probe was answered, and out of it, without an open connection,
before it is told to end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence

from ..cluster.leaving import FINISH_SECONDS, HELD, OWN
from ..cluster.node import Node
from ..cluster.spec import Tier
from ..core.errors import EvenkeelError, Problem
from ..core.poll import Clock, wait_until
from ..engine.port import BalancerView, Routes
from ..traefik.routes import Route, ServerSet, set_services
from .context import Ports, drains, health_of
from .rotation import ReconcileError, RotationWatch

_POLL_SECONDS = 0.1
_FOLLOW_SECONDS = 0.25
# A request that is sent just now has its connection already, or gets none: the balancer does not list the node.
_QUIET_SECONDS = 0.3
# On a machine whose processors are short, the balancer may hold a request for longer, as this process is late itself.
_LATE_FACTOR, _MOST_QUIET_SECONDS = 5.0, 3.0
# What a slow balancer leaves of a short finish_seconds may be too little to see that.
_LEAST_SECONDS = 2 * _QUIET_SECONDS
# The balancer learns of an end in a second or two. What runs on after all would be waited for in vain.
_LISTED_SECONDS = 5.0
# Our process 1 waits for connections to end at SIGTERM, and does not at this: they have ended already.
_AT_ONCE = "SIGQUIT"


class TierServers:
    """The set of one tier, and whether it is in use.

    Args:
        name: the tier's name.
        tier: the tier as declared; None for one that is not declared any more.
        ports: engine, routes and balancer.
        watch: waits for facts at the balancer.
        patience: seconds that the balancer gets to read a change.
        clock: tells and passes the time.
    """

    def __init__(
        self, name: str, tier: Tier | None, ports: Ports, watch: RotationWatch, patience: float, clock: Clock
    ) -> None:
        """Nothing is asked or written yet."""
        self._name = name
        self._tier = tier
        self._ports = ports
        self._watch = watch
        self._patience = patience
        self._clock = clock
        self._lock = threading.RLock()
        self._route: Route | None = None
        self._withdrawn: set[str] = set()
        self._left: set[str] = set()
        self._finished: set[str] = set()
        self._ended = threading.Event()
        self._follower: threading.Thread | None = None

    @property
    def _is_needed(self) -> bool:
        """Whether the tier's nodes cannot join and leave without a loss by themselves."""
        return self._tier is not None and self._tier.leaving != OWN

    # -- begin and end -------------------------------------------------------------

    def begin(self, former: Route | None) -> None:
        """Let the tier's route lead to the servers that are up now.

        Where another service or nothing is routed, or the balancer has no server, there is nothing to hold together.

        Args:
            former: the route now.

        Raises:
            ReconcileError: the balancer does not read it; :meth:`end` gives the route back.
            TraefikApiError: the balancer cannot be asked.
            EngineError: the engine cannot be asked.
            OSError: the route file cannot be written.
        """
        if self._tier is None or not self._is_needed or former is None or former.service != self._tier.service:
            return
        if self._follower is not None:
            return
        balancer = self._ports.balancer()
        status = balancer.server_status(self._tier.service)
        # The balancer takes a server for up before its first probe. On a busy machine all probes can fail together.
        up = {url for url, state in status.items() if state == "UP"}
        answered = {url for url, found in balancer.server_up(self._tier.service).items() if found} & up
        # A run before may have left the set in force because the balancer lacks servers that run.
        now = self._ports.routes.of(self._name)
        left = set(now.servers.urls) if now is not None and now.servers is not None else set()
        left = set(self._running(left - status.keys()))
        if not status and not left:
            return
        self._write(former, (answered or up or set(status)) | left)
        self._watch.routed(self._tier.name, self._route)
        self._follower = threading.Thread(target=self._follow, name=f"set-{self._tier.name}", daemon=True)
        self._follower.start()

    def end(self) -> list[str]:
        """Let the route lead to whatever the balancer finds again; without a set, nothing is done.

        Returns:
            A warning, when the balancer does not find servers of the set that run: then the set stays.

        Raises:
            OSError: the route file cannot be written; the next run does it.
        """
        self._ended.set()
        lacking = ""
        if self._follower is not None:
            self._follower.join()
            lacking = self._await_list()
        with self._lock:
            self._route = None
            now = self._ports.routes.of(self._name)
            if lacking:
                got = f"none of {lacking}, which run, in the balancer's own list"
                fix = (
                    "see whether Docker calls them unhealthy: docker ps; whether the balancer still follows Docker's"
                    " events: docker logs; then run it again"
                )
                return [f"servers of tier {self._name}: got {got}, want them (the set of servers stays; fix: {fix})"]
            if now is not None and now.servers is not None:
                self._ports.routes.point_to({now.tier: now.plain})
                # The file is right, so that the balancer will be; whether it is, the status tells.
                with contextlib.suppress(EvenkeelError):
                    self._watch.routed(now.tier, now.plain)
        return []

    def _await_list(self) -> str:
        """Wait until the balancer finds all of the set, and what has left not any more, not even as down.

        A new configuration makes all servers that it lists up again, until their next probe.

        Returns:
            The servers that run and that it does not find, in words.
        """
        service, lacking = self._tier.service if self._tier else "", ""

        def wrong() -> str:
            nonlocal lacking
            found = self._ports.balancer().server_status(service).keys()
            lacking = ", ".join(sorted(self._running(set(self._urls) - found)))
            return lacking or ", ".join((self._withdrawn | self._left) & found)

        with contextlib.suppress(EvenkeelError):
            wait_until(wrong, _LISTED_SECONDS, _POLL_SECONDS, self._clock)
        return lacking

    def _running(self, urls: set[str]) -> dict[str, Node]:
        """Those of these servers that run, also where the balancer misses some because Docker answered it badly."""
        nodes = self._ports.engine.nodes() if urls else ()
        return {node.url: node for node in nodes if node.running and node.url in urls}

    def _drains(self, node: Node) -> bool:
        """Whether it was told to end, by whatever."""
        if self._tier is None:
            return False
        engine = self._ports.engine
        return drains(engine, node, self._tier, health_of(engine, node, self._tier))

    @classmethod
    def lead(cls, routes: Routes, wanted: Mapping[str, Route | None], sets: Mapping[str, TierServers]) -> None:
        """Write routes, in one write: each with its set, while there is one. No set changes meanwhile.

        Args:
            routes: where they are written.
            wanted: tier to where it leads; None for no route.
            sets: of the tiers that have one, and perhaps of others.

        Raises:
            OSError: the route file cannot be written; the sets are as before.
        """
        changing = {tier: sets[tier] for tier in sorted(wanted) if tier in sets}
        with contextlib.ExitStack() as locks:
            for servers in changing.values():
                locks.enter_context(servers._lock)
            led = {tier: changing[tier]._led(route) if tier in changing else route for tier, route in wanted.items()}
            routes.point_to(led)
            for tier, servers in changing.items():
                route = led[tier]
                servers._route = route if route is not None and route.servers is not None else None

    def _led(self, route: Route | None) -> Route | None:
        """The route with the set, which is of one service alone."""
        if self._route is None or route is None or route.service != self._route.service:
            return route
        return dataclasses.replace(route, servers=self._route.servers)

    # -- in --------------------------------------------------------------------------

    def admit(self, urls: Collection[str]) -> None:
        """Wait until the balancer asks these servers, too, which it has found up.

        Raises:
            ReconcileError: it does not.
            TraefikApiError: the balancer cannot be asked.
        """
        wanted = set(urls)
        balancer = self._ports.balancer()
        reason = wait_until(lambda: self._still_out(balancer, wanted), self._patience, _POLL_SECONDS, self._clock)
        if reason:
            raise ReconcileError(_not_followed(self._name, f"no place for {reason}"))

    def _still_out(self, balancer: BalancerView, wanted: set[str]) -> str:
        self._sync(balancer)
        with self._lock:
            if self._route is None:
                return ""
        return ", ".join(sorted(wanted - balancer.set_status(self._set_name).keys()))

    # -- out -------------------------------------------------------------------------

    def withdraw(self, nodes: Sequence[Node]) -> list[str]:
        """Take nodes out that cannot leave by themselves, and wait until no connection to them is open.

        How a node leaves is the node's own affair: the tier may be declared otherwise by now, or not at all.

        Args:
            nodes: of the tier; they still run.

        Returns:
            A warning, when some were still open at the end of the tier's ``finish_seconds``.

        Raises:
            ReconcileError: the balancer still asks them; none may be told to end.
            TraefikApiError: the balancer cannot be asked.
            EngineError: the connections cannot be counted.
        """
        leaving = [node for node in nodes if node.leaves != OWN]
        if not leaving:
            return []
        urls = {node.url for node in leaving}
        finish_seconds = self._tier.finish_seconds if self._tier else FINISH_SECONDS
        finish = self._clock.now() + finish_seconds
        balancer = self._ports.balancer()
        with self._lock:
            self._withdrawn |= urls
            self._sync(balancer)
            now = self._ports.routes.of(self._name)
            asked = now is not None and now.service in {node.service for node in leaving}
            if asked and (self._route is None or urls & set(self._urls)):
                return []  # they are the last ones, or the balancer finds its servers by itself
        reason = wait_until(
            lambda: ", ".join(sorted(urls & balancer.set_status(self._set_name).keys())) if asked else "",
            self._patience,
            _POLL_SECONDS,
            self._clock,
        )
        if reason:
            raise ReconcileError(_not_followed(self._name, f"requests for {reason}"))
        # As where hold waits, the time runs from the beginning of the leave, with what the balancer takes to follow.
        left = max(finish - self._clock.now(), _LEAST_SECONDS)
        is_over, warnings = self._wait_for_quiet(leaving, left, finish_seconds)
        # What was not quiet for long enough is asked by hold itself.
        self._finished |= {node.id for node in leaving if node.leaves == HELD and is_over}
        return warnings

    def signal_for(self, node: str) -> str:
        """The signal that asks a node to end; empty for its own.

        Args:
            node: the engine's identifier.
        """
        return _AT_ONCE if node in self._finished else ""

    def readmit(self, nodes: Iterable[Node]) -> None:
        """Let nodes that run again, after all, be asked when they are up."""
        with self._lock:
            self._withdrawn -= {node.url for node in nodes}

    def _wait_for_quiet(self, nodes: Sequence[Node], seconds: float, finish_seconds: int) -> tuple[bool, list[str]]:
        """Whether all has ended or its time is over; and a warning if something was open then."""
        quiet_since: float | None = None
        count, looked, late = 0, self._clock.now(), 0.0

        def unquiet() -> str:
            nonlocal quiet_since, count, looked, late
            count = self._ports.engine.connections(nodes)
            now = self._clock.now()
            late, looked = max(late, now - looked - 2 * _POLL_SECONDS), now
            quiet_since = None if count else now if quiet_since is None else quiet_since
            needed = min(_QUIET_SECONDS + _LATE_FACTOR * late, _MOST_QUIET_SECONDS)
            return "" if quiet_since is not None and now - quiet_since >= needed else "open"

        if not wait_until(unquiet, seconds, _POLL_SECONDS, self._clock):
            return True, []
        if not count:
            return False, []
        names = ", ".join(node.name for node in nodes)
        fix = f"; fix: finish_seconds of tier {self._name}" if self._tier else ""
        return True, [
            f"{names}: got {count} connections still open after {finish_seconds} s, want none before the end"
            f" (they are cut{fix})"
        ]

    # -- the set -----------------------------------------------------------------------

    @property
    def _set_name(self) -> str:
        return set_services(self._tier.service)[1] if self._tier else ""

    @property
    def _urls(self) -> tuple[str, ...]:
        return self._route.servers.urls if self._route and self._route.servers else ()

    def _follow(self) -> None:
        """Until the end: guests come, and servers are gone."""
        balancer = self._ports.balancer()
        while not self._ended.is_set():
            # What cannot be done now is done at the next look; a step that needs it says so.
            with contextlib.suppress(EvenkeelError, OSError):
                self._sync(balancer)
            self._clock.sleep(_FOLLOW_SECONDS)

    def _sync(self, balancer: BalancerView) -> None:
        """Make the set what it must be now; nothing is written when it is that already."""
        with self._lock:
            if self._route is None:
                return
            service = self._route.service
            status = balancer.server_status(service)
            answered = {url for url, up in balancer.server_up(service).items() if up and status.get(url) == "UP"}
            # One that is in the set and does not answer is left to the balancer's own probes, unless it leaves: each
            # time that the set is written, the balancer takes all its servers for up until their next probe.
            silent = set(self._urls) - answered - self._withdrawn
            running = self._running(silent)
            left = (silent & status.keys()) - running.keys()
            self._left |= left | {url for url, node in running.items() if self._drains(node)}
            self._left -= answered
            there = answered | running.keys()
            wanted = ((set(self._urls) & there) | answered) - self._withdrawn - self._left
            # Without any server the path would be answered 503: the last ones stay until they end.
            if wanted and wanted != set(self._urls):
                self._write(self._route, wanted)

    def _write(self, route: Route, urls: Iterable[str]) -> None:
        with self._lock:
            labels = self._tier.labels if self._tier else {}
            self._route = dataclasses.replace(route, servers=ServerSet.of(urls, labels, route.service))
            self._ports.routes.point_to({route.tier: self._route})


def _not_followed(tier: str, got: str) -> Problem:
    return Problem(f"servers of tier {tier}", f"{got} from the balancer", "the set in force", "see the balancer's log")
