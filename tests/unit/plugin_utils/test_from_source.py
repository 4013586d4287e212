"""Modules from their source files: what is run, and when they are packed as usual."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants
from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.evenkeel.cluster.plugins.plugin_utils import from_source
from ansible_collections.evenkeel.cluster.plugins.plugin_utils.from_source import SourceAction

PLUGINS = Path(from_source.__file__).parents[1]
ACTIONS = sorted(path.stem for path in (PLUGINS / "action").glob("*.py"))
PACKED: Any = ("packed by Ansible", "its file")


@pytest.fixture(autouse=True)
def _packing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ansible's own way is known by its result."""
    monkeypatch.setattr(NormalAction, "_configure_module", lambda *_args, **_kwargs: PACKED)


def action(transport: str = "local", become: object = None, **task: Any) -> SourceAction:
    of_task: Any = SimpleNamespace(**{"delegate_to": None, "async_val": 0, **task})
    connection: Any = SimpleNamespace(transport=transport, become=become)
    templar: Any = SimpleNamespace(template=lambda value: value)
    unused: Any = None
    return SourceAction(of_task, connection, unused, unused, templar, unused)


def configured(made: SourceAction, name: str = "evenkeel.cluster.managed_files", **variables: Any) -> Any:
    usual = {"ansible_python_interpreter": sys.executable}
    arguments = {"folders": [], "files": [], "_ansible_check_mode": True, "_ansible_remote_tmp": "/nonexistent"}
    return made._configure_module(name, arguments, {**usual, **variables})


def run(built: Any) -> subprocess.CompletedProcess[bytes]:
    """As Ansible does with pipelining: the interpreter reads it."""
    return subprocess.run([sys.executable], input=built.b_module_data, capture_output=True, check=False, cwd="/")


def test_the_module_runs_with_the_task_s_options(tmp_path: Path) -> None:
    arguments = {
        "folders": [{"path": str(tmp_path / "made ' \" {x}"), "mode": "0700"}],
        "files": [],
        "_ansible_remote_tmp": str(tmp_path),
    }
    built, path = action()._configure_module(
        "evenkeel.cluster.managed_files", arguments, {"ansible_python_interpreter": sys.executable}
    )
    assert path == str(PLUGINS / "modules/managed_files.py")
    assert (built.module_style, built.shebang) == ("new", f"#!{sys.executable}")
    done = run(built)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["changed"] is True
    assert (tmp_path / "made ' \" {x}").is_dir()


def test_what_the_module_refuses_is_told_as_usual() -> None:
    built, _path = configured(action(), "evenkeel.cluster.balance_check")
    done = run(built)
    assert done.returncode == 1
    assert json.loads(done.stdout)["msg"].startswith("missing required arguments: ")


def test_a_module_that_breaks_is_told_as_usual(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place = tmp_path / "ansible_collections/evenkeel/cluster/plugins/modules"
    place.mkdir(parents=True)
    (place / "broken.py").write_text("raise RuntimeError('it broke')\n")
    monkeypatch.setattr(from_source, "_ROOT", tmp_path)
    built, path = configured(action(), "evenkeel.cluster.broken")
    assert path == str(place / "broken.py")
    done = run(built)
    assert done.returncode == 1
    assert json.loads(done.stdout)["failed"] is True
    assert b"it broke" in done.stdout


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(action("ssh"), id="another machine"),
        pytest.param(action(become=object()), id="another user"),
        pytest.param(action(async_val=60), id="in the background"),
    ],
)
def test_a_task_elsewhere_is_packed(made: SourceAction) -> None:
    assert configured(made) is PACKED


@pytest.mark.parametrize("interpreter", ["/usr/bin/other-python", "auto", ""])
def test_another_interpreter_gets_the_module_packed(interpreter: str) -> None:
    assert configured(action(), ansible_python_interpreter=interpreter) is PACKED


def test_without_an_interpreter_set_ansible_finds_one() -> None:
    assert action()._configure_module("evenkeel.cluster.managed_files", {}, {}) is PACKED


def test_a_delegated_task_has_the_interpreter_of_its_host() -> None:
    here: Any = {"ansible_delegated_vars": {"localhost": {"ansible_python_interpreter": sys.executable}}}
    there: Any = {"ansible_delegated_vars": {"localhost": {"ansible_python_interpreter": "/usr/bin/other-python"}}}
    made = action(delegate_to="localhost")
    assert configured(made, ansible_python_interpreter="/usr/bin/other-python", **here) is not PACKED
    assert configured(made, **there) is PACKED


@pytest.mark.parametrize("name", ["ansible.legacy.async_wrapper", "community.docker.docker_container", "managed_files"])
def test_other_modules_are_packed(name: str) -> None:
    assert configured(action(), name) is PACKED


def test_files_that_shall_be_kept_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    assert configured(action()) is not PACKED
    monkeypatch.setattr(constants, "DEFAULT_KEEP_REMOTE_FILES", True)
    assert configured(action()) is PACKED


def test_a_limit_of_open_files_and_a_debugger_need_ansible_s_wrapper() -> None:
    assert configured(action(), ansible_python_module_rlimit_nofile=512) is PACKED
    coverage = json.dumps({"config": "", "output": ""})
    assert configured(action(), _ansible_ansiballz_coverage_config=coverage) is PACKED


def test_a_release_with_other_names_packs_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_source, "_KNOWN", False)
    assert configured(action()) is PACKED


def test_this_release_has_the_names() -> None:
    assert from_source._KNOWN


@pytest.mark.parametrize("name", ACTIONS)
def test_each_plugin_runs_the_module_of_its_name(name: str) -> None:
    plugin = importlib.import_module(f"ansible_collections.evenkeel.cluster.plugins.action.{name}")
    assert issubclass(plugin.ActionModule, SourceAction)
    assert (PLUGINS / "modules" / f"{name}.py").is_file()
