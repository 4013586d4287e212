"""The tag of a build context changes exactly when what goes into the image does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.evenkeel.cluster.plugins import filter as filters
from ansible_collections.evenkeel.cluster.plugins.filter.tree_hash import FilterModule, tree_hash


@pytest.fixture
def context(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    (root / "src").mkdir(parents=True)
    (root / "node_modules" / "left-pad").mkdir(parents=True)
    (root / "Dockerfile").write_text("FROM scratch\n")
    (root / "src" / "app.js").write_text("1\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "node_modules" / "left-pad" / "index.js").write_text("x\n")
    (root / "link").symlink_to("src/app.js")
    return root


def test_lists_the_files_it_covers(context: Path) -> None:
    (context / "empty").mkdir()
    result = tree_hash(str(context), exclude=["node_modules"])
    assert result["files"] == ["Dockerfile", "link", "run.sh", "src/app.js"]
    assert result["tag"] == result["digest"][:12]
    assert len(result["digest"]) == 64


def _edit(root: Path) -> None:
    (root / "src" / "app.js").write_text("2\n")


def _rename(root: Path) -> None:
    (root / "src" / "app.js").rename(root / "src" / "main.js")


def _add(root: Path) -> None:
    (root / "src" / "new.js").touch()


def _executable(root: Path) -> None:
    (root / "run.sh").chmod(0o755)


def _retarget(root: Path) -> None:
    (root / "link").unlink()
    (root / "link").symlink_to("run.sh")


def _link_to_file(root: Path) -> None:
    (root / "link").unlink()
    (root / "link").write_text((root / "src" / "app.js").read_text())


def _edit_dockerfile(root: Path) -> None:
    (root / "Dockerfile").write_text("FROM busybox\n")


def _ignore_source(root: Path) -> None:
    (root / ".dockerignore").write_text("src\n")


@pytest.mark.parametrize(
    "change",
    [_edit, _rename, _add, _executable, _retarget, _link_to_file, _edit_dockerfile, _ignore_source],
)
def test_a_change_of_content_changes_the_tag(context: Path, change: Callable[[Path], None]) -> None:
    before = tree_hash(str(context))
    change(context)
    assert tree_hash(str(context))["tag"] != before["tag"]


def _touch(root: Path) -> None:
    os.utime(root / "src" / "app.js", (1, 1))


def _umask(root: Path) -> None:
    (root / "src" / "app.js").chmod(0o600)


def _edit_excluded(root: Path) -> None:
    (root / "node_modules" / "left-pad" / "index.js").write_text("y\n")


@pytest.mark.parametrize("change", [_touch, _umask, _edit_excluded])
def test_what_no_image_shows_leaves_the_tag(context: Path, change: Callable[[Path], None]) -> None:
    before = tree_hash(str(context), exclude=["node_modules"])
    change(context)
    assert tree_hash(str(context), exclude=["node_modules"]) == before


def test_the_place_of_the_context_does_not_count(context: Path, tmp_path: Path) -> None:
    before = tree_hash(str(context))
    assert tree_hash(str(context.rename(tmp_path / "elsewhere"))) == before


def test_dockerignore_applies_and_exclusions_overrule_it(context: Path) -> None:
    (context / ".dockerignore").write_text("# only these\n\n*\n!run.sh\n!node_modules\n")
    assert tree_hash(str(context), exclude=["node_modules"])["files"] == ["Dockerfile", "run.sh"]


def test_the_dockerfile_cannot_be_ignored(context: Path) -> None:
    (context / ".dockerignore").write_text("*\n")
    assert tree_hash(str(context))["files"] == ["Dockerfile"]


@pytest.mark.parametrize("salt", [{"base": "a"}, {"base": "b"}, ["base", "a"], "a", 1])
def test_the_salt_counts(context: Path, salt: object) -> None:
    tags = {tree_hash(str(context))["tag"], tree_hash(str(context), salt=salt)["tag"]}
    assert len(tags) == 2
    assert tree_hash(str(context), salt=salt) == tree_hash(str(context), salt=salt)


def test_the_order_of_the_salts_keys_does_not_count(context: Path) -> None:
    assert tree_hash(str(context), salt={"a": 1, "b": 2}) == tree_hash(str(context), salt={"b": 2, "a": 1})


def test_a_missing_context_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AnsibleFilterError, match=r"build context: got '.*/nowhere', want a directory"):
        tree_hash(str(tmp_path / "nowhere"))


def test_a_pipe_is_refused(context: Path) -> None:
    os.mkfifo(context / "pipe")
    with pytest.raises(AnsibleFilterError, match=r"pipe: got a socket, pipe or device"):
        tree_hash(str(context))


def test_a_line_break_in_a_name_is_refused(context: Path) -> None:
    (context / "a\nb").touch()
    with pytest.raises(AnsibleFilterError, match="want one without line breaks"):
        tree_hash(str(context))


def test_ansible_finds_the_filter() -> None:
    assert FilterModule().filters() == {"tree_hash": tree_hash}


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch, context: Path) -> None:
    monkeypatch.setitem(sys.modules, "docker.utils.build", None)
    with pytest.raises(AnsibleFilterError) as caught:
        tree_hash(str(context))
    assert str(caught.value).startswith("tree_hash: got import of docker.utils.build halted; ")
    assert str(caught.value).endswith(", want the Docker SDK on the controller (fix: pip install docker)")


def test_loading_the_filters_loads_no_docker_sdk() -> None:
    """Each task with any filter of the collection loads them all."""
    folder = Path(filters.__path__[0])
    names = ", ".join(f"{filters.__name__}.{path.stem}" for path in folder.glob("*.py"))
    code = f"import sys, {names}; print('docker' in sys.modules, 'requests' in sys.modules)"
    environment = {"PYTHONPATH": str(folder.parents[4])}
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert found.stdout == "False False\n"
