"""What is known of a derived image where nothing is built: a state, a change of the count, the console."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes.cluster import FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import discard_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import Image
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import PoolInputError
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import preview, reconcile, status

WEB: dict[str, Any] = {"image": "nginx:1", "port": 80, "path": "/", "nodes": 2}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    found = FakeCluster(tmp_path, tiers={"web": WEB}, cluster="derived")
    found.engine.images["nginx:1"] = Image("id of nginx:1")
    yield found
    discard_lock("derived")


def drift(cluster: FakeCluster, **request: Any) -> list[str]:
    return status(cluster.request(**request), cluster.ports)["tiers"]["web"]["drift"]


def changed(cluster: FakeCluster, **option: Any) -> dict[str, Any]:
    return {"web": dataclasses.replace(cluster.tiers["web"], **option)}


def test_the_count_changes_with_the_image_that_the_last_run_derived(cluster: FakeCluster) -> None:
    assert drift(cluster) == []
    outcome = reconcile(cluster.request(tiers=cluster.resized("web", 3)), cluster.ports, clock=cluster.clock)
    assert [action.kind for action in outcome.actions] == ["start"]
    del cluster.engine.images["nginx:1"]
    assert drift(cluster, tiers=cluster.resized("web", 3)) == [], "its own image is enough to go on with"


def test_a_change_that_only_a_run_with_builds_can_make_is_told_and_refused_elsewhere(cluster: FakeCluster) -> None:
    tiers = changed(cluster, image="nginx:2")
    told = drift(cluster, tiers=tiers)
    assert told[0] == "build evenkeel/derived/web of nginx:2 with these options"
    assert len(told) == 1 + 2 * 2, "then all nodes are replaced"
    calls = list(cluster.engine.calls)
    with pytest.raises(PoolInputError) as caught:
        reconcile(cluster.request(tiers=tiers), cluster.ports, clock=cluster.clock)
    assert str(caught.value) == (
        "image of tier web: got no evenkeel/derived/web of nginx:2 with these options on this host,"
        " want it built or pulled (fix: ansible-playbook site.yml)"
    )
    assert cluster.engine.calls == calls


def test_another_image_of_the_same_name_is_told_too(cluster: FakeCluster) -> None:
    cluster.engine.images["nginx:1"] = Image("id of what was pulled since")
    assert drift(cluster)[0].startswith("build evenkeel/derived/web of nginx:1 ")
    # As it is in check mode, where the image of this tier cannot be known yet.
    latest = cluster.tiers["web"].reference
    assert preview(cluster.request(images={"web": latest}), cluster.ports).actions


def test_a_run_that_has_derived_the_image_needs_no_such_look(cluster: FakeCluster) -> None:
    tiers = changed(cluster, image="nginx:2")
    cluster.engine.images["evenkeel/derived/web:1"] = Image("new", tiers["web"].labels)
    request = cluster.request(tiers=tiers, images={"web": "evenkeel/derived/web:1"})
    assert len(reconcile(request, cluster.ports, clock=cluster.clock).actions) == 4
