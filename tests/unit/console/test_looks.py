"""What is made of looks: history, events of states, and which node is to be replaced."""

from __future__ import annotations

import math
from typing import Any

import pytest
from evenkeel_agent import history, samples
from evenkeel_agent.changes import KEPT, Changes
from evenkeel_agent.history import History
from evenkeel_agent.keeper import FIRST_SECONDS, LONGEST_SECONDS, PATIENCE_SECONDS, Keeper, stopped_by_hand
from evenkeel_agent.moments import moment
from evenkeel_agent.samples import Reading, reading
from evenkeel_agent.transitions import transitions


def node(word: str = "in rotation", *, managed: bool = True, rate: float = 2.0) -> dict[str, Any]:
    return {
        "name": "web-1",
        "tier": "web",
        "managed": managed,
        "word": word,
        "reason": f"why {word}",
        "rate": rate,
        "p95": None,
    }


def state(at: float, **nodes: dict[str, Any]) -> dict[str, Any]:
    balancer = {"reachable": True, "version": "3.7", "slot": "blue", "reason": ""}
    tiers = {"web": {"rate": 4.0, "p95": 9.5, "in_rotation": len(nodes)}}
    return {"at": at, "nodes": nodes, "tiers": tiers, "balancer": balancer, "lock": ""}


# -- history -----------------------------------------------------------------------------------


def test_what_was_not_measured_is_none_and_steps_are_means() -> None:
    found = History()
    found.add(state(1000.0, a=node(rate=1)))
    found.add(state(1002.0, a=node(rate=3)))
    found.add(state(1100.0, a=node(rate=5)))
    told = found.of("web", 300, 1107.0)
    assert (told["step"], told["until"]) == (5, 1105)
    rates = told["nodes"]["a"]["rate"]
    assert len(rates) == 60
    assert [(1105 - 300 + 5 * index, rate) for index, rate in enumerate(rates) if rate is not None] == [
        (1000, 2.0),
        (1100, 5.0),
    ]
    assert told["nodes"]["a"]["p95"] == [None] * 60
    assert [value for value in told["tier"]["p95"] if value is not None] == [9.5, 9.5]


def test_rare_looks_fill_the_steps_between_them() -> None:
    found = History()
    for at in (1000.0, 1010.0, 1020.0):
        found.add(state(at, a=node()))
    assert [value for value in found.of("web", 300, 1025.0)["tier"]["rate"] if value is not None] == [4.0] * 5


def test_the_clock_goes_back_and_old_values_do_not_come_again() -> None:
    found = History()
    for at in (10_000.0, 6_000.0, 10_005.0, 20_000.0):
        found.add(state(at, a=node()))
    values = found.of("web", 3600, 20_001.0)["tier"]["rate"]
    assert len(values) == 120
    assert sum(value is not None for value in values) <= 1


def test_after_the_clock_was_set_back_there_is_a_history_again() -> None:
    found = History()
    for at in (10_000.0, 10_005.0):
        found.add(state(at, a=node(), b=node()))
    for at in (6_000.0, 6_005.0, 6_010.0):
        found.add(state(at, a=node()))
    for span in (300, 3600):
        told = found.of("web", span, 6_030.0)
        assert 1 <= sum(value is not None for value in told["tier"]["rate"]) <= 3
        assert sorted(told["nodes"]) == ["a"], "the other one was there in another time"
    found.add(state(6_004.0, a=node(rate=4)))
    assert sum(value is not None for value in found.of("web", 300, 6_015.0)["nodes"]["a"]["rate"]) == 3, "a small step"


def test_nodes_that_are_gone_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_NODES", 3)
    found = History()
    for number in range(20):
        found.add(state(1000.0 + number, **{f"n{number}": node()}))
    assert sorted(found.of("web", 300, 1020.0)["nodes"]) == ["n17", "n18", "n19"]
    found.add(state(9000.0))
    assert found.of("web", 3600, 9001.0)["nodes"] == {}


# -- events of states --------------------------------------------------------------------------


def test_nodes_that_come_change_and_go() -> None:
    before = state(1.0, a=node(), b=node())
    after = state(2.0, a=node("hangs"), c=node("starting"))
    assert [(item["node"], item["before"], item["after"], item["reason"]) for item in transitions(before, after)] == [
        ("a", "in rotation", "hangs", "why hangs"),
        ("c", "", "starting", "why starting"),
        ("b", "in rotation", "gone", ""),
    ]
    assert transitions({}, after) == []
    assert transitions(after, after) == []


def test_balancer_and_lock_have_events_too() -> None:
    before, after = state(1.0), state(2.0)
    after["balancer"] = {"reachable": False, "version": "", "slot": "", "reason": "no answer within 2 s"}
    after["lock"] = "root (scale)"
    assert [(item["role"], item["before"], item["after"], item["reason"]) for item in transitions(before, after)] == [
        ("balancer", "answers, 3.7 blue", "no answer", "no answer within 2 s"),
        ("lock", "free", "root (scale)", ""),
    ]


# -- keeping -----------------------------------------------------------------------------------


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def soon(_tier: str) -> float:
    return 0.0


def test_one_that_runs_gets_the_time_to_become_ready_and_the_journal_is_read_only_then() -> None:
    time, asked = Time(), list[float]()
    keeper = Keeper(time)

    def left() -> tuple[str, ...]:
        asked.append(time.at)
        return ()

    found = None
    while not found:
        found = keeper.next({"a": node("hangs")}, left, lambda tier: {"web": 60.0}[tier])
        time.at += 1
    assert asked == [60.0]


