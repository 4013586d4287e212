"""The description of the API is right and complete, as some hundred generated requests tell."""

from __future__ import annotations

from tests.unit.console.api_cases import judge
from tests.unit.fakes.console import Browser, Console


def test_generated_requests_get_what_the_description_says(console: Console) -> None:
    found = judge(console, cases=8, seed=13)
    assert found.failures == [], "\n".join(found.failures)
    assert found.total >= 150
    assert len(found.operations) >= 25
    assert not [status for status in found.statuses if status >= 500 and status != 503]
    assert {200, 404, 422} <= found.statuses.keys()
    # Only logins with made-up passwords.
    assert found.statuses[401] < found.total / 10
    assert console.audit.page() == []


def test_the_description_tells_how_to_log_in_and_every_status(console: Console) -> None:
    found = Browser(console).get("/api/openapi.json").json
    assert found["security"] == [{"token": []}, {"cookie": [], "key": []}]
    for path, operations in found["paths"].items():
        for operation in operations.values():
            public = path in {"/api/login", "/healthz"}
            assert operation.get("security", None) == ([] if public else None)
            assert {"400", "401", "403", "404", "413", "415", "421", "422", "429", "503"} <= operation[
                "responses"
            ].keys()
            assert operation["summary"]


def test_what_the_description_does_not_say_is_found(console: Console) -> None:
    described = console.app.openapi()
    del described["paths"]["/api/tiers/{tier}"]["get"]["responses"]["404"]
    described["paths"] = {"/api/tiers/{tier}": described["paths"]["/api/tiers/{tier}"]}
    found = judge(console, cases=2, seed=13)
    assert any("404" in line for line in found.failures)
