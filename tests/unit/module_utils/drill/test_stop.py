"""How a drill notices that it is to end: one signal, two, and a result that is not read any more."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.fakes.clock import VirtualClock

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.stop import SIGNALS, Stop


@pytest.fixture
def handlers() -> Iterator[None]:
    """What pytest had for the signals is there again afterwards."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def stop(handlers: None, clock: VirtualClock) -> tuple[Stop, int]:
    """One that listens, and the descriptor from which its result is read."""
    read, write = os.pipe()
    stop = Stop(clock)
    stop.listen(write)
    os.close(write)
    return stop, read


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noticed_with_its_name(stop: tuple[Stop, int], number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    assert stop[0].event.is_set()
    assert stop[0].reason == f"a signal ({number.name})"
    os.close(stop[1])


def test_signals_that_come_together_are_one_request(stop: tuple[Stop, int]) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop[0].reason == "a signal (SIGINT)"
    os.close(stop[1])


def test_a_later_signal_ends_it_at_once(stop: tuple[Stop, int], clock: VirtualClock) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    clock.sleep(2.5)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    os.close(stop[1])


def test_it_is_noticed_that_the_result_is_not_read_any_more(stop: tuple[Stop, int]) -> None:
    assert not stop[0].event.wait(0.1)
    os.close(stop[1])
    assert stop[0].event.wait(5)
    assert stop[0].reason == "the end of the run that waits for the result"
    os.kill(os.getpid(), signal.SIGINT)
    assert stop[0].reason == "the end of the run that waits for the result"


def test_a_result_in_a_file_is_always_waited_for(handlers: None, tmp_path: Path) -> None:
    stop = Stop()
    with (tmp_path / "result").open("w") as output:
        stop.listen(output.fileno())
        assert not stop.event.wait(0.2)
