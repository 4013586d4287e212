"""The fault catalogue: its rows can be played, and its judgement can fail."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from tests.bench.faults import catalogue, document, together
from tests.bench.faults.fault import ENDS, HEALS, MENDS, NEEDS, REFUSED, Fault, Measured, restored
from tests.bench.faults.judge import figures, judge, lost, moves, refusal_problems

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import Record

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "tests/bench/faults"
ROW = Fault("a-row", "edge", "something", "true", seconds=10, lost=0, posts=2, moved=0)
GOOD = Measured("a-row", serves=1.0, healed=1.5, requests=100)
REFUSAL = "port 8080: got one that is taken, want a free one (fix: ss -ltnp)"


def record(number: int, **given: object) -> Record:
    fields: dict[str, object] = {
        "key": str(number), "at": float(number), "sent": float(number), "done": number + 0.1, "tier": "static",
        "method": "GET", "client": 0, "status": 200, "node": "static-1",
    }  # fmt: skip
    return Record(**{**fields, **given})  # type: ignore[arg-type]


# --------------------------------------------------------------------------
# Rows
# --------------------------------------------------------------------------


def test_there_are_sixty_rows_and_more_and_a_sixth_of_them_is_short() -> None:
    assert len(catalogue.ROWS) >= 60
    assert sum(row.short for row in catalogue.ROWS) >= len(catalogue.ROWS) / 6
    assert [name for name, count in Counter(row.name for row in catalogue.ROWS).items() if count > 1] == []


def test_rows_are_joined_to_one() -> None:
    first = dataclasses.replace(ROW, name="first", do="false; echo first", ends=MENDS, told=False, then="test 1")
    second = dataclasses.replace(first, name="second", do="echo $STATIC", then='exists "$STATIC"', clean="undo")
    row = together.joined([first, second])
    assert (row.name, row.ends, row.lost, row.told) == ("first+second", MENDS, None, False)
    assert (row.then, row.clean) == ("test 1", "(\nundo\n) || true")
    assert together.joined([first, dataclasses.replace(second, told=True)]).told
    # It goes on after a failure.
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", row.do], env={"STATIC": "one"}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "first\none\n")


def test_each_row_that_one_run_mends_is_in_one_batch() -> None:
    names = [row.name for row in catalogue.ROWS if together.joinable(row)]
    assert len(names) > 40
    assert not {"engine-stopped", "names-not-resolved", "runs-at-once"} & set(names)
    found = together.batches(catalogue.ROWS, 8, 5)
    assert sorted(name for row in found for name in row.name.split("+")) == sorted(names)
    assert {row.name.count("+") for row in found[:-1]} == {7}
    assert found == together.batches(catalogue.ROWS, 8, 5) != together.batches(catalogue.ROWS, 8, 6)
    assert catalogue.by_name(found[0].name) == found[0]


def test_no_shell_of_a_row_gets_the_process_0(tmp_path: Path) -> None:
    """``kill 0`` ends the process group that it is called in."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 0\n")
    docker.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    asked = f". {FOLDER}/deeds.sh; pid ended; echo $?; eat ended; echo $?"
    done = subprocess.run(["bash", "-c", asked], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert done.stdout == "none\n1\n1\n"


@pytest.mark.parametrize("row", catalogue.ROWS, ids=lambda row: row.name)
def test_a_row_is_complete(row: Fault) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9-]+", row.name)
    assert row.ends in ENDS
    assert set(row.needs) <= set(NEEDS)
    assert row.done
    assert row.do
    assert row.ends != HEALS or row.seconds
    # A limit that is not there needs its reason.
    assert row.because or (row.lost == 0 and row.posts == 0)
    # What a run in the place of the fault refuses must be told by more than that it failed.
    assert row.says or row.ends != REFUSED
    re.compile(row.says)
    # A cause that is lifted is lifted also when the row breaks off before.
    assert row.clean or not row.lift or row.lift.startswith("date ")


