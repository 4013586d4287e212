"""The example inventories say what the roles understand, and what their own playbooks make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.tiers import TIER_KEYS

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.name for path in (ROOT / "inventory/examples").iterdir())
#: What a user of an example sets, and no role knows.
OWN = ("database_", "django_", "wordpress_")


def read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def made(example: str) -> dict[str, str]:
    """Kind of object to its name, of what the database's playbook makes."""
    (play,) = read(f"inventory/examples/{example}/database.yml")
    modules = ("docker_network", "docker_volume", "docker_container")
    return {
        name: task[f"community.docker.{name}"]["name"]
        for name in modules
        for task in play["tasks"]
        if f"community.docker.{name}" in task
    }


@pytest.fixture(params=EXAMPLES)
def example(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_there_are_examples() -> None:
    assert EXAMPLES == ["django", "wordpress"]


def test_each_variable_is_a_knob_or_the_examples_own(example: str) -> None:
    knobs = read("roles/cluster/defaults/main.yml")
    assert [
        name
        for name in read(f"inventory/examples/{example}/group_vars/all.yml")
        if name not in knobs and not name.startswith(OWN)
    ] == []


def test_each_option_of_its_tier_is_one(example: str) -> None:
    (tier,) = read(f"inventory/examples/{example}/group_vars/all.yml")["cluster_tiers"].values()
    assert sorted(tier.keys() - set(TIER_KEYS)) == []


def test_its_tier_joins_the_network_and_asks_the_database_that_its_playbook_makes(example: str) -> None:
    (tier,) = read(f"inventory/examples/{example}/group_vars/all.yml")["cluster_tiers"].values()
    names = made(example)
    assert tier["networks"] == [names["docker_network"]]
    assert names["docker_container"] in tier["environment"].values()


def test_no_password_is_in_the_environment_of_a_container(example: str) -> None:
    """What is there is the name of a file."""
    (tier,) = read(f"inventory/examples/{example}/group_vars/all.yml")["cluster_tiers"].values()
    (play,) = read(f"inventory/examples/{example}/database.yml")
    (database,) = [
        task["community.docker.docker_container"]
        for task in play["tasks"]
        if "community.docker.docker_container" in task
    ]
    for environment in (tier["environment"], database["env"]):
        for name, value in environment.items():
            if "PASSWORD" in name and name != "MARIADB_RANDOM_ROOT_PASSWORD":
                assert name.endswith("_FILE")
                assert value.startswith("/run/secrets/")


def test_it_runs_on_the_machine_that_the_default_inventory_runs_on(example: str) -> None:
    assert read(f"inventory/examples/{example}/hosts.yml") == read("inventory/hosts.yml")
