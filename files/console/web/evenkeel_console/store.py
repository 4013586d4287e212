"""Files of the web process: JSON, readable by the process alone, replaced as a whole."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

#: Of all files in the data folder.
MODE = 0o600


class StoreError(Exception):
    """A file cannot be used; its text is one line."""


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; an empty one if there is no file.

    Raises:
        StoreError: it cannot be read, or has something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(f"{path}: got '{error.strerror}', want a file to read (fix: look at its owner)") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: got text that is not JSON, want an object (fix: remove the file)") from error
    if not isinstance(found, dict):
        raise StoreError(f"{path}: got {type(found).__name__}, want a JSON object (fix: remove the file)")
    return found


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a file; a crash leaves the old or the new one.

    Raises:
        OSError: it cannot be written; the old one is as it was.
    """
    # mkstemp makes files of mode 0600.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def stamp(path: Path) -> tuple[int, int, int]:
    """Changes whenever the file does; zeros without a file."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
