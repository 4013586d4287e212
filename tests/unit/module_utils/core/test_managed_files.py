"""Folders and files become as declared, only those that differ are written, and what cannot be is refused before."""

from __future__ import annotations

import errno
import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.other_user import NOBODY, as_nobody, needs_root

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.managed_files import ManagedFilesError, manage

UID, GID = os.geteuid(), os.getegid()
Entries = list[dict[str, Any]]


def options(
    folders: Entries | None = None, files: Entries | None = None, secrets: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {"folders": folders or [], "files": files or [], "secret_contents": secrets or {}}


def declared(place: Path) -> dict[str, Any]:
    """Two folders with a missing parent, a file and a secret file."""
    return options(
        [{"path": f"{place}/etc/shop", "mode": "0755"}, {"path": f"{place}/log", "mode": "0750"}],
        [
            {"path": f"{place}/etc/shop/base.yml", "content": "a: 1\n", "mode": "0644"},
            {"path": f"{place}/etc/shop/users", "mode": "0400"},
        ],
        {f"{place}/etc/shop/users": "admin:hash\n"},
    )


def seen(place: Path) -> dict[str, tuple[str, str | None]]:
    """Path -> mode and content."""
    return {
        str(path.relative_to(place)): (
            f"{path.stat().st_mode & 0o7777:04o}",
            None if path.is_dir() else path.read_text(),
        )
        for path in place.rglob("*")
    }


AS_DECLARED = {
    "etc": ("0755", None),
    "etc/shop": ("0755", None),
    "log": ("0750", None),
    "etc/shop/base.yml": ("0644", "a: 1\n"),
    "etc/shop/users": ("0400", "admin:hash\n"),
}


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_everything_is_made_in_order_and_a_second_run_has_nothing_to_do(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        predicted = manage(declared(tmp_path), write=False)
        assert seen(tmp_path) == {}
        done = manage(declared(tmp_path), write=True)
    finally:
        os.umask(before)
    assert seen(tmp_path) == AS_DECLARED
    assert done == predicted
    assert done["changed"]
    assert done["changed_paths"] == [
        str(tmp_path / name) for name in ("etc", "etc/shop", "log", "etc/shop/base.yml", "etc/shop/users")
    ]
    assert manage(declared(tmp_path), write=True) == {"changed": False, "changed_paths": [], "diff": []}


def spoil_content(path: Path) -> None:
    path.write_text("a: 2\n")


def spoil_mode(path: Path) -> None:
    path.chmod(0o600)


@pytest.mark.parametrize(
    "name, spoil, before, after",
    [
        ("etc/shop/base.yml", spoil_content, "mode 0644\na: 2\n", "mode 0644\na: 1\n"),
        ("etc/shop/base.yml", spoil_mode, "mode 0600\na: 1\n", "mode 0644\na: 1\n"),
        ("etc/shop/base.yml", Path.unlink, "", "mode 0644\na: 1\n"),
        ("etc/shop/users", spoil_mode, "mode 0600\ncontent hidden\n", "mode 0400\ncontent hidden\n"),
        ("etc/shop/users", Path.unlink, "", "mode 0400\ncontent hidden\n"),
        ("log", spoil_mode, "mode 0600\n", "mode 0750\n"),
        ("log", Path.rmdir, "", "mode 0750\n"),
    ],
)
def test_one_difference_is_one_change(tmp_path: Path, name: str, spoil: Any, before: str, after: str) -> None:
    manage(declared(tmp_path), write=True)
    spoil(tmp_path / name)
    spoiled = seen(tmp_path)
    others = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*.yml") if path != tmp_path / name}
    predicted = manage(declared(tmp_path), write=False)
    assert seen(tmp_path) == spoiled
    done = manage(declared(tmp_path), write=True)
    assert done == predicted
    assert done["changed_paths"] == [str(tmp_path / name)]
    assert done["diff"] == [
        {
            "before_header": str(tmp_path / name),
            "after_header": str(tmp_path / name),
            "before": before and f"owner {UID}, {before}",
            "after": f"owner {UID}, {after}",
        }
    ]
    assert seen(tmp_path) == AS_DECLARED
    assert {path: path.lstat().st_mtime_ns for path in others} == others


def test_a_changed_secret_is_seen_but_not_shown(tmp_path: Path) -> None:
    manage(declared(tmp_path), write=True)
    wanted = declared(tmp_path)
    wanted["secret_contents"] = {f"{tmp_path}/etc/shop/users": "admin:other\n"}
    (diff,) = manage(wanted, write=True)["diff"]
    assert diff["before"] == f"owner {UID}, mode 0400\ncontent hidden\n"
    assert diff["after"] == f"owner {UID}, mode 0400\ncontent hidden, differs\n"
    assert (tmp_path / "etc/shop/users").read_text() == "admin:other\n"


def test_a_file_that_is_no_text_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff\n")
    done = manage(options(files=[{"path": f"{tmp_path}/file", "content": "ü\r\n", "mode": "0644"}]), write=True)
    assert done["diff"][0]["before"].endswith("\ufffd\n")
    assert (tmp_path / "file").read_bytes() == b"\xc3\xbc\r\n"


def test_a_parent_that_is_declared_too_keeps_its_own_mode(tmp_path: Path) -> None:
    folders = [{"path": f"{tmp_path}/a/b/", "mode": "0700"}, {"path": f"{tmp_path}/a", "mode": "0755"}]
    assert manage(options(folders), write=True)["changed_paths"] == [f"{tmp_path}/a", f"{tmp_path}/a/b"]
    assert seen(tmp_path) == {"a": ("0755", None), "a/b": ("0700", None)}


def test_links_above_are_followed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "state").symlink_to("disk")
    manage(declared(tmp_path / "state"), write=True)
    assert seen(tmp_path / "disk") == AS_DECLARED


FILE = {"path": "/x/file", "content": "", "mode": "0644"}


@pytest.mark.parametrize(
    "given, line",
    [
        (
            options(files=[{**FILE, "path": "x/file"}]),
            "files[0].path: got 'x/file', want an absolute path without '..' (fix: path: /etc/shop.conf)",
        ),
        (
            options([{"path": "/x/../y", "mode": "0755"}]),
            "folders[0].path: got '/x/../y', want an absolute path without '..' (fix: path: /etc/shop.conf)",
        ),
        *(
            (
                options(files=[{**FILE, "mode": mode}]),
                f"files[0].mode: got '{mode}', want four octal digits in quotes (fix: mode: \"0644\")",
            )
            for mode in ("420", "0888", "u=rw", "", "01777", "0644 ")
        ),
        *(
            (
                options(files=[{**FILE, "owner": owner}]),
                f"files[0].owner: got '{owner}', want a user of this machine or a user id (fix: create the user first)",
            )
            for owner in ("no-such-user", "-1", "4294967295", "")
        ),
        (
            options(files=[FILE], secrets={"/x/file": "s3cret"}),
            "files[0]: got content and secret_contents, want one of them (fix: remove the content)",
        ),
        (
            options(files=[{"path": "/x/file", "mode": "0644"}]),
            'files[0]: got no content, want content, or its path in secret_contents (fix: content: "")',
        ),
        (
            options(secrets={"/x/file": "s3cret"}),
            "secret_contents: got '/x/file', want paths of files (fix: add it to files, or remove it here)",
        ),
        (
            options(files=[{"path": "/x/file", "mode": "0644"}], secrets={"/x/file": ["s3cret"]}),
            "files[0].content: got a list, want text (fix: pass it through to_json or to_nice_yaml)",
        ),
        (
            options(files=[{**FILE, "content": "\udcff"}]),
            "files[0].content: got text that is not UTF-8, want UTF-8 (fix: use ansible.builtin.copy)",
        ),
        (
            options([{"path": "/x/file/", "mode": "0755"}], [FILE]),
            "/x/file: got two entries, want one (fix: remove the other one)",
        ),
    ],
)
def test_an_option_that_cannot_be_used_is_one_line(given: dict[str, Any], line: str) -> None:
    with pytest.raises(ManagedFilesError) as caught:
        manage(given, write=True)
    assert str(caught.value) == line


def make_link(path: Path) -> None:
    (path.parent / "target").write_text("a: 1\n")
    path.symlink_to("target")


def make_folder_link(path: Path) -> None:
    path.symlink_to("/")


@pytest.mark.parametrize(
    "name, make, problem",
    [
        ("etc/shop/base.yml", make_link, "got a link, want a file"),
        ("etc/shop/base.yml", os.mkfifo, "got a device, pipe or socket, want a file"),
        ("log", make_folder_link, "got a link, want a folder"),
        ("log", Path.touch, "got a file, want a folder"),
    ],
)
@pytest.mark.parametrize("write", [True, False])
def test_another_kind_in_the_place_is_refused_before_anything_is_written(
    tmp_path: Path, name: str, make: Any, problem: str, write: bool
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ManagedFilesError) as caught:
        manage(declared(tmp_path), write=write)
    assert str(caught.value) == f"{path}: {problem} (fix: move it away, or choose another path)"
    assert caught.value.changed_paths == ()
    assert sorted(tmp_path.rglob("*")) == before
    assert path.is_symlink() == (make in (make_link, make_folder_link))


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    entry = {"content": "", "mode": "0644"}
    with pytest.raises(ManagedFilesError) as caught:
        manage(
            options(
                [{"path": f"{tmp_path}/file/folder", "mode": "0755"}],
                [{**entry, "path": f"{tmp_path}/gone/file"}, {**entry, "path": f"{tmp_path}/{'n' * 300}"}],
            ),
            write=True,
        )
    assert str(caught.value).splitlines() == [
        f"{tmp_path}/file/folder: got no folder {tmp_path}/file, want one (fix: add it to folders)",
        f"{tmp_path}/gone/file: got no folder {tmp_path}/gone, want one (fix: add it to folders)",
        f"{tmp_path}/{'n' * 300}: got 'File name too long', want a file that can be read and written "
        "(fix: repair the disk, or choose another path)",
    ]


def test_a_full_disk_keeps_the_old_file_and_tells_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manage(declared(tmp_path), write=True)
    old = dict.fromkeys(("base.yml", "users"), "old\n")
    for name, text in old.items():
        (tmp_path / "etc/shop" / name).chmod(0o600)
        (tmp_path / "etc/shop" / name).write_text(text)
    synced: list[int] = []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        ManagedFilesError, match=r"users: got 'No space left on device', want a file .*fix: make room"
    ) as caught:
        manage(declared(tmp_path), write=True)
    assert caught.value.changed_paths == (f"{tmp_path}/etc/shop/base.yml",)
    assert {path.name: path.read_text() for path in (tmp_path / "etc/shop").iterdir()} == {**old, "base.yml": "a: 1\n"}


