"""The module parses, calls the library and reports; the password file is tested with the library."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.evenkeel.cluster.plugins.modules import secret_file

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the module; its exit code and its result."""

    def call(**differs: Any) -> tuple[int, dict[str, Any]]:
        with patch_module_args({"path": f"{tmp_path}/secrets/password", **differs}), pytest.raises(SystemExit) as left:
            secret_file.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return int(left.value.code or 0), result

    return call


def test_a_password_is_made_and_read(run: Run, tmp_path: Path) -> None:
    code, predicted = run(_ansible_check_mode=True)
    assert (code, predicted["changed"], predicted["value"]) == (0, True, "")
    assert list(tmp_path.iterdir()) == []
    code, made = run(length=20)
    assert (code, made["changed"], len(made["value"])) == (0, True, 20)
    for check in (True, False):
        code, found = run(_ansible_check_mode=check)
        assert (code, found["changed"], found["value"]) == (0, False, made["value"])
    (tmp_path / "secrets/password").chmod(0o644)
    for check, changed in ((True, True), (False, True), (False, False)):
        code, found = run(_ansible_check_mode=check)
        assert (code, found["changed"], found["value"]) == (0, changed, made["value"])


def test_a_file_without_a_password_is_one_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.touch()
    code, result = run(path=str(path))
    assert code == 1
    assert result["msg"].startswith(f"{path}: got an empty file, want a password (fix: ")
    assert "\n" not in result["msg"]
    assert "value" not in result
