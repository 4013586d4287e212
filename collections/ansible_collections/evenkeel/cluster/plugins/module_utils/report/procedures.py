# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""How to check each claim by hand, with ``curl`` and ``docker`` only. Pure.

The report and docs/validation.md are both made from this, so they cannot differ.
The addresses end in ``#[1-12]``: curl repeats the request, and does not send what follows the ``#``.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from ..cluster.contract import STATS_PORT
from ..cluster.labels import CLUSTER, NODE, ROLE, TIER
from .addresses import ClusterAddresses, TierAddresses

_NODE = r"%header{x-served-by}\n"
_STATUS_AND_NODE = r"%{http_code} %header{x-served-by}\n"
_STATUS = r"%{http_code}\n"
_CYCLES = 4
# A line of the access log.
_LINE_BYTES = 400


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


def _send(
    addresses: ClusterAddresses, tier: TierAddresses, text: str, count: int, shows: str, options: str = ""
) -> Step:
    """Requests that show which node answered each: in its answer, or else in the balancer's log.

    Args:
        addresses: of the cluster.
        tier: where they go.
        text: what they are for.
        count: how many.
        shows: what is to be seen, a line per request.
        options: of curl.
    """
    if tier.named:
        return Step(text, (_curl(addresses, tier, _NODE, count, options),), shows)
    return Step(
        text,
        (_curl(addresses, tier, _STATUS, count, options), _log(addresses, count * _LINE_BYTES)),
        f"200 on every line. Its answers do not name their node; in the last {count} lines of the log, ServiceAddr"
        f" does: {shows}",
    )


def _log(addresses: ClusterAddresses, size: int) -> str:
    return f"curl -s -r -{size} {shlex.quote('file://' + addresses.access_log)}"


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
        _send(
            addresses,
            tier,
            f"Send {tier.nodes * _CYCLES} requests without cookies to {tier.name}:",
            tier.nodes * _CYCLES,
            "every node of the tier answers.",
        )
        for tier in addresses.several
    ]
    named = [tier for tier in addresses.several if tier.named]
    if named:
        tier = named[0]
        steps += [
            Step(
                "Read a node's own counters, before and after these requests:",
                (f"curl -s http://{_address(tier)}:{STATS_PORT}/stats",),
                "the counter requests grew by the number of answers that you got from this node.",
            ),
            Step(
                "Read the last lines of the balancer's access log:",
                (_log(addresses, 10 * _LINE_BYTES),),
                "one line per request; ServiceAddr names the node.",
            ),
            _direct(tier),
        ]
    elif addresses.several:
        steps.append(_direct(addresses.several[0]))
    return steps


def _direct(tier: TierAddresses) -> Step:
    if not tier.named:
        return Step(
            "Control, which must fail: leave the tier one node (playbooks/scale.yml), send the same requests, and scale"
            " back.",
            shows="one name only in the log. So the steps above can tell one node from several.",
        )
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
        _send(
            addresses,
            tier,
            f"Send requests without cookies to {tier.name}, while no other client uses the cluster:",
            tier.nodes * _CYCLES,
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
                _send(
                    addresses,
                    tier,
                    f"Send requests to {tier.name} as one client that keeps cookies; each run is a new client:",
                    6,
                    "six times the same node; another client may get another node.",
                    "-b '' ",
                ),
                Step(
                    "Show the cookie:",
                    (f"curl -s -o /dev/null {addresses.header}-D - {shlex.quote(tier.url)}",),
                    f"Set-Cookie: {tier.cookie}=...",
                ),
                _send(
                    addresses,
                    tier,
                    "Control, which must fail: send the same requests without a cookie jar:",
                    6,
                    "several nodes." if tier.nodes > 1 else "the only node.",
                ),
            ]
        else:
            steps.append(
                _send(
                    addresses,
                    tier,
                    f"Send requests to {tier.name} as a client that keeps cookies; this tier sets none:",
                    6,
                    "several nodes: clients do not stay." if tier.nodes > 1 else "the only node.",
                    "-b '' ",
                )
            )
    return steps


def membership_steps(addresses: ClusterAddresses) -> list[Step]:
    """Nodes come and go under load."""
    if not addresses.tiers:
        return []
    # Where the answers name their nodes, there is more to see.
    tier = max(reversed(addresses.tiers), key=lambda tier: (tier.built and tier.named, tier.built, tier.named))
    guest = shlex.quote(tier.guest)
    gone, back = "its name no longer appears", "its name disappears and comes back"
    if not tier.named:
        gone, back = "the log no longer names it", "its name disappears from the log and comes back"
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
                "within two seconds the first terminal shows it, by the short id of its container."
                if tier.named
                else "within two seconds the balancer's log names its address.",
            ),
            Step(
                "Stop and remove it:",
                (f"docker stop {guest}", f"docker rm {guest}"),
                f"{gone}, and every line still says 200.",
            ),
        ]
    steps += [
        Step(
            "Stop a node that was there from the start, and start it again:",
            (f"docker stop {_node(tier)}", f"docker start {_node(tier)}"),
            f"{back}, and every line still says 200.",
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
    if addresses.console is not None:
        steps.append(
            Step(
                "Send a request to the console without a login:",
                (f"curl -sk -o /dev/null -w '{_STATUS}' {addresses.console.at('/api/tiers')}",),
                f"401. In a browser: {addresses.console.at('/')}, {addresses.console_login}",
            )
        )
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
