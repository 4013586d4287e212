"""Missing images are built after the images that they build upon."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.filter.image_builds import image_builds

BASE = "evenkeel/base:trixie-0123456789ab"
TRAEFIK = "evenkeel/traefik:3.7.15-0123456789ab"
WEB, API, BALANCER = "res/web:aaaaaaaaaaaa", "res/api:bbbbbbbbbbbb", "res/traefik:cccccccccccc"


def image(name: str, ref: str, base: str, **changes: Any) -> dict[str, Any]:
    latest = ref.partition(":")[0] + ":latest"
    return {"name": name, "ref": ref, "latest": latest, "base": base, "args": {}, "labels": {"of": name}, **changes}


PLAN = [image("web", WEB, BASE), image("api", API, BASE), image("_balancer", BALANCER, TRAEFIK)]


def builds(present: list[str], plan: list[dict[str, Any]] = PLAN, **options: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "directory": "/build",
        "labels": {"evenkeel.cluster": "shop"},
        "base": BASE,
        "balancer_base": TRAEFIK,
        **options,
    }
    return image_builds(plan, present, **settings)


@pytest.mark.parametrize(
    "present,batches",
    [
        ([], [[BASE], [TRAEFIK, WEB, API], [BALANCER]]),
        ([BASE], [[TRAEFIK, WEB, API], [BALANCER]]),
        ([BASE, TRAEFIK], [[WEB, API], [BALANCER]]),
        ([BASE, WEB], [[TRAEFIK, API], [BALANCER]]),
        ([BASE, TRAEFIK, WEB, API], [[BALANCER]]),
        ([BASE, BALANCER], [[WEB, API]]),
        ([WEB, API, BALANCER], []),
        ([WEB, BALANCER], [[BASE], [API]]),
        ([WEB, API], [[BASE], [TRAEFIK], [BALANCER]]),
        (["res/web:latest", "res/web:dddddddddddd"], [[BASE], [TRAEFIK, WEB, API], [BALANCER]]),
    ],
)
def test_batches_by_what_the_host_has(present: list[str], batches: list[list[str]]) -> None:
    found = builds(present)
    assert [[build["ref"] for build in batch] for batch in found["batches"]] == batches
    assert found["base"] == any(BASE in batch for batch in batches)
    assert found["balancer_base"] == any(TRAEFIK in batch for batch in batches)
    assert [item["ref"] for item in found["images"]] == [ref for ref in (WEB, API, BALANCER) if ref not in present]


def test_bases_from_a_registry_are_not_built() -> None:
    found = builds([], base="", balancer_base="")
    assert [[build["ref"] for build in batch] for batch in found["batches"]] == [[WEB, API], [BALANCER]]
    assert (found["base"], found["balancer_base"]) == (False, False)


def test_what_each_build_gets() -> None:
    plan = [image("web", WEB, BASE, args={"A": "1", "BASE": "other"}), PLAN[2]]
    (base,), (traefik, web), (balancer,) = builds([], plan, environment={"http_proxy": "http://proxy"})["batches"]
    assert base == {
        "ref": BASE,
        "also": "evenkeel/base:trixie",
        "path": "/build/base",
        "args": {},
        "labels": {"evenkeel.cluster": "shop", "evenkeel.role": "base"},
        "dockerfile": "Dockerfile",
    }
    assert traefik == {
        "ref": TRAEFIK,
        "also": "",
        "path": "/build/traefik",
        "args": {"BASE": BASE},
        "labels": {"evenkeel.cluster": "shop", "evenkeel.role": "base"},
        "dockerfile": "Dockerfile",
    }
    assert web == {
        "ref": WEB,
        "also": "res/web:latest",
        "path": "/build/image-web",
        "args": {"A": "1", "BASE": BASE, "http_proxy": "http://proxy"},
        # A node's revision names the image's content, which is the same on every host.
        "labels": {"of": "web", "evenkeel.content": "aaaaaaaaaaaa"},
        "dockerfile": "Dockerfile",
    }
    assert balancer["path"] == "/build/image-_balancer"
    assert balancer["args"] == {"BASE": TRAEFIK, "http_proxy": "http://proxy"}


def test_a_build_names_its_dockerfile() -> None:
    (batch,) = builds([BASE], [image("_console", WEB, BASE, dockerfile="files/console/web/Dockerfile")])["batches"]
    assert [build["dockerfile"] for build in batch] == ["files/console/web/Dockerfile"]


def test_an_image_that_shares_its_name_gets_one_reference() -> None:
    (batch,) = builds([BASE], [image("web", WEB, BASE, latest="")])["batches"]
    assert [build["also"] for build in batch] == [""]
