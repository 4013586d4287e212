"""Measurements as an action: what is told of them, and how a person halts them."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from evenkeel_agent.action import DONE, FAILED, HALTED
from tests.unit.console.desk import Desk

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.verdict import PASSED
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure import balance_check, session_check

RESULT = {"verdict": PASSED, "message": "fine", "counts": {"shop-1": 3}, "notes": []}


class Measured:
    """A desk whose measurements are made up."""

    def __init__(self, desk: Desk, patch: pytest.MonkeyPatch) -> None:
        self.desk = desk
        desk.settings = dataclasses.replace(desk.settings, web_url="http://127.0.0.1:1")
        desk.open()
        self.made: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None
        for what, module in (("balance", balance_check), ("sessions", session_check)):
            patch.setattr(module, "check", self._check(what))

    def _check(self, what: str) -> Callable[..., dict[str, Any]]:
        def check(params: Mapping[str, Any], on_reply: Callable[..., None]) -> dict[str, Any]:
            self.made.append(f"{what} of {params['tier']}")
            self.meanwhile()
            return RESULT

        return check

    def halt(self) -> None:
        running = next(item for item in self.desk.actions.recent() if item["seconds"] is None)
        self.desk.actions.halt(running["id"], "bob")

    def verified(self, tier: str = "") -> Any:
        plan = self.desk.plan("verify", tier=tier)
        return self.desk.ended(self.desk.actions.do(plan.id, "alice", uuid.uuid4().hex))


@pytest.fixture
def measured(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Measured:
    return Measured(desk, monkeypatch)


def test_all_checks_of_all_tiers_are_made(measured: Measured) -> None:
    action = measured.verified()
    assert action.state == DONE
    assert measured.made == ["balance of dates", "sessions of dates", "balance of shop", "sessions of shop"]
    assert [item["check"] for item in action.verdicts] == ["agreement", *measured.made]
    assert all(item["ok"] for item in action.verdicts)


def test_a_halt_ends_it_before_the_next_check_and_is_no_failure(measured: Measured) -> None:
    measured.meanwhile = measured.halt
    action = measured.verified()
    assert measured.made == ["balance of dates"], "what has begun is finished"
    assert [item["check"] for item in action.verdicts] == ["agreement", "balance of dates"]
    assert (action.state, action.halted_by) == (HALTED, "bob")
    assert action.result == "verify: got a halt by bob, want all checks (fix: verify again)"
    result = measured.desk.audit.page(kind="result")[0]
    assert (result["state"], result["result"]) == (HALTED, action.result)


def test_what_cannot_be_measured_is_a_failure(measured: Measured) -> None:
    measured.desk.settings = dataclasses.replace(measured.desk.settings, web_url="")
    measured.desk.open()
    action = measured.verified("shop")
    assert (action.state, measured.made) == (FAILED, [])
    assert "want web_url" in action.result
