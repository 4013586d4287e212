"""A console for a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.fakes.console import CHEAP, Console

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import discard_lock


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """Both processes; tries of passwords cost nothing."""
    monkeypatch.setattr("evenkeel_console.passwords._HASHER", CHEAP)
    with Console(tmp_path) as found:
        yield found
    discard_lock(found.name)
