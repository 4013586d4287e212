# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Traefik's labels and options that follow from a tier's policy. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from ..cluster.spec import Cookie

# As long as the interval allows: a node on a busy host answers late, but it is not down.
HEALTH_INTERVAL = "500ms"
HEALTH_TIMEOUT = "450ms"
FAILURE_WINDOW = "300ms"
TRANSPORT = "evenkeel@file"


def policy_labels(sticky: bool, strategy: str, cookie: Cookie, health_path: str, max_failures: int) -> dict[str, str]:
    """The balancing policy as options of Traefik's ``loadbalancer``.

    Args:
        sticky: whether a client stays with its node.
        strategy: one of ``cluster.spec.STRATEGIES``.
        cookie: of the sticky session.
        health_path: path of the active health check.
        max_failures: failures until the passive health check takes a node out of rotation; 0 = no passive check.

    Returns:
        Option -> value.
    """
    options = {
        "strategy": strategy,
        "healthcheck.path": health_path,
        "healthcheck.interval": HEALTH_INTERVAL,
        "healthcheck.timeout": HEALTH_TIMEOUT,
        "serverstransport": TRANSPORT,
    }
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
