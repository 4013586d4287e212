# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The files of a cluster on its machine: secrets, the balancer's configuration, free disk. Reads only."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..cluster.secrets import SecretChange
from ..core.errors import EvenkeelError, Problem
from ..core.files import is_folder
from ..core.managed_files import Step, plan, read_entries
from ..core.results import PartView
from ..core.secret_file import open_places
from ..core.strays import find_strays
from ..host.capacity import DISK_OTHERWISE, check_disks, size
from ..host.facts import read_disk
from .parts import part


def files_part(managed: Mapping[str, Any], more: Mapping[Path, str]) -> PartView:
    """The balancer's configuration, as the module that writes it would say in check mode.

    Args:
        managed: the options of the module ``managed_files``.
        more: path to text of what the balancer's own module writes.
    """
    entries = [list(managed.get(key) or ()) for key in ("folders", "files")]
    try:
        folders, files = read_entries(entries[0], entries[1], managed.get("secret_contents") or {})
        steps = plan(folders, files)
    except EvenkeelError as error:
        return part("files", "not as declared", str(error).splitlines())
    to_do = [f"write {step.entry.path} ({_why(step)})" for step in steps]
    differs = [(path, _text(path)) for path, text in sorted(more.items()) if _text(path) != text]
    to_do += [f"write {path} ({_absence(path) if text is None else 'content differs'})" for path, text in differs]
    count = len(entries[0]) + len(entries[1]) + len(more)
    strays = find_strays(managed.get("set_aside") or (), [entry.path for entry in files])
    renames = [f"set aside {path} (is not declared)" for path in strays]
    return part("files", f"{max(0, count - len(to_do))} of {count} as declared", (), [*renames, *to_do])


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _absence(path: Path) -> str:
    return "a folder is in its place" if is_folder(path) else "is missing"


def _why(step: Step) -> str:
    entry, found = step.entry, step.found
    if found is None:
        return _absence(entry.path)
    if entry.text is not None and found.content != entry.text.encode():
        return "content differs"
    if found.mode != entry.mode:
        return f"mode {found.mode:04o}"
    return f"owner {found.owner}"


def secrets_part(secrets: Iterable[str], folder: str, changes: Iterable[SecretChange] = ()) -> PartView:
    """The files with passwords: there, and readable for the user of this run alone.

    Args:
        secrets: the files.
        folder: the one that is made for them; the folder of any other file is its user's business.
        changes: what a run changes about the secrets of tiers.
    """
    lines, to_do, good = [], [change.to_do for change in changes], 0
    paths = list(secrets)
    for path in paths:
        try:
            found = Path(path).stat()
            modes = open_places(Path(path), folder=path.startswith(f"{folder}/"))
        except FileNotFoundError:
            to_do.append(f"generate {path}")
            continue
        except OSError as error:
            lines.append(str(Problem(path, f"'{error.strerror}'", "a file to read", "run it as the user that owns it")))
            continue
        wrong = _wrong(path, found)
        lines += wrong
        if stat.S_ISREG(found.st_mode):
            to_do += [f"set mode {want:04o} of {place} (is {mode:04o})" for place, (mode, want) in modes.items()]
        good += not (wrong or modes)
    return part("secrets", f"{good} of {len(paths)} as they must be", lines, dict.fromkeys(to_do))


def _wrong(path: str, found: os.stat_result) -> list[str]:
    user = os.geteuid()
    if not stat.S_ISREG(found.st_mode):
        return [str(Problem(path, "no file", "a file with a password", f"remove {path}, then run site.yml"))]
    if found.st_uid != user:
        return [str(Problem(path, f"owner {found.st_uid}", f"{user}, the user of this run", f"chown {user} {path}"))]
    return []


def disk_part(places: Sequence[tuple[str, str]], minimum: int | None) -> PartView:
    """Free space, as the check before a run judges it.

    Args:
        places: what a folder is for, and the folder.
        minimum: bytes that must be free; None for the usual ones.
    """
    disks = [(purpose, read_disk(folder)) for purpose, folder in places if folder]
    problems = check_disks(disks, DISK_OTHERWISE if minimum is None else minimum)
    state = ", ".join(f"{size(disk.free)} free for {purpose}" for purpose, disk in disks)
    return part("disk", state, map(str, problems))
