# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What the commands of a report need to know about a cluster. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..cluster.endpoints import Endpoint
from ..cluster.names import node_name, node_prefix
from ..cluster.paths import StatePaths


@dataclass(frozen=True)
class TierAddresses:
    """What the commands need to know about a tier.

    Attributes:
        name: its name.
        url: its address at the balancer.
        image: what a person runs to start a node by hand: its image, or what is derived from that.
        nodes: number of declared nodes.
        sticky: whether clients stay with their node.
        strategy: how the balancer chooses a node.
        cookie: name of the sticky cookie.
        first: name of its first node.
        guest: name for a node that is started by hand.
        direct: port and path of the tier at a node.
        built: that image is made here, with the labels by which the balancer finds a container.
        named: its answers name their node; otherwise the balancer's log does.
    """

    name: str
    url: str
    image: str
    nodes: int
    sticky: bool
    strategy: str
    cookie: str
    first: str
    guest: str
    direct: str
    built: bool
    named: bool = True


@dataclass(frozen=True)
class ClusterAddresses:
    """What the commands need to know about a cluster, seen from its Docker host.

    Attributes:
        cluster: its name.
        tiers: its tiers.
        header: curl's option for the host name, or empty.
        web: the web entry point.
        dashboard: the balancer's dashboard and API.
        user: user of the dashboard.
        dashboard_password: file with the password of this user.
        access_log: the balancer's access log.
        console: the console; None without one.
        console_login: its users, and the files with their passwords.
        portainer: Portainer; None without one.
        portainer_password: file with the password of Portainer's user.
    """

    cluster: str
    tiers: tuple[TierAddresses, ...]
    header: str
    web: Endpoint
    dashboard: Endpoint
    user: str
    dashboard_password: str
    access_log: str
    console: Endpoint | None
    console_login: str
    portainer: Endpoint | None
    portainer_password: str

    @property
    def several(self) -> list[TierAddresses]:
        """Tiers with more than one node."""
        return [tier for tier in self.tiers if tier.nodes > 1]


def addresses_of(
    spec: Mapping[str, Any], user: str = "admin", portainer_password: str = "", unnamed: Collection[str] = ()
) -> ClusterAddresses:
    """The addresses and files of a declared cluster.

    Args:
        spec: the declared cluster.
        user: user of the dashboard.
        portainer_password: file with Portainer's password; empty for the one in the state folder.
        unnamed: tiers whose answers do not name their node.
    """
    hosts = list(spec.get("hosts") or [])
    paths = StatePaths(str(spec["state_dir"]))
    web = _local(spec["web_port"])
    return ClusterAddresses(
        cluster=str(spec["name"]),
        tiers=tuple(_tier_addresses(str(spec["name"]), web, tier, unnamed) for tier in spec["tiers"]),
        header="" if not hosts or "localhost" in hosts else f"-H {shlex.quote(f'Host: {hosts[0]}')} ",
        web=web,
        dashboard=_local(spec["dashboard_port"]),
        user=user,
        dashboard_password=paths.dashboard_password,
        access_log=paths.access_log,
        # Earlier reports have no console.
        console=_local(spec["console_port"], tls=bool(spec["console_tls"])) if spec.get("console") else None,
        console_login=_console_login([str(user["name"]) for user in spec.get("console_users") or ()], paths),
        portainer=_local(spec["portainer_port"]) if spec["portainer"] else None,
        portainer_password=portainer_password or f"{paths.state_dir}/secrets/portainer_password",
    )


def _local(port: int, *, tls: bool = False) -> Endpoint:
    return Endpoint("https" if tls else "http", "localhost", int(port))


def _console_login(users: Sequence[str], paths: StatePaths) -> str:
    if len(users) == 1:
        return f"user {users[0]}, password in {paths.console_password(users[0])}"
    return f"users {', '.join(users)}, passwords in {paths.console_password('<user>')}"


def _tier_addresses(cluster: str, web: Endpoint, tier: Mapping[str, Any], unnamed: Collection[str]) -> TierAddresses:
    name = str(tier["name"])
    return TierAddresses(
        name=name,
        url=web.at(str(tier["path"])),
        image=str(tier.get("derived") or tier["image"]),
        nodes=int(tier["nodes"]),
        sticky=bool(tier["sticky"]),
        strategy=str(tier["strategy"]),
        cookie=str(tier["cookie"]["name"]),
        first=node_name(cluster, name, 1),
        guest=f"{node_prefix(cluster, name)}guest",
        direct=f"{tier['port']}{'/' if tier['strip_path'] else tier['path']}",
        built=bool(tier["context"] or tier.get("derived")),
        named=name not in unnamed,
    )
