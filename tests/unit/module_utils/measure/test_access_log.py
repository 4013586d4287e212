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
    assert parse_log(lines, "run-") == [LogLine("run-1", 200, "web-1:8080", 0), LogLine("run-2", 502, "web-1:8080", 2)]


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


@pytest.mark.parametrize("how", ["emptied", "removed"])
def test_a_log_that_was_rotated_is_not_compared_and_not_waited_for(log: Path, how: str) -> None:
    append(log, line("run-0"))

    def rotate(_turn: int) -> None:
        if how == "emptied":
            log.write_text("")
        else:
            log.unlink()

    clock = Writer(rotate)
    reader = AccessLogReader(log, "run-", clock)
    assert reader.read(1) is None
    assert len(clock.slept) == 1
    assert "rotated" in reader.problem
