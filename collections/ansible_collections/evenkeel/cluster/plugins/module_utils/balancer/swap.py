# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Carries a balancer's plan out; the APIs of both balancers say when the new one can take over."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..cluster.endpoints import Endpoint
from ..core.errors import EvenkeelError, Problem
from ..core.files import write_atomically
from ..core.poll import SYSTEM_CLOCK, Clock, wait_until
from ..engine.port import EngineError
from ..traefik.api import NoSuchRouteError, TraefikApiError
from .alterations import spec_of
from .config import SLOTS, edge_config, reload_config, static_name
from .files import file_of, static_text
from .options import BalancerOptions
from .plan import (
    CANCEL_DRAIN,
    CONNECT,
    MEND,
    REMOVE,
    RETIRE,
    START,
    START_EDGE,
    UNPAUSE,
    WRITE,
    BalancerAction,
    BalancerContainer,
    Desired,
    lacking,
    plan_renewal,
)
from .ports import BalancerApi, Containers

_POLL_SECONDS = 0.1


class BalancerError(EvenkeelError):
    """A step failed; one line ``what: got ..., want ... (fix: ...)``."""


class _EndedError(Exception):
    """The new balancer does not run; waiting would not help."""


class Succession:
    """Asks whether a new balancer can take over from an old one."""

    def __init__(self, containers: Containers, new: str, new_api: BalancerApi) -> None:
        """Nothing is asked yet.

        Args:
            containers: where both run.
            new: the new balancer's container.
            new_api: its API.
        """
        self._containers = containers
        self._new = new
        self._new_api = new_api
        self._old = ""
        self._old_api: BalancerApi | None = None
        self.unreadable = ""

    def follow(self, old: str, old_api: BalancerApi) -> None:
        """Require all servers that the old balancer has in rotation, for as long as its container runs."""
        self._old, self._old_api = old, old_api

    def reason(self) -> str:
        """Why the new balancer cannot take over yet; empty when it can.

        :attr:`unreadable` is then why the old one did not tell its servers; empty when it did.

        Raises:
            _EndedError: the new balancer does not run.
        """
        self.unreadable = ""
        found = {container.name: container for container in self._containers.containers()}
        new, old = found.get(self._new), found.get(self._old)
        if new is None or not new.running:
            raise _EndedError(f"state {new.state}" if new else "no container")
        try:
            self._new_api.version()
            services = self._new_api.all_services()
        except TraefikApiError as error:
            return str(error)
        if self._old_api is None or old is None or not old.running:
            return ""
        try:
            missing = lacking(self._old_api.all_services(), services)
        except NoSuchRouteError:
            return ""  # it serves nothing that could be lost
        except TraefikApiError as error:
            self.unreadable = str(error)
            return f"no list of servers from {self._old}: {error}"
        return f"no servers yet for {missing[0]}" if missing else ""