@pytest.mark.parametrize("row", catalogue.ROWS, ids=lambda row: row.name)
def test_the_shell_of_a_row_is_bash_and_calls_what_there_is(row: Fault) -> None:
    text = "\n".join([row.prepare, row.do, row.lift, row.then, row.clean, row.control])
    parsed = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    assert parsed.stderr == ""
    assert set(re.findall(r"\$(?:\{)?([A-Z_]{3,})", text)) <= {
        "STATIC", "DYNAMIC", "EDGE", "BALANCER", "STATE", "SCRATCH", "CLUSTER", "PYTHON", "ROOT",
    }  # fmt: skip


def test_every_function_of_the_deeds_is_called() -> None:
    deeds = re.sub(r"^ *#.*", "", (FOLDER / "deeds.sh").read_text(), flags=re.MULTILINE)
    rows = "\n".join(path.read_text() for path in [*FOLDER.glob("rows_*.py"), FOLDER.parent / "random_life.py"])
    functions = re.findall(r"^([a-z_]+)\(\)", deeds, re.MULTILINE)
    assert len(functions) > 20
    unused = [name for name in functions if not re.search(rf"\b{name}\b(?!\()", deeds + rows)]
    assert unused == []


def test_every_way_to_end_and_every_group_is_in_the_short_form() -> None:
    short = [row for row in catalogue.ROWS if row.short]
    assert {row.ends for row in short} == set(ENDS)
    played = {row.group for row in catalogue.ROWS} - {"Portainer", "load"}
    assert {row.group for row in short} == played


def options_of(prepare: str) -> dict[str, object]:
    """What a row's engine is started with."""
    return dict(json.loads(found[1])) if (found := re.search("engine_option '(.*)'", prepare)) else {}


@pytest.mark.parametrize("row", catalogue.ROWS, ids=lambda row: row.name)
def test_a_row_that_names_an_option_of_the_engine_sets_it(row: Fault) -> None:
    """The machine's own engine may have it or not."""
    words = f"{row.done} {row.because}"
    named = {
        option: word == "with"
        for option, text in (("live-restore", "live-restore"), ("userland-proxy", "userland proxy"))
        for word in re.findall(rf"\b(with|without) {text}", words)
    }
    assert {name: value for name, value in options_of(row.prepare).items() if name in named} == named
    # The options are taken back, whatever happened.
    assert "engine_as_before" in row.clean or not options_of(row.prepare)


def test_one_row_of_the_short_form_restarts_the_engine() -> None:
    assert [row.name for row in catalogue.ROWS if row.short and "engine" in row.needs] == ["engine-upgraded-live"]


# --------------------------------------------------------------------------
# Choice and order
# --------------------------------------------------------------------------


def test_each_round_has_every_row_once_in_another_order() -> None:
    rows = list(catalogue.ROWS[:20])
    played = catalogue.order(rows, 3, seed=7)
    turns = [[row for number, row in played if number == turn] for turn in (1, 2, 3)]
    assert [sorted(turn, key=lambda row: row.name) for turn in turns] == [sorted(rows, key=lambda row: row.name)] * 3
    assert turns[0] != turns[1] != turns[2]
    assert catalogue.order(rows, 3, seed=7) == played
    assert catalogue.order(rows, 3, seed=8) != played


def test_rows_are_chosen_by_name_group_and_permission() -> None:
    def names(*asked: str, groups: tuple[str, ...] = (), short: bool = False, more: tuple[str, ...] = ()) -> set[str]:
        allowed = catalogue.ALLOWED | set(more)
        return {row.name for row in catalogue.chosen(asked, groups, short=short, allowed=allowed)}

    assert names("edge-killed") == {"edge-killed"}
    assert names("edge-killed", groups=("clients",)) > {"edge-killed", "garbage"}
    assert "clock-back" not in names()
    assert "clock-back" in names(more=("clock",))
    assert names(short=True) < names()
    assert catalogue.unknown(["edge-killed", "egde-killed"], ["node", "nod"]) == ["egde-killed", "nod"]


