"""The callback that closes a run with the time per stage and the summary."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.callback import stages


class Run:
    """A run of Ansible as the callback sees it, on a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.printed: list[str] = []
        monkeypatch.setattr(stages, "time", SimpleNamespace(monotonic=lambda: self.now))
        display = SimpleNamespace(
            verbosity=0, banner=lambda title: self.printed.append(f"[{title}]"), display=self.printed.append
        )
        self.callback = stages.CallbackModule(display=display)

    def play(self, name: str) -> None:
        self.callback.v2_playbook_on_play_start(SimpleNamespace(get_name=lambda: name))

    def task(self, seconds: float, role: str | None = None, handler: bool = False) -> None:
        task = SimpleNamespace(_role=SimpleNamespace(get_name=lambda: role) if role else None)
        if handler:
            self.callback.v2_playbook_on_handler_task_start(task)
        else:
            self.callback.v2_playbook_on_task_start(task, is_conditional=False)
        self.now += seconds

    def end(self, **custom: Any) -> list[str]:
        self.callback.v2_playbook_on_stats(SimpleNamespace(custom={"_run": custom} if custom else {}))
        return self.printed


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(monkeypatch)


def test_time_is_added_up_per_role_in_the_order_of_their_first_task(run: Run) -> None:
    run.play("Bring up the cluster")
    run.task(1.0, role="cluster")
    run.task(100.0, role="app_images")
    run.task(0.5, role="cluster")
    run.task(2.5, role="app_images", handler=True)
    assert run.end() == [
        "[STAGES]",
        "cluster       1.5 s",
        "app_images  102.5 s",
        "total       104.0 s",
    ]


def test_tasks_outside_of_roles_count_for_their_play(run: Run) -> None:
    run.play("First\n")
    run.task(1.0)
    run.play("Second")
    run.task(2.0)
    assert run.end() == ["[STAGES]", "First   1.0 s", "Second  2.0 s", "total   3.0 s"]


@pytest.mark.parametrize("tasks", [0, 1, 3])
def test_a_run_of_less_than_two_stages_prints_nothing(run: Run, tasks: int) -> None:
    run.play("Only")
    for _ in range(tasks):
        run.task(1.0)
    assert run.end() == []


def test_summary_comes_last(run: Run) -> None:
    run.play("Play")
    run.task(1.0, role="cluster")
    run.task(1.0, role="evidence")
    printed = run.end(cluster_summary=["Web  http://localhost:8080/", 3])
    assert printed[-4:] == ["total     2.0 s", "[SUMMARY]", "Web  http://localhost:8080/", "3"]


def test_summary_is_printed_without_a_table_too(run: Run) -> None:
    assert run.end(cluster_summary=["lines"]) == ["[SUMMARY]", "lines"]


@pytest.mark.parametrize("custom", [{}, {"other": ["lines"]}, {"cluster_summary": "text"}])
def test_statistics_without_a_list_of_lines_are_no_summary(run: Run, custom: dict[str, Any]) -> None:
    assert run.end(**custom) == []


def test_advice_comes_below_the_summary_once(run: Run) -> None:
    printed = run.end(cluster_summary=["up"], cluster_advice=["live-restore: off", "x", "live-restore: off"])
    assert printed == ["[SUMMARY]", "up", "[ADVICE]", "live-restore: off", "x"]


def test_advice_without_a_summary(run: Run) -> None:
    assert run.end(cluster_advice=["live-restore: off"]) == ["[ADVICE]", "live-restore: off"]
