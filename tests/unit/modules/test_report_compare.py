"""The module that compares two reports."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from tests.unit.module_utils.report.test_document import document

from ansible_collections.evenkeel.cluster.plugins.modules import report_compare

TEMPLATES = str(Path(__file__).parents[3] / "roles/evidence/templates")
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    old, new = document(), document()
    new["claims"][0]["verdict"] = "fail"
    for name, report in (("old", old), ("new", new)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(report))

    def runner(**options: Any) -> dict[str, Any]:
        usual = {"old": str(tmp_path / "old"), "new": str(tmp_path / "new/results.json"), "templates": TEMPLATES}
        with patch_module_args({**usual, **options}), pytest.raises(SystemExit):
            report_compare.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return runner


def test_folders_and_files_are_compared(run: Run, tmp_path: Path) -> None:
    result = run(folder=str(tmp_path / "pages"))
    assert [(one["old"], one["new"]) for one in result["differences"]["claims"]] == [("pass", "fail")]
    assert result["lines"][1] == "claims: 1 changed"
    assert sorted(os.listdir(result["path"])) == ["comparison.html", "comparison.md"]
    assert result["changed"]


@pytest.mark.parametrize("options", [{}, {"folder": "pages", "_ansible_check_mode": True}])
def test_nothing_is_written_unasked(run: Run, tmp_path: Path, options: dict[str, Any]) -> None:
    result = run(**options)
    assert (result["changed"], result["path"]) == (False, "")
    assert sorted(os.listdir(tmp_path)) == ["new", "old"]


@pytest.mark.parametrize(
    "content, text",
    [
        (
            None,
            "old: got No such file or directory for {path}, want a report (fix: pass the folder of one, see evidence/)",
        ),
        (b"\xff", "old: got bytes that are no text in {path}, want a report (fix: pass another)"),
        (b"{", "old ({path}): got text that is not JSON"),
        (b'{"schema": 0}', "old ({path}): got schema 0, want 1 (fix: measure again with this version of Evenkeel)"),
    ],
)
def test_a_broken_or_older_report_is_one_line(run: Run, tmp_path: Path, content: bytes | None, text: str) -> None:
    path = tmp_path / "old/results.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    result = run(old=str(path))
    assert result["failed"]
    assert result["msg"].startswith(text.format(path=path))
    assert "\n" not in result["msg"]