# --------------------------------------------------------------------------
# Judgement
# --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row, seen, reason",
    [
        ({}, {}, ""),
        ({}, {"problems": ("'x': got exit status 1",)}, "'x': got exit status 1"),
        ({}, {"serves": None, "healed": None}, "serves: got no answer by itself, want one within 10 s"),
        ({}, {"serves": 11.0, "healed": 11.0}, "serves: got 11.0 s, want at most 10 s"),
        ({}, {"healed": 12.0}, "as declared: got it after 12.0 s, want at most 10 s"),
        ({}, {"healed": None, "told": ("static-1 is gone",)}, "as declared: got static-1 is gone, want none"),
        ({}, {"lost": 1, "first": "no connection for GET static"}, "GETs lost: got 1, want at most 0, first: no conn"),
        ({}, {"posts": 3}, "POSTs lost: got 3, want at most 2"),
        ({}, {"moved": 1}, "sessions moved: got 1, want at most 0"),
        ({}, {"twice": 1}, "POSTs executed twice: got 1, want at most 0"),
        ({"lost": None}, {"lost": 500, "posts": 500}, ""),
        ({"lost": None}, {"twice": 1}, "POSTs executed twice: got 1"),
        ({"posts": None, "moved": None}, {"posts": 50, "moved": 9}, ""),
        ({"ends": MENDS}, {"told": ("x",), "mended": True}, ""),
        ({"ends": MENDS}, {"told": (), "mended": True}, "status: got no drift, want it to name"),
        ({"ends": MENDS, "told": False}, {"told": (), "mended": True}, ""),
        ({"ends": MENDS, "says": "static"}, {"told": ("edge",), "mended": True}, "status: got 'edge', want /static/"),
        ({"ends": MENDS}, {"told": ("x",), "mended": False, "refusal": "no"}, "run: got 'no', want it mended"),
        ({"ends": MENDS}, {"told": ("x",), "mended": True, "lost_mending": 2}, "run: got 2 requests lost while it"),
        ({"ends": MENDS, "seconds": None}, {"told": ("x",), "mended": True, "lost_mending": 2, "serves": None}, ""),
        ({"ends": MENDS, "seconds": 0}, {"told": ("x",), "mended": True, "serves": None}, "serves: got no answer"),
        ({"ends": REFUSED, "says": "port"}, {"refusal": REFUSAL}, ""),
        ({"ends": REFUSED}, {"refusal": ""}, "run: got success, want a refusal"),
        ({"ends": REFUSED}, {"refusal": REFUSAL, "mended": False}, "after the cause: got a cluster that one run"),
        ({"ends": REFUSED, "says": "disk"}, {"refusal": REFUSAL}, "want /disk/ in it"),
    ],
)
def test_a_row_is_judged(row: dict[str, object], seen: dict[str, object], reason: str) -> None:
    found = judge(dataclasses.replace(ROW, **row), dataclasses.replace(GOOD, **seen))  # type: ignore[arg-type]
    assert len(found) <= 1
    assert reason in (found or [""])[0]
    assert bool(found) == bool(reason)


@pytest.mark.parametrize(
    "refusal, problem",
    [
        (REFUSAL, ""),
        (f"{REFUSAL}\n{REFUSAL}", ""),
        ("Traceback (most recent call last): got x, want y (fix: z)", "'Traceback' in it"),
        ("Task failed: Permission denied", "want 'what: got ..., want ... (fix: ...)'"),
        (f"{REFUSAL}{'x' * 600}", "a line of more than 500 characters"),
    ],
)
def test_a_refusal_is_one_line_that_helps(refusal: str, problem: str) -> None:
    assert problem in " ".join(refusal_problems(refusal, ""))
    assert bool(refusal_problems(refusal, "")) == bool(problem)


