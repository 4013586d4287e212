"""Our requests in the balancer's access log, without real waits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes.clock import VirtualClock

from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.access_log import (
    AccessLogReader,
    LogLine,
    parse_log,
)


def line(key: str, status: int = 200, **more: Any) -> str:
    item = {"request_X-Request-Id": key, "DownstreamStatus": status, "ServiceAddr": "web-1:8080", **more}
    return json.dumps(item) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.touch()
    return path


class Writer(VirtualClock):
    """Does something each time the reader waits."""

    def __init__(self, step: Callable[[int], None]) -> None:
        super().__init__()
        self.step = step

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.step(len(self.slept))


def append(path: Path, text: str) -> None:
    with path.open("a") as stream:
        stream.write(text)


def test_only_our_lines_are_taken() -> None:
    lines = [
        line("run-1"),
        line("run-2", 502, RetryAttempts=2),
        line("other-run-1"),
        line("-"),
        '{"request_X-Request-Id": "run-3"',  # cut off by rotation
        '{"RequestPath": "/run-4"}',
        '{"request_X-Request-Id": "run-5", "DownstreamStatus": null}',
        "",
    ]
    assert parse_log(lines, "run-") == [LogLine("run-1", 200, "web-1:8080"), LogLine("run-2", 502, "web-1:8080")]


def test_only_what_was_added_is_read(log: Path) -> None:
    append(log, line("run-0"))
    reader = AccessLogReader(log, "run-", VirtualClock())
    append(log, line("run-1"))
    assert [item.key for item in reader.read(1) or []] == ["run-1"]


def test_lines_that_are_still_to_come_are_waited_for(log: Path) -> None:
    clock = Writer(lambda turn: append(log, line(f"run-{turn}")))
    assert [item.key for item in AccessLogReader(log, "run-", clock).read(3) or []] == ["run-1", "run-2", "run-3"]
    assert len(clock.slept) == 3


def test_lines_that_do_not_come_are_not_waited_for_for_ever(log: Path) -> None:
    clock = VirtualClock()
    append(log, line("run-0"))
    reader = AccessLogReader(log, "run-", clock)
    append(log, line("run-1"))
    assert [item.key for item in reader.read(2) or []] == ["run-1"]
    assert clock.now() == pytest.approx(1005)


def test_a_log_that_is_not_there_is_not_compared(tmp_path: Path) -> None:
    reader = AccessLogReader(tmp_path / "none", "run-", VirtualClock())
    assert reader.read(1) is None
    assert reader.problem == f"access log not compared: got no {tmp_path}/none"


def rotate(log: Path, keep: int = 3) -> None:
    """As the edge does it: copied and emptied in place."""
    for number in range(keep - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.rename(log.with_name(f"{log.name}.{number + 1}"))
    log.with_name(f"{log.name}.1").write_text(log.read_text())
    log.write_text("")


@pytest.mark.parametrize("before", ["", line("run-0"), line("other-1") * 20])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_log_that_is_rotated_during_the_measurement_is_read_as_a_whole(log: Path, before: str, turns: int) -> None:
    """Also when the new log has become as long as the old one was."""
    append(log, before)
    reader = AccessLogReader(log, "run-1", VirtualClock())
    wanted = []
    for turn in range(turns + 1):
        keys = [f"run-1{turn}{number}" for number in range(5)]
        for key in keys:
            append(log, line(key, StartUTC=str(turn)))
        append(log, line(f"other-{turn}") * 25)
        wanted += keys
        if turn < turns:
            rotate(log)
    assert [item.key for item in reader.read(len(wanted)) or []] == wanted


def test_a_line_that_is_just_being_copied_counts_once(log: Path) -> None:
    reader = AccessLogReader(log, "run-", VirtualClock())
    append(log, line("run-1") + line("run-2"))
    log.with_name("access.log.1").write_text(line("run-1"))
    assert [item.key for item in reader.read(2) or []] == ["run-1", "run-2"]


def test_a_log_that_is_removed_is_not_compared_and_not_waited_for(log: Path) -> None:
    append(log, line("run-0"))
    clock = Writer(lambda _turn: log.unlink())
    reader = AccessLogReader(log, "run-", clock)
    assert reader.read(1) is None
    assert len(clock.slept) == 1
    assert reader.problem == f"access log not compared: got No such file or directory for {log}"
