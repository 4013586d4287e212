# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""One reconciliation of a cluster at a time: an advisory lock on the target that dies with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import EvenkeelError
from .progress import no_progress

_POLL_SECONDS = 0.1
# Who waits for longer is told for whom.
_PATIENCE_SECONDS = 1.0


class LockBusyError(EvenkeelError):
    """Another run holds the lock; the message names it."""


def lock_path(cluster: str) -> Path:
    """Where the cluster's lock is: the same file for root and for members of the docker group."""
    folder = Path("/run/lock")
    return (folder if folder.is_dir() else Path(tempfile.gettempdir())) / f"evenkeel-{cluster}.lock"


def _open(path: Path) -> int:
    # Without O_CREAT first: fs.protected_regular forbids it for another user's file in a sticky folder.
    for flags in (os.O_RDWR, os.O_RDONLY, os.O_RDWR | os.O_CREAT):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            return os.open(path, flags | os.O_CLOEXEC, 0o644)
    raise LockBusyError(f"cluster lock: got no access to {path}, want a file this user may read (fix: remove {path})")


def _holder(descriptor: int) -> str:
    text = os.pread(descriptor, 4096, 0).decode(errors="replace")
    try:
        holder = json.loads(text)
        # A user who may only read the file cannot sign it: then it still names an earlier run, which is gone.
        if Path(f"/proc/{int(holder['pid'])}").exists():
            return f"{holder['user']} (process {holder['pid']}, since {holder['since']}, {holder['what']})"
    except (ValueError, KeyError, TypeError):
        pass
    return "another user's process"


@contextlib.contextmanager
def cluster_lock(
    cluster: str, what: str, wait_seconds: float, tell: Callable[[str], None] = no_progress
) -> Iterator[float]:
    """Hold the cluster's lock; yields the seconds waited for it.

    ``flock`` locks belong to the open file and vanish with the process, so a run that was killed leaves none.

    Args:
        cluster: the cluster's name.
        what: what the holder does, for those who wait.
        wait_seconds: how long to wait for another holder.
        tell: takes a line that names the other holder, when it takes a while.

    Raises:
        LockBusyError: another run still holds it after ``wait_seconds``.
    """
    path = lock_path(cluster)
    descriptor = _open(path)
    started = time.monotonic()
    told = False
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waited = time.monotonic() - started
                if waited >= wait_seconds:
                    raise LockBusyError(
                        f"cluster {cluster}: got a lock held by {_holder(descriptor)}, want it free within"
                        f" {wait_seconds:g} s (fix: wait for that run to end)"
                    ) from None
                if waited >= _PATIENCE_SECONDS and not told:
                    told = True
                    tell(f"waits for the run of {_holder(descriptor)}, for at most {wait_seconds:g} s")
                time.sleep(_POLL_SECONDS)
        _sign(descriptor, what)
        yield time.monotonic() - started
    finally:
        os.close(descriptor)


def _sign(descriptor: int, what: str) -> None:
    """Leave the holder's name for those who wait; best effort, another user's file may be read-only."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    note = {"user": user, "pid": os.getpid(), "since": time.strftime("%H:%M:%S"), "what": what}
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(note).encode(), 0)
