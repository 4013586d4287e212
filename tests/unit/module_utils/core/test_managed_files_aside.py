"""What is in the way of declared files is moved aside, with what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.managed_files import manage


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o755)
    return folder


def declared(etc: Path) -> dict[str, Any]:
    return {
        "folders": [{"path": str(etc), "mode": "0755"}],
        "files": [{"path": f"{etc}/base.yml", "content": "a: 1\n", "mode": "0644"}],
        "secret_contents": {},
    }


def test_a_folder_in_the_place_of_a_file_is_moved_aside_with_what_is_in_it(etc: Path) -> None:
    path = etc / "base.yml"
    path.mkdir()
    (path / "kept").write_text("by somebody")
    foretold = manage(declared(etc), write=False)
    assert path.is_dir(), "only foretold"
    assert manage(declared(etc), write=True) == foretold
    assert foretold["changed_paths"] == [str(path)]
    assert path.read_text() == "a: 1\n"
    assert (etc / "base.yml.was-a-folder/kept").read_text() == "by somebody"
    assert not manage(declared(etc), write=True)["changed"]
