"""Files that others read while they are written."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.files import WriteError, write_atomically


def test_a_new_file_has_its_text_its_mode_and_no_other_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "tiers.yml"
    write_atomically(path, "grün\n")
    assert path.read_text(encoding="utf-8") == "grün\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644, "the balancer is another user"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "tiers.yml"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "no text: \ud800")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_file_is_no_configuration_to_the_balancer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    replace = Path.replace

    def noted(temporary: Path, target: Path) -> Path:
        seen.append(temporary.suffix)
        return replace(temporary, target)

    monkeypatch.setattr(Path, "replace", noted)
    write_atomically(tmp_path / "tiers.yml", "new")
    assert seen
    assert not {".yml", ".yaml", ".toml"} & set(seen)


@pytest.mark.parametrize(
    "number, fix",
    [
        (errno.ENOSPC, "make room on its disk: see df and df -i {0}"),
        (errno.EDQUOT, "make room on its disk: see df and df -i {0}"),
        (errno.EROFS, "mount the disk of {0} with write access"),
        (errno.EACCES, "run it as the owner of {0}, or as root"),
        (errno.EBUSY, "umount {0}/tiers.yml"),
        (errno.EIO, "repair its disk, or choose another path"),
    ],
)
def test_a_failed_write_is_one_line_with_a_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, fix: str
) -> None:
    path = tmp_path / "tiers.yml"
    path.write_text("old", encoding="utf-8")

    def failed(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", failed)
    with pytest.raises(WriteError) as caught:
        write_atomically(path, "new")
    want = f"got '{os.strerror(number)}', want a file that can be written (fix: {fix.format(tmp_path)})"
    assert str(caught.value) == f"{path}: {want}"
    assert isinstance(caught.value, EvenkeelError)
    assert isinstance(caught.value, OSError), "for callers that do not know the class"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("user, fix", [(0, "chattr -i {0}/tiers.yml {0}"), (1000, "run it as the owner of {0}")])
def test_what_root_may_not_write_is_immutable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, fix: str
) -> None:
    def refused(_temporary: Path, _target: Path) -> Path:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "replace", refused)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(WriteError) as caught:
        write_atomically(tmp_path / "tiers.yml", "new")
    assert f"got 'Operation not permitted', want a file that can be written (fix: {fix.format(tmp_path)}" in str(
        caught.value
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_is_moved_aside_to_a_free_name(tmp_path: Path) -> None:
    path = tmp_path / "tiers.yml"
    for text in ("first", "second"):
        path.unlink(missing_ok=True)
        path.mkdir()
        (path / "inside").write_text(text, encoding="utf-8")
        write_atomically(path, "new")
        assert path.read_text(encoding="utf-8") == "new"
    asides = {"tiers.yml.was-a-folder": "first", "tiers.yml.was-a-folder-2": "second"}
    assert {name: (tmp_path / name / "inside").read_text(encoding="utf-8") for name in asides} == asides
    assert {item.name for item in tmp_path.iterdir()} == {"tiers.yml", *asides}


def test_a_link_to_a_folder_is_replaced_and_the_folder_left_alone(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    path = tmp_path / "tiers.yml"
    path.symlink_to("folder")
    write_atomically(path, "new")
    assert not path.is_symlink()
    assert {item.name for item in tmp_path.iterdir()} == {"folder", "tiers.yml"}
