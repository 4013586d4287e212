"""One run at a time, the holder is named, and a killed holder leaves no lock."""

from __future__ import annotations

import multiprocessing
import os
import signal
import uuid
from collections.abc import Iterator

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster_lock import (
    LockBusyError,
    cluster_lock,
    lock_path,
)


@pytest.fixture
def cluster() -> Iterator[str]:
    name = f"t-{uuid.uuid4().hex[:8]}"
    yield name
    lock_path(name).unlink(missing_ok=True)


def hold(cluster: str, held: multiprocessing.synchronize.Event) -> None:
    with cluster_lock(cluster, "test run", 5):
        held.set()
        signal.pause()


def start_holder(cluster: str) -> multiprocessing.process.BaseProcess:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=hold, args=(cluster, held))
    process.start()
    assert held.wait(20)
    return process


def test_a_second_run_is_refused_with_the_holder_named(cluster: str) -> None:
    holder = start_holder(cluster)
    try:
        with pytest.raises(LockBusyError) as caught, cluster_lock(cluster, "second run", 0.3):
            pytest.fail("two runs held the lock")
        assert f"process {holder.pid}" in str(caught.value)
        assert "test run" in str(caught.value)
    finally:
        os.kill(holder.pid or 0, signal.SIGKILL)
        holder.join()


def test_a_killed_holder_leaves_no_lock(cluster: str) -> None:
    holder = start_holder(cluster)
    os.kill(holder.pid or 0, signal.SIGKILL)
    holder.join()
    with cluster_lock(cluster, "next run", 1) as waited:
        assert waited < 1


def test_clusters_do_not_wait_for_each_other(cluster: str) -> None:
    other = f"{cluster}-b"
    with cluster_lock(cluster, "one", 0), cluster_lock(other, "two", 0):
        pass
    lock_path(other).unlink()
