"""A password is generated once, for its owner alone, and a file that is there is never replaced."""

from __future__ import annotations

import os
import stat
import string
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.secret_file import (
    Secret,
    SecretFileError,
    ensure_secret,
)


def test_a_password_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "state/secrets/password"
    made = ensure_secret(path, 32, write=True)
    assert made.made
    assert len(made.value) == 32
    assert set(made.value) <= set(string.ascii_letters + string.digits)
    assert path.read_text() == f"{made.value}\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["password"]
    assert ensure_secret(path, 32, write=True) == Secret(made.value, made=False)
    assert ensure_secret(tmp_path / "other", 32, write=True).value != made.value


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets/password"
    path.parent.mkdir(mode=0o755)
    ensure_secret(path, 32, write=True)
    assert [stat.S_IMODE(place.stat().st_mode) for place in (path.parent, path)] == [0o700, 0o600]


def modes(path: Path) -> tuple[int, int]:
    """Of its folder and of the file."""
    return stat.S_IMODE(path.parent.stat().st_mode), stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def of_my_own(tmp_path: Path) -> Path:
    path = tmp_path / "secrets/password"
    path.parent.mkdir(mode=0o700)
    path.write_text(" of my own \n")
    path.chmod(0o600)
    return path


def test_what_is_there_is_read_and_left(of_my_own: Path) -> None:
    for mode in (0o600, 0o400):
        of_my_own.chmod(mode)
        secret = ensure_secret(of_my_own, 32, write=True)
        assert (secret, secret.changed) == (Secret("of my own", made=False), False)
        assert of_my_own.read_text() == " of my own \n"
        assert modes(of_my_own) == (0o700, mode)


@pytest.mark.parametrize(
    "folder, file", [(0o777, 0o666), (0o700, 0o640), (0o710, 0o600), (0o700, 0o700), (0o755, 0o400)]
)
def test_what_other_users_can_use_is_taken_away_from_them(of_my_own: Path, folder: int, file: int) -> None:
    of_my_own.parent.chmod(folder)
    of_my_own.chmod(file)
    secret = ensure_secret(of_my_own, 32, write=False)
    assert (secret, secret.changed) == (Secret("of my own", made=False, closed=True), True)
    assert modes(of_my_own) == (folder, file), "only foretold"
    assert ensure_secret(of_my_own, 32, write=True) == secret
    assert modes(of_my_own) == (0o700, 0o400 if file == 0o400 else 0o600)
    assert not ensure_secret(of_my_own, 32, write=True).changed


def test_what_belongs_to_another_user_is_left(of_my_own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_my_own.chmod(0o640)
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert not ensure_secret(of_my_own, 32, write=True).changed
    assert modes(of_my_own) == (0o700, 0o640)


def test_a_prediction_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "secrets/password"
    assert ensure_secret(path, 32, write=False) == Secret("", made=True)
    assert list(tmp_path.iterdir()) == []


def test_the_password_of_a_run_that_was_faster_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "password"
    link: Callable[..., None] = os.link

    def late(source: Path, target: Path) -> None:
        target.write_text("of the other run\n")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert ensure_secret(path, 32, write=True).value == "of the other run"
    assert [entry.name for entry in tmp_path.iterdir()] == ["password"]


@pytest.mark.parametrize(
    "content, problem",
    [
        (b"", "got an empty file, want a password (fix: remove it; a run makes a password)"),
        (b" \n", "got an empty file, want a password (fix: remove it; a run makes a password)"),
        (b"\xff\n", "got bytes that are not UTF-8, want text (fix: remove it; a run makes a password)"),
    ],
)
def test_a_file_without_a_password_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(SecretFileError) as told:
        ensure_secret(path, 32, write=True)
    assert str(told.value) == f"{path}: {problem}"
    assert path.read_bytes() == content


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SecretFileError, match=r": got 'Is a directory', want a file with a password \(fix: "):
        ensure_secret(tmp_path, 32, write=True)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "password"
    path.write_text("of another user\n")

    def refuse(*_args: object, **_options: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(SecretFileError) as told:
        ensure_secret(path, 32, write=True)
    assert str(told.value) == (
        f"{path}: got 'Permission denied', want a file with a password (fix: run it as the file's owner, or as root)"
    )
    assert path.read_bytes() == b"of another user\n"


def test_a_place_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SecretFileError, match=r": got 'Not a directory', want a file with a password \(fix: "):
        ensure_secret(tmp_path / "file/secrets/password", 32, write=True)