# --------------------------------------------------------------------------
# Owners
# --------------------------------------------------------------------------


@needs_root
@pytest.mark.parametrize("owner", [str(NOBODY), pwd.getpwuid(NOBODY).pw_name])
def test_root_gives_away(tmp_path: Path, owner: str) -> None:
    wanted = declared(tmp_path)
    for entry in (*wanted["folders"], *wanted["files"]):
        entry["owner"] = owner
    manage(declared(tmp_path), write=True)
    done = manage(wanted, write=True)
    # The folder above the first one is not declared.
    assert {path: path.stat().st_uid for path in tmp_path.rglob("*")} == {
        tmp_path / name: 0 if name == "etc" else NOBODY for name in AS_DECLARED
    }
    assert done["diff"][-1]["before"] == "owner 0, mode 0400\ncontent hidden\n"
    assert done["diff"][-1]["after"] == f"owner {NOBODY}, mode 0400\ncontent hidden\n"
    assert seen(tmp_path) == AS_DECLARED
    assert not manage(wanted, write=True)["changed"]


@needs_root
def test_root_keeps_owner_and_group_that_are_not_declared(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    os.chown(path, NOBODY, NOBODY)
    done = manage(options(files=[{"path": str(path), "content": "new", "mode": "0600"}]), write=True)
    assert done["diff"][0]["after"] == f"owner {NOBODY}, mode 0600\nnew"
    assert (path.read_text(), path.stat().st_uid, path.stat().st_gid) == ("new", NOBODY, NOBODY)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that other users can enter, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def manage_as_nobody(given: dict[str, Any]) -> str:
    """What changed, or the error."""
    try:
        return as_nobody("core.managed_files", f"m.manage({given!r}, write=True)['changed_paths']")
    except subprocess.CalledProcessError as error:
        return str(error.stderr).strip().splitlines()[-1].partition("ManagedFilesError: ")[2]


@needs_root
@pytest.mark.parametrize("owner", [None, str(NOBODY)])
def test_another_user_writes_its_own_files(shared: Path, owner: str | None) -> None:
    wanted = declared(shared)
    for entry in (*wanted["folders"], *wanted["files"]):
        entry["owner"] = owner
    assert manage_as_nobody(wanted) == str([str(shared / name) for name in AS_DECLARED])
    assert seen(shared) == AS_DECLARED
    assert {path.stat().st_uid for path in shared.rglob("*")} == {NOBODY}
    assert manage_as_nobody(wanted) == "[]"


@needs_root
@pytest.mark.parametrize(
    "folders, files, line",
    [
        (
            [],
            [{"path": "{}/new", "content": "", "mode": "0644", "owner": "0"}],
            "{}/new: owner: got 0, want 65534, the user of this run (fix: run it as root)",
        ),
        (
            [{"path": "{}/roots", "mode": "0755"}],
            [],
            "{}/roots: got a folder of user 0, want one of 65534, the user of this run (fix: run it as root)",
        ),
        (
            [],
            [{"path": "{}/secret", "content": "", "mode": "0644"}],
            "{}/secret: got 'Permission denied', want a file that can be read and written (fix: run it as root)",
        ),
        (
            [],
            [{"path": "{}/roots/new", "content": "", "mode": "0644"}],
            "{0}/roots/new: got 'Permission denied', want a file that can be written "
            "(fix: run it as the owner of {0}/roots, or as root)",
        ),
    ],
)
def test_what_only_root_may_do(shared: Path, folders: Entries, files: Entries, line: str) -> None:
    (shared / "roots").mkdir(mode=0o711)
    (shared / "secret").touch(mode=0o600)
    place = str(shared)
    here = [[{**item, "path": item["path"].format(place)} for item in items] for items in (folders, files)]
    given = options(here[0], here[1])
    assert manage_as_nobody(given) == line.format(place)
    assert sorted(os.listdir(shared)) == ["roots", "secret"]


@needs_root
def test_another_user_leaves_what_is_as_declared_already(shared: Path) -> None:
    (shared / "roots").write_text("a")
    (shared / "roots").chmod(0o644)
    wanted = options(files=[{"path": f"{shared}/roots", "content": "a", "mode": "0644", "owner": "root"}])
    assert manage_as_nobody(wanted) == "[]"
