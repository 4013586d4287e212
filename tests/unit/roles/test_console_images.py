"""What goes into the console's two images: each has its own part of the repository, and the agent the library."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from tests.unit.module_utils.inventory.samples import STATIC, cluster, parsed

from ansible_collections.evenkeel.cluster.plugins.filter.image_plan import image_plan

ROOT = Path(__file__).parents[3]
ROLE = ROOT / "roles/app_images"
LIBRARY = "collections/ansible_collections/evenkeel/cluster/plugins/module_utils"


def rendered(name: str, tiers: dict[str, Any] | None = None, **given: Any) -> Any:
    """A variable of the role."""
    loader = DataLoader()
    changed = {"tiers": tiers} if tiers else {}
    variables: dict[str, Any] = {"cluster_spec": parsed(cluster(console=True, **changed)).as_dict()}
    variables |= loader.load_from_file(str(ROLE / "vars/main/images.yml"), trusted_as_template=True)
    return Templar(loader, variables={**variables, **given}).template(variables[name])


def plan(root: Path = ROOT) -> dict[str, dict[str, Any]]:
    exclude = DataLoader().load_from_file(str(ROLE / "defaults/main.yml"))["app_images_context_exclude"]
    images = rendered("_app_images_console")
    balancer = {"image": "b", "context": "files/load_balancer", "labels": {}, "base": "base:1"}
    found = image_plan(images, balancer=balancer, base="base:1", root=str(root), exclude=exclude)
    return {image["name"]: image for image in found}


def test_the_agent_has_the_library_and_nothing_of_the_web_process() -> None:
    files = plan()["_console_agent"]["files"]
    assert {f"{LIBRARY}/pool/plan.py", "files/console/agent/evenkeel_agent/server.py"} <= set(files)
    allowed = ("files/console/agent/", "files/console/requirements-agent.txt", f"{LIBRARY}/")
    assert [name for name in files if not name.startswith(allowed) or "__pycache__" in name] == []


def test_the_web_process_has_neither_library_nor_agent() -> None:
    image = plan()["_console"]
    assert {"files/console/web/Dockerfile", "files/console/web/evenkeel_console/guard.py"} <= set(image["files"])
    allowed = ("files/console/web/", "files/console/pages/", "files/console/requirements-web.txt")
    assert [name for name in image["files"] if not name.startswith(allowed) or "node_modules" in name] == []
    assert (image["node"], image["ca_bundle"]) == (True, True)


def test_a_change_of_one_part_builds_its_image_alone() -> None:
    images = plan()
    assert not set(images["_console"]["files"]) & set(images["_console_agent"]["files"])


def test_what_tools_leave_beside_the_sources_is_not_a_change(tmp_path: Path) -> None:
    folders = ["files/load_balancer", "files/console", LIBRARY]
    kept = shutil.ignore_patterns("node_modules", "build-test", "dist", "__pycache__")
    for folder in folders:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=kept)
    before = plan(tmp_path)
    for part in ("pages/build-test/x.mjs", "pages/dist/x.js", "pages/node_modules/x.js", "web/.cache/x", "agent/x"):
        path = tmp_path / "files/console" / part
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("left")
    after = plan(tmp_path)
    assert [after[name]["files"] for name in before] == [before[name]["files"] for name in before]
    (tmp_path / "files/console/pages/src/new.tsx").write_text("changed")
    assert plan(tmp_path)["_console"]["files"] != before["_console"]["files"]


#: A tier of each kind: built here, pulled in every run, never pulled, and one whose image gets hold.
TIERS = {
    "own": {**STATIC, "path": "/"},
    "always": {"image": "a/always", "port": 80, "path": "/a/", "nodes": 1, "pull": "always", "leaving": "own"},
    "never": {"image": "a/never", "port": 80, "path": "/b/", "nodes": 1, "pull": "never", "leaving": "own"},
    "held": {"image": "a/held", "port": 80, "path": "/c/", "nodes": 1},
}
PULLING = {"app_images_source": "registry", "_app_images_base": "debian:trixie-slim"}


def test_a_run_of_the_site_takes_care_of_all_images() -> None:
    built = [image["name"] for image in rendered("_app_images_built", TIERS)]
    assert built == ["own", "always", "never", "held", "_hold", "_console_agent", "_console"]
    assert rendered("_app_images_pulled_always", TIERS, **PULLING) == ["a/always:latest"]
    assert [image["name"] for image in rendered("_app_images_pulls", TIERS, **PULLING)][-1] == "_edge"


def test_the_console_alone_looks_at_no_image_of_the_site() -> None:
    (task,) = DataLoader().load_from_file(str(ROLE / "tasks/console.yml"))
    given = {**task["vars"], **PULLING}
    built = [image["name"] for image in rendered("_app_images_built", TIERS, **given)]
    assert built == ["_console_agent", "_console"]
    assert rendered("_app_images_balancer", TIERS, **given) is None
    for name in ("_app_images_pulls", "_app_images_pulled_always", "_app_images_tiers", "_app_images_held"):
        assert rendered(name, TIERS, **given) == []


def test_the_tasks_look_at_the_tiers_that_a_run_takes_care_of() -> None:
    for path in (ROLE / "tasks").glob("*.yml"):
        assert "cluster_spec.tiers" not in path.read_text(), path
