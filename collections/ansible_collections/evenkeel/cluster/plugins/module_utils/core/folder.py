# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Folders of results: written whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .errors import EvenkeelError, Problem

# A full disk may still have a block for a name, and none for content.
_PROBE_BYTES = 64 * 1024


class FolderError(EvenkeelError):
    """A folder was not written, and nothing of it is left."""


def make_folder(folder: str) -> None:
    """Make a folder before there is something to write, so that a result is not lost for want of it.

    Args:
        folder: made with its parents if it is missing, and written to; empty makes none.

    Raises:
        FolderError: it cannot be made, or no file in it.
    """
    try:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(prefix=".probe-", dir=folder) as probe:
                probe.write(b"x" * _PROBE_BYTES)
                probe.flush()
                os.fsync(probe.fileno())
    except OSError as error:
        raise FolderError(
            Problem("folder", f"'{error.strerror}' for {folder}", "a folder to write to", "pass another one")
        ) from error


def write_folder(parent: Path, name: str, files: Mapping[str, bytes], copies: Mapping[str, Path]) -> Path:
    """Make the folder *name* in *parent*, with these files; it gets its name when everything is on the disk.

    Args:
        parent: made if it is missing.
        name: of the new folder.
        files: path inside the folder -> content.
        copies: path inside the folder -> file to copy.

    Raises:
        FolderError: there is a folder of this name, or something could not be written.
    """
    target = parent / name
    made = not parent.is_dir()
    temporary = None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(target):
            raise FolderError(Problem("report", f"an existing {target}", "a new folder", "run it again"))
        temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
        for inside, content in files.items():
            _write(temporary / inside, content)
        for inside, source in copies.items():
            _write(temporary / inside, source.read_bytes())
        temporary.chmod(0o755)
        for folder in (*sorted({path.parent for path in temporary.rglob("*")}), temporary):
            _sync(folder)
        temporary.rename(target)
        temporary = None
        _sync(parent)
    except OSError as error:
        where = error.filename or target
        raise FolderError(
            Problem(
                "report",
                f"{error.strerror or error} for {where}",
                "a folder that can be written",
                "free some space, or set evidence_folder to another place",
            )
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        if made and not target.exists():
            with contextlib.suppress(OSError):
                parent.rmdir()
    return target


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o755, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
