# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""One change of a cluster at a time: an advisory lock on the target that dies with its holder.

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
# The holder is named to those that wait for longer.
_PATIENCE_SECONDS = 1.0

# The folder may be writable to everyone: no symbolic link is followed, and no FIFO is waited for.
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_NO_ACCESS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
# What open() says of a symbolic link, a socket and a folder.
_NO_FILE = frozenset({errno.ELOOP, errno.ENXIO, errno.EISDIR})


class LockBusyError(EvenkeelError):
    """The lock cannot be had; the message names its holder, if there is one."""

    def __init__(self, message: str, holder: Holder | None = None) -> None:
        """Keep the holder beside the message."""
        super().__init__(message)
        self.holder = holder


def lock_path(cluster: str) -> Path:
    """Where the cluster's lock is: the same file for root and for members of the docker group."""
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

    ``flock`` locks belong to the open file and vanish with the process, so a run that was killed leaves none.

    Args:
        cluster: the cluster's name.
        what: what the holder does, for those that wait: ``node_pool``, or ``console: alice, roll static``.
        wait_seconds: how long to wait for another holder.
        on_progress: takes one line that names the other holder, when the wait takes longer than a second.
        now: a clock that only goes forward, in seconds.
        sleep: waits for so many seconds of that clock.

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
    """What holds the lock at this moment; None when it is free. Changes nothing.

    Raises:
        LockBusyError: its file cannot be used.
    """
    descriptor = _open_existing(lock_path(cluster))
    if descriptor is None:
        return None
    try:
        # Shared, so that two that ask are not in each other's way.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_holder(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def discard_lock(cluster: str) -> bool:
    """Remove the lock's file, unless it is held. Those that wait for it notice, see :func:`_attempt`.

    Returns:
        Whether it was removed: not if it is held, was not there, or is another user's in a sticky folder.

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
        # Two tries at least: held_by() has the lock for some microseconds.
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
    """The open file, locked; None when another has it.

    A file that was removed or replaced between open and lock guards nothing: the next one makes a file of its own
    and locks that. So the locked file must be the one that has the name. The file is opened anew for each try, hence
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
    """Open the file as it is, for reading at least; None when there is none.

    Without O_CREAT: in a sticky folder fs.protected_regular forbids that for another user's file, to root as well.
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
    # A second name may lead to a file that is not ours to overwrite.
    if stat.S_ISREG(found.st_mode) and found.st_nlink <= 1:
        return descriptor
    os.close(descriptor)
    raise _no_regular_file(path)


def _opened(path: Path, access: int) -> int | None:
    """Open the file; None when this user may not."""
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
    """Make the file; None when another was faster."""
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
    # Everyone may lock it, whatever the umask; those who may use Docker may leave their name as well.
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, 0o644)
    with contextlib.suppress(OSError, KeyError):
        os.fchown(descriptor, -1, grp.getgrnam("docker").gr_gid)
        os.fchmod(descriptor, 0o664)
    return descriptor


def _holder_at(path: Path) -> Holder:
    descriptor = _open_existing(path)
    if descriptor is None:
        return Holder()
    try:
        return read_holder(descriptor)
    finally:
        os.close(descriptor)
