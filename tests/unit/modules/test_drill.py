"""The drill from its options to its result, on a cluster without Docker."""

from __future__ import annotations

import functools
import gzip
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from tests.unit.fake_docker import CLUSTER, FakeBalancer, FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.core import lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill import (
    exercise,
    load,
    node_counters,
    performer,
    session,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill import (
    options as drill_options,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill import (
    stop as drill_stop,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.control import BaselinePool
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.exercise import Ticker
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.node_counters import NodePoller
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import EventReport, Record
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure import access_log
from ansible_collections.evenkeel.cluster.plugins.modules import drill

# What is judged here is not how fast this machine is.
PATIENT = {"join_p95": 5, "leave_p95": 5, "out": 5, "late_p99": 3, "rate_share": 0.3}
REQUESTS = {"shop": {"post": "echo", "slow": "slow"}, "dates": {"post": ""}}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    fake = FakeCluster(tmp_path)
    monkeypatch.setattr(session, "drill_context", lambda params: fake.context())
    monkeypatch.setattr(session, "balancer_of", lambda params: FakeBalancer(fake))
    monkeypatch.setattr(session, "NodePoller", functools.partial(NodePoller, port=fake.port))
    monkeypatch.setattr(session, "LEAD_SECONDS", 0.2)
    monkeypatch.setattr(drill_options, "LEAD_SECONDS", 0.2)
    monkeypatch.setattr(drill_options, "TAIL_SECONDS", 0.2)
    monkeypatch.setattr(performer, "_AWAY_SECONDS", 0.05)
    monkeypatch.setattr(node_counters, "_POLL_SECONDS", 0.03)
    monkeypatch.setattr(access_log, "_LOG_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(lock, "lock_path", lambda name: tmp_path / "lock")
    yield fake
    fake.close()


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The module takes signals over; here others need them."""
    before = {number: signal.getsignal(number) for number in drill_stop.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def options(fake: FakeCluster, **differs: Any) -> dict[str, Any]:
    usual = {
        "scenario": "stop",
        "events": 2,
        "interval": 0.6,
        "rate": 100,
        "duration": 1,
        "clients": 10,
        "timeout": 2,
        "url": fake.url,
        "requests": REQUESTS,
        "thresholds": PATIENT,
        "access_log": str(fake.log),
        "cluster": CLUSTER,
        "network": CLUSTER,
        "tiers": [{"name": name, "nodes": build.tier.nodes} for name, build in fake.builds.items()],
        "routes_file": str(fake.routes),
        "api_url": "http://127.0.0.1:9",
        "api_password_file": "/nosuch",
    }
    return {**usual, **differs}


def run(arguments: dict[str, Any], capsys: pytest.CaptureFixture[str], check: bool = False) -> dict[str, Any]:
    """Run the module as Ansible does; its result."""
    with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        drill.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


# --------------------------------------------------------------------------
# Verdicts
# --------------------------------------------------------------------------


def test_a_drill_passes_with_its_control(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(options(cluster), capsys)
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
    assert result["control"]["failed"]
    assert result["control"]["requests"]["failed"] > 0
    assert "as it must" in result["message"]
    assert cluster.declared()


def test_a_drill_tells_what_happens_while_it_happens(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exercise, "_TICK_SECONDS", 0.5)
    path = tmp_path / "progress"
    result = run(options(cluster, progress_file=str(path)), capsys)
    assert result["verdict"] == "pass", result
    assert "progress" not in result
    lines = path.read_text().splitlines()
    own, control = (
        lines[: lines.index("control: naive nodes start")],
        lines[lines.index("control: naive nodes start") :],
    )
    assert own[0] == "load began: 100 requests per second for at least 1 s"
    assert own[-1] == "the pool is led back to its declaration"
    sent = result["drill"]["requests"]["sent"]
    assert re.fullmatch(rf" +\d\.\d s  {sent} sent, 0 failed; the load has ended", own[-2])
    assert [line for line in own if re.fullmatch(r" +0\.5 s  (49|50|51) sent, 0 failed", line)]
    done = re.compile(r" +\d\.\d s  stop \((shop|dates)\): done in \d\.\d s")
    assert [match[1] for match in map(done.fullmatch, own) if match] == ["shop", "dates"]
    assert all(line.startswith("control: ") for line in control)
    assert control[1] == "control: load began: 100 requests per second for at least 1 s"
    lost = result["control"]["requests"]
    assert control[-1].endswith(f" s  {lost['sent']} sent, {lost['failed']} failed; the load has ended")


def test_without_a_file_the_result_tells_it(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(options(cluster, scenario="steady", control=False), capsys)
    assert result["progress"][0] == "load began: 100 requests per second for at least 1 s"
    assert result["progress"][-1] == "the pool is led back to its declaration"


def record(number: int, error: str = "") -> Record:
    return Record(f"r-{number}", 0, 0, 0, "shop", "GET", 0, 200, "shop-1", error)


def test_how_the_load_goes_is_told_every_few_seconds_and_not_more_often() -> None:
    records: list[Record] = []
    lines: list[str] = []
    ticker = Ticker(records, 5.0, lines.append)
    for number in range(600):
        ticker.leaves(number / 40)
        records.append(record(number, "status 500" if number in {10, 300} else ""))
    assert lines == ["   5.0 s  200 sent, 1 failed", "  10.0 s  400 sent, 2 failed"]
    ticker.leaves(31.0)
    ticker.leaves(34.9)
    ticker.leaves(35.0)
    assert lines[2:] == ["  31.0 s  600 sent, 2 failed", "  35.0 s  602 sent, 2 failed"]
    assert ticker.line(36.04) == "  36.0 s  603 sent, 2 failed"


@pytest.mark.parametrize("scenario", ["scale", "roll", "kill", "hang", "guest", "policy", "steady"])
def test_every_scenario_passes_and_leaves_the_pool_as_it_was(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], scenario: str
) -> None:
    # A frozen node of the fake refuses at once, and a killed one is gone at once: nothing is lost here.
    result = run(options(cluster, scenario=scenario, only=["shop"], control=False), capsys)
    assert result["verdict"] == "pass", result
    assert result["message"].endswith("; no control")
    assert "control" not in result
    assert result["changed"] is (scenario != "steady")
    assert cluster.declared()


def test_lost_requests_fail_the_drill(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.status = lambda request: 500 if request.headers.get("X-Request-Id", "").endswith("-7") else 200
    result = run(options(cluster, control=False), capsys)
    assert result["failed"]
    assert result["verdict"] == "fail"
    assert result["msg"].startswith("drill stop of shop, dates: got 1 of ")
    assert "status 500 at 0.07 s, before the first event" in result["msg"]
    assert result["drill"]["requests"]["causes"]
    assert cluster.declared()


def test_a_control_that_loses_nothing_fails_the_drill(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BaselinePool, "perform", lambda self, event: EventReport(0, "stop", "", 0, 0))
    result = run(options(cluster), capsys)
    assert result["verdict"] == "fail"
    assert "a control that lost none of" in result["msg"]
    assert not result["control"]["failed"]
    assert cluster.declared()


def test_a_machine_that_is_too_slow_is_told_and_the_cluster_not_blamed(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(self: Any, arrival: Any) -> str:
        threading.Event().wait(0.02)  # as if this machine were busy with something else
        return f"{self._run}-{arrival.index}"

    monkeypatch.setattr(load.Load, "_key", slow)
    result = run(options(cluster, control=False, sticky_share=0, thresholds={}), capsys)
    assert result["verdict"] == "not measured"
    assert result["msg"].startswith("drill stop of shop, dates: not measured: offered 100/s, achieved ")
    assert cluster.declared()


# --------------------------------------------------------------------------
# Stopping
# --------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_drill_with_what_was_seen(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], tmp_path: Path, number: signal.Signals
) -> None:
    arguments = options(cluster, scenario="scale", duration=60, events=50, folder=str(tmp_path), time_limit=600)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), number))
    timer.start()
    result = run(arguments, capsys)
    timer.join()
    assert result["verdict"] == "stopped"
    assert result["msg"].startswith(f"drill scale of shop, dates: stopped: a signal ({number.name}) after ")
    assert 0 < result["drill"]["requests"]["sent"] < 3000
    assert "control" not in result
    assert cluster.declared()
    report = json.loads(Path(result["files"][0]).read_text())
    assert report["verdict"] == "stopped"


# --------------------------------------------------------------------------
# Check mode
# --------------------------------------------------------------------------


def test_check_mode_tells_the_plan_and_does_nothing(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(options(cluster, scenario="scale"), capsys, check=True)
    assert result["verdict"] == "planned"
    assert result["changed"]
    assert result["message"] == (
        "drill scale of shop, dates: would send 160 requests at 100/s and perform 3 events in 1.6 s, then the control"
    )
    assert result["plan"]["events"] == ["   0.2 s  grow (shop)", "   0.8 s  shrink (shop)", "   1.4 s  restore"]
    assert "progress" not in result
    assert cluster.pool.calls == []
    assert cluster.log.read_text() == ""


def test_what_check_mode_predicts_is_what_a_run_does(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = options(cluster, scenario="scale", control=False)
    predicted, done = run(arguments, capsys, check=True), run(arguments, capsys)
    assert done["plan"] == predicted["plan"]
    assert done["changed"] == predicted["changed"]
    assert [f"{event['kind']} ({event['tier']})".removesuffix(" ()") for event in done["drill"]["events"]] == [
        line.split("  ")[-1] for line in predicted["plan"]["events"]
    ]


# --------------------------------------------------------------------------
# What is refused before anything happens
# --------------------------------------------------------------------------


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    "differs, words",
    [
        ({"scenario": "explode"}, "scenario: got 'explode', want one of "),
        ({"rate": "abc"}, "rate: got 'abc', want a number from 0.1 to 20000 (fix: -e drill_rate=400)"),
        ({"rate": 0}, "rate: got 0, want a number from 0.1 to 20000"),
        ({"duration": -1}, "duration: got -1, want a number from 1 to 86400"),
        ({"only": ["nosuch"]}, "only: got tier 'nosuch', want one of shop, dates"),
        ({"clients": 200}, "clients: got 200, want at most one per request and second, 100"),
        (
            {"scenario": "guest", "only": ["dates"], "images": {}},
            "guest of dates: got image res/dates:latest without the label evenkeel.tier=dates",
        ),
    ],
)
def test_bad_input_is_one_line_and_nothing_happens(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], differs: dict[str, Any], words: str, check: bool
) -> None:
    cluster.pool.images["res/dates:latest"] = {}
    result = run(options(cluster, **differs), capsys, check=check)
    assert result["failed"]
    assert result["msg"].startswith(words)
    assert "(fix: " in result["msg"]
    assert "\n" not in result["msg"]
    assert cluster.pool.calls == []
    assert cluster.log.read_text() == ""


@pytest.mark.parametrize("check", [True, False])
def test_a_pool_that_is_not_as_declared_is_refused(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], check: bool
) -> None:
    cluster.pool.remove(next(node.id for node in cluster.pool.nodes() if node.name == "shop-2"))
    result = run(options(cluster), capsys, check=check)
    assert result["msg"] == (
        "pool: got 1 differences from the declaration (first: shop: start shop-2 (scale up)), want none"
        " (fix: ansible-playbook site.yml)"
    )


def test_a_folder_that_cannot_be_written_to_is_told_before_the_drill(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(options(cluster, folder=str(cluster.log)), capsys)
    assert result["msg"].startswith("folder: got 'File exists' for ")
    assert cluster.pool.calls == []


def test_a_cluster_that_does_not_answer_is_not_drilled(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.status = lambda request: 404
    result = run(options(cluster), capsys)
    assert "progress" not in result
    assert result["msg"] == (
        "drill stop of shop, dates: got status 404 from shop-1 for GET shop before the load began, want 200"
        " (fix: ansible-playbook playbooks/verify.yml)"
    )
    assert not [call for call in cluster.pool.calls if call.startswith("stop")]


def test_a_missing_library_is_told_in_one_line(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "IMPORT_ERROR", ImportError("aiohttp"))
    assert run(options(cluster), capsys)["msg"] == (
        "load: got no Python library aiohttp, want it (fix: apt-get install python3-aiohttp on the Docker host)"
    )


def test_another_run_on_the_cluster_is_named(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with lock.cluster_lock(CLUSTER, "node_pool", 0):
        result = run(options(cluster, lock_timeout=0), capsys)
    assert "got a lock held by" in result["msg"]
    assert "node_pool" in result["msg"]


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
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], fails: Callable[[str], bool], words: str
) -> None:
    cluster.pool.fails = fails
    result = run(options(cluster, scenario="scale", control=False), capsys)
    assert result["verdict"] == "fail"
    assert words in result["msg"]
    assert cluster.declared()


def test_what_was_measured_is_told_although_the_pool_could_not_be_restored(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    # The node that is to go after the drill cannot be stopped, nor any other.
    cluster.pool.fails = lambda call: call.startswith("stop ")
    result = run(options(cluster, scenario="scale", control=False), capsys)
    assert result["verdict"] == "fail"
    assert [line.split(":")[0] for line in result["problems"][:2]] == [
        "got event 2 (shrink) not carried out",
        "got event 3 (restore) not carried out",
    ]
    assert result["drill"]["requests"]["sent"] > 50
    assert not cluster.declared()


def test_a_control_that_cannot_start_leaves_nothing(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.pool.fails = lambda call: call == "start naive-dates-2"
    result = run(options(cluster), capsys)
    assert result["verdict"] == "not measured"
    assert result["msg"].startswith(
        "drill stop of shop, dates: not measured: event 1 (control) not carried out: start naive-dates-2: got 'no'"
    )
    assert result["drill"]["requests"]["failed"] == 0
    assert result["drill"]["requests"]["sent"] > 100
    assert cluster.declared()


# --------------------------------------------------------------------------
# Files
# --------------------------------------------------------------------------


def test_report_and_records_are_written(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    result = run(options(cluster, folder=str(tmp_path)), capsys)
    report, records, control = (Path(name) for name in result["files"])
    assert json.loads(report.read_text())["message"] == result["message"]
    with gzip.open(records, "rt") as stream:
        lines = [json.loads(line) for line in stream]
    assert len(lines) == result["drill"]["requests"]["sent"]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert control.exists()
