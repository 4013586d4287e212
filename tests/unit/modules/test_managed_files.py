"""The module parses, calls the library and reports; what is written is tested with the library."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.evenkeel.cluster.plugins.modules import managed_files

# Two lines: Ansible hides a value in its log only if the value has nothing that its notation escapes.
USERS = "admin:hash\nother:hash\n"
Run = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the module; its exit code, its result and what it logs on the managed host."""
    logged: list[str] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda module, msg, log_args=None: logged.append(msg))

    def call(**differs: Any) -> tuple[int, dict[str, Any], str]:
        given = {
            "folders": [{"path": f"{tmp_path}/etc", "mode": "0755"}],
            "files": [
                {"path": f"{tmp_path}/etc/base.yml", "content": "a: 1\n", "mode": "0644"},
                {"path": f"{tmp_path}/etc/users", "mode": "0400"},
            ],
            "secret_contents": {f"{tmp_path}/etc/users": USERS},
        }
        with patch_module_args({**given, **differs}), pytest.raises(SystemExit) as left:
            managed_files.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return int(left.value.code or 0), result, "\n".join(logged)

    return call


@pytest.mark.parametrize("check", [True, False])
def test_what_changes_is_told(run: Run, tmp_path: Path, check: bool) -> None:
    code, result, _ = run(_ansible_check_mode=check)
    assert (code, result["changed"]) == (0, True)
    assert result["changed_paths"] == [f"{tmp_path}/{name}" for name in ("etc", "etc/base.yml", "etc/users")]
    assert "diff" not in result
    assert os.listdir(tmp_path) == ([] if check else ["etc"])
    assert run(_ansible_check_mode=check)[1]["changed"] is check


def test_the_diff_is_there_if_asked_for(run: Run) -> None:
    _, result, _ = run(_ansible_diff=True)
    assert [one["after"].partition("\n")[2] for one in result["diff"]] == ["", "a: 1\n", "content hidden\n"]


@pytest.mark.parametrize("differs", [{}, {"files": []}])
def test_a_secret_is_neither_in_the_result_nor_in_the_log(run: Run, differs: dict[str, Any]) -> None:
    _, result, logged = run(_ansible_diff=True, **differs)
    assert "folders=" in logged
    assert "hash" not in logged
    assert "hash" not in json.dumps(result)


def test_an_error_is_one_line_and_tells_what_was_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/users").symlink_to("/")
    code, result, _ = run()
    assert code == 1
    assert {name: result[name] for name in ("msg", "changed", "changed_paths")} == {
        "msg": f"{tmp_path}/etc/users: got a link, want a file (fix: move it away, or choose another path)",
        "changed": False,
        "changed_paths": [],
    }


def test_what_was_written_before_an_error_is_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", interrupted)
    code, result, _ = run()
    assert code == 1
    assert (result["changed"], result["changed_paths"]) == (True, [f"{tmp_path}/etc"])
    assert os.listdir(tmp_path / "etc") == []


def test_an_unknown_option_of_a_file_is_refused(run: Run, tmp_path: Path) -> None:
    _, result, _ = run(files=[{"path": f"{tmp_path}/x", "content": "", "mode": "0644", "group": "root"}])
    assert "group" in result["msg"]
