"""What differs between Docker's record of a node and what it was made with."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.unit.module_utils.engine.test_container_spec import BUILD

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import RUNNING, Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.alterations import alteration, resources
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.container_spec import node_spec

SPEC = node_spec("web-1", BUILD)
UNLIMITED = dataclasses.replace(SPEC, memory=0, nano_cpus=0, pids=0)
NODE = Node(id="1", name="web-1", tier="web", managed=True, state=RUNNING, made_as="web-1")
AS_MADE = {
    "Memory": 2**28,
    "MemorySwap": 2**29,
    "NanoCpus": 500_000_000,
    "PidsLimit": 200,
    "RestartPolicy": {"Name": "unless-stopped"},
    "CpuShares": 0,
    "CpuQuota": 0,
    "CpusetCpus": "",
    "CpusetMems": "",
    "MemoryReservation": 0,
    "BlkioWeight": None,
}


def record(**host: Any) -> dict[str, Any]:
    return {
        "HostConfig": {**AS_MADE, **host},
        "State": {"Paused": False},
        "NetworkSettings": {"Networks": {"evenkeel": {}, "another": {}}},
    }


@pytest.mark.parametrize("swap", [2**29, -1, 0])
def test_a_node_as_it_was_made(swap: int) -> None:
    """A kernel that does not count swap has -1."""
    assert alteration(NODE, record(MemorySwap=swap), SPEC) is None


def test_a_node_without_limits() -> None:
    found = record(Memory=0, MemorySwap=0, NanoCpus=0, PidsLimit=None)
    assert alteration(NODE, found, UNLIMITED) is None
    assert alteration(NODE, record(Memory=0, MemorySwap=0, NanoCpus=0, PidsLimit=-1), UNLIMITED) is None


@pytest.mark.parametrize(
    "host, words, mendable",
    [
        ({"RestartPolicy": {"Name": "no"}}, "restart policy no, want unless-stopped", True),
        ({"RestartPolicy": {"Name": ""}}, "restart policy no, want unless-stopped", True),
        ({"RestartPolicy": {"Name": "always"}}, "restart policy always, want unless-stopped", True),
        ({"Memory": 60 * 2**20, "MemorySwap": 60 * 2**20}, "memory 60 MiB, want 256 MiB", True),
        ({"Memory": 0}, "memory without limit, want 256 MiB", True),
        ({"MemorySwap": 2**28}, "memory with swap 256 MiB, want 512 MiB", True),
        ({"NanoCpus": 250_000_000}, "CPUs 0.25, want 0.5", True),
        ({"PidsLimit": 20}, "processes 20, want 200", True),
        ({"PidsLimit": None}, "processes without limit, want 200", True),
        ({"CpuShares": 512}, "CPU shares 512, want none", False),
        ({"CpusetCpus": "0"}, "CPUs 0, want none", False),
        ({"CpusetMems": "0"}, "memory nodes 0, want none", False),
        ({"CpuQuota": 20000}, "CPU quota 20000, want none", False),
        ({"MemoryReservation": 2**20}, "memory reservation 1048576, want none", False),
        ({"BlkioWeight": 300}, "block I/O weight 300, want none", False),
    ],
)
def test_a_limit_that_was_changed(host: dict[str, Any], words: str, mendable: bool) -> None:
    changed = alteration(NODE, record(**host), SPEC)
    assert changed is not None
    assert (changed.words, changed.mendable) == ((words,), mendable)


@pytest.mark.parametrize(
    "host, mendable",
    [({"Memory": 2**28, "MemorySwap": 2**29}, False), ({"NanoCpus": 10**9}, False), ({"PidsLimit": 5}, True)],
)
def test_a_limit_where_there_was_none(host: dict[str, Any], mendable: bool) -> None:
    """Docker takes 0 for: leave it as it is. Only the number of processes has a value for none."""
    found = record(**{"Memory": 0, "MemorySwap": 0, "NanoCpus": 0, "PidsLimit": 0, **host})
    changed = alteration(NODE, found, UNLIMITED)
    assert changed is not None
    assert changed.mendable is mendable


def test_what_the_tier_asks_for_is_no_change_and_can_be_set_back() -> None:
    spec = dataclasses.replace(SPEC, cpu_shares=512, memory_reservation=2**26, also_in=["backend"])
    found = record(CpuShares=512, MemoryReservation=2**26)
    found["NetworkSettings"]["Networks"]["backend"] = {}
    assert alteration(NODE, found, spec) is None
    changed = alteration(NODE, record(CpuShares=0, MemoryReservation=2**20), spec)
    assert changed is not None
    assert changed.mendable
    assert changed.words == (
        "is off the network backend",
        "CPU shares none, want 512",
        "memory reservation 1048576, want 67108864",
    )
    assert {"CpuShares": 512, "MemoryReservation": 2**26}.items() <= resources(spec).items()


def test_all_that_was_changed_is_told() -> None:
    found = record(Memory=2**27)
    found["State"]["Paused"] = True
    del found["NetworkSettings"]["Networks"]["evenkeel"]
    changed = alteration(dataclasses.replace(NODE, name="webby"), found, SPEC)
    assert changed is not None
    assert changed.words == (
        "is paused",
        "is web-1, renamed by hand",
        "is off the network evenkeel",
        "memory 128 MiB, want 256 MiB",
    )
    assert changed.mendable


def test_what_is_set_back() -> None:
    assert resources(SPEC) == {
        "RestartPolicy": {"Name": "unless-stopped"},
        "Memory": 2**28,
        "MemorySwap": 2**29,
        "NanoCpus": 500_000_000,
        "PidsLimit": 200,
    }
    assert resources(UNLIMITED) == {"RestartPolicy": {"Name": "unless-stopped"}, "PidsLimit": -1}
