"""Runs that are killed and runs at once: what counts as a good end."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.bench import runs
from tests.bench.common import BenchError, Play

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import LockBusyError
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock_holder import Holder
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import Record

HOLDER = Holder("root", "node_pool", "machine", time.time(), 4711, 4711)
REFUSED = f"fatal: [host]: FAILED! => cluster evenkeel: got a lock held by {HOLDER}, want it free within 0 s"
TRACEBACK = 'Traceback (most recent call last):\n  File "node_pool.py"\nRuntimeError: lock'


@pytest.mark.parametrize(
    "status, output, good, refused",
    [
        (0, "ok=3 changed=1", True, False),
        (0, "waits for the run of root (process 4711), for at most 600 s\nok=3", True, False),
        (2, REFUSED, True, True),
        # A refusal that does not say who it is leaves the user alone.
        (2, REFUSED.replace(str(HOLDER), str(Holder())), False, False),
        (2, "fatal: [host]: FAILED! => image: got none, want one", False, False),
        (1, TRACEBACK, False, False),
        (2, f"{REFUSED}\n{TRACEBACK}", False, False),
        (0, TRACEBACK, False, False),
        (2, "MODULE FAILURE: see stdout/stderr", False, False),
        # It waited for ever, and was killed.
        (-9, "waits for the run of root (process 4711), for at most 600 s", False, False),
        (-9, REFUSED, False, False),
    ],
)
def test_a_run_ends_well_or_names_the_holder(status: int, output: str, good: bool, refused: bool) -> None:
    found = runs.ended(status, output)
    assert (found["good"], found["refused"]) == (good, refused)
    assert found["said"] == ("" if good else output)


@pytest.mark.parametrize("holder", [HOLDER, Holder("uid 1234", pid_here=9), Holder("eva", "roll", "box", 1.0, 7, 8)])
def test_the_holder_is_found_in_the_words_of_the_lock_itself(holder: Holder) -> None:
    message = str(LockBusyError(f"cluster c: got a lock held by {holder}, want it free within 0 s", holder))
    assert runs.ended(2, message)["refused"]


def test_the_short_form_has_a_run_that_is_refused_and_some_that_wait() -> None:
    refused = [words for words in runs.AT_ONCE_SHORT if "node_pool_lock_timeout=0" in words]
    assert len(refused) == 1
    assert len(set(runs.AT_ONCE_SHORT)) == 4
    assert set(runs.AT_ONCE_SHORT) <= set(runs.AT_ONCE)


class Cluster:
    """A host whose runs end as they are told to."""

    def __init__(self, *, plays: list[Play], differences: tuple[str, ...] = ()) -> None:
        self._plays, self._differences = plays, list(differences)
        self.ran: list[tuple[str, ...]] = []

    def run(self, *words: str) -> Play:
        self.ran.append(words)
        return self._plays.pop(0)

    def differences(self) -> list[str]:
        return self._differences

    def await_declared(self, seconds: float) -> float | None:
        return None if self._differences else 0.0


class Load:
    """Loses the requests that it is told to."""

    records: tuple[Record, ...] = ()

    def __init__(self, rate: float, seed: int) -> None: ...

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None: ...


def play(changed: int = 0, problem: str = "") -> Play:
    return Play(0.1, changed, {}, {}, problem)


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "Beside", Load)
    monkeypatch.setattr(runs, "killed", lambda words, after: True)


def problems(host: Any) -> list[str]:
    return list(runs.one_kill(host, random.Random(1), quick=True)["problems"])


def test_a_kill_is_mended_by_one_run_and_the_next_changes_nothing() -> None:
    host = Cluster(plays=[play(changed=3), play()])
    assert problems(host) == []
    assert host.ran == [("site.yml", "--tags", "images,balancer,nodes")] * 2


@pytest.mark.parametrize(
    "host, why",
    [
        (Cluster(plays=[play(problem="no image"), play()]), "no image"),
        (Cluster(plays=[play(), play(changed=1)]), "changed=1"),
        (Cluster(plays=[play(), play(problem="no image")]), "no image"),
        (Cluster(plays=[play(), play()], differences=("edge: gone",)), "got ['edge: gone'], want it as declared"),
    ],
)
def test_a_kill_that_is_not_mended_says_why(host: Cluster, why: str) -> None:
    assert problems(host) == [why]


def test_a_kill_that_costs_requests_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Record("1", 0.5, 0.5, 0.6, "static", "GET", 0, 502, None, "status 502")
    monkeypatch.setattr(Load, "records", (failed, failed))
    assert problems(Cluster(plays=[play(), play()])) == ["2 requests lost, first: status 502 at 0.5 s"]


def test_a_kill_reaches_what_began_a_session_of_its_own(tmp_path: Path) -> None:
    """As Ansible's workers do, below which a module runs."""
    note = tmp_path / "process"
    worker = f"import os, time; os.setsid(); open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    run = subprocess.Popen(["sh", "-c", f'{sys.executable} -c "{worker}" & wait'], start_new_session=True)
    deadline = time.monotonic() + 20
    while (not note.exists() or not note.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    below = int(note.read_text())
    assert below in runs.descendants(run.pid)
    runs.kill(run.pid)
    run.wait()
    deadline = time.monotonic() + 5
    while lives(below) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not lives(below)


def lives(process: int) -> bool:
    """Whether it runs; an orphan that has ended is there until process 1 has taken note."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(BenchError, match="part: got kiled, want killed or at-once"):
        runs.main(["kiled"])
