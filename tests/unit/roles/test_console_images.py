"""What goes into the console's two images: each has its own part of the repository, and the agent the library."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from tests.unit.module_utils.inventory.samples import cluster, parsed

from ansible_collections.evenkeel.cluster.plugins.filter.image_plan import image_plan

ROOT = Path(__file__).parents[3]
LIBRARY = "collections/ansible_collections/evenkeel/cluster/plugins/module_utils"


def plan(root: Path = ROOT) -> dict[str, dict[str, Any]]:
    loader = DataLoader()
    variables: dict[str, Any] = {"cluster_spec": parsed(cluster(console=True)).as_dict()}
    variables |= loader.load_from_file(str(ROOT / "roles/app_images/vars/main/images.yml"), trusted_as_template=True)
    exclude = loader.load_from_file(str(ROOT / "roles/app_images/defaults/main.yml"))["app_images_context_exclude"]
    images = Templar(loader, variables=variables).template(variables["_app_images_console"])
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
