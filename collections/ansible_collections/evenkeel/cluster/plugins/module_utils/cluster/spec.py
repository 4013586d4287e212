# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The declared cluster as data: tiers, cookies, ports. Checked and completed by :mod:`inventory.parse`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from .container_options import ContainerOptions
from .endpoints import EVERY_ADDRESS, LOOPBACK, Endpoint, published
from .health import HealthCheck
from .leaving import FINISH_SECONDS, OWN, probe_of
from .names import BALANCER_IMAGE, CONSOLE_IMAGES, HOLD, derived_name, former_names, image_name
from .paths import StatePaths
from .secrets import TierSecrets

STRATEGIES = ("wrr", "p2c", "hrw", "leasttime")
# These spread the requests of one client over all nodes; hrw hashes its address, leasttime prefers the fastest node.
SPREADING_STRATEGIES = frozenset({"wrr", "p2c"})
#: How a node is replaced: the new one starts beside the old one, or when that has ended.
BESIDE, REPLACE = "beside", "replace"
ROLLS = (BESIDE, REPLACE)
#: How long a release command may take where a tier does not say it.
RELEASE_SECONDS = 600
SAME_SITE = ("lax", "strict", "none")
CONSOLE_PORT = 9080


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
        health: the nodes' health check.
        max_failures: failed requests in a row until the balancer takes a node out of rotation; 0 = never.
        ready_seconds: how long a step that starts nodes may take; 0 = as the run says.
        roll: one of :data:`ROLLS`.
        repeat: a GET whose node broke off is sent once more.
        drain_seconds: how long a node keeps serving after SIGTERM.
        stop_seconds: seconds from SIGTERM to SIGKILL.
        memory: limit per node in bytes.
        cpus: limit per node; 0 = none.
        pids: limit of processes and threads per node; 0 = none.
        log_size: bytes per file of what a node prints; 0 = as the engine does it.
        log_files: how many of these are kept.
        environment: variables of the nodes.
        mounts: ``{source, target, read_only}`` each.
        service: the balancer's service of the nodes; its name contains a hash of the policy.
        labels: of the nodes.
        leaving: how a node leaves, one of ``cluster.leaving.LEAVING``.
        finish_seconds: how long one that leaves may take to finish what is open.
        pull: when the image is pulled, one of ``cluster.leaving.PULLS``.
        derived: the repository of the image that is derived from *image*, with hold; empty for none.
        release_command: what runs once before the first node of a revision; empty for nothing.
        release_seconds: how long that may take.
        container: how the nodes' containers are confined and run.
        secrets: the names of its secrets; their values are never here.
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
    health: HealthCheck
    max_failures: int
    ready_seconds: int
    roll: str
    repeat: bool
    drain_seconds: int
    stop_seconds: int
    memory: int
    cpus: float
    pids: int
    log_size: int
    log_files: int
    environment: dict[str, str]
    mounts: list[dict[str, Any]]
    service: str
    labels: dict[str, str]
    leaving: str = OWN
    finish_seconds: int = FINISH_SECONDS
    pull: str = "missing"
    derived: str = ""
    release_command: list[str] = dataclasses.field(default_factory=list)
    release_seconds: int = RELEASE_SECONDS
    container: ContainerOptions = dataclasses.field(default_factory=ContainerOptions)
    secrets: TierSecrets = dataclasses.field(default_factory=TierSecrets)

    @property
    def reference(self) -> str:
        """The image that its nodes run where no build of it is named."""
        return f"{self.derived or self.image}:latest" if self.context or self.derived else self.image

    @property
    def probe(self) -> HealthCheck:
        """The health check that the balancer and a run make: of the application, or of what holds it."""
        return probe_of(self.leaving, self.health)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Tier:
        """Rebuild a tier from its :func:`dataclasses.asdict` form, as it travels between modules.

        Raises:
            TypeError: a key is missing or unknown.
            KeyError: there is no cookie, no health check, or nothing about containers or secrets.
        """
        nested = {
            "cookie": Cookie(**data["cookie"]),
            "health": HealthCheck(**data["health"]),
            "container": ContainerOptions(**data["container"]),
            "secrets": TierSecrets(**data["secrets"]),
        }
        return cls(**{**data, **nested})


@dataclasses.dataclass(frozen=True)
class ClusterSpec:
    """Everything that one inventory declares.

    The addresses are those that ports are published on, and ``dashboard_user`` logs in to the balancer's dashboard and
    API. Each of ``console_users`` has ``name`` and ``role``. What follows from the declaration are properties, and is
    in :meth:`as_dict` too.
    """

    name: str
    domain: str
    hosts: list[str]
    network: str
    web_port: int
    dashboard_port: int
    portainer: bool
    portainer_port: int
    image_source: str
    state_dir: str
    tiers: list[Tier]
    dashboard_user: str = "admin"
    web_address: str = EVERY_ADDRESS
    dashboard_address: str = EVERY_ADDRESS
    portainer_address: str = EVERY_ADDRESS
    console: bool = False
    console_port: int = CONSOLE_PORT
    console_address: str = LOOPBACK
    console_tls: bool = False
    console_users: list[dict[str, str]] = dataclasses.field(default_factory=list)

    @property
    def paths(self) -> StatePaths:
        """Where what is kept on the target."""
        return StatePaths(self.state_dir)

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """Where the target itself reaches ``web``, ``dashboard``, ``console`` and ``portainer``."""
        return {
            "web": published(self.web_address, self.web_port),
            "dashboard": published(self.dashboard_address, self.dashboard_port),
            "console": published(self.console_address, self.console_port, "https" if self.console_tls else "http"),
            "portainer": published(self.portainer_address, self.portainer_port),
        }

    @property
    def balancer_image(self) -> str:
        """The name of the balancer's image, without a tag."""
        return image_name(self.name, BALANCER_IMAGE)

    @property
    def console_images(self) -> dict[str, str]:
        """The names of the console's two images, ``web`` and ``agent``, without a tag."""
        return {part: image_name(self.name, image) for part, image in CONSOLE_IMAGES.items()}

    @property
    def hold_image(self) -> str:
        """The name of the image with hold, without a tag."""
        return derived_name(self.name, HOLD)

    @property
    def former_images(self) -> list[str]:
        """Names without tags of images that earlier versions made and that are not used any more."""
        tiers = [HOLD, *(tier.name for tier in self.tiers)]
        return [former for tier in tiers for former in former_names(self.name, tier)]

    def as_dict(self) -> dict[str, Any]:
        """The specification as plain data, for Ansible facts, with what follows from it.

        ``api`` is what a client of the balancer's API needs: ``url``, ``user`` and ``password_file``.
        """
        endpoints = {name: endpoint.as_dict() for name, endpoint in self.endpoints.items()}
        return {
            **dataclasses.asdict(self),
            "balancer_image": self.balancer_image,
            "hold_image": self.hold_image,
            "console_images": self.console_images,
            "former_images": self.former_images,
            "paths": self.paths.as_dict(),
            "endpoints": endpoints,
            "api": {
                "url": endpoints["dashboard"]["url"],
                "user": self.dashboard_user,
                "password_file": self.paths.dashboard_password,
            },
        }
