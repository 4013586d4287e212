"""Waiting for what a container runs: it answers, is slow, hangs, or ends again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.unit.fakes.clock import VirtualClock

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.http_client import Answer
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.ready import (
    NotReadyError,
    Service,
    wait_until_ready,
)

SERVICE = Service("portainer readiness", "shop-portainer", "http://127.0.0.1:9090/x", (200, 303), 60.0)
REFUSED = Answer(0, reason="connection refused")


class Looping:
    """A container that ends every few seconds, as Docker tells it."""

    def __init__(self, clock: VirtualClock, every: float = 0.0, before: int = 0) -> None:
        self._clock, self._every, self._before = clock, every, before
        self._began = clock.now()
        self.status = "running"

    def inspect(self, container: str) -> dict[str, Any]:
        assert container == "shop-portainer"
        ended = int((self._clock.now() - self._began) / self._every) if self._every else 0
        return {"RestartCount": self._before + ended, "State": {"Status": self.status, "ExitCode": 3}}

    def logs(self, container: str) -> str:
        assert container == "shop-portainer"
        return "\x1b[90m2026\x1b[0m \x1b[1;31mFTL\x1b[0m no /docker-compose"


def answering(*answers: Answer) -> Callable[[str], Answer]:
    """Give these answers one after the other, and the last one for ever."""
    rest: Iterator[Answer] = iter(answers[:-1])
    return lambda url: next(rest, answers[-1])


@pytest.mark.parametrize(
    "answers, status, slept",
    [
        ([Answer(200)], 200, 0.0),
        ([Answer(303)], 303, 0.0),
        ([REFUSED, Answer(502), Answer(200)], 200, 1.0),
    ],
)
def test_answers(answers: list[Answer], status: int, slept: float) -> None:
    clock = VirtualClock()
    assert wait_until_ready(SERVICE, Looping(clock), answering(*answers), clock) == status
    assert sum(clock.slept) == slept


def test_one_end_may_be_chance() -> None:
    clock = VirtualClock()
    answers = answering(*[REFUSED] * 20, Answer(200))
    assert wait_until_ready(SERVICE, Looping(clock, every=7.0), answers, clock) == 200
    assert sum(clock.slept) == 10.0


def test_second_end_is_told_without_waiting_for_more() -> None:
    clock = VirtualClock()
    with pytest.raises(NotReadyError) as caught:
        wait_until_ready(SERVICE, Looping(clock, every=1.5), answering(REFUSED), clock)
    assert str(caught.value) == (
        "portainer readiness: got 2 ends of shop-portainer (exit code 3), want it to stay up"
        " (fix: docker logs shop-portainer). Last lines: 2026 FTL no /docker-compose"
    )
    assert sum(clock.slept) == 3.0


def test_ends_of_the_past_do_not_count() -> None:
    clock = VirtualClock()
    answers = answering(*[REFUSED] * 9, Answer(200))
    assert wait_until_ready(SERVICE, Looping(clock, before=50), answers, clock) == 200


def test_container_that_is_in_a_loop_already() -> None:
    clock = VirtualClock()
    engine = Looping(clock, before=50)
    engine.status = "restarting"
    with pytest.raises(NotReadyError, match="got 50 ends of shop-portainer"):
        wait_until_ready(SERVICE, engine, answering(REFUSED), clock)
    assert clock.slept == []


@pytest.mark.parametrize(
    "answer, told", [(REFUSED, "connection refused"), (Answer(0), "no answer"), (Answer(500), "status 500")]
)
def test_time_out(answer: Answer, told: str) -> None:
    clock = VirtualClock()
    with pytest.raises(NotReadyError) as caught:
        wait_until_ready(SERVICE, Looping(clock), answering(answer), clock)
    assert str(caught.value).startswith(
        f"portainer readiness: got {told} from http://127.0.0.1:9090/x after 60 s, want status 200 or 303"
        " (fix: docker logs shop-portainer). Last lines: 2026 FTL"
    )
