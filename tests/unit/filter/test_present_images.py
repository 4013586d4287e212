"""What happens to the images that a host has: latest moves, superseded builds go."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.filter.image_ids import FilterModule as Ids
from ansible_collections.evenkeel.cluster.plugins.filter.latest_moves import FilterModule as Moves
from ansible_collections.evenkeel.cluster.plugins.filter.superseded_images import FilterModule as Superseded

image_ids = Ids().filters()["image_ids"]
latest_moves = Moves().filters()["latest_moves"]
superseded_images = Superseded().filters()["superseded_images"]

A, B, C, D = ("res/web:aaaaaaaaaaaa", "res/web:bbbbbbbbbbbb", "res/web:cccccccccccc", "res/web:dddddddddddd")
LATEST = "res/web:latest"


@pytest.mark.parametrize(
    "images,ids",
    [
        ([], {}),
        ([{"Id": "1", "RepoTags": [A, LATEST]}, {"Id": "2", "RepoTags": [B]}], {A: "1", LATEST: "1", B: "2"}),
        ([{"Id": "1", "RepoTags": None}, {"Id": "2", "RepoTags": []}, {"Id": "3"}], {}),
    ],
)
def test_references_to_ids(images: list[dict[str, Any]], ids: dict[str, str]) -> None:
    assert image_ids(images) == ids


@pytest.mark.parametrize(
    "latest,ids,moves",
    [
        (LATEST, {A: "1", LATEST: "1"}, False),
        (LATEST, {A: "1", LATEST: "2"}, True),
        (LATEST, {A: "1"}, True),
        (LATEST, {LATEST: "2"}, True),
        (LATEST, {}, True),
        ("", {A: "1"}, False),
    ],
)
def test_latest_names_the_planned_image(latest: str, ids: dict[str, str], moves: bool) -> None:
    plan = [{"ref": A, "latest": latest}]
    assert latest_moves(plan, ids) == ([{"ref": A, "latest": LATEST}] if moves else [])


def image(ref: str, created: int) -> dict[str, Any]:
    return {"Id": f"id of {ref}", "RepoTags": [ref], "Created": created}


BUILDS = [image(B, 2), image(D, 4), image(A, 1), image(C, 3)]


@pytest.mark.parametrize(
    "keep,used,gone",
    [
        (0, [], [C, B, A]),
        (1, [], [B, A]),
        (2, [], [A]),
        (5, [], []),
        (1, [B], [A]),
        (1, [C], [B, A]),  # one that a container uses counts among those that are kept
        (0, [A, B, C], []),
    ],
)
def test_newest_old_builds_stay(keep: int, used: list[str], gone: list[str]) -> None:
    containers = [{"ImageID": f"id of {ref}"} for ref in used]
    assert superseded_images(BUILDS, containers, ["res/web"], [D], keep) == gone


@pytest.mark.parametrize(
    "reference,removed",
    [
        ("res/web:aaaaaaaaaaaa", True),
        ("res/web:3.7.15-aaaaaaaaaaaa", True),
        ("res/web:trixie-aaaaaaaaaaaa", True),
        ("res/web:latest", False),
        ("res/web:3.7.15", False),
        ("res/web:aaaaaaaaaaa", False),
        ("res/web:aaaaaaaaaaaaa", False),
        ("res/web:AAAAAAAAAAAA", False),
        ("res/web-2:aaaaaaaaaaaa", False),
        ("other/res/web:aaaaaaaaaaaa", False),
        ("resxweb:aaaaaaaaaaaa", False),
    ],
)
def test_only_content_hashes_are_builds(reference: str, removed: bool) -> None:
    assert superseded_images([image(reference, 1)], [], ["res/web"], [], 0) == ([reference] if removed else [])


def test_a_dot_in_a_name_is_a_dot() -> None:
    assert superseded_images([image("reg.local/web:aaaaaaaaaaaa", 1)], [], ["reg.local/web"], [], 0) != []
    assert superseded_images([image("reg-local/web:aaaaaaaaaaaa", 1)], [], ["reg.local/web"], [], 0) == []


def test_each_repository_keeps_its_own_and_counts_once() -> None:
    images = [*BUILDS, image("res/api:aaaaaaaaaaaa", 9), image("res/api:bbbbbbbbbbbb", 8)]
    found = superseded_images(images, [], ["res/api", "res/web", "res/api"], [D], 1)
    assert found == ["res/api:bbbbbbbbbbbb", B, A]


def test_images_without_a_tag_are_left_to_the_prune() -> None:
    untagged = [{"Id": "1", "RepoTags": None, "Created": 1}, {"Id": "2", "RepoTags": [], "Created": 2}]
    assert superseded_images(untagged, [], ["res/web"], [], 0) == []


def test_what_has_a_former_name_is_superseded_unless_it_is_used() -> None:
    images = [
        image("evenkeel/web-b:latest", 3),
        image("evenkeel/web-b:aaaaaaaaaaaa", 2),
        image("evenkeel/web:latest", 1),
    ]
    used = [{"ImageID": "id of evenkeel/web-b:aaaaaaaaaaaa"}]
    former = ["evenkeel/web-b"]
    assert superseded_images(images, used, [], [], 1, former=former) == ["evenkeel/web-b:latest"]
    assert len(superseded_images(images, [], [], [], 1, former=former)) == 2
