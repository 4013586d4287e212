"""Knobs of all roles: a wrong value is one line before the first role has changed anything."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.module_utils.host.machines import DOCKER, PARAMS, ROOT
from tests.unit.module_utils.inventory.test_malformed import written

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.options import NUMBERS as BALANCER_NUMBERS
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.values import of_role
from ansible_collections.evenkeel.cluster.plugins.module_utils.host import preflight as whole
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.checks import MachineFacts
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.facts import Disk
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory import role_knobs
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.role_knobs import CHECKS, check_values
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.balance_check import BALANCE_NUMBERS
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.session_check import STICKY_NUMBERS
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.options import RECONCILE_NUMBERS

ROLES = Path(__file__).parents[4] / "roles"
# No number, no size, no time, no flag, no choice.
NONSENSE: list[Any] = [
    "",
    " ",
    "many",
    "-1",
    -1,
    "1_0",
    " 3",
    "3 ",
    "+3",
    "\u0663",
    "\uff13",
    "0x10",
    "1e3",
    "1,5",
    "NaN",
]
NONSENSE += [
    None,
    [],
    {},
    [3],
    {"a": 3},
    float("inf"),
    float("nan"),
    10**5000,
    "9" * 400,
    "a\nb",
    "\x1b[31m",
    "{{ x }}",
]


def values(table: list[tuple[str, list[Any]]]) -> list[Any]:
    return [
        pytest.param(name, value, id=f"{name}-{index}")
        for name, found in table
        for index, value in enumerate([*NONSENSE, *found])
    ]


NUMBERS = [f"{role}_{name}" for role, numbers in role_knobs._NUMBERS.items() for name in numbers]
MALFORMED = values(
    [(name, [True, "3s", 10**12]) for name in NUMBERS]
    + [(name, [True, "1k", "256mb", "1.5g", 2.5, "g", "9" * 12 + "g"]) for name in role_knobs._SIZES]
    + [(name, [True, "5 s", "s", "1d", "1s2", "-1s", 2.5]) for name in role_knobs._TIMES]
    + [(name, ["maybe", 1, 0, "1", 2.5]) for name in role_knobs._FLAGS]
    + [(name, [True, "Docker", 3]) for name in role_knobs._CHOICES]
)


@pytest.mark.parametrize("name, value", MALFORMED)
def test_malformed_value_is_one_line(name: str, value: object) -> None:
    (problem,) = check_values({name: value})
    line = str(problem)
    assert re.fullmatch(rf"{name}: got .+, want .+ \(fix: -e {name}=\S+\)", line), line
    assert line.isprintable()
    assert len(line) < 400
    # Its own advice is right.
    assert check_values({name: line.rpartition("=")[2].removesuffix(")")}) == []


def test_hundreds_of_them() -> None:
    assert len({(name, written({"value": value})) for name, value in (case.values for case in MALFORMED)}) > 900


@pytest.mark.parametrize(
    "name, value",
    [
        ("load_balancer_log_size", 0),
        ("portainer_log_size", "0"),
        ("load_balancer_memory", 2**30),
        ("load_balancer_read_timeout", 30),
        ("load_balancer_throttle", "1m30s"),
        ("load_balancer_drain_seconds", 0.5),
        ("portainer_read_only", "false"),
        ("docker_engine_start_method", "direct"),
        ("node_pool_workers", "64"),
    ],
)
def test_right_values(name: str, value: object) -> None:
    assert check_values({name: value}) == []


def test_every_default_is_right_and_is_what_the_line_advises() -> None:
    defaults: dict[str, Any] = {}
    for path in ROLES.glob("*/defaults/main.yml"):
        defaults.update(yaml.safe_load(path.read_text()))
    assert CHECKS.keys() <= defaults.keys()
    literal = {name: defaults[name] for name in CHECKS if "{{" not in str(defaults[name])}
    assert check_values(literal) == []
    advised = {name: str(CHECKS[name](name, [])).rpartition("=")[2].removesuffix(")") for name in literal}
    assert {name: str(value).lower() for name, value in literal.items()} == advised


def test_ranges_are_those_of_the_modules() -> None:
    ranges = {role: of_role(role, numbers) for role, numbers in role_knobs._NUMBERS.items()}
    assert of_role("node_pool", RECONCILE_NUMBERS) == ranges["node_pool"]
    balancer = {name: number for name, number in BALANCER_NUMBERS.items() if name != "lock_timeout"}
    assert balancer == {name: ranges["load_balancer"][name] for name in balancer}
    requests, clients = (role_knobs._NUMBERS["evidence"][name] for name in ("balance_requests", "sticky_clients"))
    assert (requests, clients) == (BALANCE_NUMBERS["requests"], STICKY_NUMBERS["clients"])


def test_whole_preflight_refuses_them_before_anything_changes() -> None:
    disk = Disk("/var/lib", 1 << 40, 1, writable=True)
    variables = {"values": {"load_balancer_memory": "lots", "portainer_pids": 0, "load_balancer_static_extra": "?"}}
    found = whole.preflight(
        {**PARAMS, "variables": variables}, ROOT, DOCKER, lambda *_: MachineFacts(ROOT, DOCKER, disk, disk, {})
    )
    assert found.message.splitlines() == [
        "2 problems, nothing has been changed",
        "load_balancer_memory: got 'lots', want a size of at least 6m, such as 1g (fix: -e load_balancer_memory=1g)",
        "portainer_pids: got 0, want a whole number from 1 to 4194304 (fix: -e portainer_pids=200)",
    ]
