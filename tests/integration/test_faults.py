"""The short form of the fault catalogue: rows of each group under load, in an order drawn from a seed."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator

import docker
import pytest
from tests.bench.faults import catalogue, together
from tests.bench.faults.fault import Fault
from tests.bench.faults.host import Host, neighbour
from tests.bench.faults.judge import judge
from tests.bench.faults.runner import Row

from .conftest import Declared

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the rows kill processes, mount disks and set rules of the firewall"),
    pytest.mark.skipif(shutil.which("iptables") is None, reason="the rows set rules of the firewall"),
]
RATE = 60.0
TOGETHER = 22
SEED = random.SystemRandom().randrange(10**6)
ROWS = [row for _, row in catalogue.order(catalogue.chosen([], [], short=True, allowed=catalogue.ALLOWED), 1, SEED)]


@pytest.fixture(scope="module")
def host(engine: docker.DockerClient, declared: Declared) -> Iterator[Host]:
    """The default cluster, asked from a neighbour's network as well."""
    declared.restore("site.yml", "--tags", "balancer,nodes")
    host = Host()
    host.learn()
    with neighbour():
        yield host
    declared.restore("site.yml", "--tags", "balancer,nodes")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_fault_ends_as_its_row_says(host: Host, row: Fault) -> None:
    print(f"seed {SEED}")
    seen = Row(row, 1, host, RATE, SEED, quick=True).play()
    assert judge(row, seen) == [], f"seed {SEED}: {seen}"


def test_one_run_mends_whatever_was_done_before_it(host: Host) -> None:
    """Rows beside those of the short form, drawn from a seed; with them, a third of the catalogue is played."""
    row = together.batches([row for row in catalogue.ROWS if not row.short], TOGETHER, SEED)[0]
    seen = Row(row, 1, host, RATE, SEED, quick=True).play()
    assert judge(row, seen) == [], f"seed {SEED}: {seen}"


@pytest.mark.parametrize("row", [catalogue.by_name("node-killed")], ids=lambda row: row.name)
def test_a_row_fails_where_what_heals_it_is_switched_off(host: Host, row: Fault) -> None:
    """The control: without its restart policy the node does not come back, and the row must say so."""
    seen = Row(row, 1, host, RATE, SEED, control=True, quick=True).play()
    assert seen.problems == ()
    assert "as declared: got" in "; ".join(judge(row, seen))
