"""How an action begins: one at a time, known by its key, and not while the agent ends."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from evenkeel_agent.action import DONE
from evenkeel_agent.verbs import BusyError, RefusedError
from tests.unit.console.desk import Desk
from tests.unit.fakes.console import Console


class Slow:
    """Lets the second plan of an action, which is made under the lock, wait."""

    def __init__(self, desk: Desk) -> None:
        self.waits, self.go = threading.Event(), threading.Event()
        self._plan = desk.actions._planner.plan
        desk.actions._planner.plan = self._slowly  # type: ignore[method-assign]

    def _slowly(self, wish: Any) -> Any:
        self.waits.set()
        assert self.go.wait(10)
        return self._plan(wish)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_begins_while_the_agent_ends_is_waited_for_and_refused(desk: Desk) -> None:
    first, later = (desk.plan("roll", tier="shop") for _ in range(2))
    slow = Slow(desk)
    with ThreadPoolExecutor(2) as threads:
        begins = threads.submit(desk.actions.do, first.id, "alice", "a" * 32)
        assert slow.waits.wait(10)
        ends = threads.submit(desk.actions.end, 10.0)
        until(lambda: desk.actions._begins._is_ending or ends.done())
        slow.go.set()
        with pytest.raises(RefusedError, match=r"^agent: got its end, want it running"):
            begins.result(10)
        assert ends.result(10)
    with pytest.raises(RefusedError, match=r"^agent: got its end, want it running"):
        desk.actions.do(later.id, "alice", "b" * 32)
    assert (desk.actions.recent(), desk.audit.page()) == ([], [])


def test_a_second_one_is_refused_at_once_while_the_first_begins(desk: Desk) -> None:
    plans = [desk.plan("roll", tier=tier) for tier in ("shop", "dates")]
    slow = Slow(desk)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(desk.actions.do, plans[0].id, "alice", "a" * 32)
        assert slow.waits.wait(10)
        again = threads.submit(desk.actions.do, plans[0].id, "alice", "a" * 32)
        second = threads.submit(desk.actions.do, plans[1].id, "bob", "b" * 32)
        try:
            with pytest.raises(BusyError) as caught:
                second.result(5)
        finally:
            slow.go.set()
        assert caught.value.holder == "console: alice"
        assert again.result(10) is first.result(10)
    assert desk.ended(first.result()).state == DONE


def test_a_key_is_that_of_one_plan(desk: Desk) -> None:
    first, second = (desk.plan("roll", tier=tier) for tier in ("shop", "dates"))
    action = desk.actions.do(first.id, "alice", "a" * 32)
    with pytest.raises(RefusedError, match=r"^Idempotency-Key: got one of another plan, want a new one"):
        desk.actions.do(second.id, "alice", "a" * 32)
    assert desk.actions.do(first.id, "alice", "a" * 32) is action
    desk.ended(action)


def test_plans_that_wait_take_no_thread_of_the_looks(console: Console) -> None:
    alice = console.login()
    slow = Slow(console)
    waiting = min(32, (os.cpu_count() or 1) + 4)
    with ThreadPoolExecutor(waiting) as threads:
        try:
            plans = [threads.submit(alice.plan, "roll", tier="shop") for _ in range(waiting)]
            assert slow.waits.wait(10)
            time.sleep(0.3)
            console.call(asyncio.wait_for(asyncio.to_thread(lambda: None), 3))
        finally:
            slow.go.set()
        assert {made.result().status for made in plans} == {200}
