"""A tier whose node must not run twice: the old one has ended before the new one starts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes.by_hand import FakeHand
from tests.unit.fakes.cluster import TIERS, FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import BROKEN, Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.plan import TierTarget, plan
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import (
    Outcome,
    RunFailedError,
    preview,
    reconcile_locked,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout_parts import RolloutLimits
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.labels import (
    policy_labels,
    service_name,
    tier_labels,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.route_file import RouteTable
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.routes import Route

LIMITS = RolloutLimits(ready_timeout=6.0)
TURN = ", before the next one starts (roll: replace)"


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    """A tier of one node; starting one while another runs is an error."""
    made = FakeCluster(
        tmp_path, tiers={**TIERS, "dates": {**TIERS["dates"], "nodes": 1, "roll": "replace", "leaving": "balancer"}}
    )
    for name in ("start", "start_again"):
        alone(made, name)
    return made


def alone(cluster: FakeCluster, name: str) -> None:
    own = getattr(cluster.engine, name)

    def call(node: str, *arguments: Any) -> Any:
        if "dates" in node:
            assert cluster.names("dates") == [], f"{name} {node} beside another one"
        return own(node, *arguments)

    setattr(cluster.engine, name, call)


def run(cluster: FakeCluster, tier: Tier | None = None, **differs: Any) -> tuple[Outcome, str]:
    tiers = {**cluster.tiers, "dates": tier or cluster.tiers["dates"]}
    halt = differs.pop("halt", str)
    try:
        request = cluster.request(tiers=tiers, limits=LIMITS, **differs)
        return reconcile_locked(request, cluster.ports, clock=cluster.clock, halt=halt), ""
    except RunFailedError as error:
        return error.outcome, str(error)


def other(cluster: FakeCluster) -> Tier:
    return dataclasses.replace(cluster.tiers["dates"], environment={"A": "b"})


def other_policy(cluster: FakeCluster) -> Tier:
    tier = cluster.tiers["dates"]
    policy = policy_labels(True, tier.strategy, tier.cookie, tier.health, tier.max_failures)
    service = service_name(tier.name, tier.port, policy)
    return dataclasses.replace(
        tier, sticky=True, service=service, labels=tier_labels(cluster.name, tier.name, service, policy)
    )


def lines(outcome: Outcome) -> list[str]:
    return [str(action) for action in outcome.actions if action.tier == "dates"]


def test_the_old_one_ends_first_and_the_plan_tells_it(cluster: FakeCluster) -> None:
    request = cluster.request(tiers={**cluster.tiers, "dates": other(cluster)}, limits=LIMITS)
    told = lines(preview(request, cluster.ports, clock=cluster.clock))
    outcome, problem = run(cluster, other(cluster))
    assert problem == ""
    assert lines(outcome) == told
    assert told == [
        f"drain dates-1 (stale node{TURN})",
        "start dates-2 (when dates-1 has ended, with 503 until then (roll: replace))",
    ]
    assert cluster.names("dates") == ["dates-2"]
    assert lines(run(cluster, other(cluster))[0]) == []


def test_a_roll_without_a_change(cluster: FakeCluster) -> None:
    outcome, problem = run(cluster, renew=("dates",))
    assert problem == ""
    assert [line.split(" (", maxsplit=1)[0] for line in lines(outcome)] == ["drain dates-1", "start dates-2"]
    assert "to be renewed" in lines(outcome)[0]


def test_another_policy_switches_the_route_first(cluster: FakeCluster) -> None:
    outcome, problem = run(cluster, other_policy(cluster))
    assert problem == ""
    assert [line.split(" ")[0] for line in lines(outcome)] == ["route", "drain", "start"]
    assert cluster.names("dates") == ["dates-2"]


@pytest.mark.parametrize("change", [other, other_policy])
def test_when_the_new_one_fails_it_is_removed_before_the_old_one_starts_again(
    cluster: FakeCluster, change: Any
) -> None:
    own = cluster.engine.health
    addresses: set[str] = set()

    def health(url: str, headers: Any = None) -> int:
        addresses.add(url)
        return 500 if "dates-2" in cluster.names("dates") else own(url)

    cluster.engine.health = health  # type: ignore[method-assign]
    former = cluster.routes.of("dates")
    _, problem = run(cluster, change(cluster))
    assert problem.startswith("node dates-2: got status 500 from / within 6 s, want status below 500;")
    assert problem.endswith("tier dates was returned to what it was, 1 node started again")
    assert cluster.names("dates") == ["dates-1"]
    assert cluster.routes.of("dates") == former
    assert cluster.declared()


def test_a_request_to_stop_waits_for_the_new_one(cluster: FakeCluster) -> None:
    """Or the tier would be left without a node."""
    asked: list[str] = []

    def halt() -> str:
        asked.append("asked")
        return "SIGTERM" if len(asked) > 1 else ""

    _, problem = run(cluster, other(cluster), halt=halt)
    assert problem == ""
    assert cluster.names("dates") == ["dates-2"]


def test_a_guest_ends_before_the_declared_one_starts(cluster: FakeCluster) -> None:
    target = TierTarget(
        "dates", 1, "r2", "image", Route("dates", "/", strip_path=False, service="s", hosts=()), "dates-", replace=True
    )
    table = RouteTable({"dates": target.route})
    guest = Node(id="1", name="brave_bell", tier="dates", managed=False, state="running", service="s")
    assert [(action.kind, action.node, action.step) for action in plan([guest], [target], table)] == [
        ("drain", "brave_bell", 1),
        ("start", "dates-1", 2),
    ]
    # Nothing runs yet, or all of it serves: as any other tier.
    assert [str(action) for action in plan([], [target], table)] == ["start dates-1 (scale up)"]
    broken = dataclasses.replace(guest, name="dates-1", managed=True, revision="r2", state=BROKEN, made_as="dates-1")
    assert [action.kind for action in plan([broken], [target], table)] == ["remove", "start"]


def test_one_that_cannot_be_mended_ends_first_too(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeHand(cluster.engine).limit(cluster.engine.node("dates-1").id)
    cluster.engine.fails = lambda call: call.startswith("mend")
    outcome, problem = run(cluster)
    assert problem == ""
    assert cluster.names("dates") == ["dates-2"]
    assert [line.split(" (", maxsplit=1)[0] for line in lines(outcome)] == ["drain dates-1", "start dates-2"]
