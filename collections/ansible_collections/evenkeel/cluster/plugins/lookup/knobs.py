# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The knobs of all roles beside the variables that the inventory sets, to find mistyped ones."""

from __future__ import annotations

DOCUMENTATION = r"""
name: knobs
short_description: List the knobs of roles and the names of the variables that are set
version_added: 0.1.0
author:
  - Evenkeel contributors (!UNKNOWN)
description:
  - Reads the names of all knobs from the roles' C(meta/argument_specs.yml), and the names of variables that are set.
  - Evaluates only the numbers, sizes, times and choices that M(evenkeel.cluster.preflight) checks for the roles, and
    the counts of nodes that
    the command line has.
  - The result is for the option O(evenkeel.cluster.preflight#module:variables) of M(evenkeel.cluster.preflight).
options:
  _terms:
    description: The folder with the roles, on the controller.
    required: true
"""

EXAMPLES = r"""
- name: Show what is set besides the knobs
  ansible.builtin.debug:
    msg: "{{ lookup('evenkeel.cluster.knobs', 'roles').names }}"
"""

RETURN = r"""
_raw:
  description: One dictionary per folder.
  type: list
  elements: dict
  contains:
    knobs:
      description: The names of all knobs.
      type: list
      elements: str
    roles:
      description: The names of the roles.
      type: list
      elements: str
    names:
      description: The names of all variables that are set and are no knobs, without those of Ansible itself.
      type: list
      elements: str
    values:
      description: What knobs that are checked are set to; without those that cannot be evaluated yet.
      type: dict
    counts:
      description: What variables of the command line that end in C(_nodes) are set to.
      type: dict
    places:
      description: For each variable that ends in C(_nodes), the line of the inventory that sets it, if a file does.
      type: dict
"""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars

from ..module_utils.inventory.role_knobs import CHECKS

# Six spaces are the depth of an option of an entry point. Reading 170 names through YAML would take 15 times as long.
_OPTION = re.compile(r"^      ([a-z][a-z0-9_]*):", re.MULTILINE)
_COUNTS = "_nodes"
_COUNT = re.compile(r"^\s*([A-Za-z]\w*_nodes)\s*[:=]", re.MULTILINE)
_OF_ANSIBLE = re.compile(
    r"ansible_|_|(?:environment|groups?|group_names|hostvars|inventory_\w+|omit|play(?:book_dir|_\w+)"
    r"|role_\w+|vars)$"
)
_TEXTS = {"", ".yml", ".yaml", ".ini", ".json"}
_LARGEST_FILE = 1_000_000


class LookupModule(LookupBase):
    """The lookup, as Ansible calls it."""

    def run(
        self, terms: Sequence[str], variables: Mapping[str, Any] | None = None, **_options: Any
    ) -> list[dict[str, Any]]:
        """List knobs and variables for each folder of roles."""
        known = dict(variables or {})
        values = self._evaluated(known, CHECKS.keys() & known.keys())
        # What an inventory says is in its tiers already; the command line is meant for this run.
        typed = load_extra_vars(self._loader or DataLoader()).keys() & known.keys()
        counts = self._evaluated(known, (name for name in typed if str(name).endswith(_COUNTS)))
        return [{**_look(Path(str(term)), known), "values": values, "counts": counts} for term in terms]

    def _evaluated(self, variables: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
        """These variables. One that refers to what a role only sets later is left to its role."""
        found = {}
        for name in names:
            with contextlib.suppress(AnsibleError):
                found[name] = self._templar.template(variables[name]) if self._templar else variables[name]
        return found


def _look(folder: Path, variables: Mapping[str, Any]) -> dict[str, Any]:
    knobs = knobs_of(folder)
    names = sorted(
        name for name in map(str, variables) if name not in knobs["knobs"] and _OF_ANSIBLE.match(name) is None
    )
    counts = [name for name in names if name.endswith(_COUNTS)]
    folders = [str(variables[key]) for key in ("inventory_dir", "playbook_dir") if variables.get(key)]
    inventory = str(variables.get("inventory_file") or "")
    return {
        "knobs": sorted(knobs["knobs"]),
        "roles": sorted(knobs["roles"]),
        "names": names,
        "places": places_of(counts, [*_variable_files(folders), *([inventory] if inventory else [])]),
    }


def knobs_of(folder: Path) -> dict[str, set[str]]:
    """The names of all knobs of all roles in a folder, and the names of the roles.

    Raises:
        AnsibleLookupError: when the folder has no roles with argument specifications, or they cannot be read.
    """
    knobs: set[str] = set()
    roles: set[str] = set()
    try:
        for specs in folder.glob("*/meta/argument_specs.yml"):
            roles.add(specs.parts[-3])
            knobs.update(_OPTION.findall(specs.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise AnsibleLookupError(f"knobs: got {error}, want roles to read (fix: see {folder})") from error
    if not knobs:
        raise AnsibleLookupError(f"knobs: got no roles in {folder}, want the roles' folder (fix: mend the path)")
    return {"knobs": knobs, "roles": roles}


def _variable_files(folders: Iterable[str]) -> Iterator[str]:
    for folder in dict.fromkeys(folders):
        for kind in ("group_vars", "host_vars"):
            for place, _folders, files in os.walk(os.path.join(folder, kind)):
                yield from (os.path.join(place, file) for file in sorted(files) if Path(file).suffix in _TEXTS)


def places_of(names: Sequence[str], files: Iterable[str]) -> dict[str, str]:
    """The file and line that sets each of the variables, as far as files can be read."""
    found: dict[str, str] = {}
    if not names:
        return found
    for file in files:
        try:
            text = Path(file).read_text(encoding="utf-8") if os.path.getsize(file) <= _LARGEST_FILE else ""
        except (OSError, UnicodeDecodeError):  # another program's file, or an encrypted one
            continue
        for match in _COUNT.finditer(text):
            line = text.count("\n", 0, match.start(1)) + 1
            if match[1] in names:
                found.setdefault(match[1], f"{_short(file)}, line {line}")
    return found


def _short(file: str) -> str:
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else relative
