"""A folder is written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.folder import (
    FolderError,
    make_folder,
    write_folder,
)

FIX = "want a folder that can be written (fix: free some space, or set evidence_folder to another place)"
FILES = {"a.txt": b"a", "raw/b.gz": b"b"}


def test_files_and_copies(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"c")
    path = write_folder(tmp_path / "made/twice", "report", FILES, {"raw/c": tmp_path / "source"})
    assert path == tmp_path / "made/twice/report"
    assert {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()} == {
        **FILES,
        "raw/c": b"c",
    }
    assert [oct(entry.stat().st_mode)[-3:] for entry in (path, path / "a.txt")] == ["755", "644"]
    assert os.listdir(path.parent) == ["report"]


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    with pytest.raises(FolderError) as caught:
        write_folder(tmp_path, "report", FILES, {})
    assert str(caught.value) == (f"report: got an existing {tmp_path}/report, want a new folder (fix: run it again)")
    assert os.listdir(tmp_path) == ["report"]
    assert os.listdir(tmp_path / "report") == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FolderError) as caught:
        write_folder(tmp_path / "new", "report", FILES, {})
    assert str(caught.value) == f"report: got No space left on device for {tmp_path}/new/report, {FIX}"
    assert os.listdir(tmp_path) == []


def test_a_missing_source_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"got No such file or directory for .*/gone, want a folder"):
        write_folder(tmp_path, "report", FILES, {"raw/c": tmp_path / "gone"})
    assert os.listdir(tmp_path) == []


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path, "report", FILES, {})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("parent", ["file/below", "file"])
def test_a_file_in_the_way(tmp_path: Path, parent: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FolderError) as caught:
        write_folder(tmp_path / parent, "report", FILES, {})
    assert str(caught.value).endswith(FIX)


def test_a_place_where_no_user_may_write() -> None:
    with pytest.raises(FolderError) as caught:
        write_folder(Path("/proc/evidence"), "report", FILES, {})
    assert str(caught.value).endswith(FIX)


def test_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    make_folder(str(tmp_path / "a" / "b"))
    assert os.listdir(tmp_path / "a" / "b") == []
    make_folder("")


def test_folder_on_a_full_disk_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FolderError) as caught:
        make_folder(str(tmp_path))
    assert str(caught.value) == (
        f"folder: got 'No space left on device' for {tmp_path}, want a folder to write to (fix: pass another one)"
    )
    assert os.listdir(tmp_path) == []
