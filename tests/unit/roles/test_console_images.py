"""What goes into the console's two images: each has its own part of the repository, and the agent the library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from tests.unit.module_utils.inventory.samples import cluster, parsed

from ansible_collections.evenkeel.cluster.plugins.filter.image_plan import image_plan

ROOT = Path(__file__).parents[3]
LIBRARY = "collections/ansible_collections/evenkeel/cluster/plugins/module_utils"


def plan() -> dict[str, dict[str, Any]]:
    loader = DataLoader()
    variables: dict[str, Any] = {"cluster_spec": parsed(cluster(console=True)).as_dict()}
    variables |= loader.load_from_file(str(ROOT / "roles/app_images/vars/main/images.yml"), trusted_as_template=True)
    exclude = loader.load_from_file(str(ROOT / "roles/app_images/defaults/main.yml"))["app_images_context_exclude"]
    images = Templar(loader, variables=variables).template(variables["_app_images_console"])
    balancer = {"image": "b", "context": "files/load_balancer", "labels": {}, "base": "base:1"}
    found = image_plan(images, balancer=balancer, base="base:1", root=str(ROOT), exclude=exclude)
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
