# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Traefik's labels and options that follow from a tier's policy. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ..cluster.contract import STATS_PORT
from ..cluster.health import HealthCheck
from ..cluster.leaving import BALANCER, CLOSES, HELD, OWN, READY_PATH
from ..cluster.spec import Cookie

# As long as the interval allows: a node on a busy host answers late, but it is not down.
HEALTH_INTERVAL = "500ms"
HEALTH_TIMEOUT = "450ms"
FAILURE_WINDOW = "300ms"
TRANSPORT = "evenkeel@file"
# Traefik reads labels in any case, but its files only in this one.
_CASES = {
    name.lower(): name
    for name in (
        "followRedirects",
        "healthCheck",
        "httpOnly",
        "failureWindow",
        "maxAge",
        "maxFailedAttempts",
        "passiveHealthCheck",
        "sameSite",
        "serversTransport",
    )
}
_NUMBERS = frozenset({"maxAge", "maxFailedAttempts", "port", "status"})
_FLAGS = frozenset({"followRedirects", "httpOnly", "secure"})


def policy_labels(
    sticky: bool, strategy: str, cookie: Cookie, health: HealthCheck, max_failures: int
) -> dict[str, str]:
    """The balancing policy as options of Traefik's ``loadbalancer``.

    Args:
        sticky: whether a client stays with its node.
        strategy: one of ``cluster.spec.STRATEGIES``.
        cookie: of the sticky session.
        health: the active health check.
        max_failures: failures until the passive health check takes a node out of rotation; 0 = no passive check.

    Returns:
        Option -> value.
    """
    options = {
        "strategy": strategy,
        "healthcheck.path": health.path,
        # An application that redirects to its public name would lead the prober out of the cluster.
        "healthcheck.followredirects": "false",
        "healthcheck.interval": HEALTH_INTERVAL,
        "healthcheck.timeout": HEALTH_TIMEOUT,
        "serverstransport": TRANSPORT,
    }
    if health.port:
        options["healthcheck.port"] = str(health.port)
    if health.status:
        options["healthcheck.status"] = str(health.status)
    if health.host:
        options["healthcheck.hostname"] = health.host
    options |= {f"healthcheck.headers.{name}": value for name, value in health.headers.items()}
    if max_failures:
        options |= {
            "passivehealthcheck.maxfailedattempts": str(max_failures),
            "passivehealthcheck.failurewindow": FAILURE_WINDOW,
        }
    if sticky:
        options |= {
            "sticky.cookie.name": cookie.name,
            "sticky.cookie.httponly": str(cookie.http_only).lower(),
            "sticky.cookie.samesite": cookie.same_site,
            "sticky.cookie.secure": str(cookie.secure).lower(),
            "sticky.cookie.path": "/",
        }
        if cookie.max_age:
            options["sticky.cookie.maxage"] = str(cookie.max_age)
    return options


def service_name(tier: str, port: int, policy: Mapping[str, str]) -> str:
    """The balancer's service name: tier and a hash of its policy.

    Two policies never share a name, because Traefik drops a service whose containers disagree about it.

    Args:
        tier: the tier's name.
        port: TCP port of its nodes.
        policy: as :func:`policy_labels` gives it.
    """
    digest = hashlib.sha256(json.dumps({"port": port, "policy": dict(policy)}, sort_keys=True).encode()).hexdigest()
    return f"{tier}-{digest[:8]}"


def last_resort(service: str) -> str:
    """Name of the service with the same servers and policy, but without health checks.

    The balancer uses it when all servers of the tier count as down at the same time. The usual cause is then an
    overloaded host, on which all probes time out together, not the nodes. A request to a node that is really down
    costs the client no more than a 503. Envoy calls this the panic threshold.
    """
    return f"{service}-unchecked"


def server_url_labels(service: str, url: str) -> dict[str, str]:
    """The labels that give one node its own address in both services of its tier."""
    return {f"traefik.http.services.{name}.loadbalancer.server.url": url for name in (service, last_resort(service))}


