"""What is in the way of declared files is moved aside, with what is in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.managed_files import ManagedFilesError, manage


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o755)
    return folder


def declared(etc: Path) -> dict[str, Any]:
    return {
        "folders": [{"path": str(etc), "mode": "0755"}],
        "files": [{"path": f"{etc}/base.yml", "content": "a: 1\n", "mode": "0644"}],
        "secret_contents": {},
    }


def test_a_folder_in_the_place_of_a_file_is_moved_aside_with_what_is_in_it(etc: Path) -> None:
    path = etc / "base.yml"
    path.mkdir()
    (path / "kept").write_text("by somebody")
    foretold = manage(declared(etc), write=False)
    assert path.is_dir(), "only foretold"
    assert manage(declared(etc), write=True) == foretold
    assert foretold["changed_paths"] == [str(path)]
    assert path.read_text() == "a: 1\n"
    assert (etc / "base.yml.was-a-folder/kept").read_text() == "by somebody"
    assert not manage(declared(etc), write=True)["changed"]


def sole(etc: Path) -> dict[str, Any]:
    """Every YAML file counts; ``tiers.yml`` is written by another program."""
    return {**declared(etc), "set_aside": [{"folder": str(etc), "endings": ["yml", "toml"], "keep": ["tiers.yml"]}]}


def test_what_nobody_declared_is_set_aside_and_not_lost(etc: Path) -> None:
    (etc / "more").mkdir()
    left = {"tiers.yml": "kept", "users": "other ending", ".tiers.yml.a1": "half written"}
    strays = {"foreign.yml": "1", "Loud.YML": "2", "more/tiers.yml": "3", "more/x.toml": "4"}
    for name, text in {**left, **strays}.items():
        (etc / name).write_text(text)
    foretold = manage(sole(etc), write=False)
    assert {str(path.relative_to(etc)) for path in etc.rglob("*.*") if path.is_file()} == {*left, *strays} - {"users"}
    assert foretold["changed_paths"] == [f"{etc}/{name}" for name in (*sorted(strays), "base.yml")]
    assert foretold["diff"][1]["after"] == "foreign.yml.set-aside\n"
    assert manage(sole(etc), write=True) == foretold
    found = {str(path.relative_to(etc)): path.read_text() for path in etc.rglob("*") if path.is_file()}
    assert found == {"base.yml": "a: 1\n", **left, **{f"{name}.set-aside": text for name, text in strays.items()}}
    assert not manage(sole(etc), write=True)["changed"]
    (etc / "foreign.yml").write_text("again")
    manage(sole(etc), write=True)
    assert (etc / "foreign.yml.set-aside").read_text() == "1"
    assert (etc / "foreign.yml.set-aside-2").read_text() == "again"


def test_a_link_is_set_aside_and_what_it_leads_to_left_alone(etc: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/a.yml").write_text("theirs")
    (etc / "b.yml").symlink_to(tmp_path / "theirs/a.yml")
    (etc / "folder").symlink_to(tmp_path / "theirs")
    manage(sole(etc), write=True)
    assert (etc / "b.yml.set-aside").is_symlink()
    assert (tmp_path / "theirs/a.yml").read_text() == "theirs"
    assert (etc / "folder").is_symlink()


def test_a_file_in_a_folder_that_is_moved_aside_too_is_set_aside_first(etc: Path) -> None:
    (etc / "base.yml").mkdir()
    (etc / "base.yml/inside.yml").write_text("read by the program until now")
    manage(sole(etc), write=True)
    assert [path.name for path in (etc / "base.yml.was-a-folder").iterdir()] == ["inside.yml.set-aside"]


def test_a_file_that_cannot_be_set_aside_is_one_line(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (etc / "a.yml").touch()
    (etc / "b.yml").touch()
    rename = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if path.name == "b.yml":
            raise OSError(5, os.strerror(5))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(ManagedFilesError, match=r"b\.yml: got 'Input/output error', want a file .*fix: ") as caught:
        manage(sole(etc), write=True)
    assert caught.value.changed_paths == (f"{etc}/a.yml",)
