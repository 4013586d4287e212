"""What the routes share."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from .access import Access, Identity
from .agent_client import AgentClient
from .assets import Assets
from .forwarded import client_of
from .links import OnceLinks
from .report import Reports
from .settings import Settings
from .streams import Places

_KEPT = 500


class Memory(OrderedDict[str, Any]):
    """Keeps the newest entries."""

    def keep(self, key: str, value: Any) -> None:
        """Add one, and drop the oldest when there are too many."""
        self[key] = value
        while len(self) > _KEPT:
            self.popitem(last=False)


@dataclass
class Desk:
    """All parts of the process.

    Attributes:
        settings: the process's.
        access: knows the users.
        agent: the agent.
        places: of streams.
        links: that open once.
        assets: the pages.
        wall: seconds since the epoch.
        reports: that are on their way.
        wishes: plan to what was asked for.
        requests: key of a request to its plan.
    """

    settings: Settings
    access: Access
    agent: AgentClient
    places: Places
    links: OnceLinks
    assets: Assets
    wall: Callable[[], float]
    reports: Reports = field(default_factory=Reports)
    wishes: Memory = field(default_factory=Memory)
    requests: Memory = field(default_factory=Memory)


def desk_of(request: Request) -> Desk:
    """The process's."""
    found: Desk = request.app.state.desk
    return found


def identity_of(request: Request) -> Identity:
    """The user that asks; the gate has let it in."""
    found: Identity = request.state.identity
    return found


def address_of(request: Request) -> str:
    """The client's, also where a known proxy passes the request on."""
    peer = request.client.host if request.client else ""
    # Several of these headers are one list, in their order.
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    return client_of(peer, forwarded, desk_of(request).settings.proxies)


def request_key(identity: Identity, key: str) -> str:
    """A request's name at the agent: each user has its own."""
    return hashlib.sha256(f"{identity.name} {key}".encode()).hexdigest()[:32]
