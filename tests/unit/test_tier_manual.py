"""The manual of the tiers' options has all of them, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.tiers import TIER_KEYS

MANUAL = Path(__file__).parents[2] / "roles/cluster/defaults/main.yml"
# An option stands at the beginning of a line of its own, or after another one: "command, entrypoint".
OPTION = re.compile(r"^#   ([a-z_]+(?:, [a-z_]+)*) ", re.MULTILINE)


def explained() -> list[str]:
    text = MANUAL.read_text(encoding="utf-8").partition("# Required options of a tier:")[2]
    return [name for names in OPTION.findall(text) for name in names.split(", ")]


def test_every_option_is_explained_once() -> None:
    assert sorted(explained()) == sorted(TIER_KEYS)
