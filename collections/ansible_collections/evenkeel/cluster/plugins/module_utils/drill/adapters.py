# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The real cluster as a drill reaches it, from the module's options. Nothing else of the drill knows balancers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from ..balancer.containers import BalancerPool
from ..balancer.swap import renew
from ..cluster import labels
from ..core.errors import EvenkeelError, Problem
from ..core.http_client import get
from ..engine.docker_faults import DockerDrillEngine
from ..pool import options as pool_options
from ..traefik.api import TraefikApi, read_password
from ..traefik.metrics import Attempts
from .load import HttpSender
from .measurement import DrillPlan
from .options import settings_of
from .ports import DrillPorts
from .session import DrillSession
from .stop import Stop

#: Where the balancer's web entry point listens, inside of its network.
WEB_PORT = 8000
_READ_SECONDS = 2.0
# A node's record of executed POSTs may be long.
_READ_BYTES = 64 * 1024 * 1024


class RunningBalancers:
    """The cluster's balancers; :class:`ports.Balancers`.

    Args:
        params: the module's options.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Nothing is sent yet."""
        self._params = params
        self._pool = BalancerPool(params["cluster"], params["network"])

    def attempts(self) -> Attempts:
        """Its counters of requests that it sent to nodes."""
        params = self._params
        with TraefikApi(params["api_url"], params["api_user"], read_password(params["api_password_file"])) as api:
            return api.attempts()

    def renew(self) -> None:
        """Replace the balancer by one that is made like it, without loss."""
        self._pool.connect()
        user, password = self._params["api_user"], read_password(self._params["api_password_file"])
        renew(self._pool, lambda url: TraefikApi(url, user, password))

    def start_baseline(self, run: str) -> tuple[str, str]:
        """Start a second balancer with the same routes; its id and its URL."""
        self._pool.connect()
        model = next((item for item in self._pool.containers() if item.slot and item.running), None)
        if model is None:
            raise EvenkeelError(Problem("balancer", "none that runs", "one to copy", "ansible-playbook site.yml"))
        made_of = self._pool.options_of(model)
        name = f"{made_of.cluster}-baseline-balancer"
        marks = {labels.CLUSTER: made_of.cluster, labels.ROLE: labels.NONE, labels.DRILL: run}
        started = self._pool.start_baseline(made_of, model.slot, name, marks)
        return started, f"http://{self._pool.address(name)}:{WEB_PORT}"

    def stop(self, balancer: str, seconds: int) -> None:
        """SIGTERM, and SIGKILL after that many seconds."""
        self._pool.stop(balancer, seconds)

    def start_again(self, balancer: str) -> None:
        """Start one that has ended."""
        self._pool.start_again(balancer)

    def remove(self, balancer: str) -> None:
        """Remove it."""
        self._pool.remove(balancer)


def ports_of(params: Mapping[str, Any]) -> DrillPorts:
    """What the module's options lead to; nothing is sent yet.

    Raises:
        PoolInputError: the tiers cannot be read.
    """
    engine = DockerDrillEngine(params["cluster"], params["network"], pool_options.tier_ports(params))
    pool = pool_options.ports_of(params, engine)
    balancers = RunningBalancers(params)
    return DrillPorts(
        engine=engine,
        routes=pool.routes,
        balancer=pool.balancer,
        balancers=balancers,
        read=functools.partial(get, seconds=_READ_SECONDS, limit=_READ_BYTES),
        sender=lambda: HttpSender(params["host"], float(params["timeout"])),
        attempts=balancers.attempts,
    )


def session_of(params: Mapping[str, Any], stop: Stop, on_progress: Callable[[str], None]) -> DrillSession:
    """The drill that the module's options ask for; nothing is sent yet.

    Args:
        params: the module's options.
        stop: ends it early.
        on_progress: takes a line whenever something has happened; called from several threads.

    Raises:
        CheckInputError: an option cannot be used.
        PoolInputError: the tiers cannot be read.
    """
    settings = settings_of(params)
    plan = DrillPlan(settings.events, settings.window, settings)
    return DrillSession(plan, pool_options.request_of(params), ports_of(params), stop, on_progress)
