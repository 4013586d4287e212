"""What the agent reads of the target's files, and when it reads them again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from evenkeel_agent.pool import UndeclaredError, read_pool
from evenkeel_agent.settings import Settings
from tests.unit.console.desk import Desk


def declared(desk: Desk) -> dict[str, Any]:
    """What a run leaves."""
    tiers = [dataclasses.asdict(tier) for tier in desk.cluster.tiers.values()]
    return {"cluster": desk.name, "hosts": ["localhost"], "images": {}, "tiers": tiers}


def settings_of(desk: Desk, declaration: object) -> Settings:
    desk.settings.declaration.write_text(json.dumps(declaration))
    return desk.settings


def test_the_declaration_of_the_last_run(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert read_pool(settings_of(desk, declared(desk))).declared == {"dates": 2, "shop": 2}


@pytest.mark.parametrize("change", [{"new": 1}, {"cookie": None}, {"name": None}], ids=str)
def test_a_tier_of_another_version_wants_a_run(tmp_path: Path, change: dict[str, Any]) -> None:
    desk = Desk(tmp_path)
    found = declared(desk)
    found["tiers"][0] |= change
    if change == {"name": None}:
        del found["tiers"][0]["name"]
    with pytest.raises(UndeclaredError, match=r"declaration: .*\(fix: ansible-playbook site\.yml\)") as refused:
        read_pool(settings_of(desk, found))
    assert len(str(refused.value).splitlines()) == 1


def test_none_at_all_wants_a_run_too(tmp_path: Path) -> None:
    with pytest.raises(UndeclaredError, match=r"\(fix: ansible-playbook site\.yml\)"):
        read_pool(Desk(tmp_path).settings)
