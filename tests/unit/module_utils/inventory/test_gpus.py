"""GPUs of a tier, as compose files say them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.gpus import gpus
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.reader import Reader

from .samples import cluster, parsed, problems_of

EVERY: dict[str, Any] = {"driver": "", "count": -1, "device_ids": [], "capabilities": ["gpu"], "options": {}}
WEB = {"image": "web:1", "port": 80, "path": "/", "nodes": 1}


@pytest.mark.parametrize(
    "raw, found",
    [
        ("all", [EVERY]),
        ([], []),
        ([{}], [EVERY]),
        ([{"count": "all"}], [EVERY]),
        ([{"count": 2, "driver": "nvidia"}], [{**EVERY, "count": 2, "driver": "nvidia"}]),
        ([{"device_ids": ["GPU-1a:0", 3]}], [{**EVERY, "count": 0, "device_ids": ["GPU-1a:0", "3"]}]),
        (
            [{"capabilities": ["utility"], "options": {"virtualization": "false"}}],
            [{**EVERY, "capabilities": ["gpu", "utility"], "options": {"virtualization": "false"}}],
        ),
    ],
)
def test_what_is_asked_for(raw: object, found: list[dict[str, Any]]) -> None:
    reader = Reader()
    assert gpus(reader, "gpus", raw) == found
    assert reader.problems == []


@pytest.mark.parametrize(
    "raw, wrong",
    [
        ("some", "gpus: got 'some', want all, or a list of"),
        (1, "gpus: got 1, want all, or a list of"),
        (True, "gpus: got "),
        (["all"], "gpus[0]: got 'all', want a mapping"),
        ([{"count": 0}], "gpus[0].count: got 0, want all, or a whole number from 1 to 64"),
        ([{"count": -1}], "gpus[0].count: got -1, want all, or"),
        ([{"count": None}], "gpus[0].count: got "),
        ([{"count": 1, "device_ids": ["0"]}], "gpus[0]: got 'count and device_ids', want one of them"),
        ([{"device_ids": "0"}], "gpus[0].device_ids: got '0', want a list of names or numbers"),
        ([{"device_ids": [True]}], "gpus[0].device_ids: got "),
        ([{"capabilities": ["a b"]}], "gpus[0].capabilities: got "),
        ([{"driver": 5}], "gpus[0].driver: got 5, want the name of a driver"),
        ([{"options": {"a": 1}}], "gpus[0].options: got "),
        ([{"countt": 1}], "gpus[0]"),
    ],
)
def test_a_mistake_is_one_line(raw: object, wrong: str) -> None:
    reader = Reader()
    gpus(reader, "gpus", raw)
    (problem,) = reader.problems
    assert str(problem).startswith(wrong)


def test_they_are_an_option_of_tiers() -> None:
    assert parsed(cluster(tiers={"web": {**WEB, "gpus": "all"}})).tiers[0].container.gpus == [EVERY]
    (line,) = problems_of(cluster(tiers={"web": {**WEB, "gpus": 1}}))
    assert line.startswith("cluster_tiers.web.gpus: got 1, want all, or a list of")
