"""From records of single requests to figures."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.figures import (
    Executions,
    NodeCount,
    absences,
    account_posts,
    achieved_rate,
    around,
    compare_counts,
    failures,
    generator_faults,
    in_flight,
    join_seconds,
    latency_ms,
    leave_seconds,
    moves,
    nameless_tiers,
    quantiles,
    window,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import (
    THIS_MACHINE,
    EventReport,
    Record,
    cause_of_status,
    saved,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import (
    GET,
    GROW,
    HANG,
    KILL,
    POLICY,
    POST,
    ROLL,
    SHRINK,
    STOP,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.access_log import LogLine


def record(at: float, **differs: Any) -> Record:
    """A request that was answered in 10 ms by web-1."""
    usual = Record(
        key=f"run-{at}",
        at=at,
        sent=at,
        done=at + 0.01,
        tier="web",
        method=GET,
        client=0,
        status=200,
        node="web-1",
    )
    return dataclasses.replace(usual, **differs)


def lost(at: float, done: float | None = None, error: str = "status 502", **differs: Any) -> Record:
    status = int(error[7:]) if error.startswith("status") else None
    return record(at, done=done or at + 0.01, error=error, status=status, node=None, **differs)


def event(kind: str, began: float, ended: float, **more: Any) -> EventReport:
    return EventReport(0, kind, "web", began, ended, **more)


# -- Requests ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status, cause", [(200, ""), (204, ""), (302, "status 302"), (404, "status 404"), (503, "status 503")]
)
def test_only_2xx_is_good(status: int, cause: str) -> None:
    assert cause_of_status(status) == cause


def test_failures_are_counted_by_method_and_cause() -> None:
    records = [record(0), lost(1), lost(2, method=POST), lost(3), lost(4, error="connection refused")]
    assert failures(records) == {"GET status 502": 2, "POST status 502": 1, "GET connection refused": 1}


def test_what_this_machine_could_not_send_is_told_apart() -> None:
    mine = lost(1, error=f"{THIS_MACHINE}EMFILE")
    assert generator_faults([record(0), mine, lost(2)]) == [mine]


@given(st.integers(1, 300), st.floats(1, 1000))
def test_a_load_that_keeps_its_times_achieves_its_rate(count: int, rate: float) -> None:
    achieved = achieved_rate([record(index / rate) for index in range(count)], rate)
    assert achieved.achieved == pytest.approx(rate, rel=1e-6)
    assert achieved.late_p99 == 0


def test_a_load_that_falls_behind_achieves_less() -> None:
    records = [record(index / 100, sent=index / 50, done=index / 50) for index in range(100)]
    rate = achieved_rate(records, 100)
    assert rate.achieved == pytest.approx(50, rel=0.03)
    assert rate.late_p99 == pytest.approx(0.98)


def test_what_was_not_sent_was_not_achieved() -> None:
    records = [record(0), lost(0.5, error=f"{THIS_MACHINE}EMFILE")]
    assert achieved_rate(records, 2).achieved == pytest.approx(1)
    assert achieved_rate([], 2).achieved == 0


def test_slow_answers_do_not_lower_the_rate() -> None:
    records = [record(index / 100, done=index / 100 + 9) for index in range(100)]
    assert achieved_rate(records, 100).achieved == pytest.approx(100)


def test_latency_counts_from_due() -> None:
    assert latency_ms([record(1, sent=3, done=3.5)]) == {"count": 1, "p50": 2500, "p95": 2500, "p99": 2500, "max": 2500}
    assert latency_ms([lost(1)]) == {"count": 0}


@given(st.lists(st.floats(0, 100), min_size=1))
def test_quantiles_are_ordered_and_measured(values: list[float]) -> None:
    found = quantiles(values)
    assert found["count"] == len(values)
    ordered = [found[name] for name in ("p50", "p95", "p99", "max")]
    assert ordered == sorted(ordered)
    assert found["max"] == round(max(values), 3)


# -- In flight ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, method, sent, done, spared",
    [
        (KILL, POST, 4.9, 5.1, True),
        (KILL, GET, 4.9, 5.1, False),  # could have been sent again
        (KILL, POST, 4.0, 4.9, False),  # failed before
        (KILL, POST, 5.3, 5.4, False),  # the balancer knew by then
        (HANG, GET, 4.9, 15.0, True),
        (HANG, POST, 4.9, 15.0, True),
        (STOP, POST, 4.9, 5.1, False),
        (SHRINK, POST, 4.9, 5.1, False),
    ],
)
def test_only_what_was_under_way_when_a_node_went_suddenly_is_excused(
    kind: str, method: str, sent: float, done: float, spared: bool
) -> None:
    failed = lost(sent, done, method=method)
    assert in_flight([failed, record(4.9)], [event(kind, 5, 8, left={"web-1": 5.0})]) == ([failed] if spared else [])


@pytest.mark.parametrize("repeating, spared", [(None, False), ({"web"}, False), (set(), True), ({"api"}, True)])
def test_a_get_of_a_killed_node_is_excused_where_it_is_not_sent_again(repeating: set[str] | None, spared: bool) -> None:
    failed = lost(4.9, 5.1, method=GET)
    killed = [event(KILL, 5, 8, left={"web-1": 5.0})]
    assert in_flight([failed], killed, repeating=repeating) == ([failed] if spared else [])


@pytest.mark.parametrize("server, spared", [("web-1:8080", True), ("web-2:8080", False)])
def test_the_access_log_tells_where_a_request_was(server: str, spared: bool) -> None:
    failed = lost(4.9, 5.1, method=POST)
    log = [LogLine(failed.key, 502, server)]
    assert bool(in_flight([failed], [event(KILL, 5, 8, left={"web-1": 5.0})], log)) is spared


# -- POSTs -------------------------------------------------------------------------------


def post(at: float, **differs: Any) -> Record:
    return record(at, method=POST, **differs)


def test_posts_are_compared_with_what_the_nodes_executed() -> None:
    records = [
        post(1),  # once, here
        post(2),  # twice, on two nodes
        post(3),  # twice, on one
        post(4),  # nowhere, and its node was read to the end
        post(5, node="web-9"),  # nowhere, but its node went unread
        dataclasses.replace(post(6), error="status 502", status=502, node=None),  # failed and not executed: only failed
        dataclasses.replace(post(7), error="status 502", status=502, node=None),  # failed, yet executed twice
        record(8),  # a GET
        post(9, replayed=True),  # the node itself says so, although its record is lost
    ]
    executions = Executions(
        deliveries={
            "run-1": {"web-1": 1},
            "run-2": {"web-1": 1, "web-2": 1},
            "run-3": {"web-1": 2},
            "run-7": {"web-1": 1, "web-2": 1},
        },
        complete=frozenset({"web-1", "web-2"}),
    )
    account = account_posts(records, executions)
    assert account.twice == ("run-2", "run-3", "run-7", "run-9")
    assert account.missing == ("run-4",)
    assert (account.answered, account.confirmed, account.unknown) == (6, 1, 1)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 3), st.booleans()),
        max_size=30,
    )
)
def test_every_answered_post_is_in_exactly_one_class(cases: list[tuple[bool, int, bool]]) -> None:
    records, deliveries = [], {}
    for index, (answered, times, known) in enumerate(cases):
        node = "web-1" if known else "web-2"
        records.append(post(index, node=node) if answered else lost(index, method=POST))
        if times:
            deliveries[f"run-{index}"] = {"web-3": times}
    account = account_posts(records, Executions(deliveries, frozenset({"web-1"})))
    twice_and_answered = [item for item in records if item.key in account.twice and item.answered]
    assert account.answered == sum(answered for answered, _, _ in cases)
    assert account.answered == (account.confirmed + len(account.missing) + account.unknown + len(twice_and_answered))
    assert len(account.twice) == sum(times > 1 for _, times, _ in cases)


# -- Sessions ----------------------------------------------------------------------------


def test_a_session_moves_with_its_node_or_without_need() -> None:
    reports = [event(SHRINK, 10, 14, left={"web-1": 10.5})]
    records = [
        record(9, home="web-1"),
        record(11, home="web-1", node="web-2"),  # its node leaves
        record(11.1, home="web-1", node="web-3"),  # another request of the same session, already under way
        record(12, home="web-2", node="web-2"),
        record(12, client=1, home="web-2", node="web-3"),  # its node was there
        record(9, client=2, home="web-1", node="web-3"),  # moved before its node left
        record(12, client=3, home=None, node="web-3"),  # has no session
        lost(12, client=4, home="web-2"),
    ]
    found = moves(records, reports)
    assert found.expected == {(0, "web-1")}
    assert found.unexpected == {(1, "web-2"), (2, "web-1")}
    assert found.sessions == {(0, "web-1"), (0, "web-2"), (1, "web-2"), (2, "web-1")}


def test_a_node_that_comes_back_is_away_only_until_then() -> None:
    reports = [event(STOP, 10, 15, left={"web-1": 10.0}, joined={"web-1": 14.0})]
    assert absences(reports) == {"web-1": [(10.0, 15)]}
    late = record(16, home="web-1", node="web-2")
    assert moves([late], reports).unexpected == {(0, "web-1")}
    slow = record(9.5, done=10.5, home="web-1", node="web-2")  # left while the node was still there, ended after
    assert moves([slow], reports).expected == {(0, "web-1")}
    assert moves([slow, late], reports).unexpected == frozenset(), "a session moves once"


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b"]), st.sampled_from(["a", "b"])), max_size=40))
def test_without_events_every_move_is_without_need(steps: list[tuple[int, str, str]]) -> None:
    records = [record(index, client=client, home=home, node=node) for index, (client, home, node) in enumerate(steps)]
    found = moves(records, [])
    assert found.expected == frozenset()
    assert found.unexpected == {(client, home) for client, home, node in steps if home != node}
    assert found.unexpected <= found.sessions


# -- Joining and leaving -----------------------------------------------------------------


def test_joining_is_from_the_start_to_the_first_answer() -> None:
    report = event(GROW, 10, 12, joined={"web-4": 10.2, "web-5": 10.3})
    records = [record(10.5, node="web-4", done=10.9), record(10.8, node="web-4", done=11.2), record(10)]
    assert join_seconds(records, [report]) == {"web-4@0": pytest.approx(0.7)}


def test_a_node_with_an_old_name_joins_again() -> None:
    report = event(STOP, 10, 15, left={"web-1": 10.0}, joined={"web-1": 14.0})
    records = [record(9), record(14.3, done=14.4)]
    assert join_seconds(records, [report]) == {"web-1@0": pytest.approx(0.4)}


def test_a_node_that_left_unasked_does_not_answer_through_a_later_one_of_its_name() -> None:
    reports = [
        event(GROW, 10, 12, joined={"web-4": 10.0}),
        dataclasses.replace(event(SHRINK, 12.1, 16, left={"web-4": 12.1}), number=1),
        dataclasses.replace(event(GROW, 20, 22, joined={"web-4": 20.0}), number=2),
    ]
    assert join_seconds([record(21, node="web-4", done=21.1)], reports) == {"web-4@2": pytest.approx(1.1)}


def test_leaving_is_from_the_order_to_the_last_request_sent() -> None:
    report = event(SHRINK, 10, 14, left={"web-1": 10.0, "web-2": 10.0})
    records = [record(9.8, node="web-2"), record(9.9), record(10.4, done=12), record(10.2)]
    assert leave_seconds(records, [report]) == {"web-1@0": pytest.approx(0.4), "web-2@0": 0}


def test_requests_after_the_return_do_not_count_as_leaving() -> None:
    report = event(STOP, 10, 15, left={"web-1": 10.0}, joined={"web-1": 14.0})
    assert leave_seconds([record(10.5), record(14.5)], [report]) == {"web-1@0": pytest.approx(0.5)}


def test_another_node_with_the_name_of_one_that_left_does_not_count_as_it() -> None:
    reports = [
        event(SHRINK, 10, 14, left={"web-4": 10.0}),
        dataclasses.replace(event(GROW, 20, 22, joined={"web-4": 20.0}), number=1),
    ]
    assert leave_seconds([record(10.5, node="web-4"), record(21, node="web-4")], reports) == {
        "web-4@0": pytest.approx(0.5)
    }
    # From the end of its event on, a session that leaves it has left a node that was there.
    assert absences(reports) == {"web-4": [(10.0, 22.0)]}


def test_the_nodes_of_a_change_of_policy_have_no_join_time() -> None:
    assert join_seconds([record(11)], [event(POLICY, 10, 15, joined={"web-1": 10.0})]) == {}


def test_a_node_that_no_answer_names_has_no_leave_time() -> None:
    report = event(SHRINK, 10, 14, left={"web-1": 10.0})
    assert leave_seconds([record(9.8, node=None)], [report]) == {}


def test_tiers_whose_answers_name_no_node_are_known() -> None:
    records = [record(1, node=None), record(2, tier="b", node=None), record(3, tier="b"), lost(4, tier="c")]
    assert nameless_tiers(records) == ["web"]


@pytest.mark.parametrize("kind", [KILL, HANG])
def test_who_goes_suddenly_has_no_leave_time(kind: str) -> None:
    assert leave_seconds([record(10.5)], [event(kind, 10, 15, left={"web-1": 10.0})]) == {}


# -- Around events -----------------------------------------------------------------------


def test_throughput_and_latency_around_an_event() -> None:
    records = [record(index / 10) for index in range(100)]
    records[55] = lost(5.5)
    found: Any = around(records, event(ROLL, 5, 6, left={}), 2.0)
    assert {name: (part["requests"], part["failed"]) for name, part in found.items()} == {
        "before": (20, 0),
        "during": (10, 1),
        "after": (20, 0),
    }
    assert found["before"]["answered_per_second"] == 10
    assert found["during"]["answered_per_second"] == 9
    assert found["before"]["latency_ms"]["p95"] == pytest.approx(10)


@given(st.lists(st.floats(0, 10), max_size=50), st.floats(0, 10), st.floats(0, 10))
def test_a_window_holds_what_was_due_in_it(times: list[float], begin: float, length: float) -> None:
    records = [record(at) for at in sorted(times)]
    found = window(records, begin, begin + length)
    assert found["requests"] == sum(begin <= at < begin + length for at in times)


# -- Three counts ------------------------------------------------------------------------


def test_clients_log_and_nodes_are_compared() -> None:
    records = [record(1), record(2), lost(3), lost(4, error="connection reset"), record(5, node="web-2")]
    log = [
        LogLine("run-1", 200, "web-1:8080"),
        LogLine("run-2", 404, "web-1:8080"),
        LogLine("run-3", 502, "web-1:8080"),
    ]
    nodes = {"web-1": NodeCount(3, True), "web-2": NodeCount(0, True), "web-3": NodeCount(0, False)}
    counts = compare_counts(records, log, nodes, again={("web", GET): 1, ("web", POST): 2})
    assert (counts.client, counts.log, counts.log_missing, counts.log_differs, counts.retried) == (4, 3, 1, 1, 3)
    assert counts.nodes == {"web-1": (3, 2), "web-2": (0, 1), "web-3": (0, 0)}
    assert counts.short == ("web-2",)
    assert counts.incomplete == ("web-3",)


def test_without_a_log_nothing_is_missing_in_it() -> None:
    counts = compare_counts([record(1)], None, {})
    assert (counts.log, counts.log_missing, counts.log_differs, counts.retried) == (None, 0, 0, None)


def test_a_saved_record_has_all_that_a_record_has() -> None:
    assert saved(record(1.23456, sent=1.3)) == {
        "key": "run-1.23456",
        "at": 1.2346,
        "late": 0.0654,
        "latency": 0.01,
        "tier": "web",
        "method": GET,
        "client": 0,
        "status": 200,
        "node": "web-1",
        "error": "",
        "replayed": False,
        "home": None,
    }
