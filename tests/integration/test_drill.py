"""The drill on the real cluster: everything at once under load, the control, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import pytest

from .conftest import ROOT, STATE, Declared, play, until

EVIDENCE = STATE / "evidence"
# What is to hold on any machine, however busy; the figures are for the benchmarks.
PATIENT = {"join_p95": 30, "leave_p95": 30, "out": 30, "late_p99": 5, "rate_share": 0.5}


def pool(engine: docker.DockerClient) -> list[str]:
    """Everything that runs or is kept on this engine, but for the names that nodes happen to have."""
    return sorted(
        f"{container.labels.get('evenkeel.tier', container.name)} {container.status}"
        for container in engine.containers.list(all=True, ignore_removed=True)
    )


def problems(done: subprocess.CompletedProcess[str], words: str) -> list[str]:
    """The lines with these words, without the indented repetition in the task's result."""
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if words in line and not line.startswith(" ")]


def newest_report() -> dict[str, Any]:
    path = max(EVIDENCE.glob("*-drill-*.json"), key=lambda each: each.stat().st_mtime)
    return dict(json.loads(path.read_text()))


def test_everything_at_once_loses_nothing_and_the_control_does(cluster: docker.DockerClient) -> None:
    before = pool(cluster)
    variables = {
        "drill_events": 12,
        # An event that is due before the one before has ended begins as soon as that has.
        "drill_interval": 1,
        # Three nodes in two waves instead of three.
        "drill_surge_percent": 50,
        "drill_rate": 200,
        "drill_thresholds": PATIENT,
    }
    done = play("playbooks/drill.yml", "-e", json.dumps(variables))
    assert done.returncode == 0, done.stdout[-4000:]
    report = newest_report()
    assert report["verdict"] == "pass"
    assert report["drill"]["requests"]["failed"] == 0
    assert report["drill"]["requests"]["answered"] == report["drill"]["requests"]["sent"] > 5000
    assert report["drill"]["posts"]["twice"] == report["drill"]["posts"]["missing"] == 0
    assert report["drill"]["counts"]["access_log_missing"] == 0
    assert report["control"]["requests"]["failed"] > 0
    assert "requests failed in" in done.stdout
    assert "as it must" in done.stdout
    assert re.search(r"^  load began: 200 requests per second for at least \d+ s$", done.stdout, re.MULTILINE)
    assert (
        len(re.findall(r"^  +\d+\.\d s  [a-z ]+?( \([a-z]+\))?: done in \d+\.\d s$", done.stdout, re.MULTILINE)) >= 12
    )
    assert re.search(r"^  control: +\d+\.\d s  \d+ sent, \d+ failed; the load has ended$", done.stdout, re.MULTILINE)
    assert pool(cluster) == before
    assert not [tag for image in cluster.images.list() for tag in image.tags if "drill" in tag]


def test_a_tier_with_another_policy_serves_until_it_has_its_own_again(cluster: docker.DockerClient) -> None:
    """The nodes with the other policy have an image that a drill made, and serve users all the same."""
    before = pool(cluster)
    variables = {
        "drill_scenario": "policy",
        "drill_events": 1,
        # Ends with its last event.
        "drill_duration": 6,
        "drill_rate": 200,
        "drill_control": False,
        "drill_thresholds": PATIENT,
    }
    done = play("playbooks/drill.yml", "-e", json.dumps(variables))
    assert done.returncode == 0, done.stdout[-4000:]
    report = newest_report()
    assert report["drill"]["requests"]["failed"] == 0
    assert report["drill"]["requests"]["answered"] == report["drill"]["requests"]["sent"] > 1000
    assert pool(cluster) == before


