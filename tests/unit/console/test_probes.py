"""Nodes that hang do not hold up the looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest
from evenkeel_agent.probes import Probes
from tests.unit.fakes.cluster import FakeCluster

URL = "http://10.0.0.99:8080/"


class Later(Executor):
    """Does what it is given when it is told to."""

    def __init__(self) -> None:
        self.work: list[Callable[[], object]] = []

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        self.work.append(lambda: work(*args, **options))
        return Future()

    def go_on(self) -> None:
        work, self.work = self.work, []
        for each in work:
            each()


class Sight:
    """Probes of a cluster in memory whose addresses answer as they are told."""

    def __init__(self, folder: Path) -> None:
        self.engine = FakeCluster(folder).engine
        self.asked: list[str] = []
        self.answers: dict[str, int] = {}
        self.engine.health = self._health  # type: ignore[method-assign]
        self.later = Later()
        self.woken: list[str] = []
        self.probes = Probes(lambda: self.woken.append("again"), self.later)

    def _health(self, url: str, headers: Mapping[str, str] | None = None) -> int:
        self.asked.append(url)
        return self.answers.get(url, 0)

    def look(self, *urls: str) -> list[int]:
        engine = self.probes.of(self.engine)
        return [engine.health(url) for url in urls]


@pytest.fixture
def sight(tmp_path: Path) -> Sight:
    return Sight(tmp_path)


def test_each_address_is_asked_once_in_a_look(sight: Sight) -> None:
    sight.answers[URL] = 200
    for count in (1, 2):
        assert sight.look(URL, URL) == [200, 200]
        assert sight.asked == [URL] * count
    assert sight.probes.of(sight.engine).network == sight.engine.network, "everything else is the engine's"
    assert sight.later.work == []


def test_no_look_waits_for_an_address_that_was_silent_before(sight: Sight) -> None:
    assert sight.look(URL) == [0]
    assert sight.asked == [URL]
    for _ in range(3):
        assert sight.look(URL, URL) == [0, 0]
    assert sight.asked == [URL], "it is not asked within a look"
    assert len(sight.later.work) == 1, "nor twice at once"
    sight.later.go_on()
    assert sight.asked == [URL] * 2
    assert sight.woken == []
    sight.look(URL)
    assert len(sight.later.work) == 1, "it is asked again and again"


def test_one_that_answers_again_causes_a_look_that_asks_it(sight: Sight) -> None:
    sight.look(URL)
    sight.look(URL)
    sight.answers[URL] = 200
    sight.later.go_on()
    assert sight.woken == ["again"]
    sight.answers[URL] = 503
    assert sight.look(URL) == [503], "what it answers now"


def test_what_was_not_asked_for_in_a_look_is_forgotten(sight: Sight) -> None:
    sight.look(URL)
    sight.look("http://10.0.2.1/")
    sight.asked.clear()
    sight.look(URL)
    assert sight.asked == [URL]
    assert sight.later.work == []


def test_a_probe_that_breaks_is_made_again(sight: Sight) -> None:
    sight.look(URL)
    sight.look(URL)

    def broken(_url: str, headers: Mapping[str, str] | None = None) -> int:
        raise OSError("no threads")

    health, sight.engine.health = sight.engine.health, broken  # type: ignore[assignment, method-assign]
    with pytest.raises(OSError, match="no threads"):
        sight.later.go_on()
    sight.engine.health = health  # type: ignore[method-assign]
    sight.look(URL)
    assert len(sight.later.work) == 1
