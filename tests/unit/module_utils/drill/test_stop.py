"""How a drill notices that it is to end: signals of one wish, of two, and a result that nobody waits for."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.stop import SIGNALS, Stop


@pytest.fixture
def handlers() -> Iterator[None]:
    """What pytest had for the signals is there again afterwards."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def stop(handlers: None) -> tuple[Stop, int]:
    """One that listens, and the descriptor from which its result is read."""
    read, write = os.pipe()
    stop = Stop()
    stop.listen(write)
    os.close(write)
    return stop, read


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_a_wish_with_its_name(stop: tuple[Stop, int], number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    assert stop[0].event.is_set()
    assert stop[0].reason == f"a signal ({number.name})"
    os.close(stop[1])


def test_signals_that_come_together_are_one_wish(stop: tuple[Stop, int]) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop[0].reason == "a signal (SIGINT)"
    os.close(stop[1])


def test_a_later_signal_ends_it_at_once(stop: tuple[Stop, int], monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    times = iter((now, now + 2.5))
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    os.close(stop[1])


def test_it_is_noticed_that_nobody_waits_for_the_result(stop: tuple[Stop, int]) -> None:
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
