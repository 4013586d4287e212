# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""How a person repeats each claim by hand, with nothing but ``curl`` and ``docker``. Pure.

The report and docs/validation.md are both made from this, so they cannot say different things.
The addresses end in ``#[1-12]``: curl repeats the request, and sends nothing of what follows the ``#``.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..cluster.contract import STATS_PORT

_NODE = r"%header{x-served-by}\n"
_STATUS_AND_NODE = r"%{http_code} %header{x-served-by}\n"
_STATUS = r"%{http_code}\n"
_CYCLES = 4


@dataclass(frozen=True)
class Step:
    """One step of a procedure.

    Attributes:
        text: what it is for.
        commands: what to type, one line each; empty for a step that is only to be read.
        shows: what must be seen.
    """

    text: str
    commands: tuple[str, ...] = ()
    shows: str = ""


@dataclass(frozen=True)
class TierAddresses:
    """What a procedure says about a tier.

    Attributes:
        name: its name.
        url: where it is at the balancer.
        image: its image.
        nodes: how many nodes it has.
        sticky: whether clients stay with their node.
        strategy: how the balancer chooses.
        cookie: name of the sticky cookie.
        direct: port and path of the tier at a node.
        built: its image is built here and bears the labels with which a container joins by itself.
    """

    name: str
    url: str
    image: str
    nodes: int
    sticky: bool
    strategy: str
    cookie: str
    direct: str = "8080/"
    built: bool = True


@dataclass(frozen=True)
class ClusterAddresses:
    """Where a cluster is, seen from its Docker host.

    Attributes:
        cluster: its name.
        tiers: its tiers.
        header: curl's option for the host name, or empty.
        dashboard: address of dashboard and API.
        user: who may use them.
        secrets: folder with the passwords.
        access_log: the balancer's access log.
        portainer: address of Portainer; empty without one.
    """

    cluster: str
    tiers: tuple[TierAddresses, ...]
    header: str
    dashboard: str
    user: str
    secrets: str
    access_log: str
    portainer: str = ""

    @property
    def several(self) -> list[TierAddresses]:
        """Tiers with more than one node."""
        return [tier for tier in self.tiers if tier.nodes > 1]


def addresses_of(spec: Mapping[str, Any], user: str = "admin") -> ClusterAddresses:
    """The place that a cluster's specification describes."""
    web = f"http://localhost:{spec['web_port']}"
    hosts = list(spec.get("hosts") or [])
    header = "" if not hosts or "localhost" in hosts else f"-H {shlex.quote(f'Host: {hosts[0]}')} "
    return ClusterAddresses(
        cluster=str(spec["name"]),
        tiers=tuple(
            TierAddresses(
                name=str(tier["name"]),
                url=web + str(tier["path"]),
                image=str(tier["image"]),
                nodes=int(tier["nodes"]),
                sticky=bool(tier["sticky"]),
                strategy=str(tier["strategy"]),
                cookie=str(tier["cookie"]["name"]),
                direct=f"{tier['port']}{'/' if tier.get('strip_path') else tier['path']}",
                built=bool(tier.get("context", True)),
            )
            for tier in spec["tiers"]
        ),
        header=header,
        dashboard=f"http://localhost:{spec['dashboard_port']}",
        user=user,
        secrets=f"{spec['state_dir']}/secrets",
        access_log=f"{spec['state_dir']}/log/access.log",
        portainer=f"http://localhost:{spec['portainer_port']}" if spec.get("portainer") else "",
    )


def _curl(place: ClusterAddresses, tier: TierAddresses, shown: str, count: int, options: str = "") -> str:
    address = shlex.quote(f"{tier.url}#[1-{count}]")
    return f"curl -s -o /dev/null {place.header}{options}-w '{shown}' {address}"


def _labels(place: ClusterAddresses, *more: str) -> str:
    return " ".join(f"--filter label={shlex.quote(label)}" for label in (f"evenkeel.cluster={place.cluster}", *more))


def nodes_steps(place: ClusterAddresses) -> list[Step]:
    """Several nodes per tier."""
    return [
        Step(
            "What runs, according to Docker:",
            (f"docker ps {_labels(place, 'evenkeel.role=node')} --format '{{{{.Names}}}}  {{{{.Status}}}}'",),
            f"one line per node: {', '.join(f'{tier.nodes} of {tier.name}' for tier in place.tiers)}, and guests.",
        ),
        Step(
            f"What the balancer knows (it asks for the password in {place.secrets}/dashboard_password):",
            (f"curl -s -u {shlex.quote(place.user)} {place.dashboard}/api/http/services",),
            "one service per tier, with serverStatus UP for each of its nodes and for nothing else.",
        ),
    ]


def distribution_steps(place: ClusterAddresses) -> list[Step]:
    """Requests reach all nodes; three sides count the same."""
    steps = [
        Step(
            f"Ask {tier.name} {tier.nodes * _CYCLES} times without cookies:",
            (_curl(place, tier, _NODE, tier.nodes * _CYCLES),),
            "every node of the tier answers.",
        )
        for tier in place.several
    ]
    if place.several:
        tier = place.several[0]
        steps += [
            Step(
                "What a node has counted itself; ask before and after:",
                (f"curl -s http://{_address(tier)}:{STATS_PORT}/stats",),
                "requests has grown by as many as you got answers from it.",
            ),
            Step(
                "What the balancer has logged, the last lines:",
                (f"curl -s -r -4000 {shlex.quote('file://' + place.access_log)}",),
                "one line per request; ServiceAddr names the node.",
            ),
            _direct(tier),
        ]
    return steps


