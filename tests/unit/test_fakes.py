"""The fakes keep the contracts of what they stand in for, and the time between engine and balancer is seen."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.contract.engine_contract import EngineContract, Subject
from tests.unit.fakes.by_hand import FakeHand
from tests.unit.fakes.clock import VirtualClock
from tests.unit.fakes.cluster import FakeCluster
from tests.unit.fakes.history import Delays

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import BalancerView, FaultyEngine, Routes


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    return FakeCluster(tmp_path)


class TestFakeEngine(EngineContract):
    """The fake engine keeps the contract."""

    @pytest.fixture
    def subject(self, cluster: FakeCluster) -> Subject:
        build = cluster.builds["shop"]
        for node in cluster.engine.nodes():
            cluster.engine.remove(node.id)
        return Subject(
            cluster.engine, cluster.clock, build, build.image, "evenkeel-contract/bare", FakeHand(cluster.engine)
        )


def test_the_fakes_keep_the_ports(cluster: FakeCluster) -> None:
    engine: FaultyEngine = cluster.engine
    balancer: BalancerView = cluster.balancer
    routes: Routes = cluster.routes
    assert [engine, balancer, routes]
    assert cluster.declared()
    assert cluster.drift() == []


# --------------------------------------------------------------------------
# The balancer learns late
# --------------------------------------------------------------------------


def test_the_balancer_learns_of_a_start_later_and_of_its_health_later_still(tmp_path: Path) -> None:
    cluster = FakeCluster(tmp_path, delays=Delays(start=0, ready=0.05, notice=0.4, probe=0.7))
    shop = cluster.builds["shop"]
    cluster.engine.start("shop-3", shop)
    url = cluster.engine.node("shop-3").url
    service = shop.tier.service
    cluster.clock.sleep(0.3)
    assert url not in cluster.balancer.server_status(service)
    cluster.clock.sleep(0.2)
    assert cluster.balancer.server_status(service)[url] == "UP"
    assert url not in cluster.balancer.server_up(service), "listed as up before its first probe"
    cluster.clock.sleep(0.7)
    assert cluster.balancer.server_up(service)[url]


def test_the_balancer_sends_to_a_node_that_has_ended_until_it_learns_of_it(tmp_path: Path) -> None:
    cluster = FakeCluster(tmp_path, delays=Delays(notice=0.4, probe=0.2))
    node = cluster.engine.node("shop-1")
    cluster.engine.kill(node.id)
    assert cluster.balancer.server_status(node.service)[node.url] == "UP"
    cluster.clock.sleep(0.3)
    assert cluster.balancer.server_status(node.service)[node.url] == "DOWN"
    cluster.clock.sleep(0.2)
    assert node.url not in cluster.balancer.server_status(node.service)


def test_the_balancer_reads_routes_late(cluster: FakeCluster) -> None:
    cluster.clock.sleep(1)
    assert cluster.balancer.router("shop") is not None
    cluster.routes.point_to({"shop": None})
    assert cluster.balancer.router("shop") is not None
    cluster.clock.sleep(cluster.engine.delays.route)
    assert cluster.balancer.router("shop") is None


# --------------------------------------------------------------------------
# The clock
# --------------------------------------------------------------------------


def test_sleepers_are_woken_in_the_order_of_their_times() -> None:
    clock = VirtualClock(0.0)
    woken: list[float] = []

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        woken.append(clock.now())

    threads = [threading.Thread(target=sleep, args=(seconds,)) for seconds in (3.0, 1.0, 2.0)]
    with clock.driven():
        for thread in threads:
            thread.start()
        while len(clock.slept) < 3:
            threads[0].join(0.001)
    for thread in threads:
        thread.join()
    assert clock.now() == 3.0
    assert sorted(woken) == woken


def test_only_the_driver_moves_the_time() -> None:
    clock = VirtualClock(0.0)
    seen: list[float] = []

    def work() -> None:
        for _ in range(3):
            clock.sleep(0.4)
            seen.append(clock.now())

    thread = threading.Thread(target=work)
    with clock.driven():
        thread.start()
        while not clock.slept:
            thread.join(0.001)
        clock.sleep(1.0)
        assert seen == [0.4, 0.8]
        assert clock.now() == 1.0
    thread.join()
    assert [round(at, 6) for at in seen] == [0.4, 0.8, 1.2]


def test_an_alarm_goes_off_at_its_time() -> None:
    clock = VirtualClock(0.0)
    seen: list[float] = []
    clock.at(0.5, lambda: seen.append(clock.now()))
    clock.sleep(0.4)
    assert seen == []
    clock.sleep(0.4)
    assert seen == [0.5]


def test_a_negative_sleep_is_a_bug() -> None:
    with pytest.raises(ValueError, match="want 0 or more"):
        VirtualClock().sleep(-1)
