"""What differs between Docker's record of edge and balancer and what they were made with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from tests.unit.module_utils.balancer.fakes import made_options

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.alterations import with_alterations
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.plan import BalancerContainer, Desired

DESIRED = Desired("shop", "e1", "b1")
EDGE = BalancerContainer(
    "e",
    "shop-edge",
    "",
    "running",
    "e1",
    made_as="shop-edge",
    settings={"RestartPolicy": {"Name": "always"}, "Memory": 2**25, "MemorySwap": 2**26, "PidsLimit": 32},
)
BLUE = BalancerContainer(
    "b",
    "shop-balancer-blue",
    "blue",
    "running",
    "b1",
    made_as="shop-balancer-blue",
    settings={"RestartPolicy": {"Name": "always"}, "Memory": 2**30, "MemorySwap": 2**31, "PidsLimit": 512},
)


def marked(folder: Path, *found: BalancerContainer) -> list[tuple[str, bool]]:
    containers = with_alterations(made_options(folder), DESIRED, found)
    return [(container.altered, container.mendable) for container in containers]


def changed(container: BalancerContainer, **settings: Any) -> BalancerContainer:
    return dataclasses.replace(container, settings={**container.settings, **settings})


def test_edge_and_balancer_as_they_were_made(tmp_path: Path) -> None:
    assert with_alterations(made_options(tmp_path), DESIRED, [EDGE, BLUE]) == [EDGE, BLUE]
    assert marked(tmp_path, EDGE, BLUE) == [("", True), ("", True)]


@pytest.mark.parametrize(
    "container, words, mendable",
    [
        (changed(EDGE, RestartPolicy={"Name": "no"}), "restart policy no, want always", True),
        (changed(EDGE, Memory=2**26, MemorySwap=2**26), "memory 64 MiB, want 32 MiB", True),
        (changed(EDGE, PidsLimit=100), "processes 100, want 32", True),
        (dataclasses.replace(EDGE, name="gateway"), "is gateway, renamed by hand", True),
        # What cannot be set back is no reason to replace an edge.
        (changed(EDGE, NanoCpus=500_000_000, CpuShares=2), "", True),
        (changed(BLUE, RestartPolicy={"Name": "no"}), "restart policy no, want always", True),
        (changed(BLUE, Memory=300 * 2**20), "memory 300 MiB, want 1024 MiB", True),
        (changed(BLUE, NanoCpus=500_000_000), "CPUs 0.5, want without limit", False),
        (
            changed(dataclasses.replace(BLUE, name="proxy", state="paused"), PidsLimit=None),
            "is proxy, renamed by hand, processes without limit, want 512",
            True,
        ),
        # They are replaced.
        (changed(dataclasses.replace(EDGE, state="exited"), PidsLimit=100), "", True),
        (changed(dataclasses.replace(EDGE, revision="e0"), PidsLimit=100), "", True),
        (changed(dataclasses.replace(BLUE, revision="b0"), PidsLimit=100), "", True),
        (BalancerContainer("b0", "shop-balancer", "", "running", ""), "", True),
    ],
)
def test_what_was_changed(tmp_path: Path, container: BalancerContainer, words: str, mendable: bool) -> None:
    assert marked(tmp_path, container) == [(words, mendable)]


def test_a_balancer_without_its_log_is_replaced(tmp_path: Path) -> None:
    other = changed(BLUE, PidsLimit=100)
    containers = with_alterations(made_options(tmp_path), DESIRED, [EDGE, other], {"b": "its access log was removed"})
    assert [(container.altered, container.mendable) for container in containers] == [
        ("", True),
        ("processes 100, want 512, its access log was removed", False),
    ]


def test_a_copy_with_all_labels_is_not_renamed_to_a_name_that_is_taken(tmp_path: Path) -> None:
    copy = dataclasses.replace(BLUE, id="c", name="copy")
    assert marked(tmp_path, EDGE, BLUE, copy) == [("", True)] * 3
    ended = dataclasses.replace(EDGE, state="exited")
    renamed = dataclasses.replace(EDGE, name="gateway")
    assert marked(tmp_path, ended, renamed) == [("", True), ("is gateway, renamed by hand", True)]
