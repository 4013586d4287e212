"""A console for a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.fakes.console import Console, running


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """Both processes."""
    yield from running(tmp_path)