def test_a_node_is_replaced_after_some_patience_and_the_next_ones_wait_longer_and_longer() -> None:
    time = Time()
    keeper = Keeper(time)
    broken = {"a": node("stopped")}
    waits: list[float] = []
    last = None
    while len(waits) < 9:
        if keeper.next(broken, tuple, soon):
            waits.append(time.at - last if last is not None else time.at)
            last = time.at
            keeper.began("web")
        time.at += 1
    assert waits[0] == PATIENCE_SECONDS
    assert waits[1:4] == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS]
    assert waits[-1] == LONGEST_SECONDS
    time.at += 2 * LONGEST_SECONDS
    keeper.began("web")
    time.at += FIRST_SECONDS
    assert keeper.next(broken, tuple, soon) == ("a", "web"), "it was calm meanwhile"


@pytest.mark.parametrize(
    "found, left",
    [
        (node(), ()),
        (node("draining"), ()),
        (node("crashes"), ()),
        (node("frozen"), ()),
        (node("stopped", managed=False), ()),
        (node("stopped"), ("a",)),
    ],
)
def test_what_is_left_alone(found: dict[str, Any], left: tuple[str, ...]) -> None:
    time = Time()
    keeper = Keeper(time)
    for _ in range(100):
        assert keeper.next({"a": found}, lambda: left, soon) is None
        time.at += 1


@pytest.mark.parametrize("word", ["stopped", "hangs", "not ready", "out of memory", "ended, exit 1"])
def test_what_is_replaced_and_only_if_it_lasts(word: str) -> None:
    time = Time()
    keeper = Keeper(time)
    for _ in range(30):
        assert keeper.next({"a": node(word)}, tuple, soon) is None
        time.at += PATIENCE_SECONDS - 1
        assert keeper.next({"a": node()}, tuple, soon) is None, "it came back by itself"
    assert keeper.next({"a": node(word)}, tuple, soon) is None
    time.at += PATIENCE_SECONDS
    assert keeper.next({"a": node(word)}, tuple, soon) == ("a", "web")


def test_a_stop_is_told_from_a_crash() -> None:
    newest_first = [("stop", "a"), ("die", "a"), ("start", "b"), ("stop", "b"), ("die", "c"), ("kill", "c")]
    assert stopped_by_hand({"kind": kind, "node": name} for kind, name in newest_first) == {"a"}


def test_the_end_within_a_restart_is_no_stop() -> None:
    events = [{"kind": "stop", "node": name, "at": at} for name, at in (("a", 11.0), ("b", 21.0), ("c", 31.0))]
    audit: list[dict[str, Any]] = [
        {"kind": "intent", "verb": "restart", "action": "z", "node": "c", "at": 30.0},
        {"kind": "result", "verb": "restart", "action": "y", "node": "b", "at": 19.0},
        {"kind": "intent", "verb": "restart", "action": "y", "node": "b", "at": 18.0},
        {"kind": "result", "verb": "restart", "action": "x", "node": "a", "at": 12.0},
        {"kind": "intent", "verb": "restart", "action": "x", "node": "a", "at": 10.0},
        {"kind": "intent", "verb": "stop", "action": "w", "node": "b", "at": 9.0},
    ]
    assert stopped_by_hand(events, audit) == {"b"}, "it came back, and was stopped later"


# -- small things ------------------------------------------------------------------------------


def stats(**memory: Any) -> dict[str, Any]:
    return {
        "read": "2026-11-28T05:06:32.500000000Z",
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
        "memory_stats": memory,
    }


def test_docker_gets_some_seconds_for_its_figures() -> None:
    assert samples._TIMEOUT.total == 5.0


def test_memory_is_without_the_cache_that_is_free_to_go() -> None:
    at = moment("2026-11-28T05:06:32.5Z") or math.nan
    assert reading(stats(usage=100, stats={"inactive_file": 30})) == Reading(at, 2.5, 70)
    assert reading(stats(usage=100, stats={"total_inactive_file": 20, "inactive_file": 30})) == Reading(at, 2.5, 80)
    assert reading(stats(usage=100, stats={"inactive_file": 130})) == Reading(at, 2.5, 100)
    assert reading(stats()) == Reading(at, 2.5, None)
    assert reading({**stats(), "read": "0001-01-01T00:00:00Z"}) is None
    assert reading({}) is None


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T00:00:01.25Z", 1.25),
        ("1970-01-01T01:00:01+01:00", 1.0),
        ("0001-01-01T00:00:00Z", None),
        ("1970-13-01T00:00:01Z", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_moments(text: object, seconds: float | None) -> None:
    assert moment(text) == seconds


def test_news_of_one_action_replace_each_other() -> None:
    changes = Changes(0)
    for number in range(3 * KEPT):
        changes.tell({"action": {"id": "a", "steps": number}})
        if number == 10:
            changes.tell({"event": "e"})
    assert [item.get("event") or item["action"]["steps"] for item in changes.since(0) or []] == ["e", 3 * KEPT - 1]
    assert changes.since(changes.number + 1) is None
    for _ in range(KEPT):
        changes.tell({"event": "x"})
    assert changes.since(0) is None
    assert changes.since(changes.number - KEPT) is not None
