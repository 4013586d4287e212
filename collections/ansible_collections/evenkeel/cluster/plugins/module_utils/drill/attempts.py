# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""How often the balancer sent a drill's requests more than once, by its own counters.

It counts every attempt at a node, and logs every request once. Its log has a field for attempts, too, but Traefik 3.7
always writes 0 there. :func:`second_attempts` is pure; :class:`AttemptWatch` reads.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from ..core.errors import EvenkeelError
from ..core.poll import SYSTEM_CLOCK, Clock, wait_until
from ..measure.access_log import LogLine
from ..traefik.metrics import Attempts
from .records import Record

#: Tier and method to a number.
ByMethod = Mapping[tuple[str, str], int]

_SERVICE = re.compile(r"(.+?)-[0-9a-f]{8}(?:-[a-z]+)*(?:@.*)?")
# The counter moves just after the client has its answer.
_COUNTER_SECONDS = 1.0
_POLL_SECONDS = 0.1


def logged_requests(records: Iterable[Record], log: Iterable[LogLine]) -> dict[tuple[str, str], int]:
    """Tier and method to the requests that were sent to a node; those that a guard refused were not."""
    at_nodes = {line.key for line in log if line.server}
    return dict(Counter((record.tier, record.method) for record in records if record.key in at_nodes))


def second_attempts(before: Attempts, after: Attempts, requests: ByMethod) -> dict[tuple[str, str], int]:
    """Tier and method to the attempts beyond the first of each request; those of other clients count too.

    Absent where it cannot be known: the balancer is another one than before, or has forgotten a service meanwhile.

    Args:
        before: its counters before the first request.
        after: its counters after the last.
        requests: how many requests there were.
    """
    if before.process != after.process:
        return {}
    forgotten = {_tier(service) for service, method in before.counts.keys() - after.counts.keys()}
    made: Counter[tuple[str, str]] = Counter()
    for (service, method), count in after.counts.items():
        made[_tier(service), method] += count - before.counts.get((service, method), 0)
    return {key: made[key] - count for key, count in requests.items() if key[0] not in forgotten and made[key] >= count}


def _tier(service: str) -> str:
    """The tier of a service of the balancer, by its name; empty for any other service."""
    found = _SERVICE.fullmatch(service)
    return found[1] if found else ""


class AttemptWatch:
    """Watches the balancer's counters during a load.

    Args:
        read: reads them.
        clock: tells and passes the time.
    """

    def __init__(self, read: Callable[[], Attempts], clock: Clock = SYSTEM_CLOCK) -> None:
        """Nothing is read yet."""
        self._read = read
        self._clock = clock
        self._before: Attempts | None = None
        self.problem = ""

    def begin(self) -> None:
        """Read them before the first request."""
        self._before = self._reading()

    def end(self, requests: ByMethod) -> dict[tuple[str, str], int]:
        """The second attempts of these requests, where they are known; see :func:`second_attempts`."""
        before, found = self._before, {}

        def missing() -> str:
            nonlocal found
            after = self._reading() if before is not None else None
            if before is None or after is None:
                return ""
            found = second_attempts(before, after, requests)
            return "" if found.keys() >= requests.keys() else "not all requests counted"

        wait_until(missing, _COUNTER_SECONDS, _POLL_SECONDS, self._clock)
        return found

    def _reading(self) -> Attempts | None:
        try:
            return self._read()
        except EvenkeelError as error:  # what else the drill has shown is not lost with it
            self.problem = f"second attempts not known: {error}"
            return None
