"""Nodes that hang do not hold up the looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from evenkeel_agent.probes import AGAIN, Probes
from tests.unit.fakes.cluster import FakeCluster


def test_each_address_is_asked_once_in_a_look(tmp_path: Path) -> None:
    cluster = FakeCluster(tmp_path)
    asked: list[str] = []

    def note(call: str) -> bool:
        asked.append(call)
        return False

    cluster.engine.fails = note
    probes, url = Probes(), "http://10.0.0.99:8080/"
    for _ in range(3):
        engine = probes.of(cluster.engine)
        assert [engine.health(url), engine.health(url)] == [0, 0]
    assert asked == [f"health {url}"] * 3
    assert probes.of(cluster.engine).network == cluster.engine.network, "everything else is the engine's"


def test_of_many_that_hang_some_are_asked_again_and_all_of_them_in_turn(tmp_path: Path) -> None:
    cluster = FakeCluster(tmp_path)
    asked: list[str] = []
    answers: dict[str, int] = {}

    def health(url: str, headers: Mapping[str, str] | None = None) -> int:
        asked.append(url)
        return answers.get(url, 0)

    cluster.engine.health = health  # type: ignore[method-assign]
    probes = Probes()
    urls = [f"http://10.0.1.{number}/" for number in range(3 * AGAIN)]
    looks: list[list[str]] = []
    for _ in range(4):
        engine = probes.of(cluster.engine)
        assert {engine.health(url) for url in urls} == {0}
        looks.append(list(asked))
        asked.clear()
    assert [len(look) for look in looks] == [3 * AGAIN, AGAIN, AGAIN, AGAIN], "one that was never asked is asked"
    assert set(Counter(url for look in looks[1:] for url in look).values()) == {1}, "none twice before another"
    assert len({url for look in looks[1:] for url in look}) == len(urls)
    answers[urls[0]] = 200
    engine = probes.of(cluster.engine)
    assert [engine.health(urls[0]), engine.health("http://10.0.2.1/")] == [200, 0], "its turn, and a new one"
    probes.of(cluster.engine)
    asked.clear()
    engine = probes.of(cluster.engine)
    engine.health(urls[-1])
    assert asked == [urls[-1]], "what was not asked for in a look is forgotten"
