# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What edge and balancer are made with, read from a module's options. Pure."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..cluster.logs import LOG_FILES, LOG_SIZE, MAX_LOG_FILES, MIN_LOG_SIZE
from ..core.errors import EvenkeelError, Problem, quote
from ..core.values import NumberOption, number_specs, of_role, parse_size, read_numbers, whole_number
from .config import ACCESS_LOG, SLOTS, SOCKETS, with_endpoint
from .grace import read_stop_seconds
from .log_rotation import rotation_call
from .plan import BRIDGE, Desired, digest
from .watch import HOLDER, WATCH_FILE, watch_script

NEEDED = ("image", "config_dir", "log_dir", "api_password_file")
NUMBERS = {
    **of_role(
        "load_balancer",
        {
            "pids": NumberOption(1, 4_194_304, 512),
            "drain_seconds": NumberOption(0, 600, 3.0),
            "ready_seconds": NumberOption(1, 3600, 30.0),
            "log_files": NumberOption(1, MAX_LOG_FILES, LOG_FILES),
            "access_log_keep": NumberOption(0, MAX_LOG_FILES, 3),
        },
    ),
    "lock_timeout": NumberOption(0, 86_400, 300),
}


def balancer_arguments() -> dict[str, dict[str, Any]]:
    """The options of the module ``balancer``."""
    return {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "cluster": {"type": "str", "required": True},
        "network": {"type": "str", "required": True},
        "image": {"type": "str"},
        "edge_image": {"type": "str"},
        "static": {"type": "dict", "default": {}},
        "seed": {"type": "str", "default": ""},
        "ports": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "inside": {"type": "int", "required": True},
                "address": {"type": "str", "default": ""},
                "outside": {"type": "int", "required": True},
            },
        },
        "user": {"type": "str", "default": "65532"},
        "groups": {"type": "list", "elements": "str", "default": []},
        "memory": {"type": "str", "default": "1g"},
        "log_size": {"type": "raw", "default": "10m"},
        "access_log_size": {"type": "raw", "default": "200m"},
        "environment": {"type": "dict", "default": {}},
        "docker_socket": {"type": "path", "default": "/var/run/docker.sock"},
        "config_dir": {"type": "path"},
        "log_dir": {"type": "path"},
        "api_user": {"type": "str", "default": "admin"},
        # The path is no secret, what is in the file is.
        "api_password_file": {"type": "path", "no_log": False},
        **number_specs(NUMBERS),
    }


class BalancerOptionError(EvenkeelError):
    """Options that cannot be used; one line for each."""


@dataclasses.dataclass(frozen=True)
class BalancerOptions:
    """What edge and balancer are made with.

    Attributes:
        cluster: value of the label ``evenkeel.cluster``.
        network: the cluster's network; the edge joins Docker's default bridge too, where guests are.
        image: the balancer's image.
        edge_image: the edge's; it must have ``perl``.
        static: Traefik's static configuration.
        seed: any text; another one makes another balancer, such as the hash of a file that is read at the start only.
        ports: port inside to (address, port) outside.
        user: numeric user of the processes.
        groups: their supplementary groups.
        memory: limit in bytes.
        pids: limit of processes and threads.
        environment: variables of the balancer.
        socket: the Docker socket on the host; no symbolic link.
        config_dir: folder that becomes ``/etc/traefik``.
        log_dir: folder that becomes ``/var/log/traefik``.
        stop_seconds: after which Docker kills a stopping balancer; follows from Traefik's own grace times.
        drain_seconds: how long a balancer that is replaced asks its clients to reconnect.
        ready_seconds: how long a new one may take.
        log_size: bytes per file of what the balancer prints; 0 for the engine's own way of logging.
        log_files: how many of these are kept.
        access_log_size: bytes of the access log and all its rotated files together.
        access_log_keep: how many rotated files there are.
    """

    cluster: str
    network: str
    image: str
    edge_image: str
    static: Mapping[str, Any]
    seed: str
    ports: Mapping[int, tuple[str, int]]
    user: str
    groups: tuple[str, ...]
    memory: int
    pids: int
    environment: Mapping[str, str]
    socket: str
    config_dir: Path
    log_dir: Path
    stop_seconds: int
    drain_seconds: float
    ready_seconds: float
    log_size: int = LOG_SIZE
    log_files: int = LOG_FILES
    access_log_size: int = 200 * 1024**2
    access_log_keep: int = 3

    @property
    def socket_inside(self) -> str:
        """The Docker socket as edge and balancer see it."""
        return f"{SOCKETS}/{Path(self.socket).name}"

    @property
    def watch_file(self) -> Path:
        """What the edge runs."""
        return self.config_dir / WATCH_FILE

    @property
    def watch_script(self) -> str:
        """The text of :attr:`watch_file`."""
        rotation = rotation_call(ACCESS_LOG, self.access_log_size, self.access_log_keep)
        return watch_script(self.cluster, self.socket_inside, SLOTS.values(), rotation)

    @property
    def edge_file(self) -> Path:
        """The dynamic configuration that applies to every request."""
        return self.config_dir / "dynamic" / "edge.yml"

    @property
    def routes_file(self) -> Path:
        """The tiers' routes, which the pool writes."""
        return self.config_dir / "dynamic" / "tiers.yml"

    def desired(self, image_id: str) -> Desired:
        """The revisions that follow from the options."""
        ports = {str(port): list(outside) for port, outside in self.ports.items()}
        edge = {"ports": ports, "network": self.network, "user": self.user, "groups": self.groups, "holder": HOLDER}
        names = ("static", "seed", "user", "groups", "memory", "pids", "environment", "socket", "stop_seconds")
        logs = {"log_size": self.log_size, "log_files": self.log_files}
        balancer = {**{name: getattr(self, name) for name in names}, **logs}
        folders = {"folders": [str(self.config_dir), str(self.log_dir), self.socket]}
        networks = frozenset({self.network, BRIDGE})
        return Desired(
            self.cluster, digest({**edge, **folders}), digest({**balancer, **folders, "image": image_id}), networks
        )


