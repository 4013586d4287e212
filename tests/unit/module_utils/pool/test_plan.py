"""The plan: tables of cases, and a property that holds for any pool."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import (
    BROKEN,
    ENDED,
    RUNNING,
    STARTING,
    Node,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.forecast import predict
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.plan import (
    ASKED,
    DRAIN,
    LOST,
    REMOVE,
    ROUTE,
    START,
    PoolAction,
    TierTarget,
    drift,
    free_names,
    plan,
    plan_removal,
    surge_size,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.route_file import RouteTable
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.routes import Route

NEW = "sha256:new"
OLD = "sha256:old"
ROUTE_B = Route("web", "/", strip_path=False, service="web-b", hosts=("localhost",))


def target(count: int, route: Route = ROUTE_B) -> TierTarget:
    return TierTarget(name="web", count=count, revision="r2", image_id=NEW, route=route, prefix="web-")


WEB = target(3)


def managed(number: int, revision: str = "r2", state: str = RUNNING, service: str = "web-b") -> Node:
    return Node(
        id=f"id-{number}",
        name=f"web-{number}",
        tier="web",
        managed=True,
        state=state,
        revision=revision,
        image_id=NEW if revision == "r2" else OLD,
        service=service,
    )


def guest(name: str, image_id: str = NEW, state: str = RUNNING) -> Node:
    return Node(id=f"id-{name}", name=name, tier="web", managed=False, state=state, image_id=image_id, service="web-b")


def brief(actions: list[PoolAction]) -> list[tuple[str, str]]:
    return [(action.kind, action.node) for action in actions]


def routed(service: str | None, **differs: Any) -> RouteTable:
    return RouteTable({} if service is None else {"web": dataclasses.replace(ROUTE_B, service=service, **differs)})


ROUTED = routed("web-b")
UNROUTED = routed(None)


@pytest.mark.parametrize(
    "nodes, count, expected",
    [
        pytest.param([], 2, [(START, "web-1"), (START, "web-2")], id="from nothing"),
        pytest.param([managed(1), managed(2)], 2, [], id="nothing to do"),
        pytest.param([managed(1), managed(3)], 4, [(START, "web-2"), (START, "web-4")], id="lowest free names"),
        pytest.param(
            [managed(1), managed(2), managed(3)], 1, [(DRAIN, "web-3"), (DRAIN, "web-2")], id="high numbers leave"
        ),
        pytest.param([managed(1), managed(2)], 0, [(DRAIN, "web-2"), (DRAIN, "web-1")], id="down to zero"),
        pytest.param(
            [managed(1), guest("g")], 2, [(START, "web-2"), (DRAIN, "g")], id="a guest takes no place of a node"
        ),
        pytest.param([managed(1), managed(2), guest("g")], 2, [(DRAIN, "g")], id="guests leave"),
        pytest.param(
            [managed(1), managed(2), guest("g")], 1, [(DRAIN, "g"), (DRAIN, "web-2")], id="guests leave first"
        ),
        pytest.param([guest("g")], 1, [(START, "web-1"), (DRAIN, "g")], id="a guest leaves when a node serves"),
        pytest.param([guest("g", OLD)], 1, [(START, "web-1"), (DRAIN, "g")], id="a stale guest is replaced"),
        pytest.param([guest("g", state=ENDED)], 1, [(START, "web-1")], id="a stopped guest is its owner's"),
        pytest.param(
            [managed(1, state=ENDED), managed(2)], 2, [(REMOVE, "web-1"), (START, "web-1")], id="exited is replaced"
        ),
        pytest.param([managed(1, state=BROKEN)], 1, [(REMOVE, "web-1"), (START, "web-1")], id="half-made is replaced"),
        pytest.param([managed(1, state=BROKEN)], 1, [(REMOVE, "web-1"), (START, "web-1")], id="paused is replaced"),
        pytest.param([guest("web-1")], 1, [(START, "web-2"), (DRAIN, "web-1")], id="a guest's name is taken"),
    ],
)
def test_counts(nodes: list[Node], count: int, expected: list[tuple[str, str]]) -> None:
    assert brief(plan(nodes, [target(count)], ROUTED)) == expected


def test_a_stale_tier_is_replaced_in_waves_new_nodes_first() -> None:
    stale = [managed(number, "r1") for number in (1, 2, 3)]
    actions = plan(stale, [WEB], ROUTED, surge_percent=34)
    assert [(a.step, a.kind, a.node) for a in actions] == [
        (1, START, "web-4"),
        (1, START, "web-5"),
        (1, DRAIN, "web-3"),
        (1, DRAIN, "web-2"),
        (2, START, "web-6"),
        (2, DRAIN, "web-1"),
    ]


def test_a_policy_change_starts_all_switches_then_drains() -> None:
    stale = [managed(number, "r1", service="web-a") for number in (1, 2, 3)]
    actions = plan(stale, [WEB], routed("web-a"))
    assert [a.kind for a in actions] == [START] * 3 + [ROUTE] + [DRAIN] * 3
    assert {a.step for a in actions} == {1}


def test_roll_and_scale_at_once() -> None:
    stale = [managed(number, "r1") for number in range(1, 7)]
    actions = plan(stale, [target(2)], ROUTED, surge_percent=50)
    assert brief([a for a in actions if a.step == 1]) == [
        (START, "web-7"),
        *[(DRAIN, f"web-{number}") for number in (6, 5, 4, 3, 2)],
    ]
    assert brief([a for a in actions if a.step == 2]) == [(START, "web-8"), (DRAIN, "web-1")]


def test_an_undeclared_tier_loses_its_route_before_its_nodes() -> None:
    actions = plan([managed(1)], [], ROUTED)
    assert brief(actions) == [(ROUTE, "web"), (DRAIN, "web-1")]


def test_an_empty_declared_tier_keeps_its_route() -> None:
    assert brief(plan([], [target(0)], UNROUTED)) == [(ROUTE, "web")]


def test_removal_takes_everything_whatever_its_state() -> None:
    nodes = [managed(1), managed(2, state=ENDED), guest("g"), guest("h", state=ENDED)]
    assert {a.node for a in plan_removal(nodes)} == {"web-1", "web-2", "g", "h"}


@pytest.mark.parametrize(
    "count, percent, size", [(1, 25, 1), (4, 25, 1), (5, 25, 2), (40, 25, 10), (3, 100, 3), (0, 25, 1)]
)
def test_surge_size(count: int, percent: int, size: int) -> None:
    assert surge_size(count, percent) == size


def test_free_names_skip_what_is_taken() -> None:
    assert free_names("web-", {"web-1", "web-3"}, 3) == ["web-2", "web-4", "web-5"]
    assert free_names("web-", set(), -1) == []


def test_renewing_replaces_every_node_in_waves_and_no_other_tier() -> None:
    pool = [managed(1), managed(2), managed(3)]
    actions = plan(pool, [WEB], ROUTED, 34, {"web": ASKED})
    assert brief(actions) == [
        (START, "web-4"),
        (START, "web-5"),
        (DRAIN, "web-3"),
        (DRAIN, "web-2"),
        (START, "web-6"),
        (DRAIN, "web-1"),
    ]
    assert {action.reason for action in actions} == {"renews a node", "to be renewed"}
    assert plan(pool, [WEB], ROUTED, 34, {"other": ASKED}) == []


CHANGES: list[dict[str, Any]] = [{"service": "web-a"}, {"path": "/old/"}, {"strip_path": True}, {"hosts": ()}]
states = st.sampled_from([RUNNING, RUNNING, RUNNING, STARTING, ENDED, BROKEN])
managed_nodes = st.builds(
    managed,
    number=st.integers(1, 12),
    revision=st.sampled_from(["r1", "r2"]),
    state=states,
    service=st.sampled_from(["web-a", "web-b"]),
)
guests = st.builds(
    guest, name=st.sampled_from(["g", "h", "i", "web-2"]), image_id=st.sampled_from([NEW, OLD]), state=states
)
pools = st.lists(managed_nodes | guests, max_size=14, unique_by=lambda node: node.name)


def predict_routes(table: RouteTable, actions: Iterable[PoolAction], targets: Iterable[TierTarget]) -> RouteTable:
    """The routes as they will be after the actions."""
    wanted = {target.name: target.route for target in targets}
    routes = dict(table.routes)
    current = table.current
    for action in actions:
        if action.kind == ROUTE:
            routes.pop(action.tier, None)
            routes |= {action.tier: wanted[action.tier]} if action.tier in wanted else {}
            current = True
    return RouteTable(routes, current)


@given(
    nodes=pools,
    count=st.integers(0, 10),
    percent=st.integers(1, 100),
    table=st.builds(
        RouteTable,
        st.sampled_from(
            [{}, {"web": ROUTE_B}, *({"web": dataclasses.replace(ROUTE_B, **change)} for change in CHANGES)]
        ),
        st.booleans(),
    ),
    renewed=st.sampled_from([{}, {"web": ASKED}, {"web": LOST}]),
)
def test_any_pool_converges_without_ever_serving_with_fewer(
    nodes: list[Node], count: int, percent: int, table: RouteTable, renewed: dict[str, str]
) -> None:
    wanted = target(count)
    actions = plan(nodes, [wanted], table, percent, renewed)
    before = sum(node.state in {RUNNING, STARTING} for node in nodes)

    # After: exactly the declared fresh nodes run, and a second plan has nothing to do.
    after = predict(nodes, actions, [wanted])
    serving = [node for node in after if node.state in {RUNNING, STARTING}]
    assert len(serving) == count
    assert not (renewed and {node.id for node in serving} & {node.id for node in nodes})
    assert all(node.service == "web-b" for node in serving)
    afterwards = predict_routes(table, actions, [wanted])
    assert afterwards == RouteTable({"web": ROUTE_B})
    assert plan(after, [wanted], afterwards, percent) == []
    assert drift(after, [wanted], afterwards) == {"web": []}

    # On the way: names never clash, and never fewer nodes than before or than declared, whichever is less.
    names = {node.name for node in nodes}
    serving_now = before
    for step in sorted({action.step for action in actions}):
        of_step = [action for action in actions if action.step == step]
        names -= {a.node for a in of_step if a.kind == REMOVE}
        for action in of_step:
            if action.kind == START:
                assert action.node not in names
                names.add(action.node)
                serving_now += 1
        serving_now -= sum(a.kind == DRAIN for a in of_step)
        names -= {a.node for a in of_step if a.kind == DRAIN}
        assert serving_now >= min(before, count)

    # The route leads to the new service before a node of the old one leaves.
    now = table.routes.get("web")
    if now != ROUTE_B or not table.current:
        kinds = [action.kind for action in actions]
        assert kinds.count(ROUTE) == 1
        if DRAIN in kinds:
            assert kinds.index(ROUTE) < kinds.index(DRAIN)
        starts_later = [a for a in actions if a.kind == START and a.step > 1]
        assert now is None or now.service == "web-b" or not starts_later


def test_a_node_that_drains_already_does_not_count_and_is_waited_for() -> None:
    """A run that was killed may have begun to drain it, so the next run must not count on it."""
    leaving = dataclasses.replace(managed(2), leaving=True)
    actions = plan([managed(1), leaving], [WEB], ROUTED)
    assert [str(action) for action in actions] == [
        "start web-3 (scale up)",
        "start web-4 (scale up)",
        "drain web-2 (drains already)",
    ]


def test_a_node_that_drains_is_not_part_of_a_wave() -> None:
    leaving = dataclasses.replace(managed(3), leaving=True)
    actions = plan([managed(1, "r1"), managed(2, "r1"), leaving], [WEB], ROUTED)
    assert brief(actions)[:2] == [(START, "web-4"), (DRAIN, "web-2")]
    assert {action.node for action in actions if action.kind == DRAIN} == {"web-1", "web-2", "web-3"}


@pytest.mark.parametrize(
    "table, reason",
    [
        (routed("web-b", path="/old/"), "path, host names or options changed"),
        (routed("web-b", hosts=()), "path, host names or options changed"),
        (routed("web-b", strip_path=True), "path, host names or options changed"),
        (RouteTable({"web": ROUTE_B}, current=False), "the route file is of another version"),
        (routed("web-a"), "policy changed, web-a -> web-b"),
        (UNROUTED, "leads to web-b"),
    ],
)
def test_a_route_that_differs_is_written_and_is_drift(table: RouteTable, reason: str) -> None:
    nodes = [managed(1), managed(2), managed(3)]
    assert [str(action) for action in plan(nodes, [WEB], table)] == [f"route web ({reason})"]
    assert drift(nodes, [WEB], table) == {"web": [f"route web ({reason})"]}


def test_a_state_is_told_in_the_engines_word() -> None:
    paused = dataclasses.replace(managed(1, state=BROKEN), detail="paused")
    assert str(plan([paused], [target(0)], ROUTED)[0]) == "remove web-1 (is paused)"


def test_a_node_that_starts_is_neither_removed_nor_missing() -> None:
    assert plan([managed(1, state=STARTING), managed(2), managed(3)], [WEB], ROUTED) == []
