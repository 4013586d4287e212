"""Progress on the controller: what is shown, when, and that nothing of it is left."""

from __future__ import annotations

import importlib
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from ansible_collections.evenkeel.cluster.plugins.plugin_utils import progress
from ansible_collections.evenkeel.cluster.plugins.plugin_utils.progress import ProgressAction, Tail

ROOT = Path(__file__).parents[3]
PLUGINS = ROOT / "collections/ansible_collections/evenkeel/cluster/plugins"
ACTIONS = sorted(
    path.stem for path in (PLUGINS / "action").glob("*.py") if "ProgressAction" in path.read_text(encoding="utf-8")
)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --------------------------------------------------------------------------
# Following a file
# --------------------------------------------------------------------------


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    path = tmp_path / "followed"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    yield path, descriptor
    os.close(descriptor)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(data)


def test_signals_are_left_to_the_thread_that_waits_for_the_module(followed: tuple[Path, int]) -> None:
    path, descriptor = followed
    blocked: list[set[int]] = []
    with Tail(descriptor, lambda _line: blocked.append({*signal.pthread_sigmask(signal.SIG_BLOCK, ())})):
        append(path, b"one\n")
        until(lambda: bool(blocked))
    assert {signal.SIGINT, signal.SIGTERM} <= blocked[0]
    assert not {signal.SIGINT, signal.SIGTERM} & {*signal.pthread_sigmask(signal.SIG_BLOCK, ())}


def test_lines_are_shown_while_the_file_grows(followed: tuple[Path, int]) -> None:
    path, descriptor = followed
    shown: list[str] = []
    with Tail(descriptor, shown.append):
        append(path, b"one\n")
        until(lambda: shown == ["one"])
        append(path, b"two\nthr")
        until(lambda: shown == ["one", "two"])
        append(path, b"ee\n\xff\n")
        until(lambda: shown == ["one", "two", "three", "\ufffd"])


