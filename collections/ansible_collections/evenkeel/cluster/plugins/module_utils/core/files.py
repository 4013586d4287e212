# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Files that others read while they are written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, text: str, mode: int = 0o644, *, owner: int = -1, group: int = -1) -> None:
    """Replace a file so that a reader sees the old or the new text, never a part.

    The temporary name does not end in .yml: the balancer watches the folder. Owner and group are numbers; -1 is that of
    this process.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            # The owner before the mode: no other user may read the text in between.
            os.fchown(stream.fileno(), owner, group)
            os.fsync(stream.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
