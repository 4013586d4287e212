"""One look at the cluster: every node with its state, its figures and why it is so; every tier; the balancer."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster import labels
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import Node, TierBuild
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.paths import StatePaths
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError, printable
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import LockBusyError, held_by
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.results import NodeView, PoolView
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_errors import DockerNotFoundError
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import (
    Declaration,
    Ports,
    declare,
    health_of,
    observe,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.drift import disagreements
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.secret_store import SecretStore
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.view import describe

from .access_tail import AccessTail, Figures
from .engine import CachingClient
from .lasting import Lasting
from .moments import moment
from .node_state import Seen, node_state
from .pool import Pool, RenewedBalancer, ports_of, read_pool
from .probes import Probes
from .settings import Settings

_TEXT_LENGTH = 200
_NO_FIGURES = Figures(0)
# A balancer that is silent must be told as such soon.
_API_SECONDS = 1.0
# One that drained a moment ago and does not answer any more is at its end, and does not hang.
_ENDS_SECONDS = 15.0


def text(value: object) -> str:
    """A text of a container's maker as it is shown: on one line, and bounded."""
    return printable(str(value))[:_TEXT_LENGTH]


class Look:
    """Looks, and keeps between looks what does not change.

    Args:
        settings: the agent's.
        client: Docker.
        drained_by: node's identifier to the person that told it to drain.
        answered: called from another thread when a node that was silent has answered: it is time for the next look.
    """

    def __init__(
        self,
        settings: Settings,
        client: CachingClient,
        drained_by: Mapping[str, str],
        answered: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing is asked yet."""
        self._settings = settings
        self._client = client
        self._drained_by = drained_by
        self._renewed = RenewedBalancer(settings, _API_SECONDS)
        self._balancer = self._renewed.now()
        self._probes = Probes(answered)
        self._lasting = Lasting()
        self._secrets = SecretStore(Path(StatePaths(str(settings.declaration.parent)).secrets_dir))
        self._tail = AccessTail(settings.access_log)
        self._left_at: dict[str, float] = {}
        self._declared: object = None
        #: Before the last look asked Docker which nodes there are, in seconds of a clock that only goes forward.
        self.listed_at = -math.inf
        #: Node to Docker's word for its state, of which the last look has made the node's state.
        self.statuses: dict[str, str] = {}

    def take(self) -> dict[str, Any]:
        """The cluster now.

        Returns:
            Plain data for JSON, see ``docs/console.md``. What cannot be asked is told in ``trouble``.
        """
        found: dict[str, Any] = {
            "cluster": self._settings.cluster,
            "at": time.time(),
            "trouble": [],
            "tiers": {},
            "nodes": {},
            "undeclared": {},
            "drift": [],
            "balancer": {"reachable": False, "version": "", "reason": ""},
            "lock": "",
            "sampled": False,
        }
        found["lock"] = self._lock(found["trouble"])
        try:
            self._balancer = self._renewed.now()
            pool = self._pool()
            ports = ports_of(self._settings, pool, self._client, self._balancer)
            ports = dataclasses.replace(ports, engine=self._probes.of(ports.engine))
            ports.engine.connect()
            request = pool.request
            declaration = declare(request.cluster, request.tiers, request.images, request.hosts, ports.engine)
            listed_at = time.monotonic()
            state = observe(declaration, ports, self._balancer)
            view = describe(declaration, state, self._balancer, lost=self._without_secrets(pool, ports))
        except EvenkeelError as error:
            found["trouble"] += str(error).splitlines()
            return found
        services = {tier.service: name for name, tier in pool.request.tiers.items()}
        now = time.monotonic()
        self._tail.read(now, services)
        up = self._probed(services)
        there = {node["id"] for node in view["nodes"]}
        self._client.keep_only(there)
        self._left_at = {node: at for node, at in self._left_at.items() if node in there}
        servers = self._tail.servers(now)
        members = {node.id: node for node in state.nodes}
        reachable = view["balancer"]["reachable"]
        statuses: dict[str, str] = {}
        shown = {
            item["id"]: (
                self._node(item, members[item["id"]], declaration, up if reachable else None, ports, statuses),
                item,
            )
            for item in view["nodes"]
        }
        found["nodes"] = {
            node: {**state, **_shown(servers.get(item["url"], _NO_FIGURES))}
            for node, (state, item) in shown.items()
            if state is not None
        }
        self.listed_at, self.statuses = listed_at, {node: statuses[node] for node in found["nodes"]}
        found["tiers"] = self._tiers(view, pool, found["nodes"], self._tail.tiers(now))
        self._lasting.add(found["at"], found["nodes"], found["tiers"])
        found["undeclared"] = {text(name): list(lines) for name, lines in view["undeclared"].items()}
        found["drift"] = disagreements(view)
        found["balancer"] = self._balancer_now(dict(view["balancer"]))
        found["sampled"] = self._tail.sampled
        return found

    def _pool(self) -> Pool:
        """What is declared; a run that has declared something else may have made images, too."""
        found = read_pool(self._settings)
        declared = (found.request.tiers, found.request.images)
        if declared != self._declared:
            self._client.forget_images()
            self._declared = declared
        return found

    def _without_secrets(self, pool: Pool, ports: Ports) -> list[str]:
        """The tiers whose nodes have secrets mounted that were removed by hand. Values are not read."""
        with contextlib.suppress(OSError):  # a folder that this user may not see is no reason to tell nothing
            return self._secrets.missing(pool.request.tiers, ports.engine)
        return []

    def _balancer_now(self, found: dict[str, Any]) -> dict[str, Any]:
        """The balancer with its slot and the number of configurations that it has loaded."""
        found |= {"reason": text(found["reason"]), "slot": "", "reloads": None}
        with contextlib.suppress(EvenkeelError):
            running = self._client.containers(labels.selector(self._settings.cluster, labels.BALANCER))
            slots = {str((item.get("Labels") or {}).get(labels.SLOT, "")) for item in running if _runs(item)}
            found["slot"] = text(" and ".join(sorted(slots)))
            if found["reachable"]:
                found["reloads"] = self._balancer.config_reloads()
        return found

    def _lock(self, trouble: list[str]) -> str:
        """What holds the cluster's lock, in words; empty when it is free."""
        try:
            holder = held_by(self._settings.cluster)
        except LockBusyError as error:
            trouble.append(str(error))
            return ""
        return text(holder) if holder else ""

    def _probed(self, services: Mapping[str, str]) -> dict[str, bool]:
        """Address of a server to whether the balancer's last probe was answered."""
        found: dict[str, bool] = {}
        with contextlib.suppress(EvenkeelError):  # the view says that the balancer does not answer
            for service in services:
                found |= self._balancer.server_up(service)
        return found

    def _node(
        self,
        item: NodeView,
        node: Node,
        declaration: Declaration,
        up: Mapping[str, bool] | None,
        ports: Ports,
        statuses: dict[str, str],
    ) -> dict[str, Any] | None:
        """The node as it is shown; None if it has gone meanwhile."""
        record = self._record(node.id)
        build = declaration.builds.get(node.tier)
        seen = self._seen(item, node, build, record, up, ports)
        if seen is None:
            return None
        statuses[node.id] = seen.status
        return shown_node(node, record, seen, build.revision if build else None)

    def _seen(
        self,
        item: NodeView,
        node: Node,
        build: TierBuild | None,
        record: Mapping[str, Any],
        up: Mapping[str, bool] | None,
        ports: Ports,
    ) -> Seen | None:
        # Why a silent one is silent: whether it has answered at all.
        health = health_of(ports.engine, node, build.tier) if node.silent and build else None
        status, running = node.condition, node.running
        if health == 0:  # it may have ended since this look began
            self._client.forget(node.id)
            record = self._record(node.id)
            if not record:
                return None
            status = str(record["State"]["Status"])
            running = status == node.condition
        # A 503 alone does not say so: an application that hangs behind hold has the same answer.
        leaving = node.leaving
        if leaving:
            self._left_at[node.id] = time.monotonic()
        elif health == 0 and time.monotonic() - self._left_at.get(node.id, -_ENDS_SECONDS) < _ENDS_SECONDS:
            leaving = True  # it has closed its door, and finishes what is in flight
        state, began = record.get("State") or {}, since(record, running=running)
        return Seen(
            status=status,
            age=time.time() - began if began else None,
            health=health,
            listed=None if up is None else item["balancer_status"].replace("not listed", ""),
            up=(up or {}).get(item["url"]),
            exit_code=int(state.get("ExitCode") or 0),
            out_of_memory=bool(state.get("OOMKilled")),
            restarts=int(record.get("RestartCount") or 0),
            leaving=leaving,
            draining_by=self._drained_by.get(node.id, ""),
            ready=not node.silent,
            apart=item["remark"],
        )

    def _record(self, container: str) -> dict[str, Any]:
        try:
            return self._client.inspect(container)
        except DockerNotFoundError:
            return {}

    def _tiers(
        self,
        view: PoolView,
        pool: Pool,
        nodes: Mapping[str, Mapping[str, Any]],
        figures: Mapping[str, Figures],
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, tier in view["tiers"].items():
            declared = pool.request.tiers[name]
            override = pool.overrides.get(name)
            found[name] = {
                "desired": tier["desired"],
                "declared": pool.declared[name],
                "override": dataclasses.asdict(override) if override else None,
                "running": tier["running"],
                "in_rotation": tier["in_rotation"] if view["balancer"]["reachable"] else None,
                "guests": tier["guests"],
                "stale": sum(1 for node in nodes.values() if node["tier"] == name and node["stale"]),
                "revision": tier["revision"],
                "drift": list(tier["drift"]),
                "unknown_servers": list(tier["unknown_servers"]),
                "path": declared.path,
                "sticky": declared.sticky,
                **_shown(figures.get(name, _NO_FIGURES)),
            }
        return found


def shown_node(node: Node, record: Mapping[str, Any], seen: Seen, revision: str | None) -> dict[str, Any]:
    """The node as it is shown, without its figures.

    Args:
        node: as the engine lists it.
        record: Docker's record of it.
        seen: what its state is made of.
        revision: of its tier as declared; None for no such tier.
    """
    shown = node_state(seen)
    limits = record.get("HostConfig") or {}
    return {
        "id": node.id,
        "name": text(node.name),
        "tier": text(node.tier),
        "managed": node.managed,
        "word": shown.word,
        "shape": shown.shape,
        "reason": text(shown.reason),
        "advice": text(shown.advice),
        "since": since(record, running=node.running),
        "restarts": seen.restarts,
        "revision": text(node.revision),
        "stale": bool(node.managed and revision is not None and node.revision != revision),
        "image": text((record.get("Config") or {}).get("Image", "")),
        "image_id": node.image_id,
        "address": node.address,
        "memory_limit": int(limits.get("Memory") or 0),
        "cpus": int(limits.get("NanoCpus") or 0) / 1e9,
        "pids_limit": int(limits.get("PidsLimit") or 0),
    }


def no_figures() -> dict[str, Any]:
    """The figures of a node that no request was sent to."""
    return _shown(_NO_FIGURES)


def _shown(figures: Figures) -> dict[str, Any]:
    return {
        "requests": figures.requests,
        "rate": round(figures.rate, 1),
        "p50": figures.p50,
        "p95": figures.p95,
        "errors": figures.errors,
    }


def _runs(container: Mapping[str, Any]) -> bool:
    return str(container.get("State", "")) == "running"


def since(record: Mapping[str, Any], *, running: bool) -> float | None:
    """When it started, or ended, in seconds since the epoch; None if that is not known."""
    state = record.get("State") or {}
    return moment(state.get("StartedAt") if running else state.get("FinishedAt"))
