"""The collection works from the archive that ansible-galaxy builds, without the rest of the repository."""

from __future__ import annotations

import importlib.resources
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COLLECTION = ROOT / "collections/ansible_collections/evenkeel/cluster"
SOURCES = {
    str(path.relative_to(COLLECTION))
    for path in COLLECTION.rglob("*")
    if path.is_file() and "__pycache__" not in path.parts and path.name != "galaxy.yml"
}
KINDS = {"modules": "module", "filter": "filter", "callback": "callback"}
PLUGINS = [
    (option, f"evenkeel.cluster.{path.stem}")
    for folder, option in KINDS.items()
    for path in sorted((COLLECTION / "plugins" / folder).glob("*.py"))
]

# A filter on the controller, and a module that brings along what it imports. The engine is one that does not answer.
PLAYBOOK = """
- name: Use the installed collection
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Use a filter
      ansible.builtin.assert:
        that: ('secret' | evenkeel.cluster.htpasswd(user='admin')).startswith('admin:$2b$')
    - name: Run a module
      evenkeel.cluster.provenance_info:
        cluster: archive
      register: found
    - name: Read its result
      ansible.builtin.assert:
        that:
          - found.machine.cpus > 0
          - found.docker.reason | length > 0
          - found.images == []
"""

Run = Callable[..., str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that knows nothing of this repository."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "ansible.cfg").touch()
    return folder


@pytest.fixture(scope="module")
def run(home: Path) -> Run:
    """Run a program of Ansible, without the settings of this repository and of the user."""
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(home / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(home / "installed"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "DOCKER_HOST": f"unix://{home}/no-docker.sock",
    }

    def runner(*command: str) -> str:
        done = subprocess.run(
            command, check=False, cwd=home, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    return runner


@pytest.fixture(scope="module")
def archive(run: Run, home: Path) -> Path:
    """The built archive."""
    run("ansible-galaxy", "collection", "build", str(COLLECTION), "--output-path", str(home / "built"))
    (built,) = (home / "built").iterdir()
    return built


@pytest.fixture(scope="module")
def installed(run: Run, home: Path, archive: Path) -> Path:
    """The folder that the archive was installed to; nothing is asked of a server."""
    run(
        "ansible-galaxy",
        "collection",
        "install",
        "--offline",
        str(archive),
        "--collections-path",
        str(home / "installed"),
    )
    return home / "installed/ansible_collections/evenkeel/cluster"


def test_the_archive_holds_all_sources(archive: Path) -> None:
    with tarfile.open(archive) as content:
        names = {member.name: member.isdir() for member in content}
    assert {name for name, folder in names.items() if not folder} == SOURCES | {"MANIFEST.json", "FILES.json"}
    assert not [name for name in names if "__pycache__" in name]


def test_what_ansible_test_installs_is_locked() -> None:
    folder = Path(str(importlib.resources.files("ansible_test"))) / "_data/requirements"
    # There is nothing for the changelog's rules to look at.
    files = [path for path in folder.glob("sanity.*.txt") if path.name != "sanity.changelog.txt"]
    lines = {line.lower() for path in files for line in path.read_text().splitlines()}
    pins = {line for line in lines if not line.startswith("#")}
    locked = re.findall(r"^(\S+==\S+) ", (ROOT / "requirements-sanity.txt").read_text(), re.MULTILINE)
    assert pins == set(locked), "want make lock to be run again"


def test_only_the_licence_rule_is_ignored() -> None:
    # That rule asks for the GPL in modules; ours are under the MIT licence.
    (file,) = (COLLECTION / "tests/sanity").iterdir()
    rules = {line.split()[1] for line in file.read_text().splitlines()}
    assert rules == {"validate-modules:missing-gplv3-license"}


def test_the_archive_carries_the_licence(installed: Path) -> None:
    assert (installed / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("kind", KINDS.values())
def test_every_plugin_is_documented_from_there(run: Run, installed: Path, kind: str) -> None:
    names = [name for option, name in PLUGINS if option == kind]
    listed = json.loads(run("ansible-doc", "--list", "--json", "--type", kind, "evenkeel.cluster"))
    assert sorted(listed) == sorted(names)

    told: dict[str, Any] = json.loads(run("ansible-doc", "--json", "--type", kind, *names))
    assert sorted(told) == sorted(names)
    for name, parts in told.items():
        assert Path(parts["doc"]["filename"]).is_relative_to(installed), name
        assert parts["doc"]["collection"] == "evenkeel.cluster"
        assert kind == "callback" or (parts["examples"] and parts["return"]), name


@pytest.mark.parametrize("options", [[], ["--check"]], ids=["run", "check"])
def test_a_playbook_uses_it(run: Run, installed: Path, home: Path, options: list[str]) -> None:
    playbook = home / "play.yml"
    playbook.write_text(PLAYBOOK)
    output = run("ansible-playbook", "-i", "localhost,", *options, str(playbook))
    assert "failed=0" in output
    assert "ok=3 " in output
