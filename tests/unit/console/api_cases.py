"""Generated requests at the web process, judged by its own description (schemathesis)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, cast

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from tests.unit.fakes.console import Browser, Console

# The stream has no end. It has tests of its own.
_LEFT_OUT = ("/api/stream",)
# With a session it would end it.
_BY_TOKEN = ("/api/logout",)
_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


@dataclass
class Judged:
    """What came of all requests."""

    statuses: Counter[int] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Requests that were sent."""
        return self.statuses.total()


def judge(console: Console, cases: int, seed: int) -> Judged:
    """Send generated requests with the session of an operator.

    Args:
        console: what is asked.
        cases: per operation and kind (valid, invalid), at most.
        seed: of the generation.
    """
    load_all_checks()
    found = Judged()
    alice = console.login()
    token = Browser(console, {"Authorization": f"Bearer {alice.post('/api/tokens', {'name': 'fuzz'}).json['token']}"})
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{console.port}/api/openapi.json")
    # The session is real. Made-up ones beside it are refused before anything else is looked at.
    schema.config.generation.with_security_parameters = False
    # A body beyond the limit is refused before it is read.
    schema.config.checks.negative_data_rejection.expected_statuses += ["413"]
    for made in schema.get_all_operations():
        operation: Any = cast("Any", made).ok()
        if operation.path in _LEFT_OUT:
            continue
        browser = token if operation.path in _BY_TOKEN else alice
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _judge_one(browser, operation, mode, (cases, seed), found)
    return found


def _judge_one(
    browser: Browser, operation: Any, mode: GenerationMode, how_many: tuple[int, int], found: Judged
) -> None:
    checks: list[Any] = [CHECKS.get_one(name) for name in _CHECKS]
    if mode is GenerationMode.NEGATIVE:
        checks.append(CHECKS.get_one("negative_data_rejection"))

    @seeded(how_many[1])
    @settings(
        max_examples=how_many[0],
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def one(case: Case[Any]) -> None:
        answer = case.call(headers=browser.headers, timeout=20)
        found.statuses[answer.status_code] += 1
        found.operations[operation.label] += 1
        try:
            case.validate_response(answer, checks=checks)
        except FailureGroup as group:
            sent = f"{case.path_parameters} {case.query} {case.body!r:.200}"
            found.failures += [
                f"{operation.label} {mode.value} {answer.status_code}: {failure} [{sent}]"
                for failure in group.exceptions
            ]

    try:
        one()
    except Unsatisfiable:
        # Without parameters nothing of a request can be invalid.
        return