def read_options(params: Mapping[str, Any]) -> BalancerOptions:
    """Check a module's options.

    Raises:
        BalancerOptionError: some cannot be used.
    """
    numbers, lines = read_numbers(params, NUMBERS)
    memory = parse_size(params["memory"])
    stop_seconds, graces = read_stop_seconds(params["static"])
    problems = [*_missing(params), *lines, *_unshared(params["static"]), *graces]
    if memory is None:
        problems.append(Problem("memory", quote(params["memory"]), "a size such as 1g", "-e load_balancer_memory=1g"))
    log_size = 0 if whole_number(params["log_size"]) == 0 else parse_size(params["log_size"]) or -1
    if log_size and log_size < MIN_LOG_SIZE:
        want = "a size of at least 1m, or 0 for Docker's own log driver"
        problems.append(Problem("log_size", quote(params["log_size"]), want, "-e load_balancer_log_size=10m"))
    access_log_size = parse_size(params["access_log_size"]) or 0
    if access_log_size < MIN_LOG_SIZE:
        want, fix = "a size of at least 1m, such as 200m", "-e load_balancer_access_log_size=200m"
        problems.append(Problem("access_log_size", quote(params["access_log_size"]), want, fix))
    if problems or memory is None:
        raise BalancerOptionError(*problems)
    # A link would lead out of the folder that the containers see.
    socket = os.path.realpath(params["docker_socket"])
    return BalancerOptions(
        cluster=params["cluster"],
        network=params["network"],
        image=params["image"],
        edge_image=params["edge_image"] or params["image"],
        static=with_endpoint(params["static"], f"{SOCKETS}/{Path(socket).name}"),
        seed=params["seed"],
        ports={port["inside"]: (port["address"], port["outside"]) for port in params["ports"]},
        user=params["user"],
        groups=tuple(params["groups"]),
        memory=memory,
        log_size=log_size,
        access_log_size=access_log_size,
        stop_seconds=stop_seconds,
        environment={str(name): str(value) for name, value in params["environment"].items()},
        socket=socket,
        config_dir=Path(params["config_dir"]),
        log_dir=Path(params["log_dir"]),
        **{name: number for name, number in numbers.items() if name != "lock_timeout"},
    )


def read_lock_timeout(params: Mapping[str, Any]) -> int:
    """Seconds to wait for another run on the same cluster.

    Raises:
        BalancerOptionError: it is no number in range.
    """
    numbers, lines = read_numbers(params, {"lock_timeout": NUMBERS["lock_timeout"]})
    if lines:
        raise BalancerOptionError(*lines)
    return int(numbers["lock_timeout"])


def _missing(params: Mapping[str, Any]) -> Iterator[Problem | str]:
    for name in NEEDED:
        if not params[name]:
            yield Problem(name, "nothing", "it with state present", f"pass {name}")


def _unshared(static: Mapping[str, Any]) -> Iterator[Problem]:
    for name, entry in (static.get("entryPoints") or {}).items():
        if not isinstance(entry, dict) or entry.get("reusePort") is not True:
            want = "it, because two balancers listen on the same port during a replacement"
            yield Problem(f"static.entryPoints.{name}", "no reusePort", want, "reusePort: true")
