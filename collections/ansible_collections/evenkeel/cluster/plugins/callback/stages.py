# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Callback that closes a run with the elapsed time per stage and the cluster's summary."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stages
type: aggregate
short_description: Elapsed time per stage and the summary of the run
version_added: 0.1.0
description:
  - Prints after the recap how long each stage took. A stage is a role, or a play for its tasks outside of roles.
    A stage that occurs several times is one line with its total.
  - Prints as last lines the custom statistic C(cluster_summary), a list of strings that a play sets with
    M(ansible.builtin.set_stats), so that the result stays on the screen. Below it, once each, the lines of
    C(cluster_advice).
  - A run with a single stage prints no table.
author:
  - Evenkeel contributors (!UNKNOWN)
requirements:
  - Enable it in the configuration.
"""

import time
from typing import Any

from ansible.plugins.callback import CallbackBase


class StageClock:
    """Add up the time spent in named stages that follow one another."""

    def __init__(self) -> None:
        """Start with no stage."""
        self.seconds: dict[str, float] = {}
        self._stage: str | None = None
        self._since = 0.0

    def enter(self, stage: str | None, now: float) -> None:
        """End the stage that runs and begin another.

        Args:
            stage: name of the stage that begins, or None to end only.
            now: clock reading in seconds.
        """
        if self._stage is not None:
            self.seconds[self._stage] += now - self._since
        if stage is not None:
            self.seconds.setdefault(stage, 0.0)
        self._stage = stage
        self._since = now


def table(seconds: dict[str, float]) -> list[str]:
    """Render stages and their total as aligned lines.

    Args:
        seconds: elapsed seconds per stage, in the order to print.

    Returns:
        One line per stage and a line with the total.
    """
    rows = {**seconds, "total": sum(seconds.values())}
    names = max(len(name) for name in rows)
    figures = max(len(f"{value:.1f}") for value in rows.values())
    return [f"{name:<{names}}  {value:>{figures}.1f} s" for name, value in rows.items()]


class CallbackModule(CallbackBase):
    """Time stages while the run goes on; print at its end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "evenkeel.cluster.stages"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start with no stage."""
        super().__init__(*args, **kwargs)
        self._clock = StageClock()
        self._play = ""

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Remember the play: it is the stage of its tasks outside of roles."""
        self._play = play.get_name().strip()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Enter the task's stage."""
        self._enter(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Enter the handler's stage."""
        self._enter(task)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Print the table and the summary below the recap."""
        self._clock.enter(None, time.monotonic())
        if len(self._clock.seconds) > 1:
            self._print("STAGES", table(self._clock.seconds))
        custom = stats.custom.get("_run", {})
        lines, advice = (custom.get(name) for name in ("cluster_summary", "cluster_advice"))
        if isinstance(lines, list):
            self._print("SUMMARY", [str(line) for line in lines])
        if isinstance(advice, list):
            self._print("ADVICE", list(dict.fromkeys(map(str, advice))))

    def _enter(self, task: Any) -> None:
        """Enter the stage that a task belongs to."""
        # Only this attribute tells a callback the task's role; Ansible's own callbacks use it as well.
        role = task._role
        self._clock.enter(role.get_name() if role else self._play, time.monotonic())

    def _print(self, title: str, lines: list[str]) -> None:
        """Print lines under a banner, as the recap has one."""
        self._display.banner(title)
        for line in lines:
            self._display.display(line)
