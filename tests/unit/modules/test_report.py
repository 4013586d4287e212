"""The module that writes a report, from its options to the folder."""

from __future__ import annotations

import datetime
import gzip
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from tests.unit.made_measurements import drill, measurements, provenance

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.folder import FolderError
from ansible_collections.evenkeel.cluster.plugins.module_utils.report import chart_style
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.provenance import (
    collection_version,
    controller,
    package_version,
    project,
    provenance_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.write import write_report
from ansible_collections.evenkeel.cluster.plugins.modules import report

ROOT = Path(__file__).parents[3]
NOW = datetime.datetime(2026, 6, 1, 10, 15, tzinfo=datetime.timezone.utc)


def options(folder: Path, *drills: dict[str, Any], **differs: Any) -> dict[str, Any]:
    measured = measurements(*drills)
    usual = {
        "folder": str(folder),
        "templates": str(ROOT / "roles/evidence/templates"),
        "root": str(ROOT),
        "cluster": measured.spec,
        "kind": "full" if drills else "quick",
        "pool": measured.pool,
        "balance": measured.balance,
        "sticky": measured.sticky,
        "management": measured.management,
        "drills": list(drills),
        "provenance": provenance(),
        "variables": {"static_nodes": 3, "cluster_token": "CANARY"},
        "raw": [],
    }
    return {**usual, **differs}


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def runner(arguments: dict[str, Any]) -> dict[str, Any]:
        with patch_module_args(arguments), pytest.raises(SystemExit):
            report.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return runner


def test_a_report_is_a_folder(run: Run, tmp_path: Path) -> None:
    record = tmp_path / "stop-1.jsonl.gz"
    record.write_bytes(gzip.compress(b'{"key": "a"}\n'))
    result = run(options(tmp_path / "evidence", drill(), raw=[str(record)]))
    assert result["message"] == "6 of 6 claims proved"
    path = Path(result["path"])
    assert path.parent == tmp_path / "evidence"
    assert path.name.endswith("Z-shop")
    assert result["files"] == [
        "raw/stop-1.jsonl.gz",
        "raw/verification.json.gz",
        "report.html",
        "report.md",
        "results.json",
    ]
    document = json.loads((path / "results.json").read_text())
    assert document["kind"] == "full"
    assert document["raw"]["raw/stop-1.jsonl.gz"] == "one line per request of a drill"
    raw = json.loads(gzip.decompress((path / "raw/verification.json.gz").read_bytes()))
    assert sorted(raw) == ["balance", "drills", "management", "pool", "sticky"]
    everything = b"".join(
        gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    )
    assert b"CANARY" not in everything


def test_check_mode_judges_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    result = run(options(tmp_path / "evidence", _ansible_check_mode=True))
    assert (result["changed"], result["path"], result["verdict"]) == (False, "", "pass")
    assert os.listdir(tmp_path) == []


def test_what_is_not_proved_is_written_all_the_same(run: Run, tmp_path: Path) -> None:
    result = run(options(tmp_path, pool={"msg": "Docker: got no answer"}, balance={}, sticky={}, management={}))
    assert result["verdict"] == "fail"
    assert not result.get("failed")
    assert [claim["id"] for claim in result["claims"] if claim["red"]] == [
        "nodes",
        "distribution",
        "round-robin",
        "sticky",
        "management",
    ]
    assert "Docker: got no answer" in (Path(result["path"]) / "report.html").read_text()


@pytest.mark.parametrize(
    "differs, text",
    [
        ({"folder": "/proc/evidence"}, "report: got "),
        ({"templates": "/nowhere"}, "template /nowhere/report.html.j2: got TemplateNotFound"),
        ({"raw": ["/nowhere/x.json"]}, "report: got No such file or directory for /nowhere/x.json, want a folder"),
    ],
)
def test_bad_input_is_one_line(run: Run, tmp_path: Path, differs: dict[str, Any], text: str) -> None:
    result = run({**options(tmp_path), **differs})
    assert result["failed"]
    assert result["msg"].startswith(text)
    assert "\n" not in result["msg"]
    assert os.listdir(tmp_path) == []


def test_two_reports_in_one_second(tmp_path: Path) -> None:
    params = {**options(tmp_path), "user": "admin", "portainer_password_file": None}
    write_report(params, NOW, "2.19", write=True)
    with pytest.raises(FolderError, match=r"got an existing .*20260601T101500Z-shop, want a new folder"):
        write_report(params, NOW, "2.19", write=True)


def test_without_matplotlib_it_says_so(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart_style, "IMPORT_ERROR", ImportError("no matplotlib"))
    assert "matplotlib" in run(options(tmp_path))["msg"]


def test_the_project_tells_its_version_and_revision(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    assert project(tmp_path) == {"version": "", "revision": "", "dirty": None}
    galaxy = tmp_path / "collections/ansible_collections/evenkeel/cluster/galaxy.yml"
    galaxy.parent.mkdir(parents=True)
    galaxy.write_text("name: cluster\nversion: 1.2.3\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "x")
    found = project(tmp_path)
    assert (found["version"], len(found["revision"]), found["dirty"]) == ("1.2.3", 40, False)
    galaxy.write_text("version: 1.2.4\n")
    assert project(tmp_path)["dirty"] is True


def test_this_machine_tells_its_versions() -> None:
    told = controller("2.19.14")
    assert told["ansible_core"].startswith("2.")
    assert told["community_docker"]
    assert told["matplotlib"]
    assert package_version("no-such-package") == ""
    assert collection_version("no/such") == ""


def test_a_host_that_tells_nothing() -> None:
    found = provenance_of({"msg": "gave up"}, ROOT, "2.19.14")
    assert (found["machine"], found["docker"], found["images"]) == ({}, {"reason": "gave up"}, [])
