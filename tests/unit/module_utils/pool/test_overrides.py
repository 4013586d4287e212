"""The numbers set in the console: a run settles them and says so, a look shows them as what they are."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.fakes.cluster import FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import discard_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import PoolInputError
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.drift import disagreements, drift_report
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.overrides import (
    Override,
    OverridesError,
    write_overrides,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import (
    as_result,
    preview,
    reconcile,
    require_as_declared,
    status,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.table import pool_table

CLUSTER = f"t{uuid.uuid4().hex[:8]}x"
SET = "3 set in the console by alice at 2026-11-28 10:02:11 UTC"
OVERRIDE = Override("shop", 3, 2, "alice", 1795860131.0)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    yield FakeCluster(tmp_path, cluster=CLUSTER)
    discard_lock(CLUSTER)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "overrides.json"
    write_overrides(path, {"shop": OVERRIDE})
    return path


def test_a_run_goes_back_to_the_declared_number_and_says_so(cluster: FakeCluster, file: Path) -> None:
    outcome = reconcile(cluster.request(overrides_file=str(file)), cluster.ports, clock=cluster.clock)
    assert outcome.settled == [f"shop: {SET}, declared 2: back to 2"]
    assert as_result(outcome, changed=outcome.changed)["settled"] == outcome.settled
    assert outcome.settled[0] in pool_table(as_result(outcome, changed=True))  # type: ignore[arg-type]
    assert outcome.changed, "the file went"
    assert not file.exists()
    again = reconcile(cluster.request(overrides_file=str(file)), cluster.ports, clock=cluster.clock)
    assert (again.settled, again.changed) == ([], False)


def test_check_mode_tells_the_same_and_removes_nothing(cluster: FakeCluster, file: Path) -> None:
    outcome = preview(cluster.request(overrides_file=str(file)), cluster.ports, clock=cluster.clock)
    assert (outcome.settled, outcome.changed) == ([f"shop: {SET}, declared 2: back to 2"], True)
    assert file.exists()


def test_one_of_a_tier_that_is_gone_goes_as_well(cluster: FakeCluster, file: Path) -> None:
    write_overrides(file, {"old": Override("old", 3, 2, "alice", OVERRIDE.at)})
    outcome = reconcile(cluster.request(overrides_file=str(file)), cluster.ports, clock=cluster.clock)
    assert outcome.settled == [f"old: {SET}, not declared any more"]


def test_a_look_shows_it_as_what_it_is(cluster: FakeCluster, file: Path) -> None:
    view = status(cluster.request(overrides_file=str(file)), cluster.ports)
    assert (view["tiers"]["shop"].get("override"), view["tiers"]["dates"].get("override")) == (SET, "")
    line = (
        f"tier shop: got {SET}, want the declared 2"
        " (fix: ansible-playbook site.yml goes back to it, or settle it in the console)"
    )
    assert line in disagreements(view)
    assert f"shop: {SET}, declared 2" in pool_table(view)
    assert [tier["override"] for tier in drift_report(view)["tiers"] if tier["tier"] == "shop"] == [SET]
    assert file.exists()


def test_a_run_without_the_file_has_nothing_to_settle(cluster: FakeCluster) -> None:
    assert reconcile(cluster.request(), cluster.ports, clock=cluster.clock).settled == []


def test_a_file_that_cannot_be_read_stops_the_run_before_it_begins(cluster: FakeCluster, file: Path) -> None:
    file.write_text("no")
    with pytest.raises(OverridesError, match="want a file of this version"):
        reconcile(cluster.request(overrides_file=str(file)), cluster.ports, clock=cluster.clock)


def test_taking_the_cluster_down_removes_it(cluster: FakeCluster, file: Path) -> None:
    request = cluster.request(overrides_file=str(file), absent=True)
    reconcile(request, cluster.ports, clock=cluster.clock)
    assert not file.exists()


def test_a_drill_that_is_refused_names_the_number_set_in_the_console(cluster: FakeCluster, tmp_path: Path) -> None:
    file = tmp_path / "numbers.json"
    write_overrides(file, {"shop": Override("shop", 3, 2, "alice", 0.0)})
    with pytest.raises(PoolInputError, match=r"shop: 3 set in the console by alice at 1970-01-01 00:00:00 UTC\)"):
        require_as_declared(cluster.request(tiers=cluster.resized("shop", 1), overrides_file=str(file)), cluster.ports)
    assert file.exists()
