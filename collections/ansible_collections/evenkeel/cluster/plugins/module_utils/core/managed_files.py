# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Folders and small files as declared: all are compared first, then those that differ are written."""

from __future__ import annotations

import dataclasses
import functools
import os
import pwd
import re
import stat
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import EvenkeelError, Problem, quote
from .files import WriteError, is_folder, write_atomically
from .strays import diff_of_stray, find_strays, set_aside

_MODE = re.compile(r"0[0-7]{3}", re.ASCII)
_UID = re.compile(r"[0-9]{1,10}", re.ASCII)
_UID_LIMIT = 2**32 - 1
_HIDDEN = "content hidden"
_KINDS = ((stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a folder"), (stat.S_ISREG, "a file"))
_KEEP = -1


class ManagedFilesError(EvenkeelError):
    """Something is not as declared, and cannot be made so.

    Attributes:
        changed_paths: what was written before the error.
    """

    changed_paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One folder or file as declared.

    Attributes:
        path: absolute.
        mode: permissions.
        owner: user id; None does not change the owner.
        text: content of a file; None for a folder.
        secret: whether the content must not be shown.
    """

    path: Path
    mode: int
    owner: int | None = None
    text: str | None = None
    secret: bool = False

    @property
    def kind(self) -> str:
        """What must be at the path."""
        return "a folder" if self.text is None else "a file"


@dataclass(frozen=True)
class Found:
    """What is at a path now; ``content`` is None for a folder."""

    owner: int
    group: int
    mode: int
    content: bytes | None


@dataclass(frozen=True)
class Step:
    """One folder or file that differs from what is there; ``found`` is None if there is no such file or folder."""

    entry: Entry
    found: Found | None

    @property
    def owner(self) -> int:
        """The user id that it has afterwards. Only root can keep the owner of a file that it replaces."""
        if self.entry.owner is not None:
            return self.entry.owner
        return self.found.owner if self.found and os.geteuid() == 0 else os.geteuid()

    def diff(self) -> dict[str, str]:
        """Before and after as Ansible shows them."""
        entry, before = self.entry, ""
        if self.found:
            same = self.found.content == _bytes(entry.text)
            text = (self.found.content or b"").decode(errors="replace")
            before = _shown(self.found.owner, self.found.mode, f"{_HIDDEN}\n" if entry.secret else text)
            text = f"{_HIDDEN}\n" if same else f"{_HIDDEN}, differs\n"
        else:
            text = f"{_HIDDEN}\n"
        after = _shown(self.owner, entry.mode, text if entry.secret else entry.text or "")
        return {
            "before_header": str(entry.path),
            "after_header": str(entry.path),
            "before": before,
            "after": after,
        }


def _shown(owner: int, mode: int, text: str) -> str:
    return f"owner {owner}, mode {mode:04o}\n{text}"


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


# --------------------------------------------------------------------------
# Options
# --------------------------------------------------------------------------


def read_entries(
    folders: Sequence[Mapping[str, Any]], files: Sequence[Mapping[str, Any]], secret_contents: Mapping[str, Any]
) -> tuple[list[Entry], list[Entry]]:
    """Read the module's options.

    Args:
        folders: dicts with path, owner and mode.
        files: the same, and content.
        secret_contents: path -> content, for the files without content.

    Returns:
        The folders and the files.

    Raises:
        ManagedFilesError: one line for each option that cannot be used.
    """
    problems: list[Problem] = []
    read_folders = [_entry(f"folders[{number}]", item, None, problems) for number, item in enumerate(folders)]
    read_files = []
    for number, item in enumerate(files):
        name, secret = f"files[{number}]", item["path"] in secret_contents
        text = _text(name, item.get("content"), secret, secret_contents.get(item["path"]), problems)
        read_files.append(dataclasses.replace(_entry(name, item, text, problems), secret=secret))
    problems += [
        Problem("secret_contents", quote(path), "paths of files", "add it to files, or remove it here")
        for path in sorted(secret_contents.keys() - {item["path"] for item in files})
    ]
    seen: set[Path] = set()
    for entry in [*read_folders, *read_files]:
        if entry.path in seen:
            problems.append(Problem(str(entry.path), "two entries", "one", "remove the other one"))
        seen.add(entry.path)
    if problems:
        raise ManagedFilesError(*problems)
    return read_folders, read_files


def _entry(name: str, item: Mapping[str, Any], text: str | None, problems: list[Problem]) -> Entry:
    path, mode, owner = item["path"], item["mode"], item.get("owner")
    if not path.startswith("/") or ".." in path.split("/") or "\0" in path:
        problems.append(Problem(f"{name}.path", quote(path), "an absolute path without '..'", "path: /etc/shop.conf"))
    if not _MODE.fullmatch(mode):
        problems.append(Problem(f"{name}.mode", quote(mode), "four octal digits in quotes", 'mode: "0644"'))
        mode = "0"
    uid = None if owner is None else _uid(owner)
    if owner is not None and uid is None:
        want = "a user of this machine or a user id"
        problems.append(Problem(f"{name}.owner", quote(owner), want, "create the user first"))
    return Entry(Path("/" + os.path.normpath(path).lstrip("/")), int(mode, 8), uid, text)


def _uid(owner: str) -> int | None:
    if _UID.fullmatch(owner):
        return int(owner) if int(owner) < _UID_LIMIT else None
    try:
        return pwd.getpwnam(owner).pw_uid
    except (KeyError, ValueError):
        return None


def _text(name: str, content: Any, secret: bool, secret_content: Any, problems: list[Problem]) -> str:
    """The content of a file. A content that cannot be used is not quoted: it may be secret."""
    if secret and content is not None:
        problems.append(Problem(name, "content and secret_contents", "one of them", "remove the content"))
    elif not secret and content is None:
        problems.append(Problem(name, "no content", "content, or its path in secret_contents", 'content: ""'))
    else:
        text = secret_content if secret else content
        if not isinstance(text, str):
            got = f"a {type(text).__name__}"
            problems.append(Problem(f"{name}.content", got, "text", "pass it through to_json or to_nice_yaml"))
        elif not _encodable(text):
            problems.append(Problem(f"{name}.content", "text that is not UTF-8", "UTF-8", "use ansible.builtin.copy"))
        else:
            return text
    return ""


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --------------------------------------------------------------------------
# Comparison
# --------------------------------------------------------------------------


def plan(folders: Sequence[Entry], files: Sequence[Entry]) -> list[Step]:
    """Compare with what is there; nothing is written.

    Args:
        folders: in the order in which they are made; missing parents come before each.
        files: in the order in which they are written.

    Returns:
        What differs, in order.

    Raises:
        ManagedFilesError: one line for each folder or file that cannot be made as declared.
    """
    steps: list[Step] = []
    problems: list[Problem | str] = []
    made: set[Path] = set()
    for entry in [*_with_parents(folders), *files]:
        step = _compared(entry, made, problems)
        if step:
            steps.append(step)
        if entry.text is None:
            made.add(entry.path)
    if problems:
        raise ManagedFilesError(*problems)
    return steps


def _compared(entry: Entry, made: Container[Path], problems: list[Problem | str]) -> Step | None:
    """What to do for one entry, or None; adds why it cannot be done to the problems."""
    try:
        step = Step(entry, _found(entry))
        if step.found is None and entry.path.parent not in made and not entry.path.parent.is_dir():
            problems.append(Problem(str(entry.path), f"no folder {entry.path.parent}", "one", "add it to folders"))
        elif _differs(step):
            _check_rights(step)
            return step
    except ManagedFilesError as error:
        problems += error.problems
    except OSError as error:
        problems += _unusable(entry, error).problems
    return None


def _with_parents(folders: Sequence[Entry]) -> Iterator[Entry]:
    """The folders, and before each its missing parents; these are as the folder unless they are declared too."""
    declared = {entry.path: entry for entry in folders}
    seen = set()
    for entry in folders:
        missing = []
        for parent in entry.path.parents:
            if os.path.lexists(parent):
                break
            missing.append(parent)
        for path in [*reversed(missing), entry.path]:
            if path not in seen:
                seen.add(path)
                yield declared.get(path) or dataclasses.replace(entry, path=path)


def _found(entry: Entry) -> Found | None:
    """What is there now; None also for a folder in the place of a file, which is moved aside when the file is written.

    Raises:
        ManagedFilesError: something of another kind.
        OSError: it cannot be read.
    """
    try:
        status = entry.path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if entry.text is not None and is_folder(entry.path):
        return None
    kind = next((name for test, name in _KINDS if test(status.st_mode)), "a device, pipe or socket")
    if kind != entry.kind:
        raise ManagedFilesError(Problem(str(entry.path), kind, entry.kind, "move it away, or choose another path"))
    content = None
    if entry.text is not None:
        descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            content = stream.read()
    return Found(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode), content)


def _differs(step: Step) -> bool:
    entry, found = step.entry, step.found
    return (
        found is None
        or found.mode != entry.mode
        or found.content != _bytes(entry.text)
        or entry.owner not in (None, found.owner)
    )


def _check_rights(step: Step) -> None:
    """Refuse before anything is written what only root may do.

    Raises:
        ManagedFilesError: this user cannot give it away, or change a folder of another user.
    """
    user, entry = os.geteuid(), step.entry
    if user == 0:
        return
    if entry.owner not in (None, user):
        want = f"{user}, the user of this run"
        raise ManagedFilesError(Problem(f"{entry.path}: owner", str(entry.owner), want, "run it as root"))
    if entry.text is None and step.found and step.found.owner != user:
        want = f"one of {user}, the user of this run"
        raise ManagedFilesError(
            Problem(str(entry.path), f"a folder of user {step.found.owner}", want, "run it as root")
        )


def _unusable(entry: Entry, error: OSError) -> ManagedFilesError:
    """A failed system call as one line."""
    if isinstance(error, WriteError):
        return ManagedFilesError(*error.problems)
    got = f"'{error.strerror or error}'"
    fix = "run it as root" if isinstance(error, PermissionError) else "repair the disk, or choose another path"
    return ManagedFilesError(Problem(str(entry.path), got, f"{entry.kind} that can be read and written", fix))


# --------------------------------------------------------------------------
# Writing
# --------------------------------------------------------------------------


def apply(steps: Iterable[Step], strays: Iterable[Path] = ()) -> None:
    """Set aside what is not declared, then write what differs.

    Raises:
        ManagedFilesError: something could not be renamed or written; what is before it was.
    """
    done: list[str] = []
    renamed = [(Entry(path, 0, text=""), functools.partial(set_aside, path)) for path in strays]
    written = [
        (step.entry, functools.partial(_make_folder if step.entry.text is None else _write_file, step))
        for step in steps
    ]
    for entry, act in [*renamed, *written]:
        try:
            act()
        except OSError as error:
            failure = _unusable(entry, error)
            failure.changed_paths = tuple(done)
            raise failure from error
        done.append(str(entry.path))


def _make_folder(step: Step) -> None:
    entry = step.entry
    if step.found is None:
        entry.path.mkdir(mode=0o700)
    # Through a descriptor, so that a link that took its place is not followed.
    descriptor = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if entry.owner is not None:
            os.fchown(descriptor, entry.owner, _KEEP)
        os.fchmod(descriptor, entry.mode)
    finally:
        os.close(descriptor)


def _write_file(step: Step) -> None:
    group = step.found.group if step.found and os.geteuid() == 0 else _KEEP
    write_atomically(step.entry.path, step.entry.text or "", step.entry.mode, owner=step.owner, group=group)


def manage(options: Mapping[str, Any], *, write: bool) -> dict[str, Any]:
    """Make folders and files as the module's options declare.

    Args:
        options: ``folders``, ``files``, ``secret_contents`` and ``set_aside``.
        write: False only compares.

    Returns:
        ``changed``, ``changed_paths`` and ``diff`` (one entry per path).

    Raises:
        ManagedFilesError: an option, a folder or a file that cannot be used.
    """
    folders, files = read_entries(options["folders"], options["files"], options["secret_contents"])
    steps = plan(folders, files)
    strays = find_strays(options.get("set_aside") or (), [entry.path for entry in files])
    if write:
        apply(steps, strays)
    return {
        "changed": bool(steps or strays),
        "changed_paths": [*map(str, strays), *(str(step.entry.path) for step in steps)],
        "diff": [*map(diff_of_stray, strays), *(step.diff() for step in steps)],
    }
