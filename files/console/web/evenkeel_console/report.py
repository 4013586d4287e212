"""The report as an answer: from the file in pieces, so that it takes neither memory nor the loop."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from .links import POLICY
from .problems import RefusedError, line

#: Bytes of a report, and of one piece.
MOST_BYTES, PIECE = 16 * 1024 * 1024, 64 * 1024
_HEADERS = {
    "Content-Security-Policy": POLICY,
    # With another one, browsers do not show a page of a sandbox that they open in a window of its own.
    "Cross-Origin-Opener-Policy": "unsafe-none",
}


def no_report() -> RefusedError:
    """There is none to show."""
    return RefusedError(404, line("report", "none", "one of a run", "ansible-playbook playbooks/prove.yml"))


class Reports:
    """The reports that are on their way: one per user."""

    def __init__(self) -> None:
        """There is none."""
        self._users: set[str] = set()

    async def answer(self, path: Path | None, user: str) -> StreamingResponse:
        """The report.

        Raises:
            RefusedError: there is none, it is too large, or another one is on its way to this user.
        """
        if user in self._users:
            got = "another one on its way"
            raise RefusedError(429, line("report", got, "one at a time", "wait for it, and open it again"))
        if path is None:
            raise no_report()
        self._users.add(user)
        try:
            file, size = await asyncio.to_thread(_opened, path)
        except BaseException as error:
            self._users.discard(user)
            if isinstance(error, OSError):
                raise no_report() from None
            raise
        return _Report(file, size, lambda: self._users.discard(user))


def _opened(path: Path) -> tuple[BinaryIO, int]:
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
        file.close()
        raise RefusedError(404, line("report", "one too large to show", f"at most {MOST_BYTES} bytes", "open its file"))
    return file, found.st_size


class _Report(StreamingResponse):
    def __init__(self, file: BinaryIO, size: int, ended: Callable[[], None]) -> None:
        self._file, self._ended = file, ended
        headers = {**_HEADERS, "Content-Length": str(size)}
        super().__init__(self._pieces(size), headers=headers, media_type="text/html; charset=utf-8")

    async def _pieces(self, size: int) -> AsyncIterator[bytes]:
        while size > 0 and (piece := await asyncio.to_thread(self._file.read, min(PIECE, size))):
            size -= len(piece)
            yield piece

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()
            self._file.close()
