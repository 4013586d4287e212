# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""How to check each claim by hand, with ``curl`` and ``docker`` only. Pure.

The report and docs/validation.md are both made from this, so they cannot differ.
The addresses end in ``#[1-12]``: curl repeats the request, and does not send what follows the ``#``.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..cluster.contract import STATS_PORT
from ..cluster.endpoints import Endpoint
from ..cluster.labels import CLUSTER, NODE, ROLE, TIER
from ..cluster.names import node_name, node_prefix
from ..cluster.paths import StatePaths

_NODE = r"%header{x-served-by}\n"
_STATUS_AND_NODE = r"%{http_code} %header{x-served-by}\n"
_STATUS = r"%{http_code}\n"
_CYCLES = 4


@dataclass(frozen=True)
class Step:
    """One step of a procedure.

    Attributes:
        text: what it is for.
        commands: what to type, one line each; empty for a step without commands.
        shows: what you must see.
    """

    text: str
    commands: tuple[str, ...] = ()
    shows: str = ""


@dataclass(frozen=True)
class TierAddresses:
    """What the commands need to know about a tier.

    Attributes:
        name: its name.
        url: its address at the balancer.
        image: its image.
        nodes: number of declared nodes.
        sticky: whether clients stay with their node.
        strategy: how the balancer chooses a node.
        cookie: name of the sticky cookie.
        first: name of its first node.
        guest: name for a node that is started by hand.
        direct: port and path of the tier at a node.
        built: its image is built here, with the labels by which the balancer finds a container.
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
    portainer: Endpoint | None
    portainer_password: str

    @property
    def several(self) -> list[TierAddresses]:
        """Tiers with more than one node."""
        return [tier for tier in self.tiers if tier.nodes > 1]


def addresses_of(spec: Mapping[str, Any], user: str = "admin", portainer_password: str = "") -> ClusterAddresses:
    """The addresses and files of a declared cluster.

    Args:
        spec: the declared cluster.
        user: user of the dashboard.
        portainer_password: file with Portainer's password; empty for the one in the state folder.
    """
    hosts = list(spec.get("hosts") or [])
    paths = StatePaths(str(spec["state_dir"]))
    web = _local(spec["web_port"])
    return ClusterAddresses(
        cluster=str(spec["name"]),
        tiers=tuple(_tier_addresses(str(spec["name"]), web, tier) for tier in spec["tiers"]),
        header="" if not hosts or "localhost" in hosts else f"-H {shlex.quote(f'Host: {hosts[0]}')} ",
        web=web,
        dashboard=_local(spec["dashboard_port"]),
        user=user,
        dashboard_password=paths.dashboard_password,
        access_log=paths.access_log,
        portainer=_local(spec["portainer_port"]) if spec["portainer"] else None,
        portainer_password=portainer_password or f"{paths.state_dir}/secrets/portainer_password",
    )


def _local(port: int) -> Endpoint:
    return Endpoint("http", "localhost", int(port))


def _tier_addresses(cluster: str, web: Endpoint, tier: Mapping[str, Any]) -> TierAddresses:
    name = str(tier["name"])
    return TierAddresses(
        name=name,
        url=web.at(str(tier["path"])),
        image=str(tier["image"]),
        nodes=int(tier["nodes"]),
        sticky=bool(tier["sticky"]),
        strategy=str(tier["strategy"]),
        cookie=str(tier["cookie"]["name"]),
        first=node_name(cluster, name, 1),
        guest=f"{node_prefix(cluster, name)}guest",
        direct=f"{tier['port']}{'/' if tier['strip_path'] else tier['path']}",
        built=bool(tier["context"]),
    )


def _curl(addresses: ClusterAddresses, tier: TierAddresses, shown: str, count: int, options: str = "") -> str:
    address = shlex.quote(f"{tier.url}#[1-{count}]")
    return f"curl -s -o /dev/null {addresses.header}{options}-w '{shown}' {address}"


def _filters(addresses: ClusterAddresses, *more: str) -> str:
    labels = (f"{CLUSTER}={addresses.cluster}", *more)
    return " ".join(f"--filter label={shlex.quote(label)}" for label in labels)


def nodes_steps(addresses: ClusterAddresses) -> list[Step]:
    """Several nodes per tier."""
    return [
        Step(
            "List the nodes that Docker runs:",
            (f"docker ps {_filters(addresses, f'{ROLE}={NODE}')} --format '{{{{.Names}}}}  {{{{.Status}}}}'",),
            f"one line per node: {', '.join(f'{tier.nodes} of {tier.name}' for tier in addresses.tiers)}, and guests.",
        ),
        Step(
            f"List the nodes that the balancer uses (curl asks for the password in {addresses.dashboard_password}):",
            (f"curl -s -u {shlex.quote(addresses.user)} {addresses.dashboard.at('/api/http/services')}",),
            "one service per tier, with serverStatus UP for each of its nodes and no other server.",
        ),
    ]


def distribution_steps(addresses: ClusterAddresses) -> list[Step]:
    """Requests reach all nodes; three sides count the same."""
    steps = [
        Step(
            f"Send {tier.nodes * _CYCLES} requests without cookies to {tier.name}:",
            (_curl(addresses, tier, _NODE, tier.nodes * _CYCLES),),
            "every node of the tier answers.",
        )
        for tier in addresses.several
    ]
    if addresses.several:
        tier = addresses.several[0]
        steps += [
            Step(
                "Read a node's own counters, before and after these requests:",
                (f"curl -s http://{_address(tier)}:{STATS_PORT}/stats",),
                "the counter requests grew by the number of answers that you got from this node.",
            ),
            Step(
                "Read the last lines of the balancer's access log:",
                (f"curl -s -r -4000 {shlex.quote('file://' + addresses.access_log)}",),
                "one line per request; ServiceAddr names the node.",
            ),
            _direct(tier),
        ]
    return steps


def _direct(tier: TierAddresses) -> Step:
    rest = shlex.quote(f"{tier.direct}#[1-{tier.nodes * _CYCLES}]")
    return Step(
        "Control, which must fail: send the same requests to one node, past the balancer:",
        (f"curl -s -o /dev/null -w '{_NODE}' http://{_address(tier)}:{rest}",),
        "one name only. So step 1 can tell one node from several.",
    )


def _address(tier: TierAddresses) -> str:
    return f"$(docker inspect -f '{{{{range .NetworkSettings.Networks}}}}{{{{.IPAddress}}}}{{{{end}}}}' {_node(tier)})"


def _node(tier: TierAddresses) -> str:
    return shlex.quote(tier.first)


def round_robin_steps(addresses: ClusterAddresses) -> list[Step]:
    """Every cycle visits every node once."""
    tiers = [tier for tier in addresses.several if tier.strategy == "wrr"]
    steps = [
        Step(
            f"Send requests without cookies to {tier.name}, while no other client uses the cluster:",
            (_curl(addresses, tier, _NODE, tier.nodes * _CYCLES),),
            f"from some line on, every {tier.nodes} lines in a row name all {tier.nodes} nodes.",
        )
        for tier in tiers
    ]
    if tiers:
        steps.append(
            Step("Control, which must fail: send the requests to one node, as above; every line names this node.")
        )
    return steps


def sticky_steps(addresses: ClusterAddresses) -> list[Step]:
    """Clients of sticky tiers stay with their node; clients of other tiers do not."""
    steps = []
    for tier in addresses.tiers:
        if tier.sticky:
            steps += [
                Step(
                    f"Send requests to {tier.name} as one client that keeps cookies; each run is a new client:",
                    (_curl(addresses, tier, _NODE, 6, "-b '' "),),
                    "six times the same node; another client may get another node.",
                ),
                Step(
                    "Show the cookie:",
                    (f"curl -s -o /dev/null {addresses.header}-D - {shlex.quote(tier.url)}",),
                    f"Set-Cookie: {tier.cookie}=...",
                ),
                Step(
                    "Control, which must fail: send the same requests without a cookie jar:",
                    (_curl(addresses, tier, _NODE, 6),),
                    "several nodes." if tier.nodes > 1 else "the only node.",
                ),
            ]
        else:
            steps.append(
                Step(
                    f"Send requests to {tier.name} as a client that keeps cookies; this tier sets none:",
                    (_curl(addresses, tier, _NODE, 6, "-b '' "),),
                    "several nodes: clients do not stay." if tier.nodes > 1 else "the only node.",
                )
            )
    return steps


def membership_steps(addresses: ClusterAddresses) -> list[Step]:
    """Nodes come and go under load."""
    if not addresses.tiers:
        return []
    tier = next((tier for tier in reversed(addresses.tiers) if tier.built), addresses.tiers[-1])
    guest = shlex.quote(tier.guest)
    steps = [
        Step(
            "In one terminal, send twenty requests per second for a minute:",
            (_curl(addresses, tier, _STATUS_AND_NODE, 1200, "--rate 20/s "),),
            "200 on every line, from the first to the last, while you do the next steps in a second terminal.",
        )
    ]
    if tier.built:
        steps += [
            Step(
                "Start a node:",
                (f"docker run -d --name {guest} {shlex.quote(tier.image)}",),
                "within two seconds the first terminal shows it, by the short id of its container.",
            ),
            Step(
                "Stop and remove it:",
                (f"docker stop {guest}", f"docker rm {guest}"),
                "its name no longer appears, and every line still says 200.",
            ),
        ]
    steps += [
        Step(
            "Stop a node that was there from the start, and start it again:",
            (f"docker stop {_node(tier)}", f"docker start {_node(tier)}"),
            "its name disappears and comes back, and every line still says 200.",
        ),
        Step(
            f"Control, which must fail, and interrupts {tier.name} for a moment: kill all its nodes without a drain:",
            (
                f"docker kill $(docker ps -q {_filters(addresses, f'{TIER}={tier.name}')})",
                f"docker start $(docker ps -aq {_filters(addresses, f'{TIER}={tier.name}')})",
            ),
            "502 or 503 until they are back. So the first terminal can show a lost request.",
        ),
    ]
    return steps


def management_steps(addresses: ClusterAddresses) -> list[Step]:
    """The management answers with the password, and refuses without it."""
    url = addresses.dashboard.at("/api/version")
    wrong = shlex.quote(f"{addresses.user}:wrong")
    steps = [
        Step(
            f"Send a request with the password (curl asks for it; it is in {addresses.dashboard_password}):",
            (f"curl -s -o /dev/null -u {shlex.quote(addresses.user)} -w '{_STATUS}' {url}",),
            f"200. In a browser: {addresses.dashboard.at('/dashboard/')}",
        ),
        Step(
            "Control, which must be refused: send it without the password, and with a wrong one:",
            (
                f"curl -s -o /dev/null -w '{_STATUS}' {url}",
                f"curl -s -o /dev/null -u {wrong} -w '{_STATUS}' {url}",
            ),
            "401, twice.",
        ),
    ]
    if addresses.portainer is not None:
        steps.append(
            Step(
                "Send a request to Portainer without a login:",
                (f"curl -s -o /dev/null -w '{_STATUS}' {addresses.portainer.at('/api/endpoints')}",),
                f"401. In a browser: {addresses.portainer.at('/')}, user admin, password in"
                f" {addresses.portainer_password}",
            )
        )
    return steps


PROCEDURES = {
    "nodes": nodes_steps,
    "distribution": distribution_steps,
    "round-robin": round_robin_steps,
    "sticky": sticky_steps,
    "membership": membership_steps,
    "management": management_steps,
}


def as_markdown(steps: Sequence[Step]) -> str:
    """The steps as a numbered list with code blocks."""
    lines: list[str] = []
    for number, step in enumerate(steps, 1):
        lines.append(f"{number}. {step.text}")
        if step.commands:
            lines += ["", "   ```", *(f"   {command}" for command in step.commands), "   ```"]
        if step.shows:
            lines += ["", f"   Shows: {step.shows}"]
        lines.append("")
    return "\n".join(lines)
