"""Variables of roles: those of one name in two files of a role would hide each other."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).parents[3] / "roles"


@pytest.mark.parametrize("role", sorted(path.name for path in ROLES.iterdir()))
def test_no_variable_is_declared_twice(role: str) -> None:
    found: Counter[str] = Counter()
    for place in ("defaults", "vars"):
        for path in sorted((ROLES / role / place).rglob("*.yml")):
            found.update(list(yaml.safe_load(path.read_text(encoding="utf-8")) or []))
    assert [name for name, count in found.items() if count > 1] == []