class BalancerSwap:
    """Carries a plan out."""

    def __init__(
        self,
        containers: Containers,
        options: BalancerOptions,
        desired: Desired,
        api: Callable[[str], BalancerApi],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Nothing is done yet.

        Args:
            containers: where edge and balancers run.
            options: what they are made with.
            desired: their revisions.
            api: makes a client of the API at an address.
            clock: tells and passes the time.
        """
        self._containers = containers
        self._options = options
        self._desired = desired
        self._api = api
        self._clock = clock
        self._ready: set[str] = set()
        self.done: list[BalancerAction] = []
        self.warnings: list[str] = []

    def apply(self, actions: Sequence[BalancerAction]) -> None:
        """Carry the actions out in order.

        Raises:
            BalancerError: a new balancer does not get ready; it is removed, and the old one keeps serving.
            EngineError: Docker refuses.
        """
        work: dict[str, Callable[[BalancerAction], None]] = {
            REMOVE: lambda action: self._containers.remove(action.id),
            UNPAUSE: lambda action: self._containers.unpause(action.id),
            MEND: lambda action: self._containers.mend(action.id, spec_of(self._options, self._desired, action.slot)),
            CONNECT: lambda action: self._containers.connect_edge(action.id, action.network),
            WRITE: self._write,
            START_EDGE: lambda _: self._containers.start_edge(self._options, self._desired.edge),
            START: self._start,
            CANCEL_DRAIN: lambda _: self._set_draining(""),
            RETIRE: self._retire,
        }
        for action in actions:
            work[action.kind](action)
            self.done.append(action)

    def _write(self, action: BalancerAction) -> None:
        path, text = file_of(self._options, action.name)
        # What could not be read when this was planned may have been mended since.
        if text is not None:
            write_atomically(path, text)

    def _set_draining(self, slot: str) -> None:
        """Let the balancer of the slot ask its clients to reconnect; none when empty."""
        self._write_edge_config(edge_config(slot))

    def _write_edge_config(self, text: str) -> None:
        path = self._options.edge_file
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text)

    def _start(self, action: BalancerAction) -> None:
        slot = action.slot
        self._set_draining("")
        running = self._containers.in_order()
        if running:
            # A balancer listens before it has its routes, and would answer 404.
            self._direct_new_connections_to(running[0])
        write_atomically(self._options.config_dir / static_name(slot), static_text(self._options, slot))
        self._containers.start_balancer(self._options, self._desired, slot)
        self._await_ready(action.name, slot, running[0] if running else None)

    def _retire(self, action: BalancerAction) -> None:
        """Move the clients to the other balancer, then stop this one when it has finished its requests."""
        running = {container.slot: container for container in self._containers.in_order()}
        old = running.pop(action.slot, None)
        if running:
            successor = next(iter(running.values()))
            if successor.name not in self._ready:
                # It was started by a run that was killed, perhaps before it was ready.
                self._await_ready(successor.name, successor.slot, old)
            self._direct_new_connections_to(successor)
            self._set_draining(action.slot)
            # Nothing tells whether a client still uses an idle connection, so each gets this time to reconnect.
            self._clock.sleep(self._options.drain_seconds)
        self._containers.stop(action.id, self._options.stop_seconds)
        self._containers.remove(action.id)
        self._set_draining("")

    def _await_ready(self, name: str, slot: str, old: BalancerContainer | None) -> None:
        """Wait until the new balancer answers and has all servers of the old one; otherwise remove it.

        Raises:
            BalancerError: it does not get ready in time.
        """
        succession = Succession(self._containers, name, self._api(self._api_url(slot)))
        if old is not None:
            succession.follow(old.name, self._api(self._api_url(old.slot)))
        try:
            reason = self._waited(succession)
            if reason and not succession.unreadable:
                raise BalancerError(self._not_ready(name, reason, old))
        except BaseException:
            with contextlib.suppress(EngineError, OSError):
                self._discard(name)
            raise
        if reason and old is not None:
            self.warnings.append(
                str(
                    Problem(
                        f"balancer {old.name}",
                        f"'{succession.unreadable}'",
                        f"the list of its servers, to compare it with that of {name}",
                        f"look for 404 and 503 in the access log since {name} has taken over",
                    )
                )
            )
        self._ready.add(name)

    def _waited(self, succession: Succession) -> str:
        """Ask until the new balancer can take over; the last reason why not."""
        asked_to_reload = False

        def look() -> str:
            nonlocal asked_to_reload
            reason = succession.reason()
            if succession.unreadable and not asked_to_reload:
                # A new password is in the users' file already, but a running Traefik reads that only when its
                # configuration changes.
                asked_to_reload = True
                self._write_edge_config(reload_config())
            return reason

        try:
            return wait_until(look, self._options.ready_seconds, _POLL_SECONDS, self._clock)
        except _EndedError as error:
            return str(error)

    def _api_url(self, slot: str) -> str:
        return Endpoint("http", self._containers.address(self._desired.edge_name), SLOTS[slot]).url

    def _not_ready(self, name: str, reason: str, old: BalancerContainer | None) -> Problem:
        found = next((container for container in self._containers.containers() if container.name == name), None)
        logs = self._containers.logs(found.id) if found else "none"
        keeps = "; the old balancer keeps serving" if old else ""
        return Problem(
            f"balancer {name}",
            f"{reason}, last log lines: {logs}",
            f"it ready within {self._options.ready_seconds:g} s",
            f"correct its configuration{keeps}",
        )

    def _discard(self, name: str) -> None:
        for container in self._containers.containers():
            if container.name == name:
                self._containers.remove(container.id)
        self._set_draining("")

    def _direct_new_connections_to(self, container: BalancerContainer) -> None:
        rank = [other.id for other in self._containers.in_order()].index(container.id)
        ports = [_port(entry) for entry in self._options.static["entryPoints"].values() if _is_shared(entry)]
        problem = self._containers.direct_new_connections(self._desired.edge_name, rank, ports)
        if problem:
            self.warnings.append(
                str(
                    Problem(
                        "new connections",
                        f"'{problem}'",
                        f"all of them directed to {container.name} while the balancer is replaced; some may have"
                        " reached a balancer without routes",
                        "an edge image with perl, Linux 4.5 or newer",
                    )
                )
            )


def _is_shared(entry: Mapping[str, Any]) -> bool:
    return entry.get("reusePort") is True and not str(entry.get("address", "")).startswith("127.")


def _port(entry: Mapping[str, Any]) -> int:
    return int(str(entry["address"]).rpartition(":")[2])


def renew(containers: Containers, api: Callable[[str], BalancerApi], clock: Clock = SYSTEM_CLOCK) -> None:
    """Replace the running balancer by one that is made like it.

    Args:
        containers: where edge and balancers run.
        api: makes a client of the API at an address.
        clock: tells and passes the time.

    Raises:
        BalancerError: there is not exactly one with its edge, or the new one does not get ready.
        EngineError: Docker refuses.
    """
    found = containers.containers()
    running = [container for container in found if container.slot and container.running]
    edge = next((container for container in found if not container.slot and container.running), None)
    if len(running) != 1 or edge is None:
        have = "its edge" if edge else "no edge"
        raise BalancerError(
            Problem("balancer", f"{len(running)} running and {have}", "one and its edge", "ansible-playbook site.yml")
        )
    desired = Desired(edge.own_name.removesuffix("-edge"), edge.revision, running[0].revision)
    swap = BalancerSwap(containers, containers.options_of(running[0]), desired, api, clock)
    swap.apply(plan_renewal(desired, found))
    if swap.warnings:
        raise BalancerError(swap.warnings[0])
