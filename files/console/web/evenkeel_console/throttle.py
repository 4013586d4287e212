"""How often a password may be tried: per known browser, else per account and per network. Pure.

A browser that has logged in before has a device cookie, which makes it a case of its own: guesses from elsewhere do not
lock its owner out (OWASP, "Device cookies").
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: Tries without a wait, and the longest wait in seconds.
FREE_TRIES, LONGEST_WAIT = 5, 60.0
# A case without a try for this long is forgotten.
_FORGOTTEN_SECONDS = 3600.0
_MOST_CASES = 10_000
_IPV4_BITS, _IPV6_BITS = 24, 64


@dataclass
class _Case:
    tries: int = 0
    last: float = 0.0


def network_of(address: str) -> str:
    """The network that an address counts for; an address that cannot be read counts for itself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    bits = _IPV4_BITS if found.version == 4 else _IPV6_BITS
    return str(ipaddress.ip_network(f"{found}/{bits}", strict=False))


class Throttle:
    """Counts tries.

    Args:
        now: seconds of a clock that goes forward only.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """There was no try yet."""
        self._now = now
        self._cases: OrderedDict[str, _Case] = OrderedDict()

    def wait(self, cases: Sequence[str]) -> float:
        """Seconds until the next try of any of these cases; 0 for at once."""
        return max((self._wait(self._cases.get(case)) for case in cases), default=0.0)

    def failed(self, cases: Sequence[str]) -> None:
        """A try with a wrong password."""
        for case in cases:
            found = self._cases.setdefault(case, _Case())
            found.tries, found.last = found.tries + 1, self._now()
            self._cases.move_to_end(case)
        self._forget()

    def passed(self, cases: Sequence[str]) -> None:
        """A try with the right one."""
        for case in cases:
            self._cases.pop(case, None)

    def _wait(self, case: _Case | None) -> float:
        if case is None or case.tries < FREE_TRIES:
            return 0.0
        needed = min(2.0 ** min(case.tries - FREE_TRIES, 10), LONGEST_WAIT)
        return max(case.last + needed - self._now(), 0.0)

    def _forget(self) -> None:
        while self._cases:
            oldest = next(iter(self._cases.values()))
            if len(self._cases) <= _MOST_CASES and self._now() - oldest.last <= _FORGOTTEN_SECONDS:
                break
            self._cases.popitem(last=False)


def cases_of(user: str, address: str, device: str) -> list[str]:
    """What a try counts for.

    Args:
        user: the name that was tried.
        address: the client's.
        device: the name of a browser that has logged in as this person before; empty for another.
    """
    return [f"device {device}"] if device else [f"account {user}", f"network {network_of(address)}"]
