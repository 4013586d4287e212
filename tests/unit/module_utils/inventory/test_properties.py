"""Whatever an inventory says, it is right or it is refused in clear lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.module_utils.inventory.samples import CLUSTER, STATIC, cluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import quote
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.values import boolean, parse_size, whole_number
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.parse import parse_cluster
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.reader import is_host_name
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.tiers import TIER_KEYS

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.dates() | st.binary(max_size=4)
)
YAMLISH = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=8,
)
LIKELY = st.sampled_from(
    [*CLUSTER.values(), *STATIC.values(), "static", "a", "/", "/a/", "1", "0", "256m", {"source": "a", "target": "/b"}]
)
TIER = st.dictionaries(st.sampled_from(sorted(TIER_KEYS)) | SCALARS, LIKELY | YAMLISH, max_size=8)
RAW = st.fixed_dictionaries(
    {},
    optional={
        **{knob: LIKELY | YAMLISH for knob in CLUSTER if knob != "tiers"},
        "tiers": YAMLISH
        | st.dictionaries(st.sampled_from(["static", "dynamic", "web-app"]) | SCALARS, TIER | YAMLISH, max_size=3),
    },
)


@settings(max_examples=400, deadline=None)
@given(RAW)
def test_never_raises_and_is_either_right_or_told(raw: dict[str, Any]) -> None:
    spec, problems = parse_cluster({**cluster(), **raw})
    assert (spec is None) == bool(problems)
    for line in map(str, problems):
        assert line.isprintable()
        assert ": got " in line
        assert line.endswith(")")
    if spec is not None:
        json.dumps(spec.as_dict())


@settings(deadline=None)
@given(st.text())
def test_whole_numbers_are_what_they_look_like(text: str) -> None:
    number = whole_number(text)
    assert number is None or str(number) == text


@settings(deadline=None)
@given(YAMLISH)
def test_helpers_never_raise(value: object) -> None:
    assert quote(value).isprintable()
    assert is_host_name(value) in {True, False}
    assert boolean(value) in {True, False, None}
    size = parse_size(value)
    assert size is None or size > 0


@pytest.mark.parametrize(
    "value, size", [("1", 1), ("2k", 2048), ("3M", 3 * 1024**2), ("3g", 3 * 1024**3), (5, 5), (0, None), ("1t", None)]
)
def test_sizes(value: object, size: int | None) -> None:
    assert parse_size(value) == size
