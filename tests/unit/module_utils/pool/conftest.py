"""The lock of a test's cluster is its own, not that of a cluster on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.core import lock


@pytest.fixture(autouse=True)
def own_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lock, "lock_path", lambda cluster: tmp_path / f"{cluster}.lock")
