"""A console for a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.console.desk import Desk
from tests.unit.fakes.console import Console, running

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import discard_lock


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """Both processes."""
    yield from running(tmp_path)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Its two tiers have two nodes each."""
    found = Desk(tmp_path)
    yield found
    discard_lock(found.name)
