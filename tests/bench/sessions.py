"""Sticky clients with one session each: its node by the balancer's cookie, and whether it was moved rightly.

The cookie is the beginning of a hash of the node's address, so an image needs to know nothing. Each client asks again
when it was answered, so that its session cannot be moved twice by requests that were under way side by side.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections import Counter
from collections.abc import Iterable, Mapping

import aiohttp

CLIENTS = 12
_PAUSE_SECONDS = 0.1
_TIMEOUT_SECONDS = 10.0


@dataclasses.dataclass
class Moved:
    """How often sessions were moved.

    Attributes:
        rightly: away from a node that left, once.
        again: away from the same node again, in the same change.
        others: away from a node that did not leave.
    """

    rightly: int = 0
    again: int = 0
    others: int = 0

    def add(self, other: Moved) -> None:
        """Add what another change did."""
        self.rightly += other.rightly
        self.again += other.again
        self.others += other.others


def judge(moves: Iterable[tuple[int, str]], left: Mapping[str, int]) -> Moved:
    """Whether sessions were moved as often as nodes left.

    Args:
        moves: of one change: the client, and the cookie of the node that its session left.
        left: cookie of a node to how often it left in that change.
    """
    moved = Moved()
    for (_, cookie), times in Counter(moves).items():
        allowed = left.get(cookie, 0)
        if not allowed:
            moved.others += times
        else:
            moved.rightly += min(times, allowed)
            moved.again += max(times - allowed, 0)
    return moved


class Sessions:
    """The clients; they ask until the block ends."""

    def __init__(self, url: str, cookie: str) -> None:
        """Nothing is asked yet.

        Args:
            url: what they ask for.
            cookie: name of the sticky cookie.
        """
        self._url = url
        self._cookie = cookie
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._moves: list[tuple[int, str]] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))

    async def _all(self) -> None:
        await asyncio.gather(*(self._one(client) for client in range(CLIENTS)))

    async def _one(self, client: int) -> None:
        held = ""
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as session:
            while not self._over.is_set():
                headers = {"Cookie": f"{self._cookie}={held}"} if held else {}
                try:
                    async with session.get(self._url, headers=headers) as answer:
                        await answer.read()
                        given = answer.cookies.get(self._cookie)
                except (aiohttp.ClientError, OSError, asyncio.TimeoutError):
                    given = None  # that requests fail is counted elsewhere
                if given is not None and given.value != held:
                    if held:
                        with self._lock:
                            self._moves.append((client, held))
                    held = given.value
                await asyncio.sleep(_PAUSE_SECONDS)

    def since(self, left: Mapping[str, int]) -> Moved:
        """What became of the sessions since the last question.

        Args:
            left: cookie of a node to how often it has left since then.
        """
        with self._lock:
            moves, self._moves = self._moves, []
        return judge(moves, left)

    def __enter__(self) -> Sessions:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()
