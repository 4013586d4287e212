# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What became of a drill's requests and events. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

# Why a request of ours did not even leave, or not properly: no fault of the cluster.
THIS_MACHINE = "this machine: "
_GOOD = range(HTTPStatus.OK, HTTPStatus.MULTIPLE_CHOICES)


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one request.

    Attributes:
        key: its name: request id and, of a POST, idempotency key.
        at: when it was due.
        sent: when it left.
        done: when the whole answer was there, or the failure.
        tier: where it went.
        method: GET or POST.
        client: the number of the client that sent it.
        status: HTTP status; None when nothing was answered.
        node: by ``X-Served-By`` or by the access log; None when neither names it.
        error: why it failed, in words; empty when it was answered with 2xx.
        replayed: the node said that it had executed this POST before.
        home: the node that the client's cookie stood for when the request left; None without one.
        sets_cookie: the answer gave the client, which keeps cookies, another one.
    """

    key: str
    at: float
    sent: float
    done: float
    tier: str
    method: str
    client: int
    status: int | None
    node: str | None
    error: str = ""
    replayed: bool = False
    home: str | None = None
    sets_cookie: bool = False

    @property
    def answered(self) -> bool:
        """It was answered with 2xx."""
        return not self.error

    @property
    def late(self) -> float:
        """Seconds between due and sent."""
        return self.sent - self.at

    @property
    def latency(self) -> float:
        """Seconds from when it was due, not from when it left: a load that falls behind hides nothing."""
        return self.done - self.at


def cause_of_status(status: int) -> str:
    """Why an answer counts as failed; empty when it does not."""
    return "" if status in _GOOD else f"status {status}"


@dataclass(frozen=True)
class EventReport:
    """What happened at an event.

    Attributes:
        number: of the event in the scenario.
        kind: what was done.
        tier: to which tier; empty for all.
        began: when.
        ended: when it was over.
        left: node -> when it was told to leave, was killed or was frozen.
        joined: node -> when it was started or was let go on.
        out: node -> seconds until the balancer had taken it out of rotation, where that was watched.
        error: why it did not come about; empty when it did.
    """

    number: int
    kind: str
    tier: str
    began: float
    ended: float
    left: Mapping[str, float] = field(default_factory=dict)
    joined: Mapping[str, float] = field(default_factory=dict)
    out: Mapping[str, float] = field(default_factory=dict)
    error: str = ""


def saved(record: Record) -> dict[str, Any]:
    """A record as it is written to a file, times rounded to a tenth of a millisecond."""
    return {
        "key": record.key,
        "at": round(record.at, 4),
        "late": round(record.late, 4),
        "latency": round(record.latency, 4),
        "tier": record.tier,
        "method": record.method,
        "client": record.client,
        "status": record.status,
        "node": record.node,
        "error": record.error,
        "replayed": record.replayed,
        "home": record.home,
    }