def test_sessions_that_move_are_counted_once_each_time() -> None:
    stays = [record(number, home="static-1") for number in range(3)]
    assert moves(stays) == 0
    assert (
        moves([*stays, record(4, home="static-1", node="static-2"), record(5, home="static-2", node="static-2")]) == 1
    )
    kept = [record(number, home="static-1", node="static-2") for number in (4, 5, 6)]
    assert moves([*stays, *kept]) == 1, "it stays where it has moved to, without a new cookie"
    back = [record(4, home="static-1", node="static-2"), record(5, home="static-2", node="static-1")]
    assert moves([*stays, *back]) == 2
    assert moves([record(1), record(2, node="static-2")]) == 0, "a client without cookies has no session"
    assert moves([record(1, home="static-1", node=None, error="status 503")]) == 0


def test_what_never_left_this_machine_is_not_lost() -> None:
    own = record(1, error="this machine: 256 requests unanswered", status=None, node=None)
    assert lost([own, record(2, error="status 503")]) == [record(2, error="status 503")]


def test_requests_before_and_during_the_run_are_told_apart() -> None:
    records = [
        record(0),
        record(1, error="status 502"),
        record(2, error="no connection", method="POST"),
        record(9, error="status 502"),
        record(10, replayed=True, method="POST"),
    ]
    assert figures(records, 5.0) == {
        "requests": 5, "lost": 1, "posts": 1, "lost_mending": 1, "twice": 1, "moved": 0, "down": 1.0,
        "first": "status 502 for GET static",
    }  # fmt: skip
    assert figures(records, None)["lost"] == 2
    assert figures([record(0)], None)["down"] == 0.0


# --------------------------------------------------------------------------
# The page
# --------------------------------------------------------------------------


def campaign() -> dict[str, object]:
    return dict(json.loads((FOLDER / "measured.json").read_text()))


def test_the_page_is_what_rows_and_record_say() -> None:
    """To mend it: PYTHONPATH=collections python -m tests.bench.faults --write."""
    assert (ROOT / "docs/faults.md").read_text() == document.render(campaign())


def test_the_page_names_each_row_once_in_its_tables() -> None:
    page = (ROOT / "docs/faults.md").read_text()
    rows = re.findall(r"^\| `([^`]+)`:", page, re.MULTILINE)
    assert rows == [row.name for row in sorted(catalogue.ROWS, key=lambda row: rows.index(row.name))]
    assert len(rows) == len(catalogue.ROWS)


def test_the_page_shows_a_row_that_failed() -> None:
    played = {"name": "edge-killed", "round": 1, "serves": None, "lost": 7, "posts": 3}
    page = document.render({"measured": [played, {**played, "round": 2, "serves": 1.0, "healed": 1.0}]})
    (line,) = [line for line in page.splitlines() if line.startswith("| `edge-killed`")]
    assert "| 1 of 2 | - | 7 | 3 | 0 |" in line
    assert f"1 of {len(catalogue.ROWS)} rows, 1 of 2 times as they say" in page


def test_a_record_keeps_the_rows_that_a_campaign_did_not_play() -> None:
    def entry(name: str, lost: int) -> dict[str, object]:
        return {"name": name, "lost": lost}

    before = {
        "seed": 1,
        "measured": [entry("edge-killed", 1), entry("node-killed", 2), entry("of an older version", 3)],
    }
    after = document.merged(before, {"seed": 2, "measured": [entry("node-killed", 4), entry("node-killed", 5)]})
    assert after["seed"] == 2
    assert after["measured"] == [entry("edge-killed", 1), entry("node-killed", 4), entry("node-killed", 5)]
    assert document.merged(after, after) == after


def test_a_measurement_survives_its_file() -> None:
    seen = dataclasses.replace(GOOD, told=("a", "b"), problems=("c",))
    assert restored(json.loads(json.dumps(seen.saved()))) == seen
    assert restored({"name": "x", "of a later version": 1}) == Measured("x")
