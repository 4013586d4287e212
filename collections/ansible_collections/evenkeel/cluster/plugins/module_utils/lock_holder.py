# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What holds the cluster's lock: the note in its file, compared with the kernel's list of locks.

The note alone may lie: a killed holder leaves its note behind, and a user who may only read the file cannot write one.
The list alone is not enough: it knows a number only, and no process outside of this PID namespace and those below it.
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

from .cluster_spec import printable

_NOTE_BYTES = 4096
_TEXT_LENGTH = 200
_LAST_PID = 2**22
_LAST_SECOND = 2**33


@dataclass(frozen=True)
class Holder:
    """What holds the lock, as far as it can be known here. ``str()`` gives it in words."""

    #: User name, or ``uid 1234``; empty when nothing is known.
    user: str = ""
    #: What it does, for example ``node_pool`` or ``console: alice, roll static``; empty when it left no note.
    what: str = ""
    #: Host name, in a container that of the container; empty when it left no note.
    host: str = ""
    #: Seconds since the epoch; None when it left no note.
    since: float | None = None
    #: The process as it counts itself.
    pid: int | None = None
    #: The process as it is counted here; None when it cannot be seen from here, so that only its note speaks.
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
    """Leave this process's name in the locked file, for those that wait.

    Args:
        descriptor: the file, locked.
        what: what this process does.
    """
    note = {
        "user": _user_name(os.geteuid()),
        "pid": os.getpid(),
        "namespace": _pid_namespace("self"),
        "host": os.uname().nodename,
        "since": round(time.time(), 3),
        "what": what[:_TEXT_LENGTH],
    }
    _write(descriptor, json.dumps(note).encode() + b"\n")


def clear(descriptor: int) -> None:
    """Take this process's name out of the file, which is still locked."""
    _write(descriptor, b"")


def _write(descriptor: int, text: bytes) -> None:
    """Replace the note. Best effort: the file may be another user's, or the disk full.

    The old text is cut off last, so that a reader never meets half a note.
    """
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, text, 0)
        os.ftruncate(descriptor, len(text))


def _read_note(descriptor: int) -> tuple[Holder, int | None] | None:
    """What the file says, and the PID namespace of its writer; None when it says nothing usable."""
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
    namespace = note.get("namespace")
    holder = Holder(
        user=_text(note["user"]),
        what=_text(note.get("what", "")),
        host=_text(note.get("host", "")),
        since=_number(note.get("since"), _LAST_SECOND),
        pid=int(pid),
    )
    return holder, namespace if isinstance(namespace, int) else None


def _text(value: object) -> str:
    return printable(str(value))[:_TEXT_LENGTH]


def _number(value: Any, most: int) -> float | None:
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= most
    return value if usable else None


def read_holder(descriptor: int) -> Holder:
    """What holds the file, which this process found locked."""
    found = _read_note(descriptor)
    seen = _locking_pid(os.fstat(descriptor))
    if found is None:
        return Holder() if seen is None else _unsigned(seen)
    note, namespace = found
    if seen is not None:
        # The note of a killed holder stays until the next one writes.
        return replace(note, pid_here=seen) if _wrote(seen, note, namespace) else _unsigned(seen)
    if namespace not in (None, _pid_namespace("self")):
        return note
    # The list shows no locks of file systems that count devices in their own way; a dead process holds none.
    return replace(note, pid_here=note.pid) if Path(f"/proc/{note.pid}").exists() else Holder()


def _unsigned(pid: int) -> Holder:
    try:
        user = _user_name(os.stat(f"/proc/{pid}").st_uid)
    except OSError:
        user = "a user not known here"
    return Holder(user=user, pid=pid, pid_here=pid)


def _locking_pid(file: os.stat_result) -> int | None:
    """The process that locked the file, as this PID namespace counts it; None when it cannot be seen from here."""
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


def _wrote(pid: int, note: Holder, namespace: int | None) -> bool:
    """Whether the process, numbered as here, is the one that the note names by its own number and namespace."""
    theirs = _pid_namespace(str(pid))
    if theirs is not None and namespace is not None and theirs != namespace:
        return False
    return _own_number(pid) == note.pid


def _own_number(pid: int) -> int:
    """How the process counts itself: the innermost of its PIDs."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return pid
    numbers = next((line for line in status.splitlines() if line.startswith("NSpid:")), "").split()[1:]
    return int(numbers[-1]) if numbers else pid


def _pid_namespace(process: str) -> int | None:
    """The number of a process's PID namespace; None when this user may not know it."""
    try:
        return os.stat(f"/proc/{process}/ns/pid").st_ino
    except OSError:
        return None


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        # Containers often run as a number that no passwd file lists.
        return f"uid {uid}"


def _clock_text(seconds: float) -> str:
    """The time of day, with the date unless it is today's."""
    then, today = time.localtime(seconds), time.localtime()
    return time.strftime("%H:%M:%S" if then[:3] == today[:3] else "%Y-%m-%d %H:%M:%S", then)
