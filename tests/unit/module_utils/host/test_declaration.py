"""What an inventory declares: defaults of this machine, and knobs that are judged here."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml
from tests.unit.module_utils.host.machines import (
    DOCKER,
    MACHINE,
    MIB,
    NODE,
    NODE_OF_OTHERS,
    ROOT,
    container,
    declared,
    spec_of,
)

from ansible_collections.evenkeel.cluster.plugins.module_utils.host.declaration import OPTIONAL_KNOBS

REPOSITORY = Path(__file__).parents[4]


def test_default_state_folder_suits_the_user() -> None:
    assert spec_of(ROOT).state_dir == "/var/lib/evenkeel/shop"
    assert spec_of(MACHINE).state_dir == "/home/alice/.local/state/evenkeel/shop"
    assert spec_of(MACHINE, state_dir="/srv/shop/").state_dir == "/srv/shop"


@pytest.mark.parametrize("value", ["lots", "0", 5.5, [], True, "-1g"], ids=repr)
def test_bad_threshold(value: object) -> None:
    (problem,) = declared(min_free_disk=value).problems
    assert str(problem).startswith("cluster_min_free_disk: got ")
    assert str(problem).endswith(", want a size such as 500m or 3g (fix: -e cluster_min_free_disk=500m)")


def test_threshold_in_bytes() -> None:
    assert declared(min_free_disk="500m").min_free_disk == 500 * MIB
    assert declared().min_free_disk is None


def test_bad_archive() -> None:
    assert [str(problem) for problem in declared(portainer_archive=5).problems] == [
        "portainer_image_archive: got 5, want the path of a file (fix: leave it empty for the image of a registry)"
    ]


def test_files_that_are_named_are_to_be_looked_for() -> None:
    declaration = declared(ca_bundle="/etc/ca.crt", portainer_archive="portainer.tar")
    assert declaration.named_files == {"cluster_ca_bundle": "/etc/ca.crt", "portainer_image_archive": "portainer.tar"}
    assert declaration.existing_files == ("/repo/files/static/Dockerfile",)


def test_variables_that_were_meant_to_be_knobs() -> None:
    variables = {
        "names": ["statik_nodes", "galera_nodes", "cluster_dns"],
        "knobs": ["cluster_name"],
        "roles": ["cluster"],
    }
    declaration = declared(variables=variables)
    assert [problem.what for problem in declaration.problems] == ["statik_nodes"]
    assert declaration.warnings == ("no knobs, and without effect on the cluster: cluster_dns",)
    # The machine is checked all the same.
    assert declaration.spec is not None


def test_a_count_is_ours_while_its_tier_has_nodes() -> None:
    variables = {"names": ["old_nodes"], "places": {"old_nodes": "all.yml, line 3"}}
    node = container("shop-old-1", labels={**NODE, "evenkeel.tier": "old"})
    other = container("old-1", labels={**NODE_OF_OTHERS, "evenkeel.tier": "old"})
    assert declared(variables=variables).warnings == ()
    assert declared(docker=dataclasses.replace(DOCKER, containers=(other,)), variables=variables).warnings == ()
    assert declared(docker=dataclasses.replace(DOCKER, containers=(node,)), variables=variables).warnings == (
        "old_nodes: got 'old', want a tier of cluster_tiers: app, static (fix: remove old_nodes from all.yml, line 3)",
    )


@pytest.mark.parametrize("tiers", [None, [], "static", {}, {5: {}}], ids=repr)
def test_variables_beside_tiers_that_cannot_be_read(tiers: object) -> None:
    declaration = declared(tiers=tiers, variables={"names": ["galera_nodes"]})
    assert [problem.what for problem in declaration.problems if "galera" in problem.what] == []


@pytest.mark.parametrize(
    "option, knob",
    [
        ("web_address", "load_balancer_web_address"),
        ("dashboard_address", "load_balancer_dashboard_address"),
        ("portainer_address", "portainer_address"),
        ("retry_attempts", "load_balancer_retry_attempts"),
        ("portainer_archive", "portainer_image_archive"),
        ("dashboard_user", "cluster_dashboard_user"),
        ("state_dir", "cluster_state_dir"),
        ("min_free_disk", "cluster_min_free_disk"),
        ("registry_prefix", "cluster_registry_prefix"),
        ("apt_mirror", "cluster_apt_mirror"),
    ],
)
def test_defaults_are_those_of_the_roles(option: str, knob: str) -> None:
    role = next(path for path in sorted((REPOSITORY / "roles").iterdir()) if knob.startswith(f"{path.name}_"))
    assert yaml.safe_load((role / "defaults/main.yml").read_text())[knob] == OPTIONAL_KNOBS[option]


SHOP = {"image": "nginx:1", "port": 80, "path": "/shop/", "nodes": 3}


@pytest.mark.parametrize("name, count, nodes", [("shop", 5, 5), ("shop", "0", 0), ("my-shop", 2, 2)])
def test_a_tier_s_variable_is_its_count(name: str, count: object, nodes: int) -> None:
    variable = f"{name}_nodes".replace("-", "_")
    declaration = declared(tiers={name: SHOP}, variables={"names": [variable], "counts": {variable: count}})
    assert declaration.problems == ()
    assert declaration.spec is not None
    assert [tier.nodes for tier in declaration.spec.tiers] == [nodes]


def test_variables_of_other_tiers_are_no_counts() -> None:
    declaration = declared(tiers={"shop": SHOP}, variables={"counts": {"static_nodes": 9, "nodes": 9}})
    assert declaration.spec is not None
    assert [tier.nodes for tier in declaration.spec.tiers] == [3]


def test_a_count_that_is_none_names_the_variable() -> None:
    declaration = declared(tiers={"shop": SHOP}, variables={"counts": {"shop_nodes": ["a", "b"]}})
    assert [str(problem) for problem in declaration.problems] == [
        'shop_nodes: got ["a", "b"], want a whole number from 0 to 1000 (fix: -e shop_nodes=3)'
    ]


@pytest.mark.parametrize("tiers", [None, [], {"shop": "nginx"}, {5: SHOP}])
def test_counts_beside_tiers_that_cannot_be_read(tiers: object) -> None:
    assert declared(tiers=tiers, variables={"counts": {"shop_nodes": 5}}).problems
