"""Numbers that people set: what is taken, and the one line for what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.values import (
    NumberOption,
    boolean,
    decimal_number,
    number_specs,
    of_role,
    parse_duration,
    parse_size,
    read_number,
    read_numbers,
    whole_number,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.options import RECONCILE_NUMBERS

COUNT = NumberOption(0, 1000, 6)
SHARE = NumberOption(0.1, 20_000, 400.0, "-e drill_rate=400")


@pytest.mark.parametrize(
    "number, value, read",
    [
        (COUNT, 3, 3),
        (COUNT, "3", 3),
        (COUNT, 0, 0),
        (COUNT, "1000", 1000),
        (SHARE, 3, 3.0),
        (SHARE, "3", 3.0),
        (SHARE, 0.25, 0.25),
        (SHARE, "0.25", 0.25),
        (SHARE, "20000", 20_000.0),
        (SHARE, "20000.000", 20_000.0),
    ],
)
def test_numbers_are_read(number: NumberOption, value: object, read: float) -> None:
    found, problems = read_numbers({"n": value}, {"n": number})
    assert (found, problems) == ({"n": read}, [])
    assert type(found["n"]) is (int if number is COUNT else float)


NONSENSE = [
    ("abc", "'abc'"),
    ("", "''"),
    ("nan", "'nan'"),
    ("inf", "'inf'"),
    ("-inf", "'-inf'"),
    (float("nan"), "NaN"),
    (float("inf"), "Infinity"),
    (float("-inf"), "-Infinity"),
    ("1_0", "'1_0'"),
    (" 3 ", "' 3 '"),
    ("3\n", r"'3\n'"),
    ("+3", "'+3'"),
    ("-1", "'-1'"),
    (-1, "-1"),
    ("03", "'03'"),
    ("0x3", "'0x3'"),
    ("1e3", "'1e3'"),
    (".5", "'.5'"),
    ("5.", "'5.'"),
    ("1,5", "'1,5'"),
    ("400 # comment", "'400 # comment'"),
    ("\u0663", "'\u0663'"),
    ("\uff13", "'\uff13'"),
    (True, "true"),
    (False, "false"),
    ("true", "'true'"),
    (None, "nothing"),
    ([3], "[3]"),
    ([], "[]"),
    ({"a": 1}, '{"a": 1}'),
    (10**400, "1" + 76 * "0" + "..."),
    ("9" * 500, "'" + 77 * "9" + "...'"),
    (b"3", "\"b'3'\""),
    (3j, '"3j"'),
]


@pytest.mark.parametrize("value, shown", NONSENSE)
def test_nonsense_is_one_line(value: object, shown: str) -> None:
    found, problems = read_numbers({"events": value, "rate": value}, {"events": COUNT, "rate": SHARE})
    assert found == {}
    assert problems == [
        f"events: got {shown}, want a whole number from 0 to 1000 (fix: events: 6)",
        f"rate: got {shown}, want a number from 0.1 to 20000 (fix: -e drill_rate=400)",
    ]


@pytest.mark.parametrize(
    "number, value, want",
    [
        (COUNT, 1001, "a whole number from 0 to 1000"),
        (COUNT, 2.5, "a whole number from 0 to 1000"),
        (COUNT, "2.5", "a whole number from 0 to 1000"),
        (COUNT, 3.0, "a whole number from 0 to 1000"),
        (SHARE, 0.09, "a number from 0.1 to 20000"),
        (SHARE, "20000.1", "a number from 0.1 to 20000"),
        (NumberOption(0, 2_000_000, 0.0), "2000001", "a number from 0 to 2000000"),
    ],
)
def test_numbers_out_of_range_are_refused(number: NumberOption, value: object, want: str) -> None:
    found, problems = read_numbers({"n": value}, {"n": number})
    assert found == {}
    assert [problem.partition(" (fix: ")[0].partition(", want ")[2] for problem in problems] == [want]


def test_all_are_told_in_one_pass_and_the_good_ones_read() -> None:
    numbers = {"a": COUNT, "b": COUNT, "c": SHARE}
    found, problems = read_numbers({"a": "x", "b": "2", "c": "y"}, numbers)
    assert found == {"b": 2}
    assert [problem.partition(":")[0] for problem in problems] == ["a", "c"]


def test_a_role_mends_them_by_its_variables() -> None:
    numbers = of_role("node_pool", RECONCILE_NUMBERS)
    _found, problems = read_numbers(dict.fromkeys(numbers, "abc"), numbers)
    assert problems == [
        "workers: got 'abc', want a whole number from 1 to 64 (fix: -e node_pool_workers=8)",
        "surge_percent: got 'abc', want a whole number from 1 to 100 (fix: -e node_pool_surge_percent=25)",
        "ready_timeout: got 'abc', want a whole number from 1 to 3600 (fix: -e node_pool_ready_timeout=60)",
        "lock_timeout: got 'abc', want a whole number from 0 to 86400 (fix: -e node_pool_lock_timeout=300)",
    ]


def test_ansible_converts_where_it_is_asked_to() -> None:
    assert number_specs({"n": COUNT, "m": SHARE}, raw=False) == {
        "n": {"type": "int", "default": 6},
        "m": {"type": "float", "default": 400.0},
    }


@pytest.mark.parametrize(
    "value, number, read",
    [
        ("3", COUNT, "3"),
        (3, SHARE, "3.0"),
        ("x", COUNT, "n: got 'x', want a whole number from 0 to 1000 (fix: n: 6)"),
        (0, SHARE, "n: got 0, want a number from 0.1 to 20000 (fix: -e drill_rate=400)"),
        (
            2,
            NumberOption(1e-12, 0.5, 1e-6),
            "n: got 2, want a number from 1e-12 to 0.5 (fix: n: 1e-06)",
        ),
    ],
)
def test_one_number_is_read_or_told(value: object, number: NumberOption, read: str) -> None:
    assert str(read_number("n", value, number)) == read


@pytest.mark.parametrize(
    "value, whole, decimal",
    [
        (0, 0, 0),
        (7, 7, 7),
        ("7", 7, 7.0),
        ("999999999", 999_999_999, 999_999_999.0),
        ("9999999999", None, None),
        (-1, None, -1),
        (2.5, None, 2.5),
        ("2.5", None, 2.5),
        ("2.5\n", None, None),
        ("7 ", None, None),
        (True, None, None),
        (None, None, None),
    ],
)
def test_whole_and_decimal_numbers(value: object, whole: int | None, decimal: float | None) -> None:
    assert whole_number(value) == whole
    assert decimal_number(value) == decimal


@pytest.mark.parametrize(
    "value, read",
    [
        (True, True),
        (False, False),
        ("true", True),
        ("Yes", True),
        ("FALSE", False),
        ("no", False),
        ("on", None),
        ("", None),
        (" true", None),
        (1, None),
        (0, None),
        (None, None),
    ],
)
def test_flags(value: object, read: bool | None) -> None:
    assert boolean(value) is read


@pytest.mark.parametrize(
    "value, size",
    [
        (1, 1),
        ("1", 1),
        ("5b", 5),
        ("2k", 2048),
        ("2K", 2048),
        ("256m", 256 * 1024**2),
        ("1g", 1024**3),
        (2**60 - 1, 2**60 - 1),
        (2**60, None),
        ("999999999999g", None),
        (0, None),
        ("0", None),
        ("0m", None),
        (-1, None),
        ("1.5g", None),
        ("1gb", None),
        ("1 g", None),
        ("g", None),
        ("1g\n", None),
        (True, None),
        (1.0, None),
        (None, None),
    ],
)
def test_sizes(value: object, size: int | None) -> None:
    assert parse_size(value) == size


def test_options_are_raw_so_that_ansible_converts_nothing() -> None:
    assert number_specs({"n": COUNT, "m": SHARE}) == {
        "n": {"type": "raw", "default": 6},
        "m": {"type": "raw", "default": 400.0},
    }


@given(st.one_of(st.text(), st.floats(), st.integers(), st.binary(), st.none(), st.lists(st.integers())))
def test_whatever_comes_is_a_number_in_range_or_one_line(value: object) -> None:
    found, problems = read_numbers({"n": value}, {"n": SHARE})
    if problems:
        assert len(problems[0].splitlines()) == 1
        assert found == {}
    else:
        assert SHARE.low <= found["n"] <= SHARE.high


@pytest.mark.parametrize(
    "written, seconds",
    [("30s", 30), ("1h30m", 5400), ("500ms", 0.5), ("1m0.5s", 60.5), (300, 300), ("45", 45), ("0s", 0), (0, 0)],
)
def test_times_as_traefik_reads_them(written: object, seconds: float) -> None:
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize("written", ["", "s", "-1s", "1 s", "1d", "1s ", "1.s", "1e3s", "3\n", True, None, 1.5, [], -1])
def test_what_is_no_time(written: object) -> None:
    assert parse_duration(written) is None
