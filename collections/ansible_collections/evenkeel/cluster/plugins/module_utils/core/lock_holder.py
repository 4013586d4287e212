# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What holds the cluster's lock: the note in its file, compared with the kernel's list of locks.

The note alone may be wrong: a killed holder leaves its note behind, and a user with read access only cannot write one.
The list alone is not enough: it has only a number, and no process outside of this PID namespace and those below it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .errors import printable

_NOTE_BYTES = 4096
_TEXT_LENGTH = 200
_LAST_PID = 2**22
_LAST_SECOND = 2**33


@dataclass(frozen=True)
class Holder:
    """What holds the lock, as far as this process can know. ``str()`` gives it in words."""

    #: User name, or ``uid 1234``; empty when nothing is known.
    user: str = ""
    #: What it does, for example ``node_pool`` or ``console: alice, roll static``; empty when it left no note.
    what: str = ""
    #: Its host name; in a container, the container's; empty when it left no note.
    host: str = ""
    #: Seconds since the epoch; None when it left no note.
    since: float | None = None
    #: Its process ID in its own PID namespace.
    pid: int | None = None
    #: Its process ID in this PID namespace; None when it is not visible here and only its note is known.
    pid_here: int | None = None

    def __str__(self) -> str:
        """Name it on one line."""
        if not self.user:
            return "a process that cannot be seen from here and left no note"
        parts = [self._place()]
        if self.since is not None:
            parts.append(f"since {_clock_text(self.since)}")
        parts.append(self.what or "no note of what it does")
        return f"{self.user} ({', '.join(parts)})"

    def _place(self) -> str:
        if self.pid_here is None:
            return f"process {self.pid} on {self.host} in another PID namespace, by its own note"
        if not self.host:
            return f"process {self.pid_here}"
        if self.pid_here == self.pid:
            return f"process {self.pid} on {self.host}"
        return f"process {self.pid_here} here, {self.pid} on {self.host}"


def sign(descriptor: int, what: str) -> None:
    """Write a note about this process into the locked file, for processes that wait.

    Args:
        descriptor: the file, locked.
        what: what this process does.
    """
    note = {
        "user": _user_name(os.geteuid()),
        "pid": os.getpid(),
        "started": _started("self"),
        "namespace": _pid_namespace(),
        "host": os.uname().nodename,
        "since": round(time.time(), 3),
        "what": what[:_TEXT_LENGTH],
    }
    _write(descriptor, json.dumps(note).encode() + b"\n")


def clear(descriptor: int) -> None:
    """Remove this process's note from the file, which is still locked."""
    _write(descriptor, b"")


def _write(descriptor: int, text: bytes) -> None:
    """Replace the note. Best effort: the file may be another user's, or the disk full.

    The old text is cut off last, so that a reader never gets half a note.
    """
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, text, 0)
        os.ftruncate(descriptor, len(text))


@dataclass(frozen=True)
class _Note:
    """What the file says, and what identifies its writer; notes of an earlier version lack the latter."""

    holder: Holder
    namespace: object
    started: object


def _read_note(descriptor: int) -> _Note | None:
    """The note in the file; None when it has none that can be used."""
    line = os.pread(descriptor, _NOTE_BYTES, 0).partition(b"\n")[0]
    try:
        note = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(note, dict):
        return None
    pid = _number(note.get("pid"), _LAST_PID)
    if pid is None or not note.get("user"):
        return None
    holder = Holder(
        user=_text(note["user"]),
        what=_text(note.get("what", "")),
        host=_text(note.get("host", "")),
        since=_number(note.get("since"), _LAST_SECOND),
        pid=int(pid),
    )
    return _Note(holder, note.get("namespace"), note.get("started"))


def _text(value: object) -> str:
    return printable(str(value))[:_TEXT_LENGTH]


def _number(value: Any, most: int) -> float | None:
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= most
    return value if usable else None


def read_holder(descriptor: int) -> Holder:
    """What holds the file, which this process found locked."""
    note = _read_note(descriptor)
    seen = _locking_pid(os.fstat(descriptor))
    if note is None:
        return Holder() if seen is None else _unsigned(seen)
    if seen is not None:
        # The note of a killed holder stays until the next holder writes. If /proc hides the process, only its ID can be
        # compared.
        hidden = _started(str(seen)) is None
        same = seen == note.holder.pid if hidden else _wrote(seen, note)
        return replace(note.holder, pid_here=seen) if same else _unsigned(seen)
    if note.namespace not in (None, _pid_namespace()):
        return note.holder
    # The list may show another device number for some file systems, so the lock is not found; then the note counts if
    # its process still runs.
    pid = note.holder.pid
    return replace(note.holder, pid_here=pid) if pid is not None and _wrote(pid, note) else Holder()


def _unsigned(pid: int) -> Holder:
    try:
        user = _user_name(os.stat(f"/proc/{pid}").st_uid)
    except OSError:
        user = "a user not known here"
    return Holder(user=user, pid=pid, pid_here=pid)


def _locking_pid(file: os.stat_result) -> int | None:
    """ID, in this PID namespace, of the process that locked the file; None when it is not visible here."""
    wanted = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    try:
        listed = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return None
    for line in listed.splitlines():
        # 1: FLOCK  ADVISORY  WRITE 3194 fe:00:1482821 0 EOF
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == wanted:
            return int(fields[4])
    return None


def _wrote(pid: int, note: _Note) -> bool:
    """Whether this process, by its ID in this PID namespace, left the note.

    IDs of processes and of namespaces are used again (the first process of any container is 1), so the time at which
    the process started is compared as well.
    """
    started = _started(str(pid))
    return started is not None and note.started in (None, started) and _own_number(pid) == note.holder.pid


def _started(process: str) -> int | None:
    """When the process started, in ticks since boot; None when there is none."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in brackets, which may contain spaces and brackets.
    return int(text.rpartition(")")[2].split()[19])


def _own_number(pid: int) -> int:
    """The process's ID in its own PID namespace: the innermost of its IDs."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return pid
    numbers = next((line for line in status.splitlines() if line.startswith("NSpid:")), "").split()[1:]
    return int(numbers[-1]) if numbers else pid


def _pid_namespace() -> int | None:
    """The number of this process's PID namespace; None without /proc."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return None


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        # Containers often run as a user ID without a passwd entry.
        return f"uid {uid}"


def _clock_text(seconds: float) -> str:
    """The time of day, with the date unless it is today."""
    then, today = time.localtime(seconds), time.localtime()
    return time.strftime("%H:%M:%S" if then[:3] == today[:3] else "%Y-%m-%d %H:%M:%S", then)
