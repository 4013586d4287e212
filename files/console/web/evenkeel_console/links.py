"""Addresses that open once: a plain link cannot carry the second half of a session."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable

#: Seconds until a link has gone.
SECONDS = 30.0
_MOST = 100
#: Reports are whole pages with styles and pictures inside; nothing in them may run or ask.
POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class OnceLinks:
    """Links that were given out and not yet used.

    Args:
        now: seconds of a clock that goes forward only.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """There is none yet."""
        self._now = now
        self._made: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def make(self, user: str) -> str:
        """A new one for this user: 128 bits."""
        name = secrets.token_urlsafe(16)
        self._made[name] = (self._now(), user)
        while len(self._made) > _MOST:
            self._made.popitem(last=False)
        return name

    def use(self, name: str) -> str | None:
        """For which user it opens: once, and in time; None if it does not."""
        made, user = self._made.pop(name, (None, ""))
        return user if made is not None and self._now() - made <= SECONDS else None
