"""What is in Portainer's way, one line each."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.filter.portainer_problems import portainer_problems

NAME = "shop-portainer"
FILE = "/secrets/password"
OURS = {"evenkeel.cluster": "shop", "evenkeel.role": "portainer"}
ABSENT = {"exists": False, "container": None}

NO_CONTAINER_OF_OURS = (
    "portainer container: got a container shop-portainer without this cluster's labels, want that name free"
    " (fix: docker rename shop-portainer NAME)"
)
OTHER_CLUSTER = "portainer volume: got data of cluster another, want one of its own (fix: -e portainer_volume=NAME)"
IN_USE = "portainer volume: got data in use by a, b, want it free (fix: docker stop a b, or -e portainer_volume=NAME)"
TOO_SHORT = (
    "portainer password: got 8 characters in /secrets/password, want 12 or more"
    " (fix: write a longer one, or delete the file and one is generated)"
)


def container(labels: dict[str, str] | None) -> dict[str, Any]:
    return {"exists": True, "container": {"Config": {"Labels": labels}}}


def host(volumes: list[dict[str, Any]] | None = None, users: list[str] | None = None) -> dict[str, Any]:
    return {"volumes": volumes, "containers": [{"Names": [f"/{name}"]} for name in users or ()]}


def volume(name: str, labels: dict[str, str] | None) -> dict[str, Any]:
    return {"Name": name, "Labels": labels}


def problems(
    seen: dict[str, Any] | None = None, found: dict[str, Any] = ABSENT, length: int | None = None
) -> list[str]:
    return portainer_problems(
        seen or host(),
        container=found,
        name=NAME,
        cluster="shop",
        volume="data",
        password_file=FILE,
        password_length=length,
        password_minimum=12,
    )


@pytest.mark.parametrize(
    "found,expected",
    [
        (ABSENT, []),
        (container(OURS), []),
        (container(None), [NO_CONTAINER_OF_OURS]),
        (container({}), [NO_CONTAINER_OF_OURS]),
        (container({**OURS, "evenkeel.cluster": "another"}), [NO_CONTAINER_OF_OURS]),
        (container({**OURS, "evenkeel.role": "node"}), [NO_CONTAINER_OF_OURS]),
    ],
)
def test_the_name_is_free_or_ours(found: dict[str, Any], expected: list[str]) -> None:
    assert problems(found=found) == expected


@pytest.mark.parametrize(
    "volumes,expected",
    [
        (None, []),
        ([], []),
        ([volume("data", None)], []),
        ([volume("data", {})], []),
        ([volume("data", {"evenkeel.cluster": "shop"})], []),
        ([volume("data", {"evenkeel.cluster": "another"})], [OTHER_CLUSTER]),
        # Docker's filter also finds volumes whose name contains the name.
        ([volume("data-2", {"evenkeel.cluster": "another"})], []),
        ([volume("data-2", {}), volume("data", {"evenkeel.cluster": "another"})], [OTHER_CLUSTER]),
    ],
)
def test_the_volume_is_not_of_another_cluster(volumes: list[dict[str, Any]] | None, expected: list[str]) -> None:
    assert problems(host(volumes)) == expected


@pytest.mark.parametrize("users,expected", [([], []), ([NAME], []), (["b", NAME, "a"], [IN_USE])])
def test_no_other_container_uses_the_volume(users: list[str], expected: list[str]) -> None:
    assert problems(host(users=users)) == expected


@pytest.mark.parametrize("length,expected", [(None, []), (12, []), (40, []), (8, [TOO_SHORT])])
def test_the_password_is_long_enough(length: int | None, expected: list[str]) -> None:
    assert problems(length=length) == expected


def test_all_problems_are_told_at_once() -> None:
    seen = host([volume("data", {"evenkeel.cluster": "another"})], ["a", "b"])
    assert problems(seen, container({}), 8) == [NO_CONTAINER_OF_OURS, OTHER_CLUSTER, IN_USE, TOO_SHORT]


def test_an_empty_password_is_too_short() -> None:
    assert problems(length=0) == [TOO_SHORT.replace("8", "0")]
