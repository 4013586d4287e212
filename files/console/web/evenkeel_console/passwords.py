"""Passwords: argon2id, one computation at a time.

``python -m evenkeel_console.passwords hash`` reads a password from its input and prints what ``passwords.json`` keeps.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import sys
import unicodedata
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from .problems import RefusedError, line
from .queue import Queue
from .store import StoreError, read_json, stamp, write_json

#: Characters of a password.
SHORTEST, LONGEST = 12, 1024
# OWASP's minimum for argon2id, in KiB.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_T = TypeVar("_T")


def refusal_of(password: str) -> str:
    """Why a password cannot be used, in one line that does not show it; empty if it can."""
    if not SHORTEST <= len(password) <= LONGEST:
        want = f"{SHORTEST} to {LONGEST}"
        return line("password", f"{len(password)} characters", want, "choose another one")
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in password):
        return line("password", "a control character", "characters that can be typed", "choose another one")
    return ""


def hashed(password: str) -> str:
    """What is kept of it."""
    return _HASHER.hash(_composed(password))


def matches(kept: str, password: str) -> bool:
    """Whether it is the one of which this was kept."""
    try:
        return _HASHER.verify(kept, _composed(password))
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def _composed(password: str) -> str:
    # The same letters, whether a keyboard sends an accent apart or not.
    return unicodedata.normalize("NFC", password)


def _hashes(found: Mapping[str, Any]) -> dict[str, str]:
    # A user whose password is being reset has null: no password is right.
    return {name: value for name, value in found.items() if isinstance(value, str)}


class Passwords:
    """What is kept of all users' passwords, and the queue of the computations.

    Args:
        path: of the file: name to hash. Another program may replace it.
        changed: called with the names whose password was replaced from outside.

    Raises:
        StoreError: the file cannot be used.
    """

    def __init__(self, path: Path, changed: Callable[[Collection[str]], None]) -> None:
        """Read the file."""
        self._path = path
        self._changed = changed
        self._stamp = stamp(path)
        self._kept = self._read()
        # Compared for users that do not exist, so that the time does not tell.
        self._dummy = hashed("no password of any user")
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="argon2")
        self._queue = Queue()
        self.computed = 0

    def _read(self) -> dict[str, str]:
        return _hashes(read_json(self._path))

    def look_again(self) -> None:
        """Read the file if another program has replaced it. One that cannot be read changes nothing."""
        now = stamp(self._path)
        if now == self._stamp:
            return
        self._stamp = now
        try:
            found = self._read()
        except StoreError as error:
            print(error, file=sys.stderr)
            return
        before, self._kept = self._kept, found
        others = {name for name in before if before[name] != found.get(name)}
        if others:
            self._changed(others)

    def mark(self, user: str) -> str:
        """Digest of what is kept of the user's password: another one after each change."""
        return hashlib.sha256(self._kept.get(user, "").encode()).hexdigest()

    async def check(self, user: str, password: str, allowed: Callable[[], None], *, known: bool = False) -> bool:
        """Whether this is the user's password; for a user without one the answer takes the same time.

        Args:
            user: the name.
            password: to be tried.
            allowed: called when its turn has come; raises if it may not be tried any more.
            known: whether a device that has logged in before asks, or a session.

        Raises:
            RefusedError: too many wait.
        """

        def verify() -> tuple[bool, str | None]:
            # Both in one: the same work is done for any name.
            kept = self._kept.get(user)
            return matches(kept or self._dummy, password), kept

        right, compared = await self._in_turn(verify, allowed, known=known)
        # One that was replaced while this was computed is right no more: its sessions have ended already.
        self.look_again()
        return right and compared is not None and self._kept.get(user) == compared

    async def set(self, user: str, password: str) -> None:
        """Keep another password.

        Raises:
            RefusedError: too many wait, or it was replaced from outside meanwhile.
            OSError: the file cannot be written.
        """
        before = self._kept.get(user)
        kept = await self._in_turn(functools.partial(hashed, password), lambda: None, known=True)
        # What was replaced from outside while this was computed, also of other users, must not pass unnoticed.
        self.look_again()
        if self._kept.get(user) != before:
            raise RefusedError(409, line("password", "another one since", "the one until now", "log in again"))
        # Also the marks of other users' resets, which the next run needs.
        changed = {**read_json(self._path), user: kept}
        write_json(self._path, changed)
        self._kept, self._stamp = _hashes(changed), stamp(self._path)

    async def _in_turn(self, work: Callable[[], _T], allowed: Callable[[], None], *, known: bool) -> _T:
        async with self._queue.turn(known=known):
            allowed()
            self.computed += 1
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)


def main() -> int:
    """Entry point; 1 after a line that says what is wrong."""
    if sys.argv[1:] != ["hash"]:
        print(line("passwords", "no command", "hash", "python -m evenkeel_console.passwords hash"), file=sys.stderr)
        return 2
    try:
        password = sys.stdin.buffer.read(8 * LONGEST).decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        print(line("password", "bytes that are no UTF-8", "text", "choose another one"), file=sys.stderr)
        return 1
    wrong = refusal_of(password)
    if wrong:
        print(wrong, file=sys.stderr)
        return 1
    print(hashed(password))
    return 0


if __name__ == "__main__":
    sys.exit(main())
