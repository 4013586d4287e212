# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Carries a balancer's plan out, with both balancers' APIs as the judges."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..core.errors import EvenkeelError
from ..core.files import write_atomically
from ..traefik.api import TraefikApi, TraefikApiError
from .config import SLOTS, edge_config, static_config, static_name
from .containers import BalancerPool, Options
from .plan import (
    CANCEL_DRAIN,
    REMOVE,
    RETIRE,
    START,
    START_EDGE,
    BalancerAction,
    BalancerContainer,
    Desired,
    lacking,
    plan_renewal,
)

_POLL_SECONDS = 0.1


class BalancerError(EvenkeelError):
    """A step did not come about; one line ``what: got ..., want ... (fix: ...)``."""


class BalancerSwap:
    """Carries a plan out."""

    def __init__(self, pool: BalancerPool, options: Options, wanted: Desired, api: Callable[[str], TraefikApi]) -> None:
        """Prepare; nothing is done yet.

        Args:
            pool: the containers.
            options: what they are made with.
            wanted: their revisions.
            api: makes a client of the API at an address.
        """
        self._pool = pool
        self._options = options
        self._wanted = wanted
        self._api = api
        self.done: list[BalancerAction] = []
        self.warnings: list[str] = []

    def apply(self, actions: Sequence[BalancerAction], balancers: Sequence[BalancerContainer]) -> None:
        """Carry the actions out in order.

        Args:
            actions: the plan.
            balancers: what runs now; a new balancer must know what the first of them knows.

        Raises:
            BalancerError: a new balancer does not get ready; it is removed, and the old one keeps serving.
        """
        work: dict[str, Callable[[BalancerAction], None]] = {
            REMOVE: lambda action: self._pool.remove(action.id),
            START_EDGE: lambda _: self._pool.hold(self._options, self._wanted.edge),
            START: lambda action: self._start(action, balancers),
            CANCEL_DRAIN: lambda _: self.close(""),
            RETIRE: self._retire,
        }
        for action in actions:
            work[action.kind](action)
            self.done.append(action)

    def close(self, slot: str) -> None:
        """Let the balancer of the slot ask its clients to connect anew; empty lets none."""
        text = edge_config(slot)
        path = self._options.edge_file
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text)

    def _start(self, action: BalancerAction, balancers: Sequence[BalancerContainer]) -> None:
        slot = action.slot
        self.close("")
        running = self._pool.in_order()
        if running:
            self._lead_to(running[0])  # a balancer listens before it has its routes
        config = static_config(self._options.static, slot)
        write_atomically(
            self._options.config_dir / static_name(slot), json.dumps(config, indent=2, sort_keys=True) + "\n"
        )
        self._pool.start_balancer(self._options, self._wanted, slot)
        others = [
            holder.slot for holder in balancers if holder.slot in SLOTS and holder.slot != slot and holder.running
        ]
        try:
            self._await(action.name, slot, others[0] if others else "")
        except (BalancerError, TraefikApiError):
            for holder in self._pool.holders():
                if holder.name == action.name:
                    self._pool.remove(holder.id)
            raise

    def _await(self, name: str, slot: str, old_slot: str) -> None:
        """Until the new balancer answers and knows all that the old one has in rotation."""
        address = self._pool.address(self._wanted.edge_name)
        new = self._api(f"http://{address}:{SLOTS[slot]}")
        old = self._api(f"http://{address}:{SLOTS[old_slot]}") if old_slot else None
        deadline = time.monotonic() + self._options.ready_seconds
        while True:
            holder = next((item for item in self._pool.holders() if item.name == name), None)
            problem = self._unready(holder, new, old)
            if not problem:
                return
            if time.monotonic() > deadline or holder is None or not holder.running:
                logs = self._pool.logs(holder.id) if holder else "none"
                keeps = "; the old balancer keeps serving" if old_slot else ""
                raise BalancerError(
                    f"balancer {name}: got {problem}, want it ready within {self._options.ready_seconds:g} s; last log"
                    f" lines: {logs} (fix: mend its configuration{keeps})"
                )
            time.sleep(_POLL_SECONDS)

    def _unready(self, holder: BalancerContainer | None, new: TraefikApi, old: TraefikApi | None) -> str:
        """Why the new balancer cannot take over yet; empty when it can."""
        if holder is None or not holder.running:
            return f"state {holder.state}" if holder else "no container"
        try:
            new.version()
            services = new.all_services()
        except TraefikApiError as error:
            return str(error)
        if old is None:
            return ""
        missing = lacking(old.all_services(), services)
        return f"no servers yet for {missing[0]}" if missing else ""

    def _retire(self, action: BalancerAction) -> None:
        """Let the clients go to the other balancer, then end this one and let it finish what is in flight."""
        others = [holder for holder in self._pool.in_order() if holder.slot != action.slot]
        if others:
            self._lead_to(others[0])
            self.close(action.slot)
            # No fact tells that a client has finished with an idle connection: it is given this long.
            time.sleep(self._options.closing_seconds)
        self._pool.stop(action.id, self._options.stop_seconds)
        self._pool.remove(action.id)
        self.close("")

    def _lead_to(self, holder: BalancerContainer) -> None:
        """Let all new connections go to this balancer."""
        rank = [other.id for other in self._pool.in_order()].index(holder.id)
        ports = [_port(entry) for entry in self._options.static["entryPoints"].values() if _is_shared(entry)]
        problem = self._pool.steer(self._wanted.edge_name, rank, ports)
        if problem:
            self.warnings.append(
                f"new connections: got '{problem}', want them led to {holder.name} alone while the balancer is"
                " replaced; some may have met one without routes (fix: an edge image with perl, Linux 4.5 or newer)"
            )


def _is_shared(entry: Mapping[str, Any]) -> bool:
    return entry.get("reusePort") is True and not str(entry.get("address", "")).startswith("127.")


def _port(entry: Mapping[str, Any]) -> int:
    return int(str(entry["address"]).rpartition(":")[2])


def renew(pool: BalancerPool, api: Callable[[str], TraefikApi]) -> None:
    """Replace the balancer that runs by one that is made like it.

    Raises:
        BalancerError: there is not exactly one, or the new one does not get ready.
        DockerPoolError: Docker refuses.
    """
    holders = pool.holders()
    running = [holder for holder in holders if holder.slot and holder.running]
    edge = next((holder for holder in holders if not holder.slot and holder.running), None)
    if len(running) != 1 or edge is None:
        raise BalancerError(
            f"balancer: got {len(running)} that run, want one and its edge (fix: ansible-playbook site.yml)"
        )
    wanted = Desired(edge.name.removesuffix("-edge"), edge.revision, running[0].revision)
    swap = BalancerSwap(pool, pool.options_of(running[0]), wanted, api)
    swap.apply(plan_renewal(wanted, holders), running)
    if swap.warnings:
        raise BalancerError(swap.warnings[0])
