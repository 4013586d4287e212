"""One computation of a password at a time: each needs 19 MiB. Those that are known have places of their own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .problems import RefusedError, line

#: Computations that go on or wait for their turn: of strangers, and of devices and sessions that are known.
MOST_WAITING, MOST_KNOWN = 8, 4


class Queue:
    """Two rows: the known come first, because strangers can fill theirs."""

    def __init__(self) -> None:
        """No computation waits."""
        self._busy = False
        self._places = {True: 0, False: 0}
        self._rows: dict[bool, deque[asyncio.Future[None]]] = {True: deque(), False: deque()}

    @asynccontextmanager
    async def turn(self, *, known: bool) -> AsyncIterator[None]:
        """Wait for the turn, and have it.

        Args:
            known: whether a device that has logged in before asks, or a session.

        Raises:
            RefusedError: too many wait.
        """
        if self._places[known] >= (MOST_KNOWN if known else MOST_WAITING):
            got = f"{self._places[known]} tries at once"
            fix = "try again in a few seconds"
            raise RefusedError(429, line("login", got, "fewer", fix), headers={"Retry-After": "2"})
        self._places[known] += 1
        try:
            await self._begin(self._rows[known])
            try:
                yield
            finally:
                self._next()
        finally:
            self._places[known] -= 1

    async def _begin(self, row: deque[asyncio.Future[None]]) -> None:
        if not self._busy:
            self._busy = True
            return
        turn = asyncio.get_running_loop().create_future()
        row.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # The turn was given in the same moment: it goes on.
                self._next()
            raise

    def _next(self) -> None:
        for row in (self._rows[True], self._rows[False]):
            while row:
                turn = row.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._busy = False