def service_options(labels: Mapping[str, str], service: str) -> dict[str, Any]:
    """A service's policy as a file of Traefik's has it, read from the labels that :func:`tier_labels` made.

    Args:
        labels: of the nodes.
        service: whose options; the last resort's are found under its own name.

    Returns:
        What stands under ``loadBalancer``, without servers.
    """
    prefix = f"traefik.http.services.{service}.loadbalancer."
    options: dict[str, Any] = {}
    for label, value in labels.items():
        option = label.removeprefix(prefix)
        if option == label or option.startswith("server."):
            continue
        *folders, last = option.split(".")
        place = options
        for folder in folders:
            place = place.setdefault(_CASES.get(folder, folder), {})
        name = _CASES.get(last, last)
        # What a header is called is the user's affair.
        of_header = folders[-1:] == ["headers"]
        place[last if of_header else name] = value if of_header else _typed(name, value)
    return options


def leaving_of(labels: Mapping[str, str], service: str) -> str:
    """How a node with these labels leaves, whatever is declared by now: what the balancer asks it says so.

    Args:
        labels: of the node.
        service: its service.

    Returns:
        One of ``cluster.leaving.LEAVING``.
    """
    # Labels of a guest may be changed by hand: they are compared, and not read as options.
    prefix = f"traefik.http.services.{service}.loadbalancer.healthcheck."
    if (labels.get(f"{prefix}path"), labels.get(f"{prefix}port")) == (READY_PATH, str(STATS_PORT)):
        return HELD
    closes = all(labels.get(f"{prefix}headers.{name}") == value for name, value in CLOSES.items())
    return BALANCER if closes else OWN


def health_check_of(labels: Mapping[str, str], service: str) -> HealthCheck | None:
    """How the balancer asks a node with these labels whether it serves, whatever is declared by now.

    Args:
        labels: of the node.
        service: its service.

    Returns:
        None where the labels have no health check that can be read.
    """
    prefix = f"traefik.http.services.{service}.loadbalancer.healthcheck."
    found = {name.removeprefix(prefix): value for name, value in labels.items() if name.startswith(prefix)}
    numbers = {name: found.get(name, "0") for name in ("port", "status")}
    if "path" not in found or not all(text.isascii() and text.isdigit() for text in numbers.values()):
        return None
    return HealthCheck(
        found["path"],
        status=int(numbers["status"]),
        host=found.get("hostname", ""),
        headers={name.removeprefix("headers."): text for name, text in found.items() if name.startswith("headers.")},
        contract=leaving_of(labels, service) != BALANCER,
        port=int(numbers["port"]),
    )


def _typed(name: str, value: str) -> str | int | bool:
    if name in _FLAGS:
        return value == "true"
    return int(value) if name in _NUMBERS else value


def tier_labels(cluster: str, tier: str, service: str, policy: Mapping[str, str]) -> dict[str, str]:
    """The labels of every node of the tier. They are part of the image, so that a plain ``docker run`` joins the tier.

    Args:
        cluster: the cluster's name.
        tier: the tier's name.
        service: as :func:`service_name` gives it.
        policy: as :func:`policy_labels` gives it.
    """
    checked = f"traefik.http.services.{service}.loadbalancer"
    unchecked = f"traefik.http.services.{last_resort(service)}.loadbalancer"
    router = f"traefik.http.routers.{service}"
    return {
        "evenkeel.cluster": cluster,
        "evenkeel.role": "node",
        "evenkeel.tier": tier,
        "evenkeel.service": service,
        "traefik.enable": "true",
        # One router per service, on the loopback entry point: without it Traefik makes one per container.
        f"{router}.entrypoints": "internal",
        f"{router}.rule": f"PathPrefix(`/{service}`)",
        f"{router}.service": service,
        **{f"{checked}.{option}": value for option, value in policy.items()},
        **{f"{unchecked}.{option}": value for option, value in policy.items() if "healthcheck." not in option},
    }
