"""Sessions of two halves: a cookie, and a key that only the console's own pages can read.

Cookies ignore ports (RFC 6265, 8.5). The applications of the tiers have the console's host name, so they get its
cookies, and their pages can send them. The key is in the storage of the page's origin, which has the port in it, and
comes as a header. Each half alone opens nothing. Only digests of both are kept, in memory.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

#: Seconds without use after which a session ends, and after which it ends in any case.
IDLE_SECONDS, LONGEST_SECONDS = 30 * 60.0, 12 * 3600.0
_BYTES = 32
_MOST_PER_USER = 20


@dataclass(frozen=True)
class Halves:
    """What the browser gets, once."""

    cookie: str
    key: str


@dataclass
class Session:
    """One person at one browser.

    Attributes:
        user: the name.
        began: when, in seconds of a clock that goes forward only.
        used: when it was used last.
    """

    user: str
    began: float
    used: float
    key: bytes


def digest(half: str) -> bytes:
    """What is kept of a half."""
    return hashlib.sha256(half.encode()).digest()


class Sessions:
    """All sessions. They end with the process: people log in again.

    Args:
        now: seconds of a clock that goes forward only.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """There is none yet."""
        self._now = now
        self._sessions: dict[bytes, Session] = {}

    def begin(self, user: str) -> Halves:
        """A new session, with halves that were never given out before."""
        self._forget_over()
        own = sorted((item.used, cookie) for cookie, item in self._sessions.items() if item.user == user)
        for _, cookie in own[: max(len(own) - _MOST_PER_USER + 1, 0)]:
            del self._sessions[cookie]
        halves = Halves(secrets.token_urlsafe(_BYTES), secrets.token_urlsafe(_BYTES))
        now = self._now()
        self._sessions[digest(halves.cookie)] = Session(user, now, now, digest(halves.key))
        return halves

    def of(self, cookie: str, key: str, *, use: bool = True) -> Session | None:
        """The session of both halves; None for any other pair.

        Args:
            cookie: one half.
            key: the other half.
            use: whether the session is used by that, which prolongs it.
        """
        session = self._sessions.get(digest(cookie))
        # Compared also without a session, so that the time tells nothing.
        right = hmac.compare_digest(session.key if session else digest(""), digest(key))
        if session is None or not right or self._is_over(session):
            return None
        if use:
            session.used = self._now()
        return session

    def end(self, cookie: str) -> None:
        """End a session; one that is not there is no error."""
        self._sessions.pop(digest(cookie), None)

    def end_all(self, user: str) -> None:
        """End all sessions of a person: the password or the role has changed, or the person was removed."""
        self._sessions = {cookie: item for cookie, item in self._sessions.items() if item.user != user}

    def _is_over(self, session: Session) -> bool:
        now = self._now()
        return now - session.used > IDLE_SECONDS or now - session.began > LONGEST_SECONDS

    def _forget_over(self) -> None:
        self._sessions = {cookie: item for cookie, item in self._sessions.items() if not self._is_over(item)}
