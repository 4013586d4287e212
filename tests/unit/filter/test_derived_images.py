"""The filter: which tiers get an image that is derived, and which leave by the balancer alone."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.unit.module_utils.inventory.samples import DYNAMIC, cluster

from ansible_collections.evenkeel.cluster.plugins.filter.derived_images import FilterModule, derived_images
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.derivation import derivation_labels
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.parse import parse_cluster

HOLD = "evenkeel/hold:0123456789ab"
FOREIGN: dict[str, Any] = {"image": "nginx:1", "port": 80, "path": "/", "nodes": 1}


def tiers(**more: dict[str, Any]) -> list[dict[str, Any]]:
    spec, problems = parse_cluster(cluster(tiers={"web": FOREIGN, "dynamic": DYNAMIC, **more}))
    assert spec is not None, problems
    return [dataclasses.asdict(tier) for tier in spec.tiers]


def image(entrypoint: str = "/entry", **config: Any) -> dict[str, Any]:
    return {"Id": "sha256:1", "Architecture": "amd64", "Config": {"Entrypoint": [entrypoint], **config}}


def plan(inspected: dict[str, Any], **more: dict[str, Any]) -> dict[str, Any]:
    return derived_images(tiers(**more), inspected, HOLD, "evenkeel", "x86_64")


def test_only_held_tiers_whose_image_is_there_get_one() -> None:
    other = {**FOREIGN, "path": "/other/"}
    found = plan({"web": image()}, other=other)
    assert [(one["name"], one["image"]) for one in found["images"]] == [("web", "evenkeel/web")]
    assert (found["advice"], found["problems"]) == ([], [])
    assert found["tiers"] == tiers(other=other)


def test_the_image_has_the_labels_of_its_tier() -> None:
    (one,) = plan({"web": image()})["images"]
    web = next(tier for tier in tiers() if tier["name"] == "web")
    assert one["labels"] == {**web["labels"], **derivation_labels(web, "sha256:1")}


def test_an_image_that_must_be_process_1_is_told_and_its_tier_changed() -> None:
    found = plan({"web": image("/init")})
    assert found["images"] == []
    (line,) = found["advice"]
    assert line.startswith("image nginx:1: got ENTRYPOINT /init")
    web = next(tier for tier in found["tiers"] if tier["name"] == "web")
    assert (web["leaving"], web["derived"]) == ("balancer", "")
    assert not [label for label in web["labels"] if label.endswith("healthcheck.port")]


def test_what_the_tier_runs_counts_and_not_what_its_image_would() -> None:
    by_command = {"Id": "sha256:1", "Architecture": "amd64", "Config": {"Cmd": ["/init"]}}
    assert plan({"web": by_command})["advice"][0].startswith("image nginx:1: got CMD /init")
    other = {**FOREIGN, "path": "/other/", "entrypoint": "/serve"}
    assert [one["name"] for one in plan({"other": image("/init")}, other=other)["images"]] == ["other"]


def test_all_images_that_nothing_can_be_derived_from_are_told_at_once() -> None:
    inspected = {"web": image(OnBuild=["RUN x"]), "other": {**image(), "Architecture": "arm64"}}
    found = plan(inspected, other={**FOREIGN, "path": "/other/"})
    assert [line.split(",")[0] for line in found["problems"]] == [
        "image nginx:1 of tier web: got one with ONBUILD",
        "image nginx:1 of tier other: got one for arm64",
    ]
    assert found["images"] == []


def test_ansible_finds_it() -> None:
    assert FilterModule().filters() == {"derived_images": derived_images}
