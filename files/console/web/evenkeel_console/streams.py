"""Answers that go on: passed through from the agent, and ended with their reader, session or time."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .problems import RefusedError, line

#: Streams at once: of all, and of one session or token.
MOST, MOST_PER_KEY = 20, 5
#: Seconds between two looks at whether the session is still there, and seconds that a reader may take for a part.
CHECK_SECONDS, WRITE_SECONDS = 30.0, 10.0


class SlowReaderError(Exception):
    """A reader that takes too long for a part."""


class Places:
    """Counts streams."""

    def __init__(self) -> None:
        """All places are free."""
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Places that are not free."""
        return self._taken.total()

    @contextmanager
    def one(self, key: str) -> Iterator[None]:
        """Have a place.

        Args:
            key: of the session or the token.

        Raises:
            RefusedError: none is free.
        """
        for count, most in ((self._taken[key], MOST_PER_KEY), (self.taken, MOST)):
            if count >= most:
                text = line("stream", f"{count} open already", f"at most {most}", "close another page")
                raise RefusedError(429, text, headers={"Retry-After": "5"})
        self._taken[key] += 1
        try:
            yield
        finally:
            self._taken[key] -= 1
            self._taken += Counter()  # drops zeros


class Lines(Response):
    """JSON values, one per line, for as long as there are any, the reader reads, and its session lasts.

    Args:
        place: of the stream, had while it goes on.
        source: the agent's stream; its parts are passed on as they are.
        lasts: whether the session is still there.
    """

    media_type = "application/x-ndjson"

    def __init__(
        self,
        place: contextlib.AbstractContextManager[None],
        source: AbstractAsyncContextManager[AsyncIterator[bytes]],
        lasts: Callable[[], bool],
    ) -> None:
        """Nothing is read yet."""
        super().__init__()
        del self.headers["content-length"]
        self._place = place
        self._source = source
        self._lasts = lasts
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on until the end."""
        try:
            with self._place:
                async with self._source as parts:
                    await self._write(send, {"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                    await self._pass_on(parts, receive, send)
        except RefusedError as error:
            if self._begun:
                # The agent went within the stream: the page sees its end and asks again.
                await self._end(send)
            else:
                await error.response()(scope, receive, send)
        except SlowReaderError:
            # Without an end of the answer the server closes the connection.
            return

    async def _pass_on(self, parts: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_gone(receive))
        try:
            while True:
                part = asyncio.ensure_future(anext(parts, None))
                try:
                    content = await self._next(part, gone)
                finally:
                    if not part.done():
                        part.cancel()
                        with contextlib.suppress(asyncio.CancelledError, Exception):
                            await part
                if content is None:
                    break
                await self._write(send, {"type": "http.response.body", "body": content, "more_body": True})
            if not gone.done():
                await self._end(send)
        finally:
            gone.cancel()

    async def _next(self, part: asyncio.Future[bytes | None], gone: asyncio.Future[None]) -> bytes | None:
        """The next part; None when the reader or the session has gone, or there are no more."""
        while True:
            waited: set[asyncio.Future[Any]] = {part, gone}
            await asyncio.wait(waited, timeout=CHECK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if gone.done() or not self._lasts():
                return None
            if part.done():
                return part.result()

    async def _write(self, send: Send, message: dict[str, object]) -> None:
        try:
            await asyncio.wait_for(send(message), WRITE_SECONDS)
        except TimeoutError:
            raise SlowReaderError from None
        self._begun = True

    async def _end(self, send: Send) -> None:
        await self._write(send, {"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    """Wait until the reader has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
