"""The file with the app's secret variables: /run/secrets/.env, or the one that is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.hold.conftest import PORT, Start, children, get


def value(name: str) -> str:
    return get(f"/environment/{name}", port=PORT).body.decode()


def test_lines_become_variables_of_the_app_alone(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "variables"
    file.write_text("# database\n\nPASSWORD= a=b 'c'\nEMPTY=\n_X1=replaced\nLAST=ä")
    hold = start("--environment-file", str(file), environment={"_X1": "before"})
    hold.await_ready()
    assert [value(name) for name in ("PASSWORD", "EMPTY", "_X1", "LAST")] == [" a=b 'c'", "", "replaced", "ä"]
    assert value("#") == "(none)"
    (app,) = children(hold.pid)
    # What a program is started with is kept apart from what it makes of it.
    assert b"PASSWORD" in Path(f"/proc/{app}/environ").read_bytes()
    assert b"PASSWORD" not in Path(f"/proc/{hold.pid}/environ").read_bytes()


def test_with_nul_bytes_values_have_line_ends(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "variables"
    file.write_bytes(b"KEY=-----BEGIN-----\nabc\n#x\n\0OTHER=1\0")
    start("--environment-file", str(file)).await_ready()
    assert [value("KEY"), value("OTHER")] == ["-----BEGIN-----\nabc\n#x\n", "1"]


@pytest.mark.parametrize(
    "content, got",
    [
        (b"GOOD=1\nhush-secret\n", "line 2 without a name before ="),
        (b"GOOD=1\n\n9X=hush-secret\n", "line 3 without a name before ="),
        (b"=hush-secret\n", "line 1 without a name before ="),
        (b"GOOD=1\0\0X=hush-secret\0", "entry 2 without a name before ="),
        (b"A=" + b"hush-secret" * 100_000, "1 MiB or more"),
    ],
)
def test_a_broken_file_is_one_line_without_its_content(start: Start, tmp_path: Path, content: bytes, got: str) -> None:
    file = tmp_path / "variables"
    file.write_bytes(content)
    hold = start("--environment-file", str(file))
    assert hold.end() == 125
    (line,) = hold.log.decode().splitlines()
    assert line.startswith(f"hold: {file}: got {got}, want ")
    assert "hush" not in line


def test_a_missing_file_is_an_error_only_if_it_was_named(start: Start, tmp_path: Path) -> None:
    hold = start("--environment-file", str(tmp_path / "none"))
    assert hold.end() == 125
    assert f"{tmp_path}/none: got No such file or directory, want a file" in hold.log.decode()
    # All other tests run without the option, and without the usual file.
    assert not Path("/run/secrets/.env").exists()


def test_a_folder_is_refused(start: Start, tmp_path: Path) -> None:
    hold = start("--environment-file", str(tmp_path))
    assert hold.end() == 125
    assert b"got no regular file" in hold.log
