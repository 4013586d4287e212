"""Volumes of tiers: which nodes share them, and which go with their cluster."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.filter.tier_volumes import FilterModule, tier_volumes
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.volumes import shared_volume_advice

OURS = {"evenkeel.cluster": "shop"}


def tier(name: str, *sources: str, nodes: int = 1, read_only: bool = False) -> dict[str, Any]:
    mounts = [{"source": source, "target": f"/{index}", "read_only": read_only} for index, source in enumerate(sources)]
    return {"name": name, "nodes": nodes, "mounts": mounts}


def volume(name: str, **labels: str) -> dict[str, Any]:
    return {"Name": name, "Labels": labels or None}


def container(name: str, *volumes: str, **labels: str) -> dict[str, Any]:
    mounts = [{"Type": "volume", "Name": name, "Source": f"/v/{name}"} for name in volumes]
    return {"Id": "1", "Names": [f"/{name}"], "Labels": labels or None, "Mounts": [{"Type": "bind"}, *mounts]}


def judged(volumes: list[dict[str, Any]], *containers: dict[str, Any]) -> dict[str, list[str]]:
    return tier_volumes([tier("web", "data", "/srv/x"), tier("api", "more", "data")], volumes, containers, "shop")


def test_those_that_were_made_for_our_nodes_go() -> None:
    volumes = [volume("data", **OURS), volume("more", **OURS), volume("other", **OURS), volume("/srv/x", **OURS)]
    own = container("shop-web-1", "data", **OURS)  # it is removed first; in check mode it is still there
    assert judged(volumes, own) == {"remove": ["data", "more"], "stay": []}
    assert judged([]) == {"remove": [], "stay": []}


def test_those_of_others_stay_and_are_told() -> None:
    volumes = [volume("data"), volume("more", **{"evenkeel.cluster": "other"})]
    found = judged(volumes, container("backup", "data"))
    assert found["remove"] == []
    assert found["stay"] == [
        f"volume {name}: got one that this cluster did not make, want one with the label evenkeel.cluster=shop"
        f" (fix: none needed, it stays; docker volume rm {name} deletes it)"
        for name in ("data", "more")
    ]


def test_one_that_another_container_still_uses_stays_and_is_told() -> None:
    others = (container("backup", "data"), container("db", "data", **{"evenkeel.cluster": "other"}))
    found = judged([volume("data", **OURS), volume("more", **OURS)], *others)
    assert found["remove"] == ["more"]
    (line,) = found["stay"]
    assert line.startswith(
        "volume data: got it in use by backup, db, want nodes of this cluster alone (fix: none needed"
    )


@pytest.mark.parametrize(
    "tiers, told",
    [
        ([tier("web", "data", nodes=3)], ["mounts of tier web: got 3 nodes on data, which they may write to, want "]),
        (
            [tier("web", "/srv/x", nodes=2)],
            ["mounts of tier web: got 2 nodes on /srv/x, which they may write to, want "],
        ),
        ([tier("web", "data", nodes=3, read_only=True)], []),
        ([tier("web", "data")], []),
        ([tier("web", "data", nodes=0), tier("api", "data", nodes=3, read_only=True)], []),
        (
            [tier("web", "data"), tier("api", "data", nodes=3, read_only=True)],
            ["mounts of tier web: got 4 nodes on data, which they may write to, want "],
        ),
        (
            [tier("web", "data"), tier("api", "data")],
            ["mounts of tier web, api: got 2 nodes on data, which they may write to, want "],
        ),
    ],
)
def test_nodes_that_share_what_they_write_are_told(tiers: list[dict[str, Any]], told: list[str]) -> None:
    assert [line.partition("an application")[0] for line in shared_volume_advice(tiers)] == told


def test_ansible_finds_it() -> None:
    assert FilterModule().filters() == {"tier_volumes": tier_volumes}
