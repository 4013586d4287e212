"""Deliberate faults turn exactly the right claims red."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from tests.unit.made_measurements import drill, measurements, part, tier

from ansible_collections.evenkeel.cluster.plugins.module_utils.report.claim import TITLES, Claim, Measurements
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.claims import claims_of, overall

ALL = ["nodes", "distribution", "round-robin", "sticky", "membership", "management"]


def by_id(measured: Measurements) -> dict[str, Claim]:
    return {claim.id: claim for claim in claims_of(measured)}


def red(measured: Measurements) -> list[str]:
    return [claim.id for claim in claims_of(measured) if claim.red]


def test_claims_come_in_the_order_of_the_text() -> None:
    assert [claim.id for claim in claims_of(measurements(drill()))] == ALL == list(TITLES)


def test_all_is_proved_when_all_is_well() -> None:
    claims = claims_of(measurements(drill()))
    assert {claim.verdict for claim in claims} == {"pass"}
    assert overall(claims) == ("pass", "6 of 6 claims proved")
    for claim in claims:
        assert claim.procedure, claim.id
        assert claim.measured, claim.id
        assert claim.thresholds, claim.id
        assert claim.controls, claim.id
        assert all(control.failed for control in claim.controls), claim.id
        assert claim.charts or claim.tables, claim.id


def test_a_quick_verification_says_what_it_does_not_measure() -> None:
    claims = claims_of(measurements())
    assert overall(claims) == ("pass", "5 of 6 claims proved; not measured: membership")
    (membership,) = [claim for claim in claims if claim.id == "membership"]
    assert (membership.verdict, membership.due, membership.problems) == ("not measured", False, ())
    assert membership.notes[0].startswith("a quick verification changes nothing")


@pytest.mark.parametrize(
    "kind, claim_ids",
    [("balance", ["distribution", "round-robin"]), ("sticky", ["sticky"])],
)
def test_an_image_that_cannot_be_measured_does_not_fail_the_report(kind: str, claim_ids: list[str]) -> None:
    measured = measurements(drill())
    message = f"{kind} of static: not measured: got status 302 for all 60 requests"
    part(measured, kind, "static").update(verdict="not measured", message=message, problems=[])
    claims = claims_of(measured)
    assert red(measured) == []
    assert [claim.id for claim in claims if claim.verdict == "not measured"] == claim_ids
    assert overall(claims) == ("pass", f"{6 - len(claim_ids)} of 6 claims proved; not measured: {', '.join(claim_ids)}")
    assert {by_id(measured)[name].notes[0] for name in claim_ids} == {message}
    # A fault of another tier is told all the same.
    part(measured, kind, "dynamic", *(["aspects", "answers"] if kind == "balance" else ["problems"])).append(
        "got 1 lost"
    )
    assert red(measured) == claim_ids


# -- Faults --------------------------------------------------------------------------


def double_weight(measured: Measurements) -> None:
    result = part(measured, "balance", "dynamic")
    line = "got 30 of 60 requests on dynamic-1, want 20 each (fix: docker inspect dynamic-1)"
    for side, share in (("client", 30), ("access_log", 30), ("node", 30)):
        result["sides"]["nodes"]["dynamic-1"][side] = share
    part(measured, "balance", "dynamic", "aspects")["shares"].append(line)
    part(measured, "balance", "dynamic", "counts").update({"dynamic-1": 30, "dynamic-2": 15, "dynamic-3": 15})


def stickiness_off(measured: Measurements) -> None:
    part(measured, "sticky", "static", "problems").append(
        "got 21 of 21 clients without cookie evenkeel_static, want it"
    )


def not_listed(measured: Measurements) -> None:
    node = part(measured, "pool", "nodes")[0]
    node.update(in_rotation=False, balancer_status="not listed")
    part(measured, "pool", "tiers", "static")["in_rotation"] = 2
    counts = part(measured, "balance", "static", "counts")
    del counts["static-1"]
    counts.update({"static-2": 30, "static-3": 30})


def log_lost_lines(measured: Measurements) -> None:
    part(measured, "balance", "static", "aspects")["sides"].append("got 2 of 60 answered requests missing in the log")
    part(measured, "balance", "static", "sides")["access_log_missing"] = 2


def drill_log_lost_lines(measured: Measurements) -> None:
    part(measured, "drills")[0].update(verdict="fail", problems=["got 3 answered requests missing in the access log"])


def log_not_read(measured: Measurements) -> None:
    part(measured, "balance", "static", "sides")["access_log_missing"] = None


def balance_control_passes(measured: Measurements) -> None:
    part(measured, "balance", "static", "control").update(failed=False, message="got a control which did not fail")


def sticky_control_passes(measured: Measurements) -> None:
    part(measured, "sticky", "static", "control").update(failed=False, message="no client moved")


def drill_control_passes(measured: Measurements) -> None:
    part(measured, "drills")[0]["control"].update(failed=False, message="control: 0 lost, the control proves nothing")


def open_dashboard(measured: Measurements) -> None:
    part(measured, "management", "checks")[1].update(got=200, ok=False)
    part(measured, "management", "aspects")["control"].append("got status 200 without a password")


def nothing_asked_without_the_password(measured: Measurements) -> None:
    checks = part(measured, "management", "checks")
    checks[:] = [check for check in checks if not check["control"]]


def lost_request(measured: Measurements) -> None:
    part(measured, "balance", "dynamic", "aspects")["answers"].append("got 1 of 60 requests lost")


def drill_lost_request(measured: Measurements) -> None:
    part(measured, "drills")[0].update(verdict="fail", problems=["got 1 of 4000 requests failed"])


def drill_not_measured(measured: Measurements) -> None:
    part(measured, "drills")[0].update(verdict="not measured", problems=["got offered 400/s, achieved 300/s"])


def balance_gave_up(measured: Measurements) -> None:
    part(measured, "balance")["dynamic"] = {"msg": "balance of dynamic: got no answer", "failed": False}


def node_counted_less(measured: Measurements) -> None:
    part(measured, "balance", "static", "aspects")["sides"].append("got 19 requests counted by static-1, 20 answers")


@pytest.mark.parametrize(
    "fault, wanted",
    [
        (double_weight, ["round-robin"]),
        (stickiness_off, ["sticky"]),
        (not_listed, ["nodes", "distribution"]),
        (log_lost_lines, ["distribution"]),
        (drill_log_lost_lines, ["membership"]),
        (log_not_read, ["distribution"]),
        (balance_control_passes, ["distribution", "round-robin"]),
        (sticky_control_passes, ["sticky"]),
        (drill_control_passes, ["membership"]),
        (open_dashboard, ["management"]),
        (nothing_asked_without_the_password, ["management"]),
        (lost_request, ["distribution", "round-robin"]),
        (drill_lost_request, ["membership"]),
        (drill_not_measured, ["membership"]),
        (balance_gave_up, ["distribution", "round-robin"]),
        (node_counted_less, ["distribution"]),
    ],
)
def test_a_fault_turns_exactly_the_right_claims_red(fault: Callable[[Measurements], None], wanted: list[str]) -> None:
    measured = measurements(drill())
    fault(measured)
    assert red(measured) == wanted
    for name in wanted:
        assert by_id(measured)[name].problems, name
    verdict, text = overall(claims_of(measured))
    assert verdict == "fail"
    assert text == f"{6 - len(wanted)} of 6 claims proved; not proved: {', '.join(wanted)}"


def test_a_control_that_passed_is_told_as_such() -> None:
    measured = measurements()
    balance_control_passes(measured)
    claim = by_id(measured)["round-robin"]
    assert [control.failed for control in claim.controls] == [False, True]
    assert claim.problems[0].startswith("control: static: the same number of requests to one node")


def test_what_a_control_was_found_guilty_of_is_no_trouble_to_mend() -> None:
    (control,) = by_id(measurements())["sticky"].controls
    assert control.told == "got 21 of 21 clients moved, want each client on one node"


def test_a_cluster_that_is_down_is_told_claim_by_claim() -> None:
    measured = dataclasses.replace(
        measurements(),
        pool={"msg": "Docker: got no answer"},
        balance={"static": {"skipped": True}},
        sticky={},
        management={"msg": "management: got connection refused"},
    )
    claims = by_id(measured)
    assert {claim.verdict for claim in claims.values()} == {"not measured"}
    assert red(measured) == ["nodes", "distribution", "round-robin", "sticky", "management"]
    assert claims["nodes"].problems == ("pool: not measured: Docker: got no answer",)
    assert claims["distribution"].problems == (
        "balance of static: not measured: the pool is not known",
        "balance of dynamic: not measured: no result",
    )


def test_drills_that_were_asked_for_and_not_run_are_red() -> None:
    measured = dataclasses.replace(measurements(), drills_due=True)
    assert red(measured) == ["membership"]
    assert by_id(measured)["membership"].problems == ("drills: not measured: none was run",)


def test_a_drill_that_was_refused_is_red() -> None:
    refused = {"scenario": "stop", "msg": "pool: got 1 differences from the declaration"}
    measured = measurements(drill("mixed"), refused)
    assert by_id(measured)["membership"].problems == (
        "drill stop: not measured: pool: got 1 differences from the declaration",
    )
    assert red(measured) == ["membership"]


# -- What cannot be claimed ----------------------------------------------------------


def test_round_robin_beside_the_requests_of_others_is_not_claimed() -> None:
    measured = measurements()
    part(measured, "balance", "static").update(
        method="chi-square", notes=["judged by chi-square: 5 requests of others"]
    )
    claim = by_id(measured)["round-robin"]
    assert (claim.verdict, claim.red) == ("not measured", False)
    assert "static: not judged exactly: judged by chi-square: 5 requests of others" in claim.notes


@pytest.mark.parametrize("strategy", ["p2c", "hrw", "leasttime"])
def test_another_strategy_claims_no_round_robin(strategy: str) -> None:
    claim = by_id(measurements(tiers=(tier("web", False, strategy=strategy),)))["round-robin"]
    assert (claim.verdict, claim.red) == ("not measured", False)
    assert f"web: declares {strategy}, not round robin" in claim.notes


def test_one_node_proves_no_distribution() -> None:
    claims = by_id(measurements(tiers=(tier("web", False, nodes=1),)))
    assert claims["distribution"].verdict == claims["round-robin"].verdict == claims["nodes"].verdict == "not measured"
    assert not any(claim.red for claim in claims.values())


def test_nodes_without_counters_are_told_not_judged() -> None:
    measured = measurements()
    for counts in part(measured, "balance", "static", "sides", "nodes").values():
        counts["node"] = None
    claim = by_id(measured)["distribution"]
    assert claim.verdict == "pass"
    assert claim.notes == (
        "static: no counters at static-1, static-2, static-3; only clients and access log are compared",
    )


def test_an_image_of_which_nothing_is_known_proves_what_it_can_and_says_what_it_does_not_offer() -> None:
    measured = measurements()
    for kind in ("balance", "sticky"):
        part(measured, kind, "static")["named_by"] = "log"
    part(measured, "balance", "static", "sides")["own_count_offered"] = False
    for counts in part(measured, "balance", "static", "sides", "nodes").values():
        counts["node"] = None
    claims = by_id(measured)
    assert red(measured) == []
    for name in ("distribution", "round-robin", "sticky"):
        assert claims[name].verdict == "pass"
        told = [line for line in claims[name].measured if "(named by " in line]
        assert [line.partition(":")[0] for line in told] == ["static", "dynamic"], name
        assert "(named by the balancer's log)" in told[0], name
        assert "(named by its header)" in told[1], name
    assert claims["distribution"].notes == (
        "static: the node's own count: not offered by this image; only clients and access log are compared",
        "static: the balancer's log names the nodes, so it cannot contradict clients about them; both are compared by"
        " number and status of the answers",
    )
    rows = claims["distribution"].tables[0].rows
    assert rows[0] == ("static-1", 20, 20, "not offered")
    assert "static-1: 20, 20, not offered" in claims["distribution"].charts[0].text


def test_nodes_that_nothing_named_should_have_been_measured() -> None:
    measured = measurements()
    for kind in ("balance", "sticky"):
        part(measured, kind, "static").update(
            verdict="not measured", named_by="", message=f"{kind} of static: not measured: no log"
        )
    assert red(measured) == ["distribution", "round-robin", "sticky"]
    assert by_id(measured)["sticky"].problems == ("sticky of static: not measured: no log",)


def test_failures_have_an_interval_and_none_has_a_bound() -> None:
    (line,) = [line for line in by_id(measurements(drill()))["membership"].measured if line.startswith("all drills")]
    assert line == "all drills: 0 of 4000 requests lost, failure rate below 0.00075 (Clopper-Pearson, 95 % confidence)"
    lossy = drill()
    lossy["drill"]["requests"]["failed"] = 4
    (line,) = [line for line in by_id(measurements(lossy))["membership"].measured if line.startswith("all drills")]
    assert line.startswith("all drills: 4 of 4000 requests lost, failure rate between 0.00027 and 0.0026")


def test_too_few_requests_prove_nothing() -> None:
    claim = by_id(measurements(drill("stop", seconds=7)))["membership"]
    assert (claim.verdict, claim.red) == ("not measured", True)
    assert claim.problems == ("all drills: not measured: 2800 requests are too few, want 2995 (fix: more events)",)


def test_drills_of_one_scenario_are_told_apart() -> None:
    charts = by_id(measurements(drill("stop"), drill("stop"), drill("roll")))["membership"].charts
    assert [chart.title.rpartition(": ")[2] for chart in charts if chart.kind == "timeline"] == [
        "stop 1",
        "stop 2",
        "roll",
    ]


def test_every_chart_has_words() -> None:
    charts = [chart for claim in claims_of(measurements(drill())) for chart in claim.charts]
    assert len(charts) == 10
    assert all(len(chart.text) > 20 for chart in charts)
