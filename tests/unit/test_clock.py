"""The tests' own clock."""

from __future__ import annotations

import pytest
from tests.unit.fakes.clock import VirtualClock


def test_a_virtual_clock_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="got -1, want 0 or more"):
        VirtualClock().sleep(-1)
