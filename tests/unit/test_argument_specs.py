"""Each role's defaults, its argument specification and the sample inventory say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "tasks").is_dir())


def load(path: Path) -> dict[str, Any]:
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


def defaults(role: str) -> dict[str, Any]:
    return load(ROOT / "roles" / role / "defaults/main.yml")


def entry_points(role: str) -> dict[str, dict[str, Any]]:
    specs = load(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]
    return {name: spec.get("options", {}) for name, spec in specs.items()}


def every_option(options: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield options and their suboptions with their full names."""
    for name, option in options.items():
        yield prefix + name, option
        yield from every_option(option.get("options", {}), f"{prefix}{name}.")


@pytest.mark.parametrize("role", ROLES)
def test_main_specifies_exactly_the_defaults(role: str) -> None:
    optional = {name for name, option in entry_points(role)["main"].items() if not option.get("required")}
    assert optional == set(defaults(role))


@pytest.mark.parametrize("role", ROLES)
def test_specified_defaults_are_the_defaults(role: str) -> None:
    for entry_point, options in entry_points(role).items():
        optional = {name: option for name, option in options.items() if not option.get("required")}
        specified = {name: option.get("default") for name, option in optional.items()}
        # A value that YAML reads alike but that is another type (1, true, 1.0) is another default.
        expected = {name: value for name, value in defaults(role).items() if name in optional}
        assert repr(sorted(specified.items())) == repr(sorted(expected.items())), entry_point


@pytest.mark.parametrize("role", ROLES)
def test_options_are_described_and_typed(role: str) -> None:
    for options in entry_points(role).values():
        lacking = [
            name for name, option in every_option(options) if not option.get("description") or "type" not in option
        ]
        assert lacking == []


@pytest.mark.parametrize("role", ROLES)
def test_variables_bear_the_name_of_their_role(role: str) -> None:
    assert [name for name in defaults(role) if not name.startswith(f"{role}_")] == []


def test_sample_inventory_shows_the_defaults() -> None:
    """What group_vars/all.yml has commented out are knobs with their defaults, all of them."""
    lines = (ROOT / "inventory/group_vars/all.yml").read_text().splitlines()
    knobs = [line[2:] for line in lines if re.match(r"# (cluster_\w+:|  )", line)]
    assert yaml.safe_load("\n".join(knobs)) == defaults("cluster")
