# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Files that nobody declared, in a folder whose every file counts: found, and set aside without losing them."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .files import free_name

_SUFFIX = ".set-aside"


def find_strays(folders: Iterable[Mapping[str, Any]], declared: Iterable[Path]) -> list[Path]:
    """Files with one of the endings that are neither declared nor to be kept, in order. Links are not followed.

    Args:
        folders: dicts with ``folder``, ``endings``, and ``keep``, the names of files there that others write.
        declared: the paths of files that are declared.
    """
    known = set(declared)
    found: list[Path] = []
    for item in folders:
        folder = Path(item["folder"])
        keep = known | {folder / name for name in item.get("keep") or ()}
        found += _under(folder, [f".{ending}".lower() for ending in item["endings"]], keep)
    return found


def _under(folder: Path, endings: Sequence[str], keep: Container[Path]) -> list[Path]:
    paths = (Path(parent) / name for parent, _folders, names in os.walk(folder) for name in names)
    return sorted(path for path in paths if path.suffix.lower() in endings and path not in keep)


def set_aside(path: Path) -> None:
    """Give a file a free name with another ending.

    Raises:
        OSError: it cannot be renamed.
    """
    path.rename(free_name(path, _SUFFIX))


def diff_of_stray(path: Path) -> dict[str, str]:
    """Before and after as Ansible shows them; the content is not ours to show."""
    return {
        "before_header": str(path),
        "after_header": str(path),
        "before": f"{path.name}\n",
        "after": f"{path.name}{_SUFFIX}\n",
    }
