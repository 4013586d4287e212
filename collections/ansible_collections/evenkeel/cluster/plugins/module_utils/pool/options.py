# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The options of the modules that read or reconcile a pool, and what they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.values import NumberOption, of_role, read_numbers
from ..engine.docker_nodes import DockerEngine
from ..engine.port import BalancerView
from ..traefik.api import TraefikApi, read_password
from ..traefik.route_file import RouteFile
from .context import PoolInputError, Ports, read_tiers
from .file_mounts import with_contents
from .reconcile import PoolRequest
from .rollout_parts import RolloutLimits
from .secret_store import SecretStore

#: The numbers that all modules that reconcile a pool have as options.
RECONCILE_NUMBERS = {
    "workers": NumberOption(1, 64, 8),
    "surge_percent": NumberOption(1, 100, 25),
    "ready_timeout": NumberOption(1, 3600, 60),
    "lock_timeout": NumberOption(0, 86_400, 300),
}


def pool_arguments(*, required: bool = True) -> dict[str, dict[str, Any]]:
    """The options that all modules of the pool have in common.

    Args:
        required: whether the balancer is always needed; False where that depends on another option.
    """
    return {
        "cluster": {"type": "str", "required": True},
        "network": {"type": "str", "required": True},
        "tiers": {"type": "list", "elements": "dict", "required": True},
        "images": {"type": "dict", "default": {}},
        "hosts": {"type": "list", "elements": "str", "default": []},
        "tier_secrets": {"type": "str", "default": "", "no_log": True},
        # The path is no secret, what is in the folder is.
        "secrets_dir": {"type": "path", "no_log": False},
        "overrides_file": {"type": "path"},
        "routes_file": {"type": "path", "required": required},
        "api_url": {"type": "str", "required": required},
        "api_user": {"type": "str", "default": "admin"},
        # The path is no secret, what is in the file is.
        "api_password_file": {"type": "path", "required": required, "no_log": False},
    }


def request_of(params: Mapping[str, Any], *, write: bool = False) -> PoolRequest:
    """What a module's options ask for.

    Args:
        params: the options.
        write: make the key of the secrets' digests if there is none; without a key, no node is as declared.

    Raises:
        PoolInputError: an option cannot be used; one line for each.
        SecretFileError: the key cannot be read or made.
    """
    limits, lock_timeout = RolloutLimits(), 0.0
    if "workers" in params:
        numbers, problems = read_numbers(params, of_role("node_pool", RECONCILE_NUMBERS))
        if problems:
            raise PoolInputError(*problems)
        lock_timeout = numbers.pop("lock_timeout")
        limits = RolloutLimits(**numbers)
    tiers = {name: with_contents(tier) for name, tier in read_tiers(params["tiers"]).items()}
    store = SecretStore(Path(params["secrets_dir"])) if params["secrets_dir"] else SecretStore()
    tiers, secrets = store.with_folders(tiers, params["tier_secrets"] or "", write=write)
    return PoolRequest(
        cluster=params["cluster"],
        tiers=tiers,
        secrets=secrets,
        store=store,
        images=params["images"],
        hosts=tuple(params["hosts"]),
        renew=tuple(params.get("renew") or ()),
        absent=params.get("state") == "absent",
        limits=limits,
        lock_timeout=lock_timeout,
        declaration_file=params.get("declaration_file") or "",
        overrides_file=params.get("overrides_file") or "",
    )


def ports_of(params: Mapping[str, Any], engine: DockerEngine | None = None) -> Ports:
    """The interfaces to the pool; nothing is sent yet.

    Args:
        params: a module's options.
        engine: where the nodes run; None for the Docker engine.

    Raises:
        PoolInputError: the tiers cannot be read.
    """
    engine = engine or DockerEngine(params["cluster"], params["network"], tier_ports(params))
    routes = RouteFile(Path(params["routes_file"] or "/nonexistent"), engine.provider)
    return Ports(engine, routes, lambda: balancer_of(params))


def tier_ports(params: Mapping[str, Any]) -> dict[str, int]:
    """Tier to the port that its nodes listen on.

    Raises:
        PoolInputError: the tiers cannot be read.
    """
    return {name: tier.port for name, tier in read_tiers(params["tiers"]).items()}


def balancer_of(params: Mapping[str, Any]) -> BalancerView:
    """A client of the balancer's API.

    Raises:
        TraefikApiError: the password file cannot be read.
    """
    return TraefikApi(params["api_url"], params["api_user"], read_password(params["api_password_file"]))
