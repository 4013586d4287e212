"""Which requests the web process lets in: sessions of two halves, roles, tokens, tries."""

from __future__ import annotations

from tests.unit.fakes.console import Browser, Console


def test_it_works(console: Console) -> None:
    alice = console.login()
    assert alice.get("/api/me").json["name"] == "alice"
    state = alice.get("/api/state").json
    assert set(state["state"]["tiers"]) == {"shop", "dates"}
    plan = alice.plan("scale", tier="shop", count=3)
    assert plan.status == 200, plan.content
    answer = alice.act(plan.json["plan"])
    assert answer.status == 202, answer.content
    assert Browser(console).get("/").status == 200
    assert Browser(console).get("/api/state").status == 401
