"""In which order a node is taken out, ended and started, and how long it is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from evenkeel_agent.action import DONE
from evenkeel_agent.node_work import DockerHands
from tests.unit.console.desk import Desk
from tests.unit.fakes.cluster import TIERS

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import discard_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient

# An image that knows nothing of the balancer, so that the route leads to a written set while the tier changes.
PLAIN = {"image": "res/shop:1", "leaving": "balancer", "port": 8080, "path": "/", "nodes": 2}


class Order:
    """What happens to the nodes and the routes of a desk, with the time."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder, {**TIERS, "shop": PLAIN})
        self.told: list[tuple[float, str]] = []
        self.sets: list[set[str]] = []
        self.desk.cluster.engine.fails = self._note

    def _note(self, call: str) -> bool:
        if call.startswith(("kill", "stop", "start", "remove")):
            self.told.append((self.desk.cluster.clock.now(), self.desk.bare(call)))
            route = self.desk.cluster.routes.of("shop")
            urls = route.servers.urls if route is not None and route.servers is not None else ()
            self.sets.append({self.desk.bare(url.removeprefix("http://").partition(":")[0]) for url in urls})
        return False

    def calls(self) -> list[str]:
        return [" ".join(word for word in call.split() if not word.isdigit()) for _at, call in self.told]


@pytest.fixture
def order(tmp_path: Path) -> Iterator[Order]:
    found = Order(tmp_path)
    yield found
    discard_lock(found.desk.name)


@pytest.mark.parametrize(
    "verb, calls",
    [
        ("stop", ["stop shop-2"]),
        ("remove", ["stop shop-2", "remove shop-2"]),
        ("restart", ["stop shop-2", "start again shop-2"]),
    ],
)
def test_it_is_out_before_it_is_told_to_end_and_in_only_when_it_serves(
    order: Order, verb: str, calls: list[str]
) -> None:
    assert order.desk.done(verb, node=order.desk.node("shop-2")).state == DONE
    assert order.calls() == calls
    assert order.sets == [{"shop-1"}] * len(calls)


def test_a_kill_is_one_and_the_node_is_away_for_a_second(order: Order) -> None:
    assert order.desk.done("kill", node=order.desk.node("shop-2")).state == DONE
    assert order.calls() == ["kill shop-2", "start again shop-2"]
    (killed, _), (started, _) = order.told
    assert started - killed == pytest.approx(1.0)
    assert order.sets[0] == {"shop-1", "shop-2"}, "a crash comes without a word"


def test_docker_is_asked_for_a_kill_that_no_process_can_catch() -> None:
    asked: list[tuple[str, str]] = []

    class Api:
        def kill(self, container: str, signal: str) -> None:
            asked.append((container, signal))

    DockerHands(DockerClient("unix:///nonexistent", lambda _address, _version: Api())).kill("a")
    assert asked == [("a", "SIGKILL")]
