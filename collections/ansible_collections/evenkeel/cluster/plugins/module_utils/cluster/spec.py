# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The declared cluster as data: tiers, cookies, ports. Checked and completed by :mod:`inventory.parse`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

STRATEGIES = ("wrr", "p2c", "hrw", "leasttime")
SAME_SITE = ("lax", "strict", "none")


@dataclasses.dataclass(frozen=True)
class Cookie:
    """The sticky session's cookie, as the balancer sets it. ``max_age`` is in seconds, 0 = session cookie."""

    name: str
    secure: bool = False
    http_only: bool = True
    same_site: str = "lax"
    max_age: int = 0


@dataclasses.dataclass(frozen=True)
class Tier:
    """One tier as declared, completed with defaults and with what follows from it (service name, labels).

    Attributes:
        name: the tier's name.
        image: reference of its image; without a tag when it is built here.
        context: the build context on the controller; None for an image that is pulled.
        port: TCP port of its nodes.
        path: begins and ends with a slash.
        strip_path: the nodes do not see the path.
        nodes: how many.
        sticky: whether a client stays with its node, by the cookie.
        strategy: one of :data:`STRATEGIES`.
        cookie: of the sticky session.
        health_path: the nodes' health check.
        max_failures: failed requests in a row until the balancer takes a node out of rotation; 0 = never.
        drain_seconds: how long a node keeps serving after SIGTERM.
        stop_seconds: seconds from SIGTERM to SIGKILL.
        memory: limit per node in bytes.
        cpus: limit per node; 0 = none.
        pids: limit of processes and threads per node; 0 = none.
        environment: variables of the nodes.
        mounts: ``{source, target, read_only}`` each.
        service: the balancer's service of the nodes; its name contains a hash of the policy.
        labels: of the nodes.
    """

    name: str
    image: str
    context: str | None
    port: int
    path: str
    strip_path: bool
    nodes: int
    sticky: bool
    strategy: str
    cookie: Cookie
    health_path: str
    max_failures: int
    drain_seconds: int
    stop_seconds: int
    memory: int
    cpus: float
    pids: int
    environment: dict[str, str]
    mounts: list[dict[str, Any]]
    service: str
    labels: dict[str, str]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Tier:
        """Rebuild a tier from its :func:`dataclasses.asdict` form, as it travels between modules.

        Raises:
            TypeError: a key is missing or unknown.
            KeyError: there is no cookie.
        """
        return cls(**{**data, "cookie": Cookie(**data["cookie"])})


@dataclasses.dataclass(frozen=True)
class ClusterSpec:
    """Everything that one inventory declares."""

    name: str
    domain: str
    hosts: list[str]
    engine: str
    network: str
    web_port: int
    dashboard_port: int
    portainer: bool
    portainer_port: int
    image_source: str
    state_dir: str
    tiers: list[Tier]

    def as_dict(self) -> dict[str, Any]:
        """The specification as plain data, for Ansible facts."""
        return dataclasses.asdict(self)
