"""What a person does to one node: it leaves rotation before it ends, and serves again before the action is over."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.fakes.cluster import FakeCluster
from tests.unit.module_utils.pool.shop import of_shop, order, sets

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.leaving import BALANCER, HELD, OWN
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.one_node import OneNode, find_node
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.steps import Step


@pytest.fixture(params=[OWN, HELD, BALANCER])
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> FakeCluster:
    found = of_shop(tmp_path, request.param)
    found.clock.sleep(5)
    return found


def one(cluster: FakeCluster, steps: list[str] | None = None, name: str = "shop-2") -> OneNode:
    def note(step: Step) -> None:
        if steps is not None:
            steps.append(step.step)

    node = next(item for item in cluster.engine.nodes() if item.name == name)
    return OneNode(node, cluster.tiers["shop"], cluster.ports, 6.0, on_step=note, clock=cluster.clock)


def up(cluster: FakeCluster) -> set[str]:
    service = cluster.tiers["shop"].service
    return {url for url, state in cluster.balancer.server_status(service).items() if state == "UP"}


def test_a_restart_takes_it_out_and_brings_it_back(cluster: FakeCluster) -> None:
    steps: list[str] = []
    one(cluster, steps).restart()
    assert steps == ["drain_began", "gone", "started", "ready", "in_rotation"]
    assert len(up(cluster)) == 2
    if cluster.tiers["shop"].leaving != OWN:
        assert sets(cluster) == [[], ["shop-1", "shop-2"], ["shop-1"], ["shop-1", "shop-2"], []]


def test_a_stopped_node_stays_and_can_be_started(cluster: FakeCluster) -> None:
    one(cluster).stop()
    assert {url.split("//")[1].partition(":")[0] for url in up(cluster)} == {"shop-1"}
    assert not cluster.engine.node("shop-2").running
    one(cluster).start()
    assert len(up(cluster)) == 2


def test_a_removed_one_is_gone_after_it_has_ended(cluster: FakeCluster) -> None:
    one(cluster).remove()
    calls = [call.split()[0] for call in order(cluster, "stop shop-2", "remove shop-2")]
    assert calls == ["stop", "remove"]
    assert cluster.names("shop") == ["shop-1"]
    one(cluster, name="shop-1").stop()
    one(cluster, name="shop-1").remove()
    assert cluster.names("shop") == []


def test_a_silent_balancer_lets_nothing_end(cluster: FakeCluster) -> None:
    cluster.balancer.fails = lambda call: True
    with pytest.raises(EvenkeelError):
        one(cluster).stop()
    assert order(cluster, "stop") == []


def test_a_crash_begins_only_if_it_can_be_brought_back(cluster: FakeCluster) -> None:
    node = cluster.engine.node("shop-2").id
    cluster.balancer.fails = lambda call: True
    with pytest.raises(EvenkeelError):
        one(cluster).crash(lambda: cluster.engine.kill(node), 1.0)
    assert order(cluster, "kill") == []
    assert cluster.engine.node("shop-2").running


def test_a_node_that_crashes_is_started_whatever_fails_in_between(cluster: FakeCluster) -> None:
    node = cluster.engine.node("shop-2").id

    def kill() -> None:
        cluster.engine.kill(node)
        cluster.balancer.fails = lambda call: True
        raise EvenkeelError("the answer is lost")

    with pytest.raises(EvenkeelError, match="the answer is lost"):
        one(cluster).crash(kill, 1.0)
    assert cluster.engine.node("shop-2").running


def test_a_restart_starts_what_it_told_to_end_whatever_fails_in_between(cluster: FakeCluster) -> None:
    stop = cluster.engine.stop

    def stopped(node: str, seconds: int, signal: str = "") -> int | None:
        found = stop(node, seconds, signal)
        cluster.balancer.fails = lambda call: True
        return found

    cluster.engine.stop = stopped  # type: ignore[method-assign]
    with pytest.raises(EvenkeelError):
        one(cluster).restart()
    assert cluster.engine.node("shop-2").running


def test_a_restart_that_ended_nothing_starts_nothing(cluster: FakeCluster) -> None:
    cluster.balancer.fails = lambda call: True
    with pytest.raises(EvenkeelError):
        one(cluster).restart()
    assert order(cluster, "stop", "start again") == []


def test_a_node_that_is_gone_is_one_line(cluster: FakeCluster) -> None:
    with pytest.raises(EvenkeelError) as caught:
        find_node(cluster.engine.nodes(), "0" * 64)
    assert str(caught.value) == (
        "node: got none with the identifier 000000000000, want one of this cluster (fix: look at the nodes again)"
    )
