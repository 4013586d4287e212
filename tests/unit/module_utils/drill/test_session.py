"""The drill from its settings to its result, on a cluster without Docker, on a virtual clock."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes.traffic import DrilledCluster, FakeBalancers
from tests.unit.module_utils.drill.sessions import drilled, session

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.folder import FolderError
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import (
    LockBusyError,
    cluster_lock,
    discard_lock,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.event_runner import EventError
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.ports import Balancers
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.stop import Stop
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.options import CheckInputError
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import PoolInputError


@pytest.fixture
def cluster(tmp_path: Path) -> DrilledCluster:
    return DrilledCluster(tmp_path)


# --------------------------------------------------------------------------
# Verdicts
# --------------------------------------------------------------------------


def test_a_drill_passes_with_its_control(cluster: DrilledCluster) -> None:
    result = drilled(cluster)
    assert result["verdict"] == "pass", result
    assert result["changed"]
    assert result["problems"] == []
    found = result["drill"]
    assert found["requests"]["sent"] >= 100
    assert found["requests"]["failed"] == 0
    assert found["posts"]["executed_once"] == found["posts"]["answered"] > 0
    assert [event["kind"] for event in found["events"]] == ["stop", "stop"]
    assert found["sessions"]["moved_foreign"] == 0
    assert found["sessions"]["moved_own"] > 0
    assert found["counts"]["access_log"] == found["counts"]["client"] == found["requests"]["sent"]
    assert found["counts"]["nodes"].keys() == {"shop-1", "shop-2", "dates-1", "dates-2"}
    assert found["join_seconds"]["count"] == found["leave_seconds"]["count"] == 2
    assert found["rate"]["achieved"] == 100.0
    assert found["rate"]["late_p99"] == 0.0
    assert result["control"]["failed"]
    assert result["control"]["requests"]["failed"] > 0
    assert "as it must" in result["message"]
    assert cluster.declared()


def test_a_drill_tells_what_happens_while_it_happens(cluster: DrilledCluster) -> None:
    lines: list[str] = []
    result = drilled(cluster, on_progress=lines.append, tick_seconds=0.5)
    assert result["verdict"] == "pass", result
    at = lines.index("control: unprotected nodes start")
    own, control = lines[:at], lines[at:]
    assert own[0] == "load began: 100 requests per second for at least 1 s"
    assert own[-1] == "the pool is returned to its declaration"
    sent = result["drill"]["requests"]["sent"]
    assert re.fullmatch(rf" +\d+\.\d s  {sent} sent, 0 failed; the load has ended", own[-2])
    assert "   0.5 s  50 sent, 0 failed" in own
    done = re.compile(r" +\d\.\d s  stop \((shop|dates)\): done in \d+\.\d s")
    assert [match[1] for match in map(done.fullmatch, own) if match] == ["shop", "dates"]
    assert all(line.startswith("control: ") for line in control)
    assert control[1] == "control: load began: 100 requests per second for at least 1 s"
    lost = result["control"]["requests"]
    assert control[-1].endswith(f" s  {lost['sent']} sent, {lost['failed']} failed; the load has ended")


@pytest.mark.parametrize("scenario", ["scale", "roll", "kill", "hang", "guest", "policy", "balancer", "steady"])
def test_every_scenario_passes_and_leaves_the_pool_as_it_was(cluster: DrilledCluster, scenario: str) -> None:
    # A frozen node of the fake refuses at once, and a killed one is gone at once: nothing is lost here.
    result = drilled(cluster, scenario=scenario, only=["shop"], control=False)
    assert result["verdict"] == "pass", result
    assert result["message"].endswith("; no control")
    assert "control" not in result
    assert result["changed"] is (scenario != "steady")
    assert cluster.declared()


@pytest.mark.parametrize("scenario, lost", [("hang", "freeze baseline-shop-1"), ("kill", "stop baseline-shop-1 0")])
def test_the_control_loses_requests_where_the_drill_loses_none(
    cluster: DrilledCluster, scenario: str, lost: str
) -> None:
    result = drilled(cluster, scenario=scenario, only=["shop"])
    assert result["verdict"] == "pass", result
    assert result["control"]["failed"]
    assert lost in cluster.engine.calls
    assert cluster.declared()


def test_the_control_of_a_balancers_replacement_is_another_balancer(cluster: DrilledCluster) -> None:
    balancers: Balancers = cluster.balancers
    assert isinstance(balancers, FakeBalancers)
    result = drilled(cluster, scenario="balancer", only=["shop"])
    assert result["verdict"] == "pass", result
    assert result["control"]["requests"]["failed"] > 0
    assert balancers.calls[:3] == ["renew", "renew", "start baseline"]
    assert balancers.calls[-1] == "remove balancer-1"
    assert cluster.declared()


def test_lost_requests_fail_the_drill(cluster: DrilledCluster) -> None:
    cluster.traffic.status = lambda request: 500 if request.key.endswith("-7") else 200
    result = drilled(cluster, control=False)
    assert result["verdict"] == "fail"
    assert result["message"].startswith("drill stop of shop, dates: got 1 of ")
    assert "status 500 at 0.07 s, before the first event" in result["message"]
    assert result["drill"]["requests"]["causes"]
    assert cluster.declared()


def test_a_control_that_loses_nothing_fails_the_drill(cluster: DrilledCluster) -> None:
    # The second balancer is replaced as the first one is.
    cluster.balancers.interrupts = False
    result = drilled(cluster, scenario="balancer")
    assert result["verdict"] == "fail"
    assert "a control that lost none of" in result["message"]
    assert not result["control"]["failed"]
    assert cluster.declared()


def test_a_machine_that_is_too_slow_is_told_and_the_cluster_not_blamed(cluster: DrilledCluster) -> None:
    cluster.sender.seconds = 0.02  # as if this machine were busy with something else
    result = drilled(cluster, control=False, sticky_share=0, thresholds={})
    assert result["verdict"] == "not measured"
    assert result["message"].startswith("drill stop of shop, dates: not measured: offered 100/s, achieved ")
    assert cluster.declared()


# --------------------------------------------------------------------------
# Stopping
# --------------------------------------------------------------------------


def test_a_request_to_stop_ends_the_drill_with_what_was_seen(cluster: DrilledCluster, tmp_path: Path) -> None:
    stop = Stop(cluster.clock)

    def end() -> None:
        stop.reason = "a signal (SIGTERM)"
        stop.event.set()

    def told(line: str) -> None:
        if line.startswith("load began"):
            cluster.clock.at(cluster.clock.now() + 1.0, end)

    long: dict[str, Any] = {
        "scenario": "scale",
        "duration": 60,
        "events": 50,
        "time_limit": 600,
        "folder": str(tmp_path),
    }
    result = drilled(cluster, stop=stop, on_progress=told, **long)
    assert result["verdict"] == "stopped"
    assert result["message"].startswith("drill scale of shop, dates: stopped: a signal (SIGTERM) after 1.0 s, ")
    assert result["drill"]["requests"]["sent"] == 100
    assert "control" not in result
    assert cluster.declared()
    report = json.loads(Path(result["files"][0]).read_text())
    assert report["verdict"] == "stopped"


# --------------------------------------------------------------------------
# Check mode
# --------------------------------------------------------------------------


def test_check_mode_tells_the_plan_and_does_nothing(cluster: DrilledCluster) -> None:
    lines: list[str] = []
    result = session(cluster, scenario="scale", on_progress=lines.append).run(check_mode=True)
    assert result["verdict"] == "planned"
    assert result["changed"]
    assert result["message"] == (
        "drill scale of shop, dates: would send 160 requests at 100/s and perform 3 events in 1.6 s, then the control"
    )
    assert result["plan"]["events"] == ["   0.2 s  grow (shop)", "   0.8 s  shrink (shop)", "   1.4 s  restore"]
    assert lines == []
    assert cluster.engine.calls == []
    assert cluster.traffic.log.read_text() == ""


def test_what_check_mode_predicts_is_what_a_run_does(cluster: DrilledCluster) -> None:
    differs: dict[str, Any] = {"scenario": "scale", "control": False}
    predicted, done = session(cluster, **differs).run(check_mode=True), drilled(cluster, **differs)
    assert done["plan"] == predicted["plan"]
    assert done["changed"] == predicted["changed"]
    assert [f"{event['kind']} ({event['tier']})".removesuffix(" ()") for event in done["drill"]["events"]] == [
        line.split("  ")[-1] for line in predicted["plan"]["events"]
    ]


# --------------------------------------------------------------------------
# What is refused before anything happens
# --------------------------------------------------------------------------


@pytest.mark.parametrize("check", [True, False])
def test_a_guest_needs_an_image_with_its_tiers_labels(cluster: DrilledCluster, check: bool) -> None:
    words = "guest of dates: got image res/dates:1 without the label evenkeel.tier=dates"
    with pytest.raises(CheckInputError, match=words):
        session(cluster, scenario="guest", only=["dates"]).run(check_mode=check)
    assert cluster.engine.calls == []
    assert cluster.traffic.log.read_text() == ""


@pytest.mark.parametrize("check", [True, False])
def test_a_pool_that_is_not_as_declared_is_refused(cluster: DrilledCluster, check: bool) -> None:
    cluster.engine.remove(cluster.engine.node("shop-2").id)
    with pytest.raises(PoolInputError) as caught:
        session(cluster).run(check_mode=check)
    assert str(caught.value) == (
        "pool: got 1 differences from the declaration (first: shop: start shop-2 (scale up)), want none"
        " (fix: ansible-playbook site.yml)"
    )


def test_a_tier_whose_node_must_not_run_twice_is_not_drilled(cluster: DrilledCluster) -> None:
    cluster.tiers["shop"] = dataclasses.replace(cluster.tiers["shop"], roll="replace")
    with pytest.raises(
        CheckInputError, match="tier shop: got roll: replace, want a tier whose nodes may run side by side"
    ):
        drilled(cluster)


def test_routes_that_are_not_as_declared_are_refused(cluster: DrilledCluster) -> None:
    cluster.routes.point_to({"dates": None})
    with pytest.raises(PoolInputError, match=r"first: dates: route dates \(leads to dates-"):
        drilled(cluster)


def test_a_folder_that_cannot_be_written_to_is_told_before_the_drill(cluster: DrilledCluster) -> None:
    with pytest.raises(FolderError, match="folder: got 'File exists' for "):
        drilled(cluster, folder=str(cluster.traffic.log))
    assert cluster.engine.calls == []


def test_a_folder_that_goes_during_the_drill_does_not_cost_its_result(cluster: DrilledCluster, tmp_path: Path) -> None:
    folder = tmp_path / "records"

    def take_away(line: str) -> None:
        if folder.is_dir():
            folder.rmdir()
            folder.write_text("")

    result = drilled(cluster, on_progress=take_away, folder=str(folder))
    assert result["verdict"] == "pass"
    assert result["files"] == []
    assert result["drill"]["notes"][-1] == f"records: got 'Not a directory' for {folder}, not written"


def test_a_cluster_that_does_not_answer_is_not_drilled(cluster: DrilledCluster) -> None:
    cluster.traffic.status = lambda request: 404
    lines: list[str] = []
    with pytest.raises(EventError) as caught:
        drilled(cluster, on_progress=lines.append)
    assert lines == []
    assert str(caught.value) == (
        "drill stop of shop, dates: got status 404 from shop-1 for GET shop before the load began, want 200"
        " (fix: ansible-playbook playbooks/verify.yml)"
    )
    assert not [call for call in cluster.engine.calls if call.startswith("stop")]


def test_another_run_on_the_cluster_is_named(cluster: DrilledCluster) -> None:
    name = f"drill-test-{os.getpid()}"

    def lock(_cluster: str, *arguments: Any) -> contextlib.AbstractContextManager[float]:
        return cluster_lock(name, *arguments)

    try:
        with cluster_lock(name, "node_pool", 0), pytest.raises(LockBusyError, match=r"got a lock held by .*node_pool"):
            session(cluster, lock=lock).run(check_mode=True)
        assert session(cluster, lock=lock).run(check_mode=True)["verdict"] == "planned"
    finally:
        discard_lock(name)
    assert cluster.engine.calls == []


@pytest.mark.parametrize("check, seconds", [(True, 0.0), (False, 300.0)])
def test_the_clusters_lock_is_held_from_the_first_look_to_the_last_restoration(
    cluster: DrilledCluster, check: bool, seconds: float
) -> None:
    asked: list[tuple[str, str, float]] = []
    inside: list[bool] = []

    @contextlib.contextmanager
    def lock(name: str, what: str, wait: float, _on_progress: object) -> Iterator[float]:
        asked.append((name, what, wait))
        assert cluster.balancer.calls == []
        yield 0.0
        inside.append(cluster.declared())

    settled = session(cluster, lock=lock, lock_timeout=300, scenario="scale", control=False)
    settled.run(check_mode=check)
    assert asked == [("evenkeel", "drill", seconds)]
    assert inside == [True]


# --------------------------------------------------------------------------
# Events that do not come about
# --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fails, words",
    [
        (lambda call: call == "start shop-3", "event 1 (grow) not carried out: start shop-3: got 'no', want success"),
    ],
)
def test_an_event_that_fails_ends_the_drill_and_the_pool_is_restored(
    cluster: DrilledCluster, fails: Callable[[str], bool], words: str
) -> None:
    cluster.engine.fails = fails
    result = drilled(cluster, scenario="scale", control=False)
    assert result["verdict"] == "fail"
    assert words in result["message"]
    assert cluster.declared()


def test_what_was_measured_is_told_although_the_pool_could_not_be_restored(cluster: DrilledCluster) -> None:
    # The node that is to go after the drill cannot be stopped, nor any other.
    cluster.engine.fails = lambda call: call.startswith("stop ")
    result = drilled(cluster, scenario="scale", control=False)
    assert result["verdict"] == "fail"
    assert [line.split(":")[0] for line in result["problems"][:2]] == [
        "got event 2 (shrink) not carried out",
        "got event 3 (restore) not carried out",
    ]
    assert result["drill"]["requests"]["sent"] > 50
    assert not cluster.declared()


def test_a_control_that_cannot_start_leaves_nothing(cluster: DrilledCluster) -> None:
    cluster.engine.fails = lambda call: call == "start baseline-dates-2"
    result = drilled(cluster)
    assert result["verdict"] == "not measured"
    assert result["message"].startswith(
        "drill stop of shop, dates: not measured: event 1 (control) not carried out: start baseline-dates-2: got 'no'"
    )
    assert result["drill"]["requests"]["failed"] == 0
    assert result["drill"]["requests"]["sent"] > 100
    assert cluster.declared()


# --------------------------------------------------------------------------
# Files
# --------------------------------------------------------------------------


def test_report_and_records_are_written(cluster: DrilledCluster, tmp_path: Path) -> None:
    result = drilled(cluster, folder=str(tmp_path))
    report, records, control = (Path(name) for name in result["files"])
    told: dict[str, Any] = json.loads(report.read_text())
    assert told["message"] == result["message"]
    with gzip.open(records, "rt") as stream:
        lines = [json.loads(line) for line in stream]
    assert len(lines) == result["drill"]["requests"]["sent"]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert control.exists()
