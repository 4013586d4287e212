# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Which folders that a container has mounted were removed: it keeps the old one, whatever has that path by now.

Format: ``/proc/<pid>/mountinfo`` (proc(5)): the fourth field is the folder in its file system, with this end if it is
there no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")
_REMOVED = "//deleted"
_ROOT = 3


def removed_sources(table: str, sources: Iterable[str]) -> set[str]:
    """Those of the sources that were removed. Pure.

    Args:
        table: the text of a process's ``mountinfo``.
        sources: the folders that its container was given.
    """
    roots = [fields[_ROOT] for line in table.splitlines() if len(fields := line.split()) > _ROOT]
    gone = tuple(_unescaped(root.removesuffix(_REMOVED)) for root in roots if root.endswith(_REMOVED))
    # A file system of its own begins below the machine's root.
    return {source for source in sources if gone and source.endswith(gone)}


def mount_table(container: str, pid: int, proc: Path = _PROC) -> str:
    """What a container's process has mounted; empty where its process cannot be seen, as by users that are not root."""
    process = proc / str(pid)
    try:
        # Where this runs in a container itself, that number may be another process.
        return (process / "mountinfo").read_text() if container in (process / "cgroup").read_text() else ""
    except OSError:
        return ""


def _unescaped(text: str) -> str:
    """The kernel writes blanks in octal."""
    for code in (" ", "\t", "\n", "\\"):
        text = text.replace(f"\\{ord(code):03o}", code)
    return text
