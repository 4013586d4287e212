"""How restarts are judged: what is good, and the figures per kind."""

from __future__ import annotations

import pytest
from tests.bench import boot
from tests.bench.boot import Round

GOOD = {"serves": 2.0, "down": 5.0, "whole": 3.0}


@pytest.mark.parametrize(
    "differs, good",
    [
        ({}, True),
        ({"serves": 10.0}, True),
        ({"serves": 10.1}, False),
        ({"serves": None}, False),
        ({"whole": None}, False),
        ({"moved": 1}, False),
        ({"problems": ("got ['static-1'] stopped, want []",)}, False),
    ],
)
def test_a_restart_is_good_when_all_is_back_in_time(differs: dict[str, object], good: bool) -> None:
    assert Round("kill", live=False, **{**GOOD, **differs}).good is good  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values, expected",
    [
        ([], None),
        ([3.0], 3.0),
        ([1.0, None], None),
        ([float(number) for number in range(1, 21)], 19.0),
        ([float(number) for number in range(1, 101)], 95.0),
        ([2.0, 1.0], 2.0),
    ],
)
def test_the_95th_percentile_is_a_value_that_was_measured(values: list[float | None], expected: float | None) -> None:
    assert boot.p95(values) == expected


def test_each_kind_has_a_row_with_live_restore_and_without() -> None:
    rounds = [
        Round("kill", live=True, serves=1.0, down=2.0, whole=1.5),
        Round("kill", live=True, serves=3.0, down=4.0, whole=3.5, moved=2),
        Round("kill", live=False, serves=None),
        Round("reboot", live=False, serves=9.0, down=30.0, whole=12.0),
    ]
    assert boot.rows(rounds) == [
        ["kill, live-restore on", "1 of 2", 3.0, 3.5, 4.0, 2],
        ["kill, live-restore off", "0 of 1", None, None, None, 0],
        ["reboot, live-restore off", "1 of 1", 9.0, 12.0, 30.0, 0],
    ]
