# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The balancer's configuration: what differs per slot, and what asks clients to reconnect. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..cluster.engines import DOCKER
from ..traefik.routes import EDGE_MIDDLEWARE

#: Slot to the port that only the balancer in this slot listens on, for its API.
SLOTS = {"blue": 9001, "green": 9002}
SLOT_VARIABLE = "EVENKEEL_SLOT"
#: The entry point of that port.
OWN_ENTRY_POINT = "own"
DRAINING_MIDDLEWARE = "evenkeel-draining"
_RELOAD_MIDDLEWARE = "evenkeel-reload"
#: Where edge and balancer see the access log.
ACCESS_LOG = "/var/log/traefik/access.log"
#: Where edge and balancer see the folder of the Docker socket. The folder, because Docker makes a new socket when it
#: starts, and a container that has the file keeps the old one.
SOCKETS = "/host/run"


def static_config(config: Mapping[str, Any], slot: str) -> dict[str, Any]:
    """Traefik's static configuration for a slot: with the entry point that only this slot has."""
    entry_points = dict(config.get("entryPoints") or {})
    quiet = {"accessLogs": False, "metrics": False, "tracing": False}
    own = {"address": f":{SLOTS[slot]}", "observability": quiet}
    return {**config, "entryPoints": {**entry_points, OWN_ENTRY_POINT: own}}


def without_own(config: Mapping[str, Any]) -> dict[str, Any]:
    """The static configuration that :func:`static_config` made this one from."""
    entry_points = {name: entry for name, entry in config["entryPoints"].items() if name != OWN_ENTRY_POINT}
    return {**config, "entryPoints": entry_points}


def with_endpoint(config: Mapping[str, Any], socket: str) -> dict[str, Any]:
    """The static configuration with the address of the Docker socket; one that has an address keeps it."""
    providers = dict(config.get("providers") or {})
    if DOCKER in providers:
        providers[DOCKER] = {"endpoint": f"unix://{socket}", **(providers[DOCKER] or {})}
    return {**config, "providers": providers} if providers else dict(config)


def edge_config(draining: str) -> str:
    """The dynamic configuration that applies to every request, as Traefik's file provider reads it.

    Both balancers read the same file. The one whose slot is *draining* sends ``Connection: close`` in every answer, so
    that its clients reconnect while it still serves them; Traefik itself would end their idle connections at once.

    Args:
        draining: the slot of that balancer; empty for none.
    """
    condition = f'eq (env "{SLOT_VARIABLE}") "{draining or "none"}"'
    chain = f"{{{{ if {condition} }}}}{DRAINING_MIDDLEWARE}, {{{{ end }}}}evenkeel-retry"
    return (
        "http:\n"
        "  middlewares:\n"
        f"    {EDGE_MIDDLEWARE}: {{chain: {{middlewares: [{chain}]}}}}\n"
        f"    {DRAINING_MIDDLEWARE}: {{headers: {{customResponseHeaders: {{Connection: close}}}}}}\n"
    )


def reload_config() -> str:
    """As :func:`edge_config` without a draining slot, but different, so that Traefik loads its configuration again.

    Traefik reads files that the configuration names, such as the one with the dashboard's users, only then. The
    additional middleware is used by no route.
    """
    return edge_config("") + f"    {_RELOAD_MIDDLEWARE}: {{headers: {{customResponseHeaders: {{X-Reload: '1'}}}}}}\n"


def draining_slot(text: str) -> str:
    """The slot that drains by :func:`edge_config`'s text; empty for none."""
    return next((slot for slot in SLOTS if text == edge_config(slot)), "")


def static_name(slot: str) -> str:
    """The file with a slot's static configuration, in the configuration folder."""
    return f"traefik-{slot}.yml"
