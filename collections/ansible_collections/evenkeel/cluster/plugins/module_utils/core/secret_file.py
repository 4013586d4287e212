# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""A password in a file: generated once, then read."""

from __future__ import annotations

import os
import secrets
import stat
import string
from dataclasses import dataclass
from pathlib import Path

from .errors import EvenkeelError, Problem

_CHARACTERS = string.ascii_letters + string.digits
_FIX = "remove it; a run makes a password"
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600


class SecretFileError(EvenkeelError):
    """The file has no password, and none can be written into it."""


@dataclass(frozen=True)
class Secret:
    """A password.

    Attributes:
        value: the password; empty if the file is yet to be made.
        made: the file was, or would be, made.
        closed: the file or its folder was, or would be, taken away from other users.
    """

    value: str
    made: bool
    closed: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything was, or would be, done."""
        return self.made or self.closed


def open_places(path: Path, *, folder: bool = True) -> dict[Path, tuple[int, int]]:
    """What other users can use of a password's file and folder, with the mode found and the mode that it must have.

    What belongs to another user is left out: only root and its owner can change it.

    Args:
        path: of the file.
        folder: also look at its folder.

    Raises:
        OSError: they cannot be looked at.
    """
    found = {}
    rules = [(path.parent, _FOLDER_MODE, 0o077)] if folder else []
    for place, want, refused in [*rules, (path, _FILE_MODE, 0o177)]:
        try:
            status = place.stat()
        except FileNotFoundError:
            continue
        mode = stat.S_IMODE(status.st_mode)
        if mode & refused and os.geteuid() in {0, status.st_uid}:
            found[place] = (mode, want)
    return found


def ensure_secret(path: Path, length: int, *, write: bool, mode: int = _FILE_MODE) -> Secret:
    """The password in the file; a generated one if there is no file.

    A file that cannot be read is an error. It is never replaced. If other users can use it or its folder, these get the
    mode that a generated one has: whatever opened them, a password that others can read is none.

    Args:
        path: of the file. Its folder is made for its owner alone.
        length: characters of a generated password, letters and digits.
        write: False only reads.
        mode: of a file that is made.

    Raises:
        SecretFileError: the file cannot be read or made, or is empty.
    """
    try:
        try:
            return Secret(_read(path), made=False, closed=_close(path, write=write))
        except FileNotFoundError:
            if write:
                _make(path, length, mode)
            return Secret(_read(path) if write else "", made=True)
    except OSError as error:
        got, fix = f"'{error.strerror or error}'", "run it as the file's owner, or as root"
        raise SecretFileError(Problem(str(path), got, "a file with a password", fix)) from error
    except UnicodeDecodeError as error:
        raise SecretFileError(Problem(str(path), "bytes that are not UTF-8", "text", _FIX)) from error


def _close(path: Path, *, write: bool) -> bool:
    places = open_places(path) if path.is_file() else {}
    if write:
        for place, (_found, want) in places.items():
            place.chmod(want)
    return bool(places)


def _read(path: Path) -> str:
    value = path.read_text(encoding="utf-8").strip()
    if not value:
        raise SecretFileError(Problem(str(path), "an empty file", "a password", _FIX))
    return value


def _make(path: Path, length: int, mode: int) -> None:
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    path.parent.chmod(_FOLDER_MODE)
    value = "".join(secrets.choice(_CHARACTERS) for _index in range(length))
    # Complete before it has its name, and without taking the name from a file that another run has just made.
    place = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(f"{value}\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(place, path)
        except FileExistsError:
            return
    finally:
        place.unlink(missing_ok=True)
