"""The preflight module: its documentation, and its entry point as Ansible runs it."""

from __future__ import annotations

import dataclasses
import io
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from tests.unit.module_utils.host.machines import ABSENT, DOCKER, MACHINE, PARAMS, ROOT, container

from ansible_collections.evenkeel.cluster.plugins.doc_fragments.switched_parts import ModuleDocFragment as SwitchedParts
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_facts import Docker
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.facts import Machine
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.parse import parse_cluster
from ansible_collections.evenkeel.cluster.plugins.modules import preflight


def test_documented_options_are_the_options() -> None:
    documented = {
        **yaml.safe_load(preflight.DOCUMENTATION)["options"],
        **yaml.safe_load(SwitchedParts.DOCUMENTATION)["options"],
    }
    spec = preflight.argument_spec()
    assert set(documented) == set(spec)
    for name, option in spec.items():
        for key in ("type", "default", "elements"):
            assert documented[name].get(key) == option.get(key), name


def test_example_passes_its_own_check() -> None:
    task = yaml.safe_load(preflight.EXAMPLES)[0]
    options = task["evenkeel.cluster.preflight"]
    spec, problems = parse_cluster({**options, "state_dir": "/srv/shop"})
    assert problems == []
    assert spec is not None
    assert yaml.safe_load(preflight.RETURN)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run the module's entry point on a made-up machine; disks and ports are this machine's."""

    def go(
        machine: Machine = MACHINE, docker: Docker = DOCKER, *, sudo: bool = False, check: bool = False, **changes: Any
    ) -> dict[str, Any]:
        monkeypatch.setattr(preflight, "read_machine", lambda: dataclasses.replace(machine, home=str(tmp_path)))
        monkeypatch.setattr(preflight, "read_docker", lambda: docker)
        monkeypatch.setattr(preflight, "sudo_without_password", lambda: sudo)
        free = {"web_port": 47180, "dashboard_port": 47190, "min_free_disk": "1m"}
        output = io.StringIO()
        monkeypatch.setattr(sys, "stdout", output)
        with patch_module_args({**PARAMS, **free, **changes, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            preflight.main()
        result = json.loads(output.getvalue())
        assert result.get("changed") in {False, None}
        return dict(result)

    return go


@pytest.mark.parametrize("check", [False, True])
def test_fit(run: Any, tmp_path: Path, check: bool) -> None:
    result = run(check=check)
    assert result["become"] is False
    assert result["cluster_spec"]["api"]["url"] == "http://127.0.0.1:47190"
    assert result["cluster_spec"]["state_dir"] == f"{tmp_path}/.local/state/evenkeel/shop"
    assert [tier["nodes"] for tier in result["cluster_spec"]["tiers"]] == [3, 2]
    assert result["docker"] == {
        "usable": True,
        "reason": "",
        "installed": True,
        "answers": True,
        "sdk": True,
        "version": "20.10.24+dfsg1",
        "api_version": "1.41",
        "socket": "/var/run/docker.sock",
        "socket_group": 999,
        "network": False,
        "console_network": False,
        "images": {"res/express:1": "sha256:1"},
        "remains": [],
        "live_restore": True,
        "rules_missing": False,
        "switched_off": [],
        "full_disks": [],
    }
    assert result["machine"]["user"] == "alice"
    assert list(tmp_path.iterdir()) == []


def test_all_problems_in_one_message(run: Any) -> None:
    tiers = {**PARAMS["tiers"], "app": {**PARAMS["tiers"]["app"], "nodes": "abc"}}
    result = run(architecture(MACHINE, "riscv64"), tiers=tiers, domain="a b", variables={"names": ["statik_nodes"]})
    assert result["failed"] is True
    assert result["msg"].splitlines() == [
        "4 problems, nothing has been changed",
        "cluster_domain: got 'a b', want a host name (fix: -e cluster_domain=labo-http.res.ch)",
        "app_nodes: got 'abc', want a whole number from 0 to 1000 (fix: -e app_nodes=3)",
        "statik_nodes: got 'statik', want a tier of cluster_tiers: app, static (fix: did you mean static_nodes?)",
        "architecture: got riscv64, want x86_64 or aarch64 (fix: use a machine of that kind)",
    ]


def architecture(machine: Machine, name: str) -> Machine:
    return dataclasses.replace(machine, architecture=name)


def test_one_problem_of_the_machine(run: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = run(web_port=str(port))
    count, line = result["msg"].splitlines()
    assert count == "1 problem, nothing has been changed"
    assert line.startswith(f"port {port} (cluster_web_port): got pid ")


@pytest.mark.parametrize(
    "machine, docker, sudo, may_become, become",
    [
        # root never needs it; a user whose Docker works never does either
        (ROOT, ABSENT, True, True, False),
        (MACHINE, DOCKER, True, True, False),
        # a user whom sudo lets do it without a password
        (MACHINE, ABSENT, True, True, True),
        (MACHINE, Docker("/x", trouble="permission"), True, True, True),
        (dataclasses.replace(MACHINE, docker_sdk=False), DOCKER, True, True, True),
        # no sudo, or the second run: the problem is told
        (MACHINE, ABSENT, False, True, None),
        (MACHINE, ABSENT, True, False, None),
    ],
)
def test_who_becomes_root(
    run: Any, machine: Machine, docker: Docker, sudo: bool, may_become: bool, become: bool | None
) -> None:
    result = run(machine, docker, sudo=sudo, may_become=may_become)
    assert result.get("become") is become
    if become is None:
        assert result["msg"].splitlines()[1].startswith("Docker daemon: got no answer at ")


def test_looking_and_removing_need_no_fit_machine(run: Any) -> None:
    poor = dataclasses.replace(MACHINE, architecture="riscv64", memory_available=1)
    foreign = dataclasses.replace(DOCKER, containers=(container("shop-static-1"), container("shop-balancer")))
    assert run(poor, foreign, check_machine=False, existing_files=[])["cluster_spec"]["name"] == "shop"
    assert run(poor, ABSENT, check_machine=False)["docker"]["usable"] is False


def test_removal_without_permission_is_refused(run: Any) -> None:
    """It would remove the state folder and leave the containers."""
    result = run(MACHINE, Docker("/x", trouble="permission"), check_machine=False)
    assert result["msg"].splitlines()[1].startswith("Docker socket /x: got no permission for user alice")


def test_wrong_types_of_our_own_caller_are_told_by_ansible(run: Any) -> None:
    assert "may_become" in run(may_become="perhaps")["msg"]


def test_what_has_no_effect_is_a_warning(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _, line: warned.append(line))
    variables = {
        "names": ["cluster_dns", "dynamic_nodes"],
        "roles": ["cluster"],
        "places": {"dynamic_nodes": "inventory/group_vars/all.yml, line 6"},
    }
    assert run(variables=variables)["cluster_spec"]["name"] == "shop"
    assert warned == [
        "dynamic_nodes: got 'dynamic', want a tier of cluster_tiers: app, static"
        " (fix: remove dynamic_nodes from inventory/group_vars/all.yml, line 6)",
        "no knobs, and without effect on the cluster: cluster_dns",
    ]
