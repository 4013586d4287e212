# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Runs a module as Ansible does, and shows on the controller the progress that it writes to C(progress_file)."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.utils.display import Display

from ansible_collections.evenkeel.cluster.plugins.plugin_utils.from_source import SourceAction

OPTION = "progress_file"
RESULT = "progress"

_LOCAL = "local"
# Ansible makes its constants at its start, so no type checker knows them.
_FOLDER = "DEFAULT_LOCAL_TMP"
_POLL_SECONDS = 0.1
_BLOCK = 65536


class Tail:
    """Shows each line of a growing file soon after it was written, in its own thread.

    Args:
        descriptor: the file, open for reading; it stays open.
        show: takes a line without its end.
    """

    def __init__(self, descriptor: int, show: Callable[[str], None]) -> None:
        """Prepare; nothing is read yet."""
        self._descriptor = descriptor
        self._show = show
        self._part = b""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="progress", daemon=True)

    def __enter__(self) -> None:
        """Begin to follow."""
        with _signals_kept_from_new_threads():
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Show what is left, and end at once."""
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._over.wait(_POLL_SECONDS):
            self._read()
        self._read()

    def _read(self) -> None:
        while block := os.read(self._descriptor, _BLOCK):
            *lines, self._part = (self._part + block).split(b"\n")
            for line in lines:
                self._show(line.decode(errors="replace"))


@contextlib.contextmanager
def _signals_kept_from_new_threads() -> Iterator[None]:
    """Threads that start here take no signals.

    Python runs signal handlers in the main thread only. If the kernel gives a signal to another thread, the main thread
    goes on waiting for the module, and Ctrl-C would only work after the module's end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class ProgressAction(SourceAction):
    """Base of action plugins that run the module of their name and show its progress.

    On the controller itself, lines are shown while the module runs. The file is made beforehand, so that it can be read
    whichever user the module runs as. On other hosts, or if the module's user cannot write to it, the lines are in the
    result and are shown at the end. Otherwise the result is the same as without this plugin.
    """

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module; its result."""
        plain: Callable[..., dict[str, Any]] = super().run
        if self._quiet():
            return plain(tmp, task_vars)
        show = _shower(task_vars or {})
        with self._followed(show):
            result = plain(tmp, task_vars)
        lines = result.get(RESULT)
        for line in lines if isinstance(lines, list) else ():
            show(str(line))
        _restore_invocation(result)
        return result

    def _quiet(self) -> bool:
        """Whether no lines are shown: nothing happens, nothing may be shown, or the task shows them in its own way."""
        task = self._task
        return bool(
            task.no_log
            or task.check_mode
            or task.async_val
            or task.loop is not None
            or task.args.get(OPTION)
            or Display().verbosity < 0
        )

    @contextlib.contextmanager
    def _followed(self, show: Callable[[str], None]) -> Iterator[None]:
        """Let the module write to a file that is shown meanwhile, if that is possible."""
        if self._connection.transport != _LOCAL:
            yield
            return
        try:
            # Only this user has access to the folder, and Ansible removes it at its end, also after Ctrl-C.
            descriptor, path = tempfile.mkstemp(prefix="progress-", dir=getattr(constants, _FOLDER))
        except OSError:
            yield
            return
        arguments = self._task.args
        self._task.args = {**arguments, OPTION: path}
        try:
            with Tail(descriptor, show):
                yield
        finally:
            self._task.args = arguments
            os.close(descriptor)
            Path(path).unlink(missing_ok=True)


def _shower(task_vars: dict[str, Any]) -> Callable[[str], None]:
    """Shows a line below the task; with the host's name if there are several hosts."""
    several = len(task_vars.get("ansible_play_hosts_all", ())) > 1
    begin = f"  [{task_vars.get('inventory_hostname')}] " if several else "  "
    display = Display()
    return lambda line: display.display(f"{begin}{line}")


def _restore_invocation(result: dict[str, Any]) -> None:
    """Show the option as the task has it: not set."""
    invocation = result.get("invocation")
    arguments = invocation.get("module_args") if isinstance(invocation, dict) else None
    if isinstance(arguments, dict) and OPTION in arguments:
        arguments[OPTION] = None
