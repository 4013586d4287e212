"""What a long run tells: into a file at once, or into the result."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.progress import Progress, no_progress, timed


def test_lines_are_in_the_file_at_once_and_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    progress = Progress(str(path))
    assert not path.exists()
    progress.tell("static-4: started 0.3 s")
    assert path.read_text() == "static-4: started 0.3 s\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    progress.tell("static-1: drains")
    assert path.read_text() == "static-4: started 0.3 s\nstatic-1: drains\n"
    assert progress.result() == {}


def test_what_is_in_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    path.write_text("before\n")
    path.chmod(0o640)
    Progress(str(path)).tell("after")
    assert path.read_text() == "before\nafter\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_that_was_removed_ends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    progress = Progress(str(path))
    progress.tell("one")
    path.unlink()
    progress.tell("two")
    assert progress.kept == []
    assert not path.exists()


@pytest.mark.parametrize("path", [None, ""])
def test_without_a_file_lines_are_kept(path: str | None) -> None:
    progress = Progress(path)
    progress.tell("one")
    progress.tell("two")
    assert progress.kept == ["one", "two"]


@pytest.mark.parametrize("kind", ["folder", "nowhere", "full", "link", "pipe", "nul"])
def test_a_file_that_cannot_be_written_to_ends_only_the_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "nowhere":
        path = path / "progress"
    elif kind == "full":
        path = Path("/dev/full")
    elif kind == "link":
        (tmp_path / "target").touch()
        path.symlink_to(tmp_path / "target")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = tmp_path / "a\0b"
    progress = Progress(str(path))
    progress.tell("one")
    progress.tell("two")
    assert progress.result() == {"progress": ["one", "two"]}
    if kind == "link":
        assert (tmp_path / "target").read_text() == ""


def test_a_line_is_one_line_and_moves_no_cursor(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    Progress(str(path)).tell("a\nb\x1b[2J\udc80 é")
    assert path.read_text() == "a\\nb\\x1b[2J\\udc80 é\n"


def test_threads_tell_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    progress = Progress(str(path))
    told = [[f"node-{thread}-{number} {'x' * 500}" for number in range(50)] for thread in range(8)]

    def tell(lines: list[str]) -> None:
        for line in lines:
            progress.tell(line)

    threads = [threading.Thread(target=tell, args=(lines,)) for lines in told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.read_text().splitlines()) == sorted(line for lines in told for line in lines)


def test_what_happened_bears_its_time() -> None:
    assert timed("static: route switched", 61.25) == "static: route switched 61.2 s"
    no_progress("nothing")
