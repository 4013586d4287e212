"""Real processes that take a cluster's lock: as another user, or in a PID namespace of their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

COLLECTIONS = Path(__file__).parents[2] / "collections"
ROOT = os.geteuid() == 0

#: A user that no passwd file lists.
NUMERIC = 61_234

#: Runs a program as the first process of a new PID namespace, which ends when its parent does.
_OTHER_NAMESPACE = [
    "unshare",
    *([] if ROOT else ["--user", "--map-root-user"]),
    "--pid",
    "--fork",
    "--mount-proc",
    "--kill-child=SIGKILL",
]

# Everything is imported before the user changes, because it may not read the interpreter's folder.
_BEGIN = """
import os, random, sys, time
from pathlib import Path
from ansible_collections.evenkeel.cluster.plugins.module_utils.core import lock as locking
if int(sys.argv[1]):
    os.setgroups([])
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[1]))
"""

# Holds the lock until its input ends.
_HOLD = (
    _BEGIN
    + """
with locking.cluster_lock(sys.argv[2], sys.argv[3], 5):
    print("held", flush=True)
    sys.stdin.read()
"""
)

# Says why it does not get the lock.
_TRY = (
    _BEGIN
    + """
if sys.argv[3]:
    locking.lock_path = lambda cluster: Path(sys.argv[3])
try:
    with locking.cluster_lock(sys.argv[2], "other run", 0):
        print("held")
except locking.LockBusyError as error:
    print(error)
"""
)

# Takes the lock again and again, and counts how often another was in the critical section as well.
_VISIT = (
    _BEGIN
    + """
inside, two = Path(sys.argv[3]), 0
for _ in range(int(sys.argv[4])):
    with locking.cluster_lock(sys.argv[2], "visitor", 60, sleep=lambda seconds: time.sleep(0.001)):
        try:
            inside.touch(exist_ok=False)
        except FileExistsError:
            two += 1
        else:
            time.sleep(random.random() * 0.002)
            inside.unlink()
print(two)
"""
)

# Removes the lock's file again and again until its input ends: under the lock, or as `rm` would.
_TEAR_DOWN = (
    _BEGIN
    + """
import threading
removed, ended = 0, threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set())).start()
while not ended.is_set():
    if sys.argv[3] == "discard":
        removed += locking.discard_lock(sys.argv[2])
    elif locking.lock_path(sys.argv[2]).exists():
        locking.lock_path(sys.argv[2]).unlink()
        removed += 1
    time.sleep(random.random() * 0.001)
print(removed)
"""
)


def _popen(script: str, *arguments: object, uid: int | None = None, apart: bool = False) -> subprocess.Popen[str]:
    prefix = [*_OTHER_NAMESPACE] if apart else []
    if uid is not None and not ROOT:
        prefix = ["unshare", "--user", f"--map-user={uid}"]
    command = [*prefix, sys.executable, "-c", script, str(uid or 0) if ROOT else "0", *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
    )


@contextlib.contextmanager
def holding(
    cluster: str, what: str = "test run", *, uid: int | None = None, apart: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the lock.

    Args:
        cluster: whose lock.
        what: what it says it does.
        uid: as which user; None for this one.
        apart: in a PID namespace of its own.
    """
    with _popen(_HOLD, cluster, what, uid=uid, apart=apart) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            # Dead before its input ends, so that it does not end by itself.
            process.kill()
            process.wait()


def tried(cluster: str, path: Path | None = None, *, uid: int | None = None, apart: bool = False) -> str:
    """What another process says that tries to take the lock: ``held``, or why not."""
    with _popen(_TRY, cluster, path or "", uid=uid, apart=apart) as process:
        try:
            return process.communicate(timeout=30)[0].strip()
        finally:
            process.kill()


def two_at_once(cluster: str, inside: Path, teardown: str, visitors: int, visits: int) -> tuple[int, int]:
    """Let processes take the lock in turn while another removes its file.

    Args:
        cluster: whose lock.
        inside: a file that is there while a process holds the lock.
        teardown: ``discard`` removes it under the lock, ``unlink`` in any case.
        visitors: how many processes.
        visits: how often each.

    Returns:
        How often two held the lock at once, and how often the file was removed.
    """
    with _popen(_TEAR_DOWN, cluster, teardown) as remover:
        running = [_popen(_VISIT, cluster, inside, visits) for _ in range(visitors)]
        two = sum(int(process.communicate(timeout=200)[0]) for process in running)
        return two, int(remover.communicate(timeout=60)[0])
