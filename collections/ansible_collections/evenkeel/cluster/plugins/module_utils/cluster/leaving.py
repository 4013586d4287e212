# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""How the nodes of a tier leave without losing a request. Pure data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from .contract import STATS_PORT
from .health import HealthCheck

#: The image keeps the node contract: it drains by itself.
OWN = "own"
#: hold is the first process of an image that is derived from the tier's, and drains for it.
HELD = "held"
#: Only the balancer takes the node out of rotation: the image must be process 1 itself.
BALANCER = "balancer"
LEAVING = (OWN, HELD, BALANCER)
#: What takes a node out of rotation and puts it back, run in it with ``on`` or ``off``; nothing can do that to others.
DRAIN_COMMANDS: Mapping[str, tuple[str, ...]] = {OWN: ("drain",), HELD: ("/.evenkeel/hold", "drain")}
#: When an image is pulled.
PULLS = ("missing", "always", "never")
#: Where hold says whether the app is ready; the port is that of the counters.
READY_PATH = "/ready"
#: Where hold answers 200 while it drains: it says 503 at the other place also while the app starts.
DRAINING_PATH = "/draining"
#: Seconds that hold may take until it stops the app, and how many Docker must give on top of that.
FINISH_SECONDS = 30
FINISH_MARGIN = 5
#: A probe's connection that stays open cannot be told from one that a request is on.
CLOSES = {"Connection": "close"}
#: A held node looks at its connections, so it drains only until the balancer has certainly noticed.
HELD_DRAIN_SECONDS = 2


def probe_of(leaving: str, health: HealthCheck) -> HealthCheck:
    """The health check that the balancer and a run make.

    Args:
        leaving: one of :data:`LEAVING`.
        health: of the application.
    """
    if leaving == HELD:
        return HealthCheck(READY_PATH, port=STATS_PORT, draining_path=DRAINING_PATH)
    if leaving == BALANCER:
        return dataclasses.replace(health, headers={**health.headers, **CLOSES})
    return health
