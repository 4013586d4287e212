# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The use case: look at a whole cluster, and say what a run would change. Nothing is changed, and no lock is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..balancer.config import draining_slot, edge_config
from ..balancer.containers import BalancerPool
from ..balancer.ports import Ports as BalancerPorts
from ..balancer.reconcile import BalancerOutcome, BalancerRequest, announce
from ..balancer.reconcile import request_of as balancer_request_of
from ..cluster import labels
from ..cluster.paths import StatePaths
from ..core.errors import EvenkeelError
from ..core.http_client import first_answer
from ..core.results import PartView, PoolView
from ..core.values import parse_size
from ..engine.docker_client import DockerClient
from ..engine.docker_parts import EngineParts, read_parts
from ..engine.port import EngineError
from ..pool.context import Ports
from ..pool.reconcile import PoolRequest, secret_changes, status
from ..traefik.api import TraefikApi, TraefikApiError, read_password
from .addresses import Question, address_part, questions_of
from .files import disk_part, files_part, secrets_part
from .neighbour import ask_as_neighbour
from .parts import (
    SITE,
    Announced,
    console_parts,
    container_parts,
    network_part,
    part,
    portainer_parts,
    provider_part,
    restart_fix,
    routes_part,
)

# The addresses that the edge publishes; the others are their containers' own.
_OF_EDGE = ("web", "dashboard")


class Overview:
    """Looks at a cluster, once or several times until it is settled.

    Args:
        params: the options of the module ``cluster_info``.
        request: what is declared of the pool.
        ports: engine, routes and balancer of the pool.
        client: the engine.
    """

    def __init__(self, params: Mapping[str, Any], request: PoolRequest, ports: Ports, client: DockerClient) -> None:
        """Nothing is asked yet."""
        self._params = params
        self._request = request
        self._ports = ports
        self._client = client
        self._addresses: list[PartView] | None = None

    def view(self) -> PoolView:
        """The pool from three sides, and the other parts.

        Raises:
            EvenkeelError: an option cannot be used.
        """
        try:
            self._client.connect()
        except EngineError as error:
            return self._without_engine(error)
        found = read_parts(self._client, self._params["cluster"], self._params["network"])
        pool = status(self._request, self._ports)
        pool["parts"] = self._parts(pool, found)
        return pool

    def unsettled(self, view: PoolView) -> bool:
        """Whether a further look may find less: the balancer needs a moment after every change."""
        return any(item["lines"] for item in view.get("parts", []) if item["part"] in {"provider", "routes"})

    def _without_engine(self, error: EngineError) -> PoolView:
        counts = ", ".join(f"{tier.nodes} of {name}" for name, tier in sorted(self._request.tiers.items()))
        to_do = f"start the engine, then what it does not start itself: edge, balancer and nodes ({counts})"
        return {
            "tiers": {},
            "nodes": [],
            "undeclared": {},
            "balancer": {"reachable": False, "version": "", "reason": str(error)},
            "parts": [part("engine", "does not answer", (), [to_do])],
        }

    def _parts(self, pool: PoolView, found: EngineParts) -> list[PartView]:
        params = self._params
        declared, outcome, told = self._announced()
        actions = [Announced(action.name, str(action)) for action in outcome.actions]
        fix = SITE if actions else f"{restart_fix(found.of(labels.EDGE))}, then {SITE}"
        if self._addresses is None:  # one question for each address, however often the rest is looked at
            self._addresses = _address_parts(questions_of(params["addresses"]), found.gateway, fix)
        return [
            *self._addresses,
            *container_parts(params["cluster"], found, actions, told),
            *console_parts(params["console"], found.of(labels.CONSOLE)),
            *portainer_parts(params["portainer"], found.of(labels.PORTAINER)),
            network_part(params["network"], found),
            self._routes(pool, found),
            provider_part(pool, found),
            secrets_part(
                params["secrets"],
                StatePaths(params["state_dir"] or "").secrets_dir,
                secret_changes(self._request, self._ports),
            ),
            files_part({**params["files"], "secret_contents": params["secret_contents"]}, _edge_text(declared)),
            disk_part(
                [("Docker's data", found.data_root), ("the state folder", params["state_dir"] or "")],
                parse_size(params["min_free_disk"]) if params["min_free_disk"] else None,
            ),
        ]

    def _announced(self) -> tuple[BalancerRequest | None, BalancerOutcome, str]:
        """What is declared of edge and balancer, what a run would do to them, and why that is not known."""
        if not self._params["balancer"]:
            return None, BalancerOutcome(), ""
        request = balancer_request_of(self._params["balancer"])
        containers = BalancerPool(request.cluster, self._params["network"], self._client)
        try:
            return request, announce(request, BalancerPorts(containers)), ""
        except (EvenkeelError, OSError) as error:
            return request, BalancerOutcome(), str(error)

    def _routes(self, pool: PoolView, found: EngineParts) -> PartView:
        routes = self._ports.routes.table().routes
        if not pool["balancer"]["reachable"]:
            return part("routes", f"{len(routes)} in the file, not known at the balancer")
        try:
            password = read_password(self._params["api_password_file"])
            with TraefikApi(self._params["api_url"], self._params["api_user"], password) as api:
                records = {tier: api.router(tier) for tier in routes}
                services = [str(record["name"]) for record in api.all_services()]
        except TraefikApiError as error:
            return part("routes", "not known", [str(error)])
        return routes_part(routes, records, services, restart_fix(item for item in found.containers if item.slot))


def _edge_text(request: BalancerRequest | None) -> dict[Path, str]:
    """What a run writes without announcing it: the configuration of every request, unless a balancer drains."""
    if request is None or request.options is None:
        return {}
    file = request.options.edge_file
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    return {} if draining_slot(text) else {file: edge_config("")}


def _address_parts(questions: Sequence[Question], gateway: str, fix: str) -> list[PartView]:
    if not questions:
        return []
    # A neighbour asks without TLS.
    outside = [item for item in questions if not item.is_local and not item.tls]
    way, answers = ask_as_neighbour(outside, gateway)
    # Without a way to ask there are no answers.
    heard = dict(zip((item.name for item in outside), answers, strict=False))
    with ThreadPoolExecutor(len(questions)) as pool:
        machine = list(pool.map(lambda item: first_answer(item.url, item.host, verify=False), questions))
    return [
        address_part(item, answer, heard.get(item.name), way, fix if item.name in _OF_EDGE else SITE)
        for item, answer in zip(questions, machine, strict=True)
    ]
