# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Files that others read while they are written."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from .errors import EvenkeelError, Problem

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


class WriteError(EvenkeelError, OSError):
    """A file cannot be written. It is one line for people; callers that expect an :class:`OSError` get one."""


def write_atomically(path: Path, text: str, mode: int = 0o644, *, owner: int = -1, group: int = -1) -> None:
    """Replace a file so that a reader sees the old or the new text, never a part.

    The temporary name does not end in .yml: the balancer watches the folder. Owner and group are numbers; -1 is that of
    this process. A folder in the file's place, as Docker makes one for a mount whose file is gone, is moved aside to a
    name with ``.was-a-folder``: a run mends it, and nobody's files are lost.

    Raises:
        WriteError: it cannot be written; the old file is as it was.
    """
    try:
        _write(path, text, mode, owner, group)
    except OSError as error:
        got = f"'{error.strerror or error}'"
        raise WriteError(Problem(str(path), got, "a file that can be written", _fix(path, error.errno))) from error


def _write(path: Path, text: str, mode: int, owner: int, group: int) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            # The owner before the mode: no other user may read the text in between.
            os.fchown(stream.fileno(), owner, group)
            os.fsync(stream.fileno())
        Path(temporary).chmod(mode)
        if is_folder(path):
            path.rename(free_name(path, ".was-a-folder"))
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def is_folder(path: Path) -> bool:
    """Whether a folder itself is there, not a link to one."""
    return path.is_dir() and not path.is_symlink()


def free_name(path: Path, suffix: str) -> Path:
    """The path with the suffix, and a number if something has that name already."""
    place, count = path.with_name(f"{path.name}{suffix}"), 1
    while os.path.lexists(place):
        count += 1
        place = path.with_name(f"{path.name}{suffix}-{count}")
    return place


def _fix(path: Path, number: int | None) -> str:
    """What to do about a failed system call."""
    if number in _NO_SPACE:
        return f"make room on its disk: see df and df -i {path.parent}"
    if number == errno.EROFS:
        return f"mount the disk of {path.parent} with write access"
    if number == errno.EBUSY:
        return f"umount {path}"
    if number == errno.EPERM and os.geteuid() == 0:
        return f"chattr -i {path} {path.parent}"
    if number in {errno.EPERM, errno.EACCES}:
        return f"run it as the owner of {path.parent}, or as root"
    return "repair its disk, or choose another path"
