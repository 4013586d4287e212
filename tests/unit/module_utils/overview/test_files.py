"""Secrets, the balancer's files and free disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.secrets import CHANGED, REMOVED, SecretChange
from ansible_collections.evenkeel.cluster.plugins.module_utils.overview.files import disk_part, files_part, secrets_part


def test_files_differ_as_their_module_would_say(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    etc.mkdir(mode=0o755)
    for name, text in (("base.yml", "a: 1\n"), ("other.yml", "b: 1\n"), ("edge.yml", "http:\n")):
        (etc / name).write_text(text)
        (etc / name).chmod(0o644)
    managed = {
        "folders": [{"path": str(etc), "mode": "0755"}],
        "files": [
            {"path": f"{etc}/base.yml", "content": "a: 1\n", "mode": "0644"},
            {"path": f"{etc}/other.yml", "content": "b: 1\n", "mode": "0644"},
            {"path": f"{etc}/users", "mode": "0400"},
        ],
        "secret_contents": {f"{etc}/users": "admin:hash\n"},
    }
    (etc / "users").write_text("admin:hash\n")
    (etc / "users").chmod(0o400)
    more = {etc / "edge.yml": "http:\n"}
    assert files_part(managed, more) == {"part": "files", "state": "5 of 5 as declared", "lines": [], "to_do": []}
    (etc / "users").unlink()
    (etc / "base.yml").write_text("a: 2\n")
    (etc / "other.yml").chmod(0o600)
    (etc / "edge.yml").write_text("")
    found = files_part(managed, {**more, etc / "traefik-blue.yml": "{}\n"})
    assert found["to_do"] == [
        f"write {etc}/base.yml (content differs)",
        f"write {etc}/other.yml (mode 0600)",
        f"write {etc}/users (is missing)",
        f"write {etc}/edge.yml (content differs)",
        f"write {etc}/traefik-blue.yml (is missing)",
    ]
    assert found["state"] == "1 of 6 as declared"
    assert "hash" not in str(found)


def test_what_cannot_be_made_as_declared_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to("/")
    managed = {"files": [{"path": f"{tmp_path}/x", "content": "", "mode": "0644"}]}
    assert files_part(managed, {})["lines"] == [
        f"{tmp_path}/x: got a link, want a file (fix: move it away, or choose another path)"
    ]


def test_a_folder_in_the_place_of_a_file_is_written_over(tmp_path: Path) -> None:
    for name in ("base.yml", "edge.yml"):
        (tmp_path / name).mkdir()
    managed = {"files": [{"path": f"{tmp_path}/base.yml", "content": "", "mode": "0644"}]}
    found = files_part(managed, {tmp_path / "edge.yml": "http:\n"})
    assert found["to_do"] == [
        f"write {tmp_path}/base.yml (a folder is in its place)",
        f"write {tmp_path}/edge.yml (a folder is in its place)",
    ]
    assert found["lines"] == []


def test_a_file_that_is_not_ours_is_named(tmp_path: Path) -> None:
    for name in ("tiers.yml", "edge.yml", "foreign.yml"):
        (tmp_path / name).write_text("http:\n")
    sole = {"folder": str(tmp_path), "endings": ["yml"], "keep": ["tiers.yml", "edge.yml"]}
    found = files_part({"set_aside": [sole]}, {tmp_path / "edge.yml": "http:\n"})
    assert found["to_do"] == [f"set aside {tmp_path}/foreign.yml (is not declared)"]
    assert found["state"] == "1 of 1 as declared"


def test_secrets_are_there_and_for_their_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    secret = folder / "password"
    assert secrets_part([str(secret)], str(folder))["to_do"] == [f"generate {secret}"]
    secret.write_text("secret\n")
    secret.chmod(0o600)
    assert secrets_part([str(secret)], str(folder)) == {
        "part": "secrets",
        "state": "1 of 1 as they must be",
        "lines": [],
        "to_do": [],
    }
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert secrets_part([str(secret)], "")["lines"][0].startswith(f"{secret}: got owner {user}, want {user + 1}")


def test_secrets_that_others_can_read_are_told_once(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    folder.chmod(0o777)
    secrets = [folder / "dashboard", folder / "portainer"]
    for path, mode in zip(secrets, (0o600, 0o644), strict=True):
        path.write_text("secret\n")
        path.chmod(mode)
    found = secrets_part(map(str, secrets), str(folder))
    assert found["to_do"] == [f"set mode 0700 of {folder} (is 0777)", f"set mode 0600 of {secrets[1]} (is 0644)"]
    assert found["state"] == "0 of 2 as they must be"
    assert found["lines"] == []
    elsewhere = secrets_part([str(secrets[0])], f"{tmp_path}/other")
    assert elsewhere["to_do"] == [], "the folder of a file that is elsewhere is not ours"


def test_what_a_run_changes_about_the_secrets_of_tiers_is_told(tmp_path: Path) -> None:
    changes = [SecretChange("web", "secret pin", CHANGED), SecretChange("web", "secret variable A", REMOVED)]
    found = secrets_part([], str(tmp_path), changes)
    assert found["to_do"] == ["change secret pin of web", "remove secret variable A of web"]


def test_a_folder_in_the_place_of_a_secret_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "password").mkdir()
    found = secrets_part([f"{tmp_path}/password"], str(tmp_path))
    assert (len(found["lines"]), found["to_do"]) == (1, [])


def test_free_disk_is_judged_as_before_a_run(tmp_path: Path) -> None:
    places = [("the state folder", str(tmp_path)), ("Docker's data", "")]
    assert disk_part(places, 1)["lines"] == []
    (line,) = disk_part(places, 2**60)["lines"]
    assert line.startswith(f"free disk for the state folder in {tmp_path}: got ")