def _direct(tier: TierAddresses) -> Step:
    rest = shlex.quote(f"{tier.direct}#[1-{tier.nodes * _CYCLES}]")
    return Step(
        "Control, which must fail: the same questions to one node, past the balancer:",
        (f"curl -s -o /dev/null -w '{_NODE}' http://{_address(tier)}:{rest}",),
        "one name only, so what is read off above can tell one node from many.",
    )


def _address(tier: TierAddresses) -> str:
    return f"$(docker inspect -f '{{{{range .NetworkSettings.Networks}}}}{{{{.IPAddress}}}}{{{{end}}}}' {_node(tier)})"


def _node(tier: TierAddresses) -> str:
    return shlex.quote(f"{tier.name}-1")


def round_robin_steps(place: ClusterAddresses) -> list[Step]:
    """Every cycle visits every node once."""
    tiers = [tier for tier in place.several if tier.strategy == "wrr"]
    steps = [
        Step(
            f"Ask {tier.name} without cookies, on a cluster that nobody else uses:",
            (_curl(place, tier, _NODE, tier.nodes * _CYCLES),),
            f"from some line on, every {tier.nodes} lines in a row name all {tier.nodes} nodes.",
        )
        for tier in tiers
    ]
    if tiers:
        steps.append(Step("Control, which must fail: the questions to one node, as above, name it every time."))
    return steps


def sticky_steps(place: ClusterAddresses) -> list[Step]:
    """Clients stay, or do not."""
    steps = []
    for tier in place.tiers:
        if tier.sticky:
            steps += [
                Step(
                    f"A client of {tier.name} that keeps cookies; type it several times, each is a new client:",
                    (_curl(place, tier, _NODE, 6, "-b '' "),),
                    "six times the same node; another client may get another one.",
                ),
                Step(
                    "The cookie that does it:",
                    (f"curl -s -o /dev/null {place.header}-D - {shlex.quote(tier.url)}",),
                    f"Set-Cookie: {tier.cookie}=...",
                ),
                Step(
                    "Control, which must fail: the same client without a cookie jar:",
                    (_curl(place, tier, _NODE, 6),),
                    "several nodes." if tier.nodes > 1 else "the only node.",
                ),
            ]
        else:
            steps.append(
                Step(
                    f"A client of {tier.name} that keeps cookies, although there are none:",
                    (_curl(place, tier, _NODE, 6, "-b '' "),),
                    "several nodes: clients are not kept." if tier.nodes > 1 else "the only node.",
                )
            )
    return steps


def membership_steps(place: ClusterAddresses) -> list[Step]:
    """Nodes come and go under load."""
    if not place.tiers:
        return []
    tier = next((tier for tier in reversed(place.tiers) if tier.built), place.tiers[-1])
    guest = shlex.quote(f"{tier.name}-guest")
    steps = [
        Step(
            "In one terminal, twenty requests per second for a minute:",
            (_curl(place, tier, _STATUS_AND_NODE, 1200, "--rate 20/s "),),
            "200 on every line, from the first to the last, while you do the following in another one.",
        )
    ]
    if tier.built:
        steps += [
            Step(
                "Let a node appear:",
                (f"docker run -d --name {guest} {shlex.quote(tier.image)}",),
                "within two seconds the first terminal names it, by the short id of the container.",
            ),
            Step(
                "Let it disappear:",
                (f"docker stop {guest}", f"docker rm {guest}"),
                "its name is not seen any more, and still every line says 200.",
            ),
        ]
    steps += [
        Step(
            "Let a node that was there from the start go, and come back:",
            (f"docker stop {_node(tier)}", f"docker start {_node(tier)}"),
            "its name disappears and comes back, and still every line says 200.",
        ),
        Step(
            f"Control, which must fail, and interrupts {tier.name} for a moment: end all of its nodes without warning:",
            (
                f"docker kill $(docker ps -q {_labels(place, 'evenkeel.tier=' + tier.name)})",
                f"docker start $(docker ps -aq {_labels(place, 'evenkeel.tier=' + tier.name)})",
            ),
            "502 or 503 until they are back, so what is read off above can see a lost request.",
        ),
    ]
    return steps


def management_steps(place: ClusterAddresses) -> list[Step]:
    """The password lets in, its absence does not."""
    url = f"{place.dashboard}/api/version"
    wrong = shlex.quote(f"{place.user}:wrong")
    steps = [
        Step(
            f"With the password of {place.secrets}/dashboard_password, which curl asks for:",
            (f"curl -s -o /dev/null -u {shlex.quote(place.user)} -w '{_STATUS}' {url}",),
            f"200. In a browser: {place.dashboard}/dashboard/",
        ),
        Step(
            "Control, which must be refused: without it, and with a wrong one:",
            (
                f"curl -s -o /dev/null -w '{_STATUS}' {url}",
                f"curl -s -o /dev/null -u {wrong} -w '{_STATUS}' {url}",
            ),
            "401, twice.",
        ),
    ]
    if place.portainer:
        steps.append(
            Step(
                "Portainer, without a login:",
                (f"curl -s -o /dev/null -w '{_STATUS}' {place.portainer}/api/endpoints",),
                f"401. In a browser: {place.portainer}/, user admin, password in {place.secrets}/portainer_password",
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
