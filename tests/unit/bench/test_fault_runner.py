"""How a row is played: in which order, what is put back, and what is a problem of the row itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.bench.common import Play
from tests.bench.faults.fault import HEALS, MENDS, REFUSED, Fault, Measured
from tests.bench.faults.judge import judge
from tests.bench.faults.runner import Row

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import Record

REFUSAL = "port 8080: got one that is taken, want a free one (fix: ss -ltnp)"


class FakeMachine:
    """A machine whose cluster is broken by the shell "break", and mended by a run, or by the shell "heal"."""

    def __init__(self, *, heals: bool = False, mends: bool = True, refuses: str = "", fails: str = "") -> None:
        self.said: list[str] = []
        self.broken = False
        self.heals, self.mends, self.refuses, self.fails = heals, mends, refuses, fails

    def shell(self, text: str, variables: Mapping[str, str]) -> str:
        self.said += [text] if text else []
        self.broken = (self.broken or text == "break") and text != "heal"
        return f"'{text}': got exit status 1" if text and text == self.fails else ""

    def run(self, *arguments: str) -> Play:
        self.said.append(" ".join(arguments))
        if self.refuses and self.broken:
            return Play(0.1, 0, {}, {}, self.refuses)
        self.broken = self.broken and not self.mends and arguments[0] == "site.yml"
        return Play(0.1, 1, {}, {})

    def variables_of(self, scratch: Path) -> dict[str, str]:
        assert scratch.is_dir()
        return {"STATIC": "static-1"}

    def await_serving(self, seconds: float) -> float | None:
        return None if self.broken and not self.heals else 0.5

    def await_declared(self, seconds: float, moment: float = 1.0) -> float | None:
        if self.heals and self.said[-1:] == ["break"]:
            self.broken = False
            return 0.25
        return None if self.broken else 0.0

    def differences(self) -> list[str]:
        return ["edge: gone"] if self.broken else []

    def told(self) -> tuple[str, ...]:
        self.said.append("status")
        return tuple(self.differences())


class FakeLoad:
    """Sends nothing."""

    def __init__(self, rate: float, seed: int) -> None:
        self.over = False

    def __enter__(self) -> FakeLoad:
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True

    def now(self) -> float:
        return 1.0

    @property
    def records(self) -> Sequence[Record]:
        assert self.over, "the last answers are waited for"
        return [Record("1", 0.5, 0.5, 0.6, "static", "GET", 0, 502, None, "status 502")]


def played(fault: Fault, machine: FakeMachine, *, control: bool = False, quick: bool = False) -> Measured:
    return Row(fault, 2, machine, control=control, quick=quick, beside=FakeLoad, pause=lambda _: None).play()


def row(**given: object) -> Fault:
    fields: dict[str, object] = {"clean": "tidy up", "lost": 5, "prepare": "prepare", "then": "then"}
    return Fault("a-row", "edge", "something", "break", **{**fields, **given})  # type: ignore[arg-type]


def test_a_row_that_heals() -> None:
    machine = FakeMachine(heals=True)
    seen = played(row(), machine)
    assert machine.said == ["prepare", "break", "then", "tidy up", "status"]
    assert (seen.round, seen.serves, seen.healed, seen.lost, seen.mended) == (2, 0.5, 0.75, 1, None)
    assert judge(row(), seen) == []


def test_a_row_that_does_not_heal_fails_and_leaves_a_cluster_as_declared() -> None:
    machine = FakeMachine()
    seen = played(row(), machine)
    assert machine.said == ["prepare", "break", "tidy up", "site.yml", "status"]
    assert not machine.broken
    assert judge(row(), seen) == ["serves: got no answer by itself, want one within 10 s"]


def test_a_cause_is_lifted_before_healing_is_measured() -> None:
    machine = FakeMachine()
    fault = row(lift="heal", hold=5)
    seen = played(fault, machine)
    assert machine.said == ["prepare", "break", "heal", "then", "tidy up", "status"]
    assert judge(fault, seen) == []


def test_a_row_that_a_run_mends() -> None:
    machine = FakeMachine()
    fault = row(ends=MENDS, seconds=None, says="edge")
    seen = played(fault, machine)
    assert machine.said == ["prepare", "break", "status", "site.yml", "then", "tidy up", "status"]
    assert (seen.told, seen.mended, seen.refusal) == (("edge: gone",), True, "")
    assert judge(fault, seen) == []


def test_what_only_the_status_names_is_left_as_well() -> None:
    """The short form does not ask it."""
    machine = FakeMachine(heals=True)
    machine.told = lambda: ("the edge is of another version",)  # type: ignore[method-assign]
    seen = played(row(), machine)
    assert "got 'the edge is of another version' of one run" in seen.left
    assert played(row(), machine, quick=True).left == ""


def test_the_short_form_of_a_run_does_not_verify() -> None:
    machine = FakeMachine()
    played(row(ends=MENDS, seconds=None), machine, quick=True)
    assert "site.yml --tags engine,images,balancer,nodes,portainer" in machine.said
    machine = FakeMachine()
    played(row(ends=MENDS, seconds=None, run=("playbooks/scale.yml",)), machine, quick=True)
    assert "playbooks/scale.yml" in machine.said


def test_the_short_form_asks_the_status_only_for_what_the_pool_does_not_tell() -> None:
    machine = FakeMachine()
    seen = played(row(ends=MENDS, seconds=None), machine, quick=True)
    assert "status" not in machine.said
    assert seen.told == ("edge: gone",)
    machine.differences = list  # type: ignore[method-assign]
    played(row(ends=MENDS, seconds=None), machine, quick=True)
    assert "status" in machine.said


def test_what_one_run_does_not_mend_is_removed_and_made_again() -> None:
    machine = FakeMachine(mends=False)
    fault = row(ends=MENDS, seconds=None)
    seen = played(fault, machine)
    again = "site.yml --tags engine,images,balancer,nodes,portainer"
    assert machine.said[-5:] == [
        "site.yml",
        "docker rm --force $(members node) $(members edge) $(members balancer)",
        again,
        "playbooks/teardown.yml -e teardown_images=false",
        again,
    ]
    assert not machine.broken
    assert "then it was removed and made again" in judge(fault, seen)[-1]


def test_a_run_that_fails_has_mended_nothing() -> None:
    """Also where all is as declared afterwards: a run that fails is not what the row says."""
    machine = FakeMachine(refuses=REFUSAL)
    fault = row(ends=MENDS, seconds=None, clean="heal")
    seen = played(fault, machine)
    assert (seen.refusal, seen.mended) == (REFUSAL, False)
    machine = FakeMachine(heals=True, refuses=REFUSAL)
    machine.await_declared = lambda seconds, moment=1.0: 0.0  # type: ignore[method-assign]
    assert played(fault, machine).mended is False


def test_a_refusal_is_kept_and_its_cause_lifted() -> None:
    machine = FakeMachine(refuses=REFUSAL)
    fault = row(ends=REFUSED, seconds=None, lift="heal", says="8080")
    seen = played(fault, machine)
    assert machine.said == ["prepare", "break", "site.yml", "heal", "then", "tidy up", "status"]
    assert (seen.refusal, seen.mended) == (REFUSAL, True)
    assert judge(fault, seen) == []


@pytest.mark.parametrize("fails", ["prepare", "break", "then", "tidy up"])
def test_shell_that_fails_is_a_problem_of_the_row_and_all_is_put_back(fails: str) -> None:
    machine = FakeMachine(heals=True, fails=fails)
    seen = played(row(), machine)
    assert seen.problems == (f"'{fails}': got exit status 1",)
    assert "tidy up" in machine.said
    assert not machine.broken
    assert judge(row(), seen) == list(seen.problems)


def test_no_row_begins_with_a_cluster_that_no_run_mends() -> None:
    machine = FakeMachine(mends=False, fails="break")
    machine.broken = True
    machine.refuses = REFUSAL
    seen = played(row(), machine)
    assert "break" not in machine.said
    assert seen.problems[0] == f"before: got {REFUSAL}, want a cluster as declared"


def test_a_control_is_switched_off_first_and_taken_back() -> None:
    machine = FakeMachine()
    played(row(control="switch off"), machine, control=True)
    assert machine.said[:3] == ["prepare", "switch off", "break"]
    assert "docker update --restart unless-stopped" in machine.said[4]
    machine = FakeMachine(heals=True)
    played(row(control="switch off"), machine)
    assert "switch off" not in machine.said
    assert row().ends == HEALS
