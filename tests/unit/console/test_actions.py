"""What the agent plans and does, on a cluster in memory: only what was agreed to, one action at a time, on record."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from evenkeel_agent.action import DONE, FAILED, HALTED, RUNNING, UNFINISHED
from evenkeel_agent.journal import Journal
from evenkeel_agent.verbs import BusyError, ChangedError, RefusedError, UnknownError, Wish, read_wish
from tests.unit.console.desk import Desk

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import (
    LockBusyError,
    cluster_lock,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.overrides import read_overrides


def test_a_scale_is_an_override_and_settled_again(desk: Desk) -> None:
    plan = desk.plan("scale", tier="shop", count=3)
    assert [desk.bare(line) for line in plan.lines] == ["start shop-3 (scale up)"]
    action = desk.done("scale", tier="shop", count=3)
    assert (action.state, action.result) == (DONE, "done")
    assert desk.names() == ["shop-1", "shop-2", "shop-3"]
    override = read_overrides(desk.settings.overrides)["shop"]
    assert (override.nodes, override.declared, override.by) == (3, 2, "alice")
    assert desk.done("settle", tier="shop").state == DONE
    assert desk.names() == ["shop-1", "shop-2"]
    assert not desk.settings.overrides.exists()


def test_only_the_tier_that_was_named_is_changed(desk: Desk) -> None:
    desk.cluster.engine.remove(desk.node("dates-2"))
    assert desk.done("scale", tier="shop", count=3).state == DONE
    assert desk.names("dates") == ["dates-1"]


def test_a_roll_is_told_step_by_step_and_can_be_halted(desk: Desk) -> None:
    action = desk.done("roll", tier="shop")
    assert [step["step"] for step in action.steps].count("gone") == 2
    assert desk.names() != ["shop-1", "shop-2"]
    assert len(desk.names()) == 2
    assert (RUNNING, 0) in desk.told
    plan = desk.plan("roll", tier="shop")
    start = desk.cluster.engine.start

    def halted(name: str, build: Any) -> None:
        desk.actions.halt(action.id, "bob")
        start(name, build)

    desk.cluster.engine.start = halted  # type: ignore[method-assign]
    action = desk.actions.do(plan.id, "alice", "k" * 32)
    desk.ended(action)
    assert (action.state, action.halted_by) == (HALTED, "bob")
    assert "a halt by bob" in action.result
    assert [(item["kind"], item["actor"]) for item in reversed(desk.audit.page(count=3))] == [
        ("intent", "alice"),
        ("halt", "bob"),
        ("result", "alice"),
    ]
    assert len(desk.names()) == 2, "what had begun was finished"


def test_a_plan_is_used_once_and_a_repeated_request_gets_the_first_action(desk: Desk) -> None:
    plan = desk.plan("scale", tier="shop", count=3)
    action = desk.actions.do(plan.id, "alice", "a" * 32)
    assert desk.actions.do(plan.id, "alice", "a" * 32) is action
    desk.ended(action)
    with pytest.raises(UnknownError):
        desk.actions.do(plan.id, "alice", "b" * 32)


def test_a_cluster_that_changed_since_is_not_touched(desk: Desk) -> None:
    plan = desk.plan("scale", tier="shop", count=1)
    desk.cluster.engine.remove(desk.node("shop-2"))
    calls = len(desk.cluster.engine.calls)
    with pytest.raises(ChangedError, match=r"^plan: got another plan now \(nothing to do\)") as caught:
        desk.actions.do(plan.id, "alice", "a" * 32)
    assert caught.value.plan is not None
    assert (caught.value.plan.lines, desk.audit.page()) == ((), [])
    assert desk.actions.do(caught.value.plan.id, "alice", "b" * 32), "the new plan can be agreed to"
    assert not [call for call in desk.cluster.engine.calls[calls:] if call.startswith(("start", "stop", "remove"))]


@pytest.mark.parametrize(
    "verb, steps, names",
    [
        ("restart", ["drain_began", "gone", "started", "ready", "in_rotation"], ["shop-1", "shop-2"]),
        ("stop", ["drain_began", "gone"], ["shop-1"]),
        ("remove", ["drain_began", "gone", "removed"], ["shop-1"]),
        ("kill", ["started", "ready", "in_rotation"], ["shop-1", "shop-2"]),
    ],
)
def test_what_is_done_to_one_node(desk: Desk, verb: str, steps: list[str], names: list[str]) -> None:
    action = desk.done(verb, node=desk.node("shop-2"))
    assert (action.state, [step["step"] for step in action.steps]) == (DONE, steps)
    assert desk.names() == names
    assert action.wish.tier == "shop"


def test_drain_and_back(desk: Desk) -> None:
    node = desk.node("shop-2")
    assert desk.done("drain", node=node).state == DONE
    assert desk.drained == {node: "alice"}
    assert desk.done("undrain", node=node).state == DONE
    assert desk.drained == {}
    assert [command[-1] for command in desk.executed] == ["on", "off"]
    desk.code = 1
    action = desk.done("drain", node=node)
    assert (action.state, "exit code 1: no" in action.result) == (FAILED, True)
    desk.execute = lambda container, command: (1, "x" * 10_000)  # type: ignore[method-assign]
    assert len(desk.done("drain", node=node).result) < 500


def test_the_last_node_wants_its_tier_typed(desk: Desk) -> None:
    desk.done("stop", node=desk.node("shop-2"))
    plan = desk.plan("stop", node=desk.node("shop-1"))
    assert plan.type_name == "shop"
    with pytest.raises(RefusedError, match="type shop"):
        desk.actions.do(plan.id, "alice", "a" * 32, "shopp")
    assert desk.ended(desk.actions.do(plan.id, "alice", "b" * 32, "shop")).state == DONE


def test_another_run_is_named_and_nothing_is_done(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evenkeel_agent.actions._LOCK_SECONDS", 0.1)
    plan = desk.plan("scale", tier="shop", count=3)
    with cluster_lock(desk.name, "drill", 0), pytest.raises(LockBusyError) as caught:
        desk.actions.do(plan.id, "alice", "a" * 32)
    assert "drill" in str(caught.value.holder)
    assert desk.names() == ["shop-1", "shop-2"]
    assert desk.ended(desk.actions.do(plan.id, "alice", "a" * 32)).state == DONE, "the plan is not used up"


def test_each_change_is_on_record_before_and_after(desk: Desk) -> None:
    desk.done("scale", tier="shop", count=3)
    result, intent = desk.audit.page()
    assert (intent["kind"], intent["actor"]) == ("intent", "alice")
    assert [desk.bare(line) for line in intent["lines"]] == ["start shop-3 (scale up)"]
    assert (result["kind"], result["state"], result["action"]) == ("result", DONE, intent["action"])


def test_what_a_killed_agent_had_begun_is_told_as_unfinished(desk: Desk) -> None:
    desk.audit.add({"kind": "intent", "action": "x", "actor": "alice", "verb": "roll", "tier": "shop", "at": 1.0})
    desk.open()
    desk.open()
    assert [(entry["kind"], entry.get("state")) for entry in desk.audit.page()] == [
        ("result", UNFINISHED),
        ("intent", None),
    ]


def test_a_disk_that_is_full_lets_nothing_begin(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = desk.plan("scale", tier="shop", count=3)
    monkeypatch.setattr(Journal, "_write", lambda *_arguments: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space"):
        desk.actions.do(plan.id, "alice", "a" * 32)
    monkeypatch.undo()
    assert desk.actions.recent() == []
    assert desk.names() == ["shop-1", "shop-2"]


@pytest.mark.parametrize(
    "verb, options, error",
    [
        ("scale", {"tier": "nope", "count": 1}, "tier: got 'nope', want one of dates, shop"),
        ("stop", {"node": "0" * 64}, "node: got none with the identifier '000000000000'"),
        ("start", {"node": "shop-1"}, "start of shop-1: got running, want a node that has ended"),
    ],
)
def test_what_is_not_there_is_one_line(desk: Desk, verb: str, options: dict[str, Any], error: str) -> None:
    if options.get("node") == "shop-1":
        options = {"node": desk.node("shop-1")}
    with pytest.raises(RefusedError) as caught:
        desk.plan(verb, **options)
    assert desk.bare(str(caught.value)).startswith(error)
    assert desk.audit.page() == []


def test_a_route_is_left_to_a_run(desk: Desk) -> None:
    tiers = {**desk.cluster.tiers, "shop": dataclasses.replace(desk.cluster.tiers["shop"], path="/new/")}
    desk.cluster.tiers = tiers
    with pytest.raises(RefusedError, match=r"ansible-playbook site\.yml"):
        desk.plan("scale", tier="shop", count=3)


def test_two_last_nodes_are_not_stopped_by_two_plans(desk: Desk) -> None:
    first, second = (desk.plan("stop", node=desk.node(name)) for name in ("shop-1", "shop-2"))
    assert (first.type_name, second.type_name) == ("", "")
    desk.ended(desk.actions.do(first.id, "alice", "a" * 32))
    with pytest.raises(ChangedError) as caught:
        desk.actions.do(second.id, "bob", "b" * 32)
    assert caught.value.plan is not None
    assert caught.value.plan.type_name == "shop"
    assert desk.names() == ["shop-2"]


def test_a_second_action_is_told_of_the_first_one(desk: Desk) -> None:
    plans = [desk.plan("roll", tier=tier) for tier in ("shop", "dates")]
    go = threading.Event()
    start = desk.cluster.engine.start

    def slowly(name: str, build: Any) -> None:
        go.wait(10)
        start(name, build)

    desk.cluster.engine.start = slowly  # type: ignore[method-assign]
    action = desk.actions.do(plans[0].id, "alice", "a" * 32)
    with pytest.raises(BusyError) as caught:
        desk.actions.do(plans[1].id, "bob", "b" * 32)
    assert caught.value.holder == "console: alice, roll shop"
    go.set()
    assert desk.ended(action).state == DONE


def test_the_same_request_twice_at_once_is_one_action(desk: Desk) -> None:
    plan = desk.plan("scale", tier="shop", count=3)
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: desk.actions.do(plan.id, "alice", "a" * 32), range(8)))
    assert len({action.id for action in made}) == 1
    assert desk.ended(made[0]).state == DONE


def test_a_disk_that_fills_up_in_between_gets_the_result_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = desk.plan("scale", tier="shop", count=3)
    write = Journal._write

    def fills_up(descriptor: int, line: bytes) -> None:
        if b'"kind":"result"' in line:
            raise OSError(28, "No space left")
        write(descriptor, line)

    monkeypatch.setattr(Journal, "_write", staticmethod(fills_up))
    action = desk.ended(desk.actions.do(plan.id, "alice", "a" * 32))
    assert (action.state, [entry["kind"] for entry in desk.audit.page()]) == (DONE, ["intent"])
    monkeypatch.undo()
    desk.actions.write_again()
    assert [entry["kind"] for entry in desk.audit.page()] == ["result", "intent"]
    desk.open()
    (former,) = desk.actions.recent()
    assert (former["state"], former["tier"], former["count"]) == (DONE, "shop", 3), "the next agent still shows it"


def test_one_that_ended_is_replaced_without_being_asked(desk: Desk) -> None:
    node = desk.node("shop-1")
    desk.cluster.engine.kill(node)
    plan = desk.actions.plan(Wish("keep", "shop", node))
    assert [desk.bare(line) for line in plan.lines][1:] == ["start shop-1 (replaces shop-1)"]
    assert desk.ended(desk.actions.do(plan.id, "console", "a" * 32)).state == DONE
    assert desk.names() == ["shop-1", "shop-2"]
    assert [entry["actor"] for entry in desk.audit.page()] == ["console", "console"]
    with pytest.raises(RefusedError, match="verb: got 'keep'"):
        read_wish({"verb": "keep", "tier": "shop", "node": node})


def test_what_waits_for_the_disk_is_written_once_by_many_threads(desk: Desk) -> None:
    entries: list[dict[str, Any]] = [{"kind": "halt", "at": 1.0, "action": f"a{number}"} for number in range(300)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(desk.actions._record, entries))
        list(threads.map(lambda _: desk.actions.write_again(), range(300)))
    written = [entry["action"] for entry in desk.audit.page(count=1000)]
    assert sorted(written) == sorted(entry["action"] for entry in entries)
