"""An image's tag follows all that goes into the image, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.evenkeel.cluster.plugins.filter.image_plan import FilterModule, image_plan

BALANCER = {"image": "res/traefik", "context": "balancer", "labels": {"evenkeel.role": "balancer"}, "base": "traefik:1"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("web", "api", "balancer"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(f"FROM ${{BASE}}\nLABEL of={name}\n")
    (tmp_path / "api" / "Dockerfile").write_text("FROM ${BASE}\nCOPY node/bin/node /usr/local/bin/\n")
    return tmp_path


def tier(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "image": f"res/{name}", "context": name, "labels": {"service": f"{name}-1"}, **changes}


def tiers(**changes: Any) -> list[dict[str, Any]]:
    return [tier("web", **changes), tier("api")]


def plan(root: Path, declared: list[dict[str, Any]] | None = None, **options: Any) -> dict[str, dict[str, Any]]:
    settings = {"balancer": BALANCER, "base": "base:1", "node": "node==24", "root": str(root), **options}
    return {image["name"]: image for image in image_plan(declared or tiers(), **settings)}


def changed(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name in before if before[name]["tag"] != after[name]["tag"]}


def test_an_image_may_have_a_part_of_a_context_and_another_dockerfile(root: Path) -> None:
    (root / "part").mkdir()
    (root / "part/Dockerfile").write_text("FROM x\nCOPY node/bin/node /\n")
    (root / "part/code.py").write_text("1")
    part = tier("part", context=".", dockerfile="part/Dockerfile", exclude=["*", "!part"])
    (image,) = (item for item in plan(root, [part]).values() if item["name"] == "part")
    assert (image["files"], image["node"], image["dockerfile"]) == (
        ["part/Dockerfile", "part/code.py"],
        True,
        "part/Dockerfile",
    )


def test_without_the_balancer_only_the_others_are_planned(root: Path) -> None:
    assert list(plan(root, balancer=None)) == ["web", "api"]


def test_tiers_come_first_then_the_balancer(root: Path) -> None:
    images = plan(root)
    assert list(images) == ["web", "api", "_balancer"]
    assert images["web"] == {
        "name": "web",
        "image": "res/web",
        "context": f"{root}/web",
        "base": "base:1",
        "labels": {"service": "web-1"},
        "dockerfile": "Dockerfile",
        "args": {},
        "files": ["Dockerfile"],
        "node": False,
        "ca_bundle": False,
        "tag": images["web"]["tag"],
        "ref": f"res/web:{images['web']['tag']}",
        "latest": "res/web:latest",
    }
    assert len(images["web"]["tag"]) == 12
    assert images["_balancer"]["base"] == "traefik:1"
    assert images["_balancer"]["labels"] == {"evenkeel.role": "balancer"}


def test_a_tier_without_a_context_is_not_built(root: Path) -> None:
    assert list(plan(root, [tier("web", context=""), tier("api")])) == ["api", "_balancer"]


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {"service": "web-2"}},
        {"labels": {"service": "web-1", "traefik.http.services.web-1.loadbalancer.sticky.cookie.name": "stay"}},
        {"labels": {}},
    ],
)
def test_a_changed_policy_rebuilds_the_image_of_its_tier(root: Path, change: dict[str, Any]) -> None:
    """The policy of a tier is in its labels. The pool refuses an image with other labels."""
    assert changed(plan(root), plan(root, tiers(**change))) == {"web"}


@pytest.mark.parametrize(
    "options,rebuilt",
    [
        ({"base": "base:2"}, {"web", "api"}),
        ({"args": {"PROXY": "x"}}, {"web", "api"}),
        ({"serial": "2026-11-27"}, {"web", "api", "_balancer"}),
        ({"node": "node==26"}, {"api"}),
        ({"balancer": {**BALANCER, "base": "traefik:2"}}, {"_balancer"}),
        ({"balancer": {**BALANCER, "labels": {}}}, {"_balancer"}),
    ],
)
def test_what_else_an_image_depends_on(root: Path, options: dict[str, Any], rebuilt: set[str]) -> None:
    assert changed(plan(root), plan(root, **options)) == rebuilt


def test_a_changed_file_rebuilds_its_image(root: Path) -> None:
    before = plan(root)
    (root / "web" / "page.html").write_text("x")
    assert changed(before, plan(root)) == {"web"}
    assert plan(root)["web"]["files"] == ["Dockerfile", "page.html"]
    assert changed(before, plan(root, exclude=["*.html"])) == set()


def test_options_of_a_tier_that_are_not_in_its_image_do_not_count(root: Path) -> None:
    assert changed(plan(root), plan(root, tiers(nodes=7, port=81))) == set()


@pytest.mark.parametrize(
    "line,node,ca_bundle",
    [
        ("COPY node/bin/node /usr/bin/", True, False),
        ("ADD --chown=0:0 node/ /opt/", True, False),
        ("COPY --chown=0:0 src node/bin /opt/", True, False),
        ("COPY ./node/ /opt/", True, False),
        ("COPY nodes/ /opt/", False, False),
        ("COPY src/mynode/ /opt/", False, False),
        ("# COPY node/ /opt/", False, False),
        ("RUN ls node/", False, False),
        ("COPY package.json ca-bundle.cr[t] ./", False, True),
        ("RUN cat ca-bundle.crt", False, False),
    ],
)
def test_what_a_dockerfile_copies(root: Path, line: str, node: bool, ca_bundle: bool) -> None:
    (root / "web" / "Dockerfile").write_text(f"FROM scratch\n{line}\n")
    image = plan(root)["web"]
    assert (image["node"], image["ca_bundle"]) == (node, ca_bundle)


def test_an_absolute_context_needs_no_root(root: Path) -> None:
    image = plan(root, [tier("web", context=f"{root}/web")])["web"]
    assert image["context"] == f"{root}/web"
    assert image == plan(root)["web"]


def test_where_images_share_a_name_the_first_has_latest(root: Path) -> None:
    images = plan(root, [tier("web"), tier("api", image="res/web")])
    assert (images["web"]["latest"], images["api"]["latest"]) == ("res/web:latest", "")


def test_a_missing_dockerfile_is_one_line(root: Path) -> None:
    (root / "api" / "Dockerfile").unlink()
    with pytest.raises(AnsibleFilterError) as caught:
        plan(root)
    assert str(caught.value) == (
        f"{root}/api/Dockerfile: got 'No such file or directory', want a readable Dockerfile"
        " (fix: correct the image's context)"
    )


def test_a_dockerfile_that_is_no_text_is_one_line(root: Path) -> None:
    (root / "api" / "Dockerfile").write_bytes(b"\xff\xfe")
    with pytest.raises(AnsibleFilterError, match=r"^.*/api/Dockerfile: got 'no UTF-8', want a readable Dockerfile"):
        plan(root)


def test_ansible_finds_the_filter() -> None:
    assert FilterModule().filters() == {"image_plan": image_plan}
