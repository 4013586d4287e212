"""A failed build's first line says why; the end of its log follows."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.filter.build_failure import build_failure

REF = "res/web:aaaaaaaaaaaa"
HEAD = "Error building res/web - code: 100, message: "


def message(error: str, log: list[str]) -> str:
    return f"{HEAD}{error}, logs: {log}"


def first(text: str) -> str:
    return text.splitlines()[0]


def log(text: str) -> list[str]:
    return text.splitlines()[1:]


def test_the_whole_text() -> None:
    text = build_failure(message("no such package", ["Step 1/2 : FROM base\n", "\n", " ---> 0a1b\n"]), REF)
    assert text == (
        f"Image {REF}: got 'no such package', want it built (fix: mend its Dockerfile, or what it downloads from)."
        " The build ended with:\nStep 1/2 : FROM base\n---> 0a1b"
    )


@pytest.mark.parametrize(
    "entries,lines",
    [
        (["a\n", "b\n"], ["a", "b"]),
        (["it's\n", 'say "no"\n'], ["it's", 'say "no"']),
        (["""both ' and "\n"""], ["""both ' and \""""]),
        (["a', 'b\n", 'c", "d'], ["a', 'b", 'c", "d']),
        (["one\ntwo\n"], ["one", "two"]),
        (["10%\r100%\r\n"], ["10%", "100%"]),
        (["back\\slash \\n\n"], ["back\\slash \\n"]),
        (["\x1b[31mred\x1b[0m\x07\n"], ["red"]),
        (["Gr\u00fc\u00dfe \u2714\n"], ["Gr\u00fc\u00dfe \u2714"]),
        (["x, logs: ['y']\n"], ["x, logs: ['y']"]),
        (["  \n", "\n", ""], []),
        ([], []),
    ],
)
def test_log_lines(entries: list[str], lines: list[str]) -> None:
    text = build_failure(message("failed", entries), REF)
    assert "got 'failed', want it built" in first(text)
    assert log(text) == lines
    assert first(text).endswith("The build ended with:") == bool(lines)


def test_only_the_end_of_a_long_log() -> None:
    text = build_failure(message("failed", [f"line {number}\n" for number in range(40)]), REF)
    assert log(text) == [f"line {number}" for number in range(25, 40)]


@pytest.mark.parametrize(
    "raw,error",
    [
        (
            message("The command 'make' returned a non-zero code: 2", []),
            "The command 'make' returned a non-zero code: 2",
        ),
        (f"Error building res/web - message: broken, logs: {['x']}", "broken"),
        (message("first\n  second\tthird", []), "first second third"),
        (message("its message: stays", []), "its message: stays"),
        (
            "An unexpected Docker error occurred: no route to host",
            "An unexpected Docker error occurred: no route to host",
        ),
        (f"{HEAD}cut off, logs: ['a', 'b", "cut off, logs: ['a', 'b"),
        (f"{HEAD}none, logs: [a + b]", "none, logs: [a + b]"),
        (f"{HEAD}two, logs: ['a'], ['b']", "two, logs: ['a'], ['b']"),
        ("", ""),
    ],
)
def test_the_error_is_one_line(raw: str, error: str) -> None:
    assert first(build_failure(raw, REF)).startswith(f"Image {REF}: got '{error}', want it built (fix: ")


def test_a_list_before_the_log_is_part_of_the_error() -> None:
    text = build_failure(message("tried, logs: [1, 2] in vain", ["end\n"]), REF)
    assert "got 'tried, logs: [1, 2] in vain'" in text
    assert log(text) == ["end"]


def test_a_long_error_is_cut_at_a_word() -> None:
    error = first(build_failure("word " * 100, REF)).split("'")[1]
    assert error.endswith("word...")
    assert len(error) <= 300
