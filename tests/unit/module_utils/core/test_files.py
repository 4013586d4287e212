"""Files that others read while they are written."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.files import write_atomically


def test_a_new_file_has_its_text_its_mode_and_no_other_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "tiers.yml"
    write_atomically(path, "grün\n")
    assert path.read_text(encoding="utf-8") == "grün\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644, "the balancer is another user"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "tiers.yml"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "no text: \ud800")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_file_is_no_configuration_to_the_balancer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    replace = Path.replace

    def noted(temporary: Path, target: Path) -> Path:
        seen.append(temporary.suffix)
        return replace(temporary, target)

    monkeypatch.setattr(Path, "replace", noted)
    write_atomically(tmp_path / "tiers.yml", "new")
    assert seen
    assert not {".yml", ".yaml", ".toml"} & set(seen)