def test_a_drill_that_is_interrupted_leaves_the_pool_as_declared(cluster: docker.DockerClient) -> None:
    before = pool(cluster)
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "playbooks/drill.yml",
        "-e",
        json.dumps({"drill_scenario": "roll", "drill_surge_percent": 100}),
    ]
    reports = set(EVIDENCE.glob("roll-drill-*.json"))
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as run:
        until(lambda: pool(cluster) != before, 60, "the first event is under way")
        # As Ctrl-C does: to every process of the terminal's foreground group.
        os.killpg(run.pid, signal.SIGINT)
    until(lambda: set(EVIDENCE.glob("roll-drill-*.json")) != reports, 90, "the report is written")
    assert run.returncode != 0
    assert newest_report()["verdict"] == "stopped"
    until(lambda: pool(cluster) == before, 60, "the pool is as before")


DRILLS = [
    ("drill_rate=abc", "rate: got 'abc', want a number from 0.1 to 20000 (fix: -e drill_rate=400)"),
    ("drill_rate=0", "rate: got '0', want a number from 0.1 to 20000 (fix: -e drill_rate=400)"),
    ("drill_rate=nan", "rate: got 'nan', want a number from 0.1 to 20000 (fix: -e drill_rate=400)"),
    ("drill_events=2.5", "events: got '2.5', want a whole number from 1 to 1000 (fix: -e drill_events=6)"),
    ("drill_events=1_0", "events: got '1_0', want a whole number from 1 to 1000 (fix: -e drill_events=6)"),
    ('{"drill_clients": true}', "clients: got true, want a whole number from 1 to 1000 (fix: -e drill_clients=40)"),
    ('{"drill_amount": [2]}', "amount: got [2], want a whole number from 1 to 100 (fix: -e drill_amount=2)"),
    ("drill_duration=-1", "duration: got '-1', want a number from 1 to 86400 (fix: -e drill_duration=20)"),
    (
        '{"drill_thresholds": {"failed": "few"}}',
        "thresholds.failed: got 'few', want a whole number from 0 to 2000000",
    ),
    ("drill_scenario=earthquake", "scenario: got 'earthquake', want one of steady, "),
    ('{"drill_tiers": ["statik"]}', "only: got tier 'statik', want one of "),
]
ROLLS = [
    (
        "node_pool_surge_percent=abc",
        "surge_percent: got 'abc', want a whole number from 1 to 100 (fix: -e node_pool_surge_percent=25)",
    ),
    ("node_pool_workers=0", "workers: got '0', want a whole number from 1 to 64 (fix: -e node_pool_workers=8)"),
]


@pytest.fixture(scope="module")
def refusals(engine: docker.DockerClient, declared: Declared) -> dict[str, subprocess.CompletedProcess[str]]:
    """Variable to the run that it ended, two at a time, because most of a run is the start of Ansible."""
    declared.restore("playbooks/scale.yml")
    before = pool(engine)
    runs = [("playbooks/drill.yml", variable) for variable, _ in DRILLS]
    runs += [("playbooks/roll.yml", variable) for variable, _ in ROLLS]
    with ThreadPoolExecutor(2) as threads:
        ended = list(threads.map(lambda run: play(run[0], "-e", run[1]), runs))
    assert pool(engine) == before
    return {variable: done for (_, variable), done in zip(runs, ended, strict=True)}


@pytest.mark.parametrize("variable, message", DRILLS)
def test_nonsense_is_refused_in_one_line_and_changes_nothing(
    refusals: dict[str, subprocess.CompletedProcess[str]], variable: str, message: str
) -> None:
    done = refusals[variable]
    assert done.returncode != 0
    assert len(problems(done, message)) == 1, done.stdout + done.stderr


@pytest.mark.parametrize("variable, message", ROLLS)
def test_a_roll_with_nonsense_is_refused_in_one_line_and_changes_nothing(
    refusals: dict[str, subprocess.CompletedProcess[str]], variable: str, message: str
) -> None:
    done = refusals[variable]
    assert done.returncode != 0
    assert len(problems(done, message)) == 1, done.stdout + done.stderr
