"""The declared pool as the library takes it, with the counts that were set in the console."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError, Problem
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_nodes import DockerEngine
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import BalancerView
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import PoolInputError, Ports, read_tiers
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.overrides import Override, read_overrides
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import PoolRequest
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.api import (
    DEFAULT_TIMEOUT,
    TraefikApi,
    read_password,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.route_file import RouteFile

from .settings import Settings

_FIX = "ansible-playbook site.yml"


class UndeclaredError(EvenkeelError):
    """There is no declaration that can be used."""


@dataclasses.dataclass(frozen=True)
class Pool:
    """What is declared.

    Attributes:
        request: what a reconciliation is asked for: the declared tiers, with the overrides.
        declared: tier to its declared number of nodes.
        overrides: tier to the number that was set here.
    """

    request: PoolRequest
    declared: Mapping[str, int]
    overrides: Mapping[str, Override]

    def tier(self, name: str) -> Tier | None:
        """The tier of this name; None if it is not declared."""
        return self.request.tiers.get(name)


def read_pool(settings: Settings) -> Pool:
    """Read the declaration and the overrides.

    Raises:
        UndeclaredError: there is no declaration, or it is not one of this version.
        EvenkeelError: the overrides cannot be used.
    """
    try:
        found: Any = json.loads(settings.declaration.read_text(encoding="utf-8"))
        cluster, hosts, images = (found[key] for key in ("cluster", "hosts", "images"))
        declared = read_tiers(found["tiers"])
    except FileNotFoundError:
        raise UndeclaredError(Problem("declaration", "none", "one that a run has left", _FIX)) from None
    except OSError as error:
        raise UndeclaredError(Problem("declaration", f"'{error.strerror}'", "a file to read", _FIX)) from error
    except (ValueError, KeyError, TypeError, PoolInputError) as error:
        raise UndeclaredError(Problem("declaration", "one of another version", "this version's", _FIX)) from error
    overrides = {name: each for name, each in read_overrides(settings.overrides).items() if name in declared}
    with_overrides = {
        name: dataclasses.replace(tier, nodes=overrides[name].nodes) if name in overrides else tier
        for name, tier in declared.items()
    }
    request = PoolRequest(
        cluster=cluster,
        tiers=with_overrides,
        images=images,
        hosts=tuple(hosts),
        limits=settings.limits,
    )
    return Pool(request, {name: tier.nodes for name, tier in declared.items()}, overrides)


def ports_of(settings: Settings, pool: Pool, client: DockerClient, balancer: BalancerView) -> Ports:
    """What the pool is reached through; nothing is sent yet.

    Args:
        settings: the agent's.
        pool: what is declared.
        client: Docker.
        balancer: a client of the balancer's API, which threads may share.
    """
    tier_ports = {name: tier.port for name, tier in pool.request.tiers.items()}
    engine = DockerEngine(settings.cluster, settings.network, tier_ports, client, inside=True)
    return Ports(engine, RouteFile(settings.routes_file, engine.provider), lambda: balancer)


def balancer_of(settings: Settings, timeout: float = DEFAULT_TIMEOUT) -> TraefikApi:
    """A client of the balancer's API with one kept connection.

    Args:
        settings: the agent's.
        timeout: seconds for each request.

    Raises:
        TraefikApiError: its password cannot be read.
    """
    return TraefikApi(settings.api_url, settings.api_user, read_password(settings.api_password_file), timeout)


class RenewedBalancer:
    """A client of the balancer's API whose password is read again once its file was renewed.

    Args:
        settings: the agent's.
        timeout: seconds for each request.

    Raises:
        TraefikApiError: the password cannot be read.
    """

    def __init__(self, settings: Settings, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Read the password; nothing is sent yet."""
        self._settings = settings
        self._timeout = timeout
        # Before the password: one that is renewed in between is read again.
        self._stamp = self._stamped()
        self._client = balancer_of(settings, timeout)

    def now(self) -> TraefikApi:
        """The client with the password as it is now; while the file is away, that with the last one.

        Raises:
            TraefikApiError: a renewed password cannot be read.
        """
        stamp = self._stamped()
        if stamp and stamp != self._stamp:
            renewed = balancer_of(self._settings, self._timeout)
            self._client.close()
            self._client, self._stamp = renewed, stamp
        return self._client

    def _stamped(self) -> tuple[int, ...]:
        """What differs after every renewal of the file; empty without a file."""
        try:
            found = self._settings.api_password_file.stat()
        except OSError:
            return ()
        return found.st_ino, found.st_mtime_ns, found.st_size
