"""The tests' own clock."""

from __future__ import annotations

import threading

import pytest
from tests.unit.clock import VirtualClock


def test_threads_share_a_virtual_clock_without_losing_time() -> None:
    clock = VirtualClock(0)

    def sleep() -> None:
        for __ in range(500):
            clock.sleep(1)

    threads = [threading.Thread(target=sleep) for __ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now() == 2000
    assert len(clock.slept) == 2000


def test_a_virtual_clock_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="got -1, want 0 or more"):
        VirtualClock().sleep(-1)
