"""Numeric knobs of roles reach their module as they were set, and a bad one is one line on the screen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.endpoints import Endpoint
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.paths import StatePaths
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.options import argument_spec as drill_options
from ansible_collections.evenkeel.cluster.plugins.modules.node_pool import argument_spec as node_pool_options

ROOT = Path(__file__).parents[2]
OPTIONS = {"drill": drill_options(), "node_pool": node_pool_options()}
#: Options of a role's module that another role's variables set.
BORROWED: dict[str, tuple[str, ...]] = {"drill": ("workers", "ready_timeout", "lock_timeout"), "node_pool": ()}
SPEC = {
    "name": "unit",
    "network": "unit",
    "paths": StatePaths("/nonexistent").as_dict(),
    "endpoints": {"web": Endpoint("http", "127.0.0.1", 9).as_dict()},
    "api": {"url": "http://127.0.0.1:9", "user": "admin", "password_file": "/nonexistent/password"},
    "hosts": ["localhost"],
    "tiers": [{"name": "static", "nodes": 3}],
}


def knobs(role: str) -> dict[str, str]:
    """The role's variables to the numeric options that they set."""
    numbers = [name for name, option in OPTIONS[role].items() if option["type"] == "raw"]
    (task,) = (
        task[f"evenkeel.cluster.{role}"]
        for task in yaml.safe_load((ROOT / "roles" / role / "tasks/main.yml").read_text())
        if f"evenkeel.cluster.{role}" in task
    )
    own = [name for name in numbers if name in task and name not in BORROWED[role]]
    assert all(str(task[name]) == f"{{{{ {role}_{name} }}}}" for name in own), task
    return {f"{role}_{name}": name for name in own}


def test_a_drill_waits_and_works_as_the_inventory_says_for_the_pool() -> None:
    (task,) = (
        task["evenkeel.cluster.drill"]
        for task in yaml.safe_load((ROOT / "roles/drill/tasks/main.yml").read_text())
        if "evenkeel.cluster.drill" in task
    )
    assert {name: task[name] for name in BORROWED["drill"]} == {
        name: f"{{{{ node_pool_{name} | default(omit) }}}}" for name in BORROWED["drill"]
    }
    # So a drill without them has the defaults of the role node_pool.
    defaults = yaml.safe_load((ROOT / "roles/node_pool/defaults/main.yml").read_text())
    assert {name: OPTIONS["drill"][name]["default"] for name in BORROWED["drill"]} == {
        name: defaults[f"node_pool_{name}"] for name in BORROWED["drill"]
    }


@pytest.mark.parametrize("role, count", [("drill", 13), ("node_pool", 4)])
def test_numbers_pass_unconverted_and_are_not_typed_before(role: str, count: int) -> None:
    specs = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())
    options = specs["argument_specs"]["main"]["options"]
    found = knobs(role)
    assert len(found) == count
    assert {options[variable]["type"] for variable in found} == {"raw"}


@pytest.mark.parametrize("role", ["drill", "node_pool"])
def test_defaults_of_the_role_are_those_of_the_module(role: str) -> None:
    defaults: dict[str, Any] = yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text())
    assert {name: float(defaults[variable]) for variable, name in knobs(role).items()} == {
        name: float(OPTIONS[role][name]["default"]) for name in knobs(role).values()
    }


@pytest.mark.parametrize(
    "role, variables, lines",
    [
        (
            "drill",
            {"drill_rate": "abc"},
            ["rate: got 'abc', want a number from 0.1 to 20000 (fix: -e drill_rate=400)"],
        ),
        (
            "drill",
            {"drill_events": "2.5", "drill_clients": True, "drill_amount": "\u0663", "drill_timeout": [10]},
            [
                "events: got '2.5', want a whole number from 1 to 1000 (fix: -e drill_events=6)",
                "amount: got '\u0663', want a whole number from 1 to 100 (fix: -e drill_amount=2)",
                "clients: got true, want a whole number from 1 to 1000 (fix: -e drill_clients=40)",
                "timeout: got [10], want a number from 0.1 to 600 (fix: -e drill_timeout=10)",
            ],
        ),
        (
            "drill",
            {"node_pool_ready_timeout": "soon"},
            ["ready_timeout: got 'soon', want a whole number from 1 to 3600 (fix: -e node_pool_ready_timeout=60)"],
        ),
        (
            "node_pool",
            {"node_pool_workers": "0"},
            ["workers: got '0', want a whole number from 1 to 64 (fix: -e node_pool_workers=8)"],
        ),
    ],
)
def test_a_bad_number_is_one_line_on_the_screen(
    tmp_path: Path, role: str, variables: dict[str, Any], lines: list[str]
) -> None:
    """The real role and module; the module refuses before it looks for Docker."""
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        json.dumps(
            [
                {
                    "name": "Unit",
                    "hosts": "localhost",
                    "gather_facts": False,
                    "vars": {
                        "cluster_spec": SPEC,
                        "ansible_python_interpreter": sys.executable,
                    },
                    "roles": [role],
                }
            ]
        )
    )
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), "-e", json.dumps(variables)],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": "ansible.cfg", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    output = done.stdout + done.stderr
    assert done.returncode != 0
    told = [line.partition("Module failed: ")[2] or line for line in output.splitlines() if not line.startswith(" ")]
    assert [line for line in told if ": got " in line] == lines, output
    assert "Traceback" not in output
    assert "changed=0" in output
