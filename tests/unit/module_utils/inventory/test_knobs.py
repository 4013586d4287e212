"""Mistyped and removed knobs among an inventory's variables, and variables that are none of ours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory import knobs as library
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.knobs import Variables, check_variables

ROOT = Path(__file__).parents[4]
ROLES = sorted(path.parent.name for path in (ROOT / "roles").glob("*/meta"))


def specs(role: str) -> dict[str, Any]:
    found = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]
    return dict(found)


KNOBS = sorted({name for role in ROLES for entry in specs(role).values() for name in entry.get("options", {})})
TIERS = ["dynamic", "static", "web-app"]


def judged(
    *names: str, tiers: list[str] | None = None, former: list[str] | None = None, places: dict[str, str] | None = None
) -> tuple[list[str], list[str]]:
    variables = Variables(names=[*KNOBS, *names], knobs=KNOBS, roles=ROLES, places=places or {})
    problems, warnings = check_variables(variables, TIERS if tiers is None else tiers, former or [])
    return [str(problem) for problem in problems], warnings


# --- what is ours ---------------------------------------------------------------------------------------------------

MISTYPED = {
    # counts
    "static_node": "static_nodes",
    "statik_nodes": "static_nodes",
    "sttaic_nodes": "static_nodes",
    "statics_nodes": "static_nodes",
    "staticnodes": "static_nodes",
    "static_ndoes": "static_nodes",
    "Static_nodes": "static_nodes",
    "STATIC_NODES": "static_nodes",
    "static-nodes": "static_nodes",
    "nodes_static": "static_nodes",
    "dinamic_nodes": "dynamic_nodes",
    "dynmaic_nodes": "dynamic_nodes",
    "web-app_nodes": "web_app_nodes",
    "webapp_nodes": "web_app_nodes",
    "app_web_nodes": "web_app_nodes",
    # knobs of the cluster
    "cluster_nmae": "cluster_name",
    "cluster_names": "cluster_name",
    "cluster_host": "cluster_hosts",
    "cluster_domains": "cluster_domain",
    "cluster_tier": "cluster_tiers",
    "cluster_Tiers": "cluster_tiers",
    "cluster_web_prot": "cluster_web_port",
    "cluster_webport": "cluster_web_port",
    "cluster_port_web": "cluster_web_port",
    "cluster_dashbord_port": "cluster_dashboard_port",
    "cluster_dasboard_usr": "cluster_dashboard_user",
    "cluster_statedir": "cluster_state_dir",
    "cluster_image_sources": "cluster_image_source",
    "cluster_ca_bundel": "cluster_ca_bundle",
    "clutser_name": "cluster_name",
    "cluste_name": "cluster_name",
    "CLUSTER_NAME": "cluster_name",
    "cluster-web-port": "cluster_web_port",
    # knobs of other roles
    "loadbalancer_retry_attempts": "load_balancer_retry_attempts",
    "load_balancer_retry_atempts": "load_balancer_retry_attempts",
    "load_balancer_retry_attempt": "load_balancer_retry_attempts",
    "load_balancer_attempts_retry": "load_balancer_retry_attempts",
    "load_balancer_idle_time_out": "load_balancer_idle_timeout",
    "node_pool_ready_timout": "node_pool_ready_timeout",
    "node_pools_workers": "node_pool_workers",
    "drill_scenaro": "drill_scenario",
    "drill_rates": "drill_rate",
    "evidence_folders": "evidence_folder",
    "portainer_adress": "portainer_address",
    "app_images_keeps": "app_images_keep",
    "docker_engin_remove": "docker_engine_remove",
    "teardown_image": "teardown_images",
}


@pytest.mark.parametrize("name, meant", MISTYPED.items())
def test_mistyped(name: str, meant: str) -> None:
    problems, warnings = judged(name)
    (line,) = problems
    assert re.fullmatch(rf"{name}: got .+, want .+ \(fix: did you mean {meant}\?.*\)", line)
    assert warnings == []


def test_lines_of_mistyped_knobs() -> None:
    assert judged("statik_nodes", "static_node", tiers=["dynamic", "static"])[0] == [
        "static_node: got a variable that is no knob, want the name of a knob, such as static_nodes"
        " (fix: did you mean static_nodes? A variable of your own needs another name)",
        "statik_nodes: got 'statik', want a tier of cluster_tiers: dynamic, static (fix: did you mean static_nodes?)",
    ]


FOREIGN = [
    "galera_nodes",
    "quux_nodes",
    "nodes",
    "_nodes",
    "all_nodes",
    "kafka_nodes",
    "swarm_manager_nodes",
    "statistics_nodes",
    "tier",
    "old",
    "new",
    "http_proxy",
    "nginx_port",
    "my_static_nodes",
    "_cluster_name",
    "clustering",
    "drills",
    "web_port",
    "dashboard_port",
    "name",
    "state_dir",
]


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign(name: str) -> None:
    assert judged(name) == ([], [])


NO_KNOBS = [
    "cluster_galera_x",
    "cluster_galera_nodes",
    "cluster_ports",
    "cluster_ip",
    "cluster_dns",
    "cluster_size",
    "cluster_hostname",
    "cluster_web_port_v6",
    "cluster_domain_name",
    "cluster_become_user",
    "cluster_state",
    "cluster_nodes",
    "load_balancer_ip",
    "load_balancer_attempts",
    "portainer_domain",
    "drill_down",
    "evidence_locker",
]


@pytest.mark.parametrize("name", NO_KNOBS)
def test_names_that_only_begin_like_knobs(name: str) -> None:
    assert judged(name) == ([], [f"no knobs, and without effect on the cluster: {name}"])


def test_all_idle_names_are_one_warning() -> None:
    assert judged("cluster_dns", "cluster_ip")[1] == [
        "no knobs, and without effect on the cluster: cluster_dns, cluster_ip"
    ]


@pytest.mark.parametrize(
    "tier, name, near",
    [
        ("app", "api_nodes", False),  # another word
        ("app", "apps_nodes", True),
        ("app", "ap_nodes", False),
        ("app", "pap_nodes", True),
        ("db", "dc_nodes", False),
        ("db", "dbs_nodes", False),
        ("shop", "shob_nodes", True),
        ("shop", "chob_nodes", False),
        ("frontend", "fronted_nodes", True),
        ("frontend", "forntned_nodes", True),
        ("frontend", "backend_nodes", False),
    ],
)
def test_short_names_are_told_from_other_words(tier: str, name: str, near: bool) -> None:
    assert bool(judged(name, tiers=[tier])[0]) is near


def test_what_roles_and_playbooks_set_is_no_mistake() -> None:
    assert judged(*library.FACTS, *library.PLAYBOOK_KNOBS, "static_nodes", "web_app_nodes") == ([], [])


def test_the_nearest_knob_is_meant() -> None:
    variables = Variables(names=["cluster_porta"], knobs=["cluster_port", "cluster_portal"], roles=["cluster"])
    (problem,), _ = check_variables(variables, [])
    assert "did you mean cluster_port" in problem.fix


def test_counts_are_not_judged_without_tiers() -> None:
    assert judged("statik_nodes", "static_nodes", tiers=[]) == ([], [])


# --- removed knobs and former tiers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name, successor", library.REMOVED.items())
def test_removed(name: str, successor: str) -> None:
    assert judged(name)[0] == [
        f"{name}: got a knob that was removed, want {successor} (fix: set {successor} and remove {name})"
    ]
    assert successor in KNOBS
    assert name not in KNOBS


def test_a_count_left_in_a_file_is_a_warning_that_names_its_line() -> None:
    places = {"static_nodes": "inventory/group_vars/all.yml, line 5"}
    assert judged("static_nodes", tiers=["app"], places=places) == (
        [],
        [
            "static_nodes: got 'static', want a tier of cluster_tiers: app"
            " (fix: remove static_nodes from inventory/group_vars/all.yml, line 5)"
        ],
    )


def test_a_count_of_a_tier_that_still_has_nodes_is_one_of_ours() -> None:
    places = {"shop_nodes": "group_vars/all.yml, line 1"}
    assert judged("shop_nodes", tiers=["app"]) == ([], [])
    problems, warnings = judged("shop_nodes", tiers=["app"], former=["shop"], places=places)
    assert problems == []
    assert warnings[0].endswith("(fix: remove shop_nodes from group_vars/all.yml, line 1)")


def test_a_count_from_the_command_line_is_meant() -> None:
    assert judged("dynamic_nodes", tiers=["app"])[0] == [
        "dynamic_nodes: got 'dynamic', want a tier of cluster_tiers: app (fix: remove dynamic_nodes)"
    ]


# --- the lists agree with the roles ---------------------------------------------------------------------------------


def test_sample_tiers_are_those_of_the_role() -> None:
    defaults = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text())
    assert tuple(defaults["cluster_tiers"]) == library.SAMPLE_TIERS


def test_facts_are_what_the_roles_set() -> None:
    """Facts and results without a leading underscore, which other roles read."""
    found: set[str] = set()
    for path in (ROOT / "roles").glob("*/tasks/*.yml"):
        for task in tasks_of(yaml.safe_load(path.read_text())):
            found.update(task.get("ansible.builtin.set_fact", {}))
            found.add(task.get("register", "_"))
    public = {name for name in found if not name.startswith("_")}
    assert public - set(KNOBS) == library.FACTS


def tasks_of(tasks: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    found = []
    for task in tasks or []:
        found += [task, *(inner for part in ("block", "rescue", "always") for inner in tasks_of(task.get(part)))]
    return found


@pytest.mark.parametrize("name", ["tiers", "tie", "timer", "tiger"])
def test_a_common_word_is_no_slip_of_a_short_knob(name: str) -> None:
    assert library.check_variables(library.Variables([name]), ["web"]) == ([], [])


def test_knobs_of_playbooks_are_what_they_read() -> None:
    texts = [
        path.read_text()
        for path in [
            *(ROOT / "playbooks").glob("*.yml"),
            ROOT / "roles/cluster/vars/main.yml",
            ROOT / "roles/evidence/tasks/drift.yml",
        ]
    ]
    read = (
        r"(?<![\w.])(teardown_\w+|prove_\w+|console_reset|cluster_check_machine|cluster_read_secrets|status_strict)\b"
    )
    assert set(re.findall(read, "\n".join(texts))) == library.PLAYBOOK_KNOBS - {"tier"}
    assert "[tier] if tier is defined" in (ROOT / "playbooks/roll.yml").read_text()


@given(st.lists(st.text(alphabet="abcdestw_", min_size=1, max_size=14), max_size=5))
def test_any_names_are_judged_in_clear_lines(names: list[str]) -> None:
    for line in judged(*names)[0]:
        assert re.fullmatch(r"[^:]+: got .+, want .+ \(fix: .+\)", line)


@given(st.text(alphabet="abc", max_size=5), st.text(alphabet="abc", max_size=5))
def test_the_fast_comparison_is_the_plain_one(left: str, right: str) -> None:
    plain = library._edits(left, right)
    for allowed in (1, 2):
        expected = plain if plain <= allowed else 3
        assert left == right or library._slips(left, right, allowed) == expected
