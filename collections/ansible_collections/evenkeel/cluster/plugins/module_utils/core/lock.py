# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""One change of a cluster at a time: an advisory lock on the target that ends with its holder's process.

The lock is ``flock`` on a file, which works across users, containers and PID namespaces that see the same folder.
The file's text only says what holds it, see :mod:`lock_holder`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import EvenkeelError
from .lock_holder import Holder, clear, read_holder, sign
from .progress import no_progress

_POLL_SECONDS = 0.05
# A process that waits longer than this is told what holds the lock.
_PATIENCE_SECONDS = 1.0

# Any user may write to the folder, so symbolic links are not followed and FIFOs are not waited for.
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_NO_ACCESS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
# The errors of open() for a symbolic link, a socket and a folder.
_NO_FILE = frozenset({errno.ELOOP, errno.ENXIO, errno.EISDIR})

# Readable by all, written by its owner and by the members of its group.
_GROUP_MODE = stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH


class LockBusyError(EvenkeelError):
    """The lock cannot be had; the message names its holder, if there is one."""

    def __init__(self, message: str, holder: Holder | None = None) -> None:
        """Keep the holder beside the message."""
        super().__init__(message)
        self.holder = holder


def lock_path(cluster: str) -> Path:
    """The lock's file, the same for root and for members of the docker group."""
    folder = Path("/run/lock")
    return (folder if folder.is_dir() else Path(tempfile.gettempdir())) / f"evenkeel-{cluster}.lock"


@contextlib.contextmanager
def cluster_lock(
    cluster: str,
    what: str,
    wait_seconds: float,
    on_progress: Callable[[str], None] = no_progress,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[float]:
    """Hold the cluster's lock; yields the seconds waited for it.

    The kernel releases a ``flock`` when the process ends, so a run that was killed leaves no lock.

    Args:
        cluster: the cluster's name.
        what: what the holder does, shown to processes that wait: ``node_pool``, or ``console: alice, roll static``.
        wait_seconds: seconds to wait for another holder.
        on_progress: takes one line that names the other holder, when the wait takes longer than a second.
        now: a clock that only goes forward, in seconds.
        sleep: waits for the given seconds of that clock.

    Raises:
        LockBusyError: another run still holds it after ``wait_seconds``, or its file cannot be used.
    """
    descriptor, waited = _acquire(cluster, wait_seconds, on_progress, now, sleep)
    try:
        sign(descriptor, what)
        yield waited
    finally:
        clear(descriptor)
        os.close(descriptor)


def held_by(cluster: str) -> Holder | None:
    """What holds the lock now; None when it is free. Changes nothing.

    Raises:
        LockBusyError: its file cannot be used.
    """
    descriptor = _open_existing(lock_path(cluster))
    if descriptor is None:
        return None
    try:
        # Shared, so that two processes can ask at the same time.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_holder(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def discard_lock(cluster: str) -> bool:
    """Remove the lock's file, unless it is held. Processes that wait for it notice, see :func:`_attempt`.

    Returns:
        Whether it was removed. It is not if it is held, does not exist, or is another user's in a sticky folder.

    Raises:
        LockBusyError: the file cannot be used.
    """
    path = lock_path(cluster)
    if not path.exists():
        return False
    descriptor = _attempt(path)
    if descriptor is None:
        return False
    try:
        path.unlink()
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


# --------------------------------------------------------------------------
# The lock
# --------------------------------------------------------------------------


def _acquire(
    cluster: str,
    wait_seconds: float,
    on_progress: Callable[[str], None],
    now: Callable[[], float],
    sleep: Callable[[float], None],
) -> tuple[int, float]:
    path = lock_path(cluster)
    began = now()
    told = False
    tries = 0
    while True:
        tries += 1
        descriptor = _attempt(path)
        waited = now() - began
        if descriptor is not None:
            return descriptor, waited
        # At least two tries, because held_by() holds the lock for some microseconds.
        if waited >= wait_seconds and tries > 1:
            holder = _holder_at(path)
            raise LockBusyError(
                f"cluster {cluster}: got a lock held by {holder}, want it free within"
                f" {wait_seconds:g} s (fix: wait for that run to end)",
                holder,
            )
        if waited >= _PATIENCE_SECONDS and not told:
            told = True
            on_progress(f"waits for the run of {_holder_at(path)}, for at most {wait_seconds:g} s")
        sleep(_POLL_SECONDS)


def _attempt(path: Path) -> int | None:
    """The open file, locked; None when another process holds it.

    A file that was removed or replaced between open and lock protects nothing, because the next process makes and
    locks a new file. So the locked file must still be the one with this name. Each try opens the file again, so that
    a wait follows the name.
    """
    while True:
        descriptor = _open(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _has_the_name(descriptor, path):
            return descriptor
        os.close(descriptor)


def _has_the_name(descriptor: int, path: Path) -> bool:
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), named)


def _open(path: Path) -> int:
    while True:
        descriptor = _open_existing(path)
        if descriptor is None:
            descriptor = _create(path)
        if descriptor is not None:
            return descriptor


def _open_existing(path: Path) -> int | None:
    """Open the existing file, at least for reading; None when there is none.

    Without O_CREAT: with it, fs.protected_regular refuses another user's file in a sticky folder, even to root.
    """
    try:
        descriptor = _opened(path, os.O_RDWR)
        if descriptor is None:
            descriptor = _opened(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    if descriptor is None:
        raise LockBusyError(
            f"cluster lock: got no access to {path}, want a file this user may read (fix: remove {path})"
        )
    found = os.fstat(descriptor)
    # With a second hard link, it may be another file that must not be overwritten.
    if stat.S_ISREG(found.st_mode) and found.st_nlink <= 1:
        return descriptor
    os.close(descriptor)
    raise _no_regular_file(path)


def _opened(path: Path, access: int) -> int | None:
    """Open the file; None when this user has no right to."""
    try:
        return os.open(path, access | _FLAGS)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise _no_regular_file(path) from None
        if error.errno in _NO_ACCESS:
            return None
        raise


def _no_regular_file(path: Path) -> LockBusyError:
    return LockBusyError(f"cluster lock: got a link or a special file at {path}, want a file (fix: remove {path})")


def _create(path: Path) -> int | None:
    """Make the file; None when another process was faster."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o644)
    except FileExistsError:
        return None
    except OSError as error:
        if error.errno not in _NO_ACCESS:
            raise
        raise LockBusyError(
            f"cluster lock: got no right to make {path}, want it to be there (fix: as root: touch {path})"
        ) from None
    # Whatever the umask, any user may lock it; members of the docker group may also write what holds it.
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, 0o644)
    with contextlib.suppress(OSError, KeyError):
        os.fchown(descriptor, -1, grp.getgrnam("docker").gr_gid)
        os.fchmod(descriptor, _GROUP_MODE)
    return descriptor


def _holder_at(path: Path) -> Holder:
    descriptor = _open_existing(path)
    if descriptor is None:
        return Holder()
    try:
        return read_holder(descriptor)
    finally:
        os.close(descriptor)
