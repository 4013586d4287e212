"""A guest that the balancer reaches and this process does not: whether it answers, only the balancer can tell."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.unit.fakes.cluster import FakeCluster
from tests.unit.module_utils.pool.shop import of_shop

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.leaving import BALANCER, HELD, OWN
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import observe
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.one_node import OneNode
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rotation import RotationWatch
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.steps import Step


class Beyond:
    """A cluster, one of whose nodes is a guest on Docker's own bridge."""

    def __init__(self, folder: Path, leaving: str) -> None:
        self.cluster = of_shop(folder, leaving)
        self.cluster.clock.sleep(5)
        self.fake = self.cluster.engine.by_name("shop-2")
        self.fake.node = dataclasses.replace(self.fake.node, managed=False, beyond=True, made_as="")
        self.asked: list[str] = []
        self.cluster.engine.fails = self._note
        self.steps: list[Step] = []

    def _note(self, call: str) -> bool:
        if call.startswith("health") and self.fake.node.address in call:
            self.asked.append(call)
        return False

    def one(self) -> OneNode:
        cluster = self.cluster
        return OneNode(
            self.fake.node, cluster.tiers["shop"], cluster.ports, 6.0, on_step=self.steps.append, clock=cluster.clock
        )


@pytest.fixture(params=[OWN, HELD, BALANCER])
def beyond(tmp_path: Path, request: pytest.FixtureRequest) -> Beyond:
    return Beyond(tmp_path, request.param)


def test_it_starts_when_the_balancers_own_probe_was_answered(beyond: Beyond) -> None:
    cluster = beyond.cluster
    beyond.one().restart()
    assert [step.step for step in beyond.steps] == ["drain_began", "gone", "started", "ready", "in_rotation"]
    assert beyond.asked == []
    service = cluster.tiers["shop"].service
    assert cluster.balancer.server_up(service)[beyond.fake.node.url]
    beyond.steps.clear()
    beyond.one().stop()
    beyond.one().start()
    assert [step.step for step in beyond.steps][-1] == "in_rotation"
    assert beyond.asked == []


def test_one_that_does_not_answer_the_balancer_is_told_so(beyond: Beyond) -> None:
    beyond.one().stop()
    beyond.cluster.balancer.probes = {"shop-1": True, "shop-2": False}
    with pytest.raises(EvenkeelError, match=r"^node shop-2: got no .+ when the balancer asks within 6 s"):
        beyond.one().start()
    assert beyond.asked == []


def test_a_look_does_not_ask_it(tmp_path: Path) -> None:
    found = Beyond(tmp_path, OWN)
    cluster: FakeCluster = found.cluster
    found.fake.health.set(cluster.clock.now(), 0)
    cluster.clock.sleep(30)
    state = observe(cluster.declaration(), cluster.ports, cluster.balancer)
    assert found.asked == []
    assert not any(node.leaving or node.silent for node in state.nodes)


def test_nodes_that_run_again_after_a_failure_are_not_waited_for_in_vain(beyond: Beyond) -> None:
    cluster = beyond.cluster
    watch = RotationWatch(cluster.engine, cluster.balancer, 6.0, lambda work, nodes: None, cluster.clock)
    watch.answer(cluster.tiers["shop"], {"shop-1", "shop-2"})
    watch.answer_as_made({"shop-1", "shop-2"})
    assert beyond.asked == []
