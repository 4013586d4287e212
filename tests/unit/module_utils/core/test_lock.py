"""One run at a time, the holder is named, and a killed holder leaves no lock."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.core import lock as locking
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import LockBusyError, cluster_lock, lock_path

COLLECTIONS = Path(__file__).parents[4] / "collections"


@pytest.fixture
def cluster() -> Iterator[str]:
    name = f"t-{uuid.uuid4().hex[:8]}"
    yield name
    lock_path(name).unlink(missing_ok=True)


HOLDER = """
import signal, sys
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import cluster_lock
with cluster_lock(sys.argv[1], "test run", 5):
    print("held", flush=True)
    signal.pause()
"""


@pytest.fixture
def holder(cluster: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, cluster]
    environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_run_is_refused_with_the_holder_named(cluster: str, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(LockBusyError) as caught, cluster_lock(cluster, "second run", 0.3):
        pytest.fail("two runs held the lock")
    assert f"process {holder.pid}" in str(caught.value)
    assert "test run" in str(caught.value)


def test_who_waits_for_long_is_told_for_whom_once(
    cluster: str, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "_PATIENCE_SECONDS", 0.3)
    told: list[str] = []
    with pytest.raises(LockBusyError), cluster_lock(cluster, "second run", 0.2, told.append):
        pytest.fail("two runs held the lock")
    assert told == []
    with pytest.raises(LockBusyError), cluster_lock(cluster, "second run", 0.8, told.append):
        pytest.fail("two runs held the lock")
    (line,) = told
    assert line.startswith("waits for the run of ")
    assert f"process {holder.pid}" in line
    assert line.endswith(", test run), for at most 0.8 s")


def test_a_killed_holder_leaves_no_lock(cluster: str, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with cluster_lock(cluster, "next run", 1) as waited:
        assert waited < 1


def test_clusters_do_not_wait_for_each_other(cluster: str) -> None:
    other = f"{cluster}-b"
    with cluster_lock(cluster, "one", 0), cluster_lock(other, "two", 0):
        pass
    lock_path(other).unlink()
