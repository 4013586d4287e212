"""What is wrong is refused with one line that says how to mend it, and nothing is done."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from tests.unit.console.bad_input import CASES, Bad
from tests.unit.fakes.console import PASSWORD, Browser, Console, running

LINE = re.compile(r"[^\n]+: got [^\n]+, want [^\n]+ \(fix: [^\n]+\)")
_WRITES = ("start", "stop", "remove", "kill")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """One console for all: nothing is done to it."""
    for console in running(tmp_path_factory.mktemp("console")):
        browsers["alice"], browsers["bob"], browsers["vera"] = map(console.login, ("alice", "bob", "vera"))
        browsers[""] = Browser(console)
        alice = browsers["alice"]
        used = alice.plan("scale", tier="dates", count=2).json["plan"]
        known["used"], known["shop"] = used, console.node("shop-1")
        action = alice.act(used).json["action"]
        console.ended(console.actions.action(action))
        known["plan"] = alice.plan("scale", tier="shop", count=3).json["plan"]
        yield console


browsers: dict[str, Browser] = {}
known: dict[str, str] = {}


def filled(case: Bad) -> bytes | None:
    if case.body is None or isinstance(case.body, bytes):
        return case.body
    text = json.dumps(case.body)
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", value)
    return text.encode()


def test_there_are_enough() -> None:
    assert len(CASES) >= 120
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case.name.encode("ascii", "replace").decode() for case in CASES])
def test_it_is_refused_in_one_line_and_nothing_is_done(shared: Console, case: Bad) -> None:
    calls, entries = len(shared.cluster.engine.calls), shared.audit.page()
    # The wrong passwords of other cases do not count.
    shared.app.state.desk.access.throttle._cases.clear()
    answer = browsers[case.user].ask(case.method, case.path, raw=filled(case), headers=case.headers)
    assert answer.status == case.status, answer.content
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.problems
    for line in answer.problems:
        assert LINE.fullmatch(line), line
        assert line.isprintable()
        assert len(line) < 500
        assert PASSWORD not in line
        assert "pattern" not in line
    assert not [call for call in shared.cluster.engine.calls[calls:] if call.startswith(_WRITES)]
    assert shared.audit.page() == entries


def test_a_password_that_is_typed_as_the_name_does_not_come_back(shared: Console) -> None:
    for name in ("My Secret Word", 8127343, "my-secret-word" * 9):
        answer = browsers[""].post("/api/login", {"name": name, "password": "x"})
        assert answer.status in {401, 422}
        assert str(name)[:7] not in answer.content.decode()
        assert not [case for case in shared.app.state.desk.access.throttle._cases if str(name) in case]


def test_no_password_comes_back(shared: Console) -> None:
    secret = "my secret word"  # noqa: S105
    for body in (
        {"name": "alice", "password": secret, "old": secret},
        {"name": "alice", "password": [secret]},
        {"name": "alice", "pasword": secret},
        [secret],
        secret,
    ):
        answer = browsers[""].post("/api/login", body)
        assert answer.status == 422
        assert secret not in answer.content.decode()