def test_the_end_waits_for_no_poll_and_misses_no_line(
    followed: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, descriptor = followed
    monkeypatch.setattr(progress, "_POLL_SECONDS", 600)
    shown: list[str] = []
    with Tail(descriptor, shown.append):
        append(path, b"".join(b"line %d\n" % number for number in range(20_000)))
    assert shown == [f"line {number}" for number in range(20_000)]


def test_a_file_that_its_reader_may_no_longer_open_is_followed(followed: tuple[Path, int]) -> None:
    path, descriptor = followed
    shown: list[str] = []
    with Tail(descriptor, shown.append), path.open("ab") as stream:
        path.unlink()
        stream.write(b"one\n")
        stream.flush()
        until(lambda: shown == ["one"])


# --------------------------------------------------------------------------
# Around the module
# --------------------------------------------------------------------------

Module = Callable[[dict[str, Any]], dict[str, Any]]


class Action(ProgressAction):
    """The plugin, with something else for a module."""

    module: Module

    def _execute_module(self, *_args: Any, **_kwargs: Any) -> dict[str, Any]:
        assert threading.current_thread() is threading.main_thread()
        return self.module(self._task.args)

    def _remove_tmp_path(self, tmp_path: Any, force: bool = False) -> None:
        pass


@pytest.fixture
def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is displayed; the controller's folder for temporary files is a fresh one."""
    lines: list[str] = []
    monkeypatch.setattr(Display, "display", lambda _self, line, **_kwargs: lines.append(line))
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    return lines


def action(module: Module, transport: str = "local", args: dict[str, Any] | None = None, **task: Any) -> Action:
    usual = {"no_log": False, "check_mode": False, "async_val": 0, "loop": None, "action": "node_pool"}
    shell = SimpleNamespace(tmpdir="/nonexistent")
    nobody: Any = None
    of_task: Any = SimpleNamespace(**{**usual, **task, "args": {"cluster": "x"} if args is None else args})
    connection: Any = SimpleNamespace(transport=transport, _shell=shell, has_native_async=False)
    made = Action(of_task, connection, nobody, nobody, nobody, nobody)
    made.module = module
    return made


def result_of(args: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What AnsibleModule gives: the options as they were read."""
    return {"changed": True, "invocation": {"module_args": {"progress_file": None, **args}}, **more}


def telling(*lines: str) -> Module:
    def module(args: dict[str, Any]) -> dict[str, Any]:
        if not args.get("progress_file"):
            return result_of(args, progress=list(lines))
        append(Path(args["progress_file"]), "".join(f"{line}\n" for line in lines).encode())
        return result_of(args)

    return module


def test_lines_are_shown_while_the_module_runs(screen: list[str]) -> None:
    def module(args: dict[str, Any]) -> dict[str, Any]:
        append(Path(args["progress_file"]), b"static-4: started 0.3 s\n")
        until(lambda: screen == ["  static-4: started 0.3 s"])
        return result_of(args)

    assert action(module).run(task_vars={})["changed"]
    assert screen == ["  static-4: started 0.3 s"]


@pytest.mark.parametrize("transport", ["local", "ssh", "community.docker.docker"])
def test_lines_are_shown_and_the_result_is_as_without(screen: list[str], tmp_path: Path, transport: str) -> None:
    doing = action(telling("one", "two"), transport)
    given = doing._task.args
    result = doing.run(task_vars={"ansible_play_hosts_all": ["a"], "inventory_hostname": "a"})
    assert screen == ["  one", "  two"]
    assert result == {
        "changed": True,
        "invocation": {"module_args": {"cluster": "x", "progress_file": None}},
        **({} if transport == "local" else {"progress": ["one", "two"]}),
    }
    assert doing._task.args is given
    assert given == {"cluster": "x"}
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_this_users_alone_while_the_module_runs(screen: list[str], tmp_path: Path) -> None:
    modes: list[int] = []

    def module(args: dict[str, Any]) -> dict[str, Any]:
        assert Path(args["progress_file"]).parent == tmp_path
        modes.append(Path(args["progress_file"]).stat().st_mode & 0o777)
        return result_of(args)

    action(module).run(task_vars={})
    assert modes == [0o600]
    assert screen == []


def test_what_could_not_be_written_to_the_file_is_shown_at_the_end(screen: list[str]) -> None:
    action(lambda args: result_of(args, progress=["one"])).run(task_vars={})
    assert screen == ["  one"]


def test_of_several_hosts_each_line_names_its_own(screen: list[str]) -> None:
    action(telling("one")).run(task_vars={"ansible_play_hosts_all": ["a", "b"], "inventory_hostname": "b"})
    assert screen == ["  [b] one"]


def test_nothing_is_left_when_the_module_does_not_even_run(screen: list[str], tmp_path: Path) -> None:
    def module(args: dict[str, Any]) -> dict[str, Any]:
        append(Path(args["progress_file"]), b"one\n")
        raise AnsibleActionFail("no")

    doing = action(module)
    before = threading.active_count()
    with pytest.raises(AnsibleActionFail, match="no"):
        doing.run(task_vars={})
    assert screen == ["  one"]
    assert doing._task.args == {"cluster": "x"}
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == before


@pytest.mark.parametrize(
    "task",
    [
        {"no_log": True},
        {"loop": [1, 2]},
        {"check_mode": True},
        {"async_val": 60},
        {"args": {"progress_file": "/tmp/mine"}},
    ],
    ids=lambda task: next(iter(task)),
)
@pytest.mark.parametrize("transport", ["local", "ssh"])
def test_where_no_lines_are_shown_the_task_is_a_plain_one(
    screen: list[str], task: dict[str, Any], transport: str
) -> None:
    seen: list[dict[str, Any]] = []

    def module(args: dict[str, Any]) -> dict[str, Any]:
        seen.append(dict(args))
        return result_of(args, progress=["one"])

    doing = action(module, transport, **task)
    result = doing.run(task_vars={})
    assert screen == []
    assert seen == [task.get("args", {"cluster": "x"})]
    assert result["progress"] == ["one"]


def test_a_lower_verbosity_is_respected(screen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Display(), "verbosity", -1)
    action(telling("one")).run(task_vars={})
    assert screen == []


def test_without_a_place_for_the_file_lines_are_shown_at_the_end(
    screen: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "nowhere"))
    action(telling("one")).run(task_vars={})
    assert screen == ["  one"]


@pytest.mark.parametrize("result", [{}, {"invocation": "x"}, {"invocation": {}}, {"progress": "one"}])
def test_a_result_of_another_shape_is_passed_on(screen: list[str], result: dict[str, Any]) -> None:
    assert action(lambda args: dict(result)).run(task_vars={}) == result
    assert screen == []


def test_long_work_is_shown() -> None:
    assert ACTIONS == ["drill", "node_pool"]


@pytest.mark.parametrize("name", ACTIONS)
def test_each_plugin_shows_a_module_that_has_the_option(name: str) -> None:
    plugin = importlib.import_module(f"ansible_collections.evenkeel.cluster.plugins.action.{name}")
    module = importlib.import_module(f"ansible_collections.evenkeel.cluster.plugins.modules.{name}")
    assert issubclass(plugin.ActionModule, ProgressAction)
    assert module.argument_spec()["progress_file"] == {"type": "path"}
    assert "\nprogress:\n" in module.RETURN


# --------------------------------------------------------------------------
# Ansible itself
# --------------------------------------------------------------------------

PLUGIN = """
from ansible_collections.evenkeel.cluster.plugins.plugin_utils.progress import ProgressAction
class ActionModule(ProgressAction):
    pass
"""
# Ends only when the test has seen its first line.
MODULE = """#!/usr/bin/python
import os, time
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.progress import Progress
module = AnsibleModule({"progress_file": {"type": "path"}, "seen": {"type": "path"}})
progress = Progress(module.params["progress_file"])
progress.tell("it has begun")
deadline = time.monotonic() + 30
while not os.path.exists(module.params["seen"]):
    if time.monotonic() > deadline:
        module.fail_json(msg="it was not seen")
    time.sleep(0.02)
progress.tell("it was seen")
module.exit_json(changed=True, **progress.result())
"""
PLAY = """
- name: Unit
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Tell
      unit.fake.steps:
        seen: "{{ seen }}"
"""


def test_ansible_shows_a_line_before_the_module_ends(tmp_path: Path) -> None:
    plugins = tmp_path / "ansible_collections/unit/fake/plugins"
    for folder, text in (("action", PLUGIN), ("modules", MODULE)):
        (plugins / folder).mkdir(parents=True)
        (plugins / folder / "steps.py").write_text(text)
    playbook, seen, home = tmp_path / "play.yml", tmp_path / "seen", tmp_path / "home"
    playbook.write_text(PLAY)
    (tmp_path / "ansible.cfg").write_text("[connection]\npipelining = true\n")
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": f"{tmp_path}:{ROOT / 'collections'}",
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_NOCOLOR": "1",
    }
    command = [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), "-e", f"seen={seen}"]
    # On a terminal, as people have it: into a pipe Python writes by the block.
    reader, writer = pty.openpty()
    output = b""
    with subprocess.Popen(
        [*command, "-e", f"ansible_python_interpreter={sys.executable}"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=writer,
    ) as run:
        os.close(writer)
        try:
            while block := os.read(reader, 65536):
                output += block
                if b"  it has begun\r\n" in output:
                    seen.touch()
        except OSError:  # the terminal has no writer any more
            pass
    os.close(reader)
    text = output.decode().replace("\r\n", "\n")
    assert run.returncode == 0, text
    assert "\n  it has begun\n  it was seen\nchanged: [localhost]\n" in text
    assert [path for path in home.rglob("*") if path.is_file()] == []
