"""Judging a drill."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.verdict import FAILED, NOT_MEASURED, PASSED, STOPPED
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.figures import Executions, NodeCount
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.judge import Evidence, Figures, Thresholds, add_up
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import THIS_MACHINE, EventReport, Record
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.result import figures_result
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import GET, HANG, KILL, POST, STOP
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.verdict import (
    control_line,
    control_verdict,
    judge_control,
    success,
    summary_line,
    verdict_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.access_log import LogLine

LIMITS = Thresholds()


def record(index: int, **differs: Any) -> Record:
    """One of 100 requests per second, answered in 6 ms by a node that is there."""
    at = index / 100
    method = POST if index % 10 == 0 else GET
    usual = Record(f"run-{index}", at, at, at + 0.006, "web", method, index % 7, 200, "web-2", home="web-2")
    return dataclasses.replace(usual, **differs)


def lose(evidence: Evidence, *indices: int, **differs: Any) -> Evidence:
    records = list(evidence.records)
    for index in indices:
        changes = {"error": "status 502", "status": 502, "node": None, **differs}
        records[index] = dataclasses.replace(records[index], **changes)
    log = None if evidence.log is None else [LogLine(item.key, item.status or 0, "web-2:80") for item in records]
    return dataclasses.replace(evidence, records=records, log=log)


def moved(evidence: Evidence, index: int) -> Evidence:
    records = list(evidence.records)
    records[index] = dataclasses.replace(records[index], node="web-3")
    return dataclasses.replace(evidence, records=records)


def evidence(**differs: Any) -> Evidence:
    """Ten seconds with two stops: all well."""
    records = [record(index) for index in range(1000)]
    # web-1 serves until it leaves at 3 s, and again from 5.3 s, when it was started at 5 s.
    records[310] = dataclasses.replace(records[310], node="web-1", home=None)
    records[530] = dataclasses.replace(records[530], node="web-1", home=None)
    usual = Evidence(
        records=records,
        reports=(
            EventReport(0, STOP, "web", 3.0, 6.0, {"web-1": 3.0}, {"web-1": 5.0}),
            EventReport(1, STOP, "web", 7.0, 7.5),
        ),
        planned=2,
        offered=100,
        seconds=10,
        executions=Executions(
            {item.key: {"web-2": 1} for item in records if item.method == POST}, frozenset({"web-1", "web-2"})
        ),
        nodes={"web-1": NodeCount(2, True), "web-2": NodeCount(998, True)},
        log=[LogLine(item.key, 200, "web-2:80") for item in records],
    )
    return dataclasses.replace(usual, **differs)


def judged(found: Evidence, limits: Thresholds = LIMITS) -> tuple[str, list[str]]:
    verdict, problems = verdict_of(found, add_up(found), limits)
    return verdict, [str(problem) for problem in problems]


# --------------------------------------------------------------------------
# Verdicts
# --------------------------------------------------------------------------


def test_a_drill_that_loses_nothing_passes_and_says_what_it_proved() -> None:
    found = evidence()
    figures = add_up(found)
    assert verdict_of(found, figures, LIMITS) == (PASSED, [])
    assert summary_line("drill stop of web", PASSED, [], success(found, figures)) == (
        "drill stop of web: 0 of 1000 requests failed in 2 events at 100/s (failure rate below 0.003, 95 % confidence);"
        " 100 of 100 POSTs found executed once; sessions moved: 0 with their node, 0 others; join p95 0.31 s;"
        " leave p95 0.10 s"
    )


def broken_events() -> Evidence:
    return evidence(
        reports=(EventReport(0, STOP, "web", 3, 4, error="tier web: got 1 running nodes, want at least 2 (fix: more)"),)
    )


@pytest.mark.parametrize(
    "found, limits, problem",
    [
        (
            lose(evidence(), 320),
            LIMITS,
            "got 1 of 1000 requests failed (first: POST web status 502 at 3.20 s, 0.21 s after the begin of event 1"
            " (stop)), want at most 0 (fix: look for run-320 in the balancer's access log)",
        ),
        (
            lose(evidence(), 5, error="connection reset", status=None),
            LIMITS,
            "got 1 of 1000 requests failed (first: GET web connection reset at 0.05 s, before the first event), want at"
            " most 0 (fix: look for run-5 in the balancer's access log)",
        ),
        (
            evidence(executions=Executions({"run-0": {"web-1": 1, "web-2": 1}})),
            LIMITS,
            "got 1 POSTs delivered more than once (first: run-0), want at most 0 (fix: see the balancer's retry"
            " settings)",
        ),
        (
            evidence(
                executions=Executions(
                    {f"run-{index}": {"web-2": 1} for index in range(10, 1000, 10)}, frozenset({"web-2"})
                )
            ),
            LIMITS,
            "got 1 POSTs answered but not executed (first: run-0), want at most 0 (fix: see the application's POST)",
        ),
        (
            moved(evidence(), 9),
            LIMITS,
            "got 1 sessions left nodes that were there (first: client 3 left web-2), want at most 0 (fix: see the"
            " health checks of web-2 in the balancer's log)",
        ),
        (
            evidence(),
            Thresholds(join_p95=0.3),
            "got p95 0.31 s from a node's start to its first answer (slowest: web-1@0), want at most 0.3 s (fix: see"
            " events)",
        ),
        (
            evidence(),
            Thresholds(leave_p95=0.05),
            "got p95 0.10 s from a node's order to leave to its last request (slowest: web-1@0), want at most 0.05 s"
            " (fix: see events)",
        ),
        (
            evidence(
                reports=(EventReport(0, HANG, "web", 3, 8, {"web-2": 3.0}, {"web-2": 7.0}, {"web-2": 2.5}),), planned=1
            ),
            LIMITS,
            "got 2.50 s until web-2@0 was out of rotation, want at most 2 s (fix: see the tier's health check)",
        ),
        (
            evidence(),
            Thresholds(latency_p99=0.001),
            "got latency p99 0.006 s, want at most 0.001 s (fix: more nodes)",
        ),
        (
            evidence(log=[LogLine("run-1", 500, "web-2:80")]),
            LIMITS,
            "got 999 answered requests missing in the access log, 1 with another status, want all 1000 of them as the"
            " clients saw them (fix: see the balancer's access log)",
        ),
        (
            evidence(nodes={"web-2": NodeCount(900, True)}),
            LIMITS,
            "got 900 requests counted by web-2, 998 answers from it, want at least as many (fix: docker logs web-2)",
        ),
        (
            broken_events(),
            LIMITS,
            "got event 1 (stop) not carried out: tier web: got 1 running nodes, want at least 2 (fix: more), want every"
            " event carried out (fix: mend that and run the drill again)",
        ),
        (
            evidence(planned=5),
            LIMITS,
            "got 2 of 5 events within the time limit, want all of them (fix: a higher time_limit, or fewer events)",
        ),
        (
            evidence(reports=(EventReport(0, STOP, "web", 3, 8, {}, {"web-9": 3.0}),), planned=1),
            LIMITS,
            "got no request answered by web-9@0 after it joined, want some (fix: a longer interval or a higher rate)",
        ),
    ],
)
def test_each_threshold_has_its_line(found: Evidence, limits: Thresholds, problem: str) -> None:
    verdict, problems = judged(found, limits)
    assert verdict == FAILED
    assert problems == [problem]


@pytest.mark.parametrize(
    "found, limits",
    [
        (lose(evidence(), 320), Thresholds(failed=1)),
        (evidence(executions=Executions({"run-0": {"web-1": 2}})), Thresholds(twice=1)),
        (evidence(log=None), LIMITS),
        (evidence(nodes={"web-2": NodeCount(900, False)}), LIMITS),  # its counter ended unread: proves nothing
        (evidence(executions=Executions()), LIMITS),  # no node said what it executed
        # It was told to leave before a request could reach it.
        (evidence(reports=(EventReport(0, STOP, "web", 3, 6, {"web-9": 6.5}, {"web-9": 3.0}),), planned=1), LIMITS),
    ],
)
def test_what_is_within_the_thresholds_passes(found: Evidence, limits: Thresholds) -> None:
    assert judged(found, limits) == (PASSED, [])


def test_a_crash_excuses_posts_in_flight_and_nothing_else() -> None:
    killed = evidence(reports=(EventReport(0, KILL, "web", 3, 6, {"web-1": 3.2}, {"web-1": 5.0}),), planned=1, log=None)
    in_flight = lose(killed, 320)
    assert judged(in_flight) == (PASSED, [])
    assert "0 of 1000 requests failed" in success(in_flight, add_up(in_flight))
    assert "1 in flight on nodes that went without warning" in success(in_flight, add_up(in_flight))
    verdict, problems = judged(in_flight, Thresholds(failed_in_flight=0))
    assert verdict == FAILED
    assert problems == [
        "got 1 requests failed in flight on nodes that went without warning, want at most 0 (fix: more nodes, or"
        " shorter requests)"
    ]
    assert judged(lose(killed, 321))[0] == FAILED  # a GET
    assert judged(lose(killed, 400))[0] == FAILED  # a POST, but long after


def test_a_tier_that_names_no_node_is_judged_by_its_answers_only() -> None:
    found = evidence(records=[dataclasses.replace(item, node=None) for item in evidence().records], nodes={})
    assert judged(found) == (PASSED, [])
    assert figures_result(found, add_up(found))["notes"] == [
        "joining, leaving and sessions of web not measured: its answers have no X-Served-By, and no access log names"
        " its nodes"
    ]


# --------------------------------------------------------------------------
# Not measured
# --------------------------------------------------------------------------


def slowed(factor: float) -> list[Record]:
    return [
        dataclasses.replace(item, sent=item.at * factor, done=item.at * factor + 0.006) for item in evidence().records
    ]


def test_a_rate_that_this_machine_cannot_produce_is_not_blamed_on_the_cluster() -> None:
    verdict, problems = judged(lose(evidence(records=slowed(2)), 320, 330))
    assert verdict == NOT_MEASURED
    assert problems == [
        "got offered 100/s, achieved 50.1/s, 1 % left more than 9.89 s late, want 100/s from this machine (fix: a lower"
        " rate, or a machine that does nothing else)"
    ]


def test_the_line_says_not_measured_offered_and_achieved() -> None:
    found = evidence(records=slowed(2))
    verdict, problems = verdict_of(found, add_up(found), LIMITS)
    assert summary_line("drill stop of web", verdict, problems, "").startswith(
        "drill stop of web: not measured: offered 100/s, achieved 50.1/s"
    )


def test_requests_that_leave_late_are_not_measured_although_the_rate_is_kept() -> None:
    late = [dataclasses.replace(item, sent=item.at + 0.3, done=item.at + 0.31) for item in evidence().records]
    assert judged(evidence(records=late), Thresholds(rate_share=0.5))[0] == NOT_MEASURED


def test_what_this_machine_could_not_send_is_not_measured() -> None:
    verdict, problems = judged(lose(evidence(), 7, error=f"{THIS_MACHINE}EMFILE", status=None))
    assert verdict == NOT_MEASURED
    assert "1 not sent (this machine: EMFILE)" in problems[0]


def test_no_request_at_all_is_not_measured() -> None:
    assert judged(Evidence([]))[0] == NOT_MEASURED


def test_a_slow_cluster_is_blamed() -> None:
    slow = [dataclasses.replace(item, done=item.sent + 9) for item in evidence().records]
    assert judged(evidence(records=slow, reports=(), planned=0), Thresholds(latency_p99=1))[0] == FAILED


# --------------------------------------------------------------------------
# Stopped
# --------------------------------------------------------------------------


def test_a_stopped_drill_tells_what_it_saw_and_claims_nothing() -> None:
    found = lose(evidence(stopped="a signal (SIGINT)", seconds=4.2, planned=9), 320)
    verdict, problems = judged(found)
    assert verdict == STOPPED
    assert problems == [
        "got a signal (SIGINT) after 4.2 s, 2 of 9 events and 1000 requests, 1 failed so far, want the whole drill"
        " (fix: run it again)"
    ]


def test_a_stopped_drill_that_could_not_restore_says_so() -> None:
    broken = EventReport(2, "restore", "", 4.2, 4.2, error="Docker daemon: got no answer")
    found = evidence(stopped="a signal (SIGINT)", seconds=4.2, planned=9)
    found = dataclasses.replace(found, reports=(*found.reports, broken))
    verdict, problems = verdict_of(found, add_up(found), LIMITS)
    assert verdict == STOPPED
    assert "event 3 (restore) not carried out: Docker daemon: got no answer" in str(problems[1])
    assert summary_line("drill", verdict, problems, "").endswith("(fix: run it again); and 1 more, see problems")


def test_a_drill_that_was_stopped_before_its_first_request_can_be_judged() -> None:
    found = Evidence([], stopped="a signal (SIGTERM)")
    assert judged(found)[0] == STOPPED
    assert figures_result(found, add_up(found))["requests"]["sent"] == 0


# --------------------------------------------------------------------------
# The control
# --------------------------------------------------------------------------


def controlled(found: Evidence) -> tuple[bool, list[str], Figures]:
    figures = add_up(found)
    failed, problems = judge_control(found, figures, LIMITS)
    return failed, [str(problem) for problem in problems], figures


def test_a_control_that_loses_requests_does_what_it_must() -> None:
    found = lose(evidence(), 320, 321)
    failed, problems, figures = controlled(found)
    assert (failed, problems) == (True, [])
    assert control_line(found, figures, failed) == "control: 2 of 1000 requests lost in 2 events, as it must"


def test_a_control_that_loses_nothing_proves_nothing() -> None:
    found = evidence()
    failed, problems, figures = controlled(found)
    assert not failed
    assert problems == [
        "got a control that lost none of 1000 requests, want lost requests from the unprotected baseline (fix: more"
        " events: a measurement that cannot fail proves nothing)"
    ]
    assert control_line(found, figures, failed).endswith("the control proves nothing")
    assert control_verdict(found, figures, LIMITS) == FAILED


def test_a_control_that_fails_before_its_first_event_proves_nothing() -> None:
    failed, problems, _ = controlled(lose(evidence(), 5, 320))
    assert not failed
    assert problems == [
        "got 1 requests of the control failed before its first event (status 502), want none before (fix: see the logs"
        " of the baseline's nodes)"
    ]


def test_a_control_without_its_load_is_not_measured() -> None:
    found = lose(evidence(records=slowed(2)), 320)
    failed, problems, figures = controlled(found)
    assert not failed
    assert "achieved 50.1/s" in problems[0]
    assert control_verdict(found, figures, LIMITS) == NOT_MEASURED


def test_a_stopped_control_is_no_failure() -> None:
    found = evidence(stopped="a signal (SIGINT)")
    failed, problems, figures = controlled(found)
    assert not failed
    assert len(problems) == 1
    assert control_verdict(found, figures, LIMITS) == STOPPED


# --------------------------------------------------------------------------
# The result
# --------------------------------------------------------------------------


def test_the_result_holds_the_figures() -> None:
    found = lose(evidence(), 320)
    result = figures_result(found, add_up(found))
    assert result["requests"] == {
        "sent": 1000,
        "answered": 999,
        "failed": 1,
        "failed_in_flight": 0,
        "causes": {"POST status 502": 1},
    }
    posts = result["posts"]
    assert (posts["sent"], posts["answered"], posts["executed_once"], posts["keys"]) == (100, 99, 99, [])
    assert not any(posts[key] for key in ("twice", "missing", "unknown", "not_offered", "again"))
    assert result["counts"]["access_log"] == 1000
    assert result["counts"]["nodes"]["web-1"] == {"counted": 2, "answers": 2}
    assert [item["kind"] for item in result["events"]] == [STOP, STOP]
    assert result["events"][0]["load"]["during"]["failed"] == 1
