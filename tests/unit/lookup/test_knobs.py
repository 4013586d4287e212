"""The lookup that lists knobs and the variables that are set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.evenkeel.cluster.plugins.lookup import knobs

ROOT = Path(__file__).parents[3]
RIGHT = (("portainer_memory", "{{ 1 + 1 }}g"), ("portainer_log_size", "10m"))


def looked(variables: dict[str, Any], folder: Path = ROOT / "roles") -> dict[str, Any]:
    (found,) = knobs.LookupModule().run([str(folder)], variables)
    return dict(found)


def test_knobs_are_those_of_all_argument_specifications() -> None:
    specified: set[str] = set()
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        entries = yaml.safe_load(path.read_text())["argument_specs"].values()
        specified.update(name for entry in entries for name in entry.get("options", {}))
    found = looked({})
    assert set(found["knobs"]) == specified
    assert set(found["roles"]) == {path.parent.name for path in (ROOT / "roles").glob("*/tasks")}


def test_names_are_what_is_set_besides_knobs_and_ansible_s_own() -> None:
    variables = ["cluster_name", "cluster_nmae", "statik_nodes", "galera_nodes", "ansible_user", "_private", "groups"]
    variables += ["inventory_dir", "playbook_dir", "hostvars", "group_names", "play_hosts", "role_path", "vars", "omit"]
    assert looked(dict.fromkeys(variables, ""))["names"] == ["cluster_nmae", "galera_nodes", "statik_nodes"]


def test_values_of_knobs_that_are_checked() -> None:
    variables = {"load_balancer_memory": "lots", "cluster_name": "shop", "load_balancer_image": "x", "other": 1}
    assert looked(variables)["values"] == {"load_balancer_memory": "lots"}


def test_a_value_that_cannot_be_evaluated_yet_is_left_to_its_role() -> None:
    variables = {name: trust_as_template(text) for name, text in (("load_balancer_memory", "{{ later }}"), *RIGHT)}
    lookup = knobs.LookupModule(templar=Templar(DataLoader(), variables))
    (found,) = lookup.run([str(ROOT / "roles")], variables)
    assert found["values"] == {"portainer_memory": "2g", "portainer_log_size": "10m"}


def test_counts_are_those_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """An inventory's own are in its tiers, or left behind."""
    variables = {"shop_nodes": 5, "static_nodes": 3, "cluster_name": "evenkeel"}
    assert looked(variables)["counts"] == {}
    monkeypatch.setattr(knobs, "load_extra_vars", lambda _loader: {"shop_nodes": 5, "cluster_name": "evenkeel"})
    assert looked(variables)["counts"] == {"shop_nodes": 5}


def test_places_of_counts(tmp_path: Path) -> None:
    group_vars = tmp_path / "group_vars" / "all"
    group_vars.mkdir(parents=True)
    (group_vars / "main.yml").write_text("---\n# static_nodes: 9\nstatic_nodes: 3\nother: 1\n")
    (group_vars / "vault.yml").write_bytes(b"\xff\xfe")
    (group_vars / "notes.txt").write_text("shop_nodes: 1\n")
    inventory = tmp_path / "hosts.ini"
    inventory.write_text("[cluster:vars]\nshop_nodes=4\n")
    variables = {
        "static_nodes": 3,
        "shop_nodes": 4,
        "absent_nodes": 5,
        "inventory_dir": str(tmp_path),
        "inventory_file": str(inventory),
    }
    assert looked(variables)["places"] == {
        "static_nodes": f"{group_vars}/main.yml, line 3",
        "shop_nodes": f"{inventory}, line 2",
    }


def test_places_are_short_below_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text("static_nodes: 3\n")
    places = looked({"static_nodes": 3, "playbook_dir": str(tmp_path)})["places"]
    assert places == {"static_nodes": "group_vars/all.yml, line 1"}


def test_a_folder_without_roles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnsibleLookupError, match=r"got no roles in .*, want the roles' folder"):
        looked({}, tmp_path)


def test_roles_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    meta = tmp_path / "web" / "meta"
    meta.mkdir(parents=True)
    (meta / "argument_specs.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(AnsibleLookupError, match="want roles to read"):
        looked({}, tmp_path)


def test_it_is_documented() -> None:
    documented = yaml.safe_load(knobs.DOCUMENTATION)
    assert documented["name"] == "knobs"
    returned = yaml.safe_load(knobs.RETURN)["_raw"]["contains"]
    assert set(returned) == set(looked({}))
