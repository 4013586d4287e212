"""What is told of the lock's holder: the truth where the kernel shows it, else what the holder wrote, as that."""

from __future__ import annotations

import getpass
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.lock_processes import NUMERIC, ROOT, holding, tried

from ansible_collections.evenkeel.cluster.plugins.module_utils.core import lock_holder
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import (
    cluster_lock,
    held_by,
    lock_path,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock_holder import Holder, clear, read_holder, sign

HOST = os.uname().nodename
UNKNOWN = "a process that cannot be seen from here and left no note"


@pytest.fixture
def cluster() -> Iterator[str]:
    name = f"t-{os.getpid()}-{time.monotonic_ns()}"
    yield name
    lock_path(name).unlink(missing_ok=True)


@pytest.fixture
def note(tmp_path: Path) -> Iterator[int]:
    """A file for a note, locked by nothing."""
    descriptor = os.open(tmp_path / "note", os.O_RDWR | os.O_CREAT, 0o600)
    yield descriptor
    os.close(descriptor)


def write(descriptor: int, text: str | bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode() if isinstance(text, str) else text, 0)


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()[0])


# --------------------------------------------------------------------------
# Real holders
# --------------------------------------------------------------------------


def test_a_holder_is_named_with_person_process_host_time_and_what_it_does(cluster: str) -> None:
    with holding(cluster, "node_pool") as process:
        holder = held_by(cluster)
    assert holder is not None
    assert re.fullmatch(rf"\S+ \(process {process.pid} on {HOST}, since \d\d:\d\d:\d\d, node_pool\)", str(holder))
    assert holder.since == pytest.approx(time.time(), abs=60)


def test_a_user_without_passwd_entry_holds_the_lock_and_is_named_by_number(cluster: str) -> None:
    with holding(cluster, "console: alice, roll static", uid=NUMERIC) as process:
        holder = held_by(cluster)
    assert holder is not None
    assert holder.user == f"uid {NUMERIC}"
    assert str(holder).startswith(f"uid {NUMERIC} (process {process.pid} on {HOST}, since ")
    assert str(holder).endswith(", console: alice, roll static)")


def test_a_holder_in_a_pid_namespace_below_is_named_by_both_its_numbers(cluster: str) -> None:
    with holding(cluster, "console: alice, roll static", apart=True) as process:
        inside = child_of(process.pid)
        text = tried(cluster)
    assert f" (process {inside} here, 1 on {HOST}, since " in text
    assert ", console: alice, roll static), want it free within 0 s" in text


@pytest.mark.parametrize("holder_apart", [True, False], ids=["beside", "above"])
def test_a_holder_that_cannot_be_seen_is_told_as_it_wrote(cluster: str, holder_apart: bool) -> None:
    """From its own namespace the reader sees a process 1 as well: itself."""
    with holding(cluster, "site run", apart=holder_apart) as process:
        text = tried(cluster, apart=True)
    pid = 1 if holder_apart else process.pid
    assert f" (process {pid} on {HOST} in another PID namespace, by its own note, since " in text
    assert ", site run), want it free within 0 s (fix: wait for that run to end)" in text


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("dead_apart", [False, True])
def test_the_note_of_a_dead_holder_is_not_taken_for_that_of_the_living_one(
    cluster: str, dead_apart: bool, apart: bool
) -> None:
    """Both apart, the two have the same number, and often the same number of their namespace."""
    with holding(cluster, "dead run", apart=dead_apart):
        pass  # killed, so its note stays
    place = lock_path(cluster)
    deadline = time.monotonic() + 10
    while held_by(cluster) is not None:
        assert time.monotonic() < deadline
    assert b"dead run" in place.read_bytes()
    place.chmod(0o444)
    with holding(cluster, "living run", uid=NUMERIC, apart=apart) as process:
        assert b"dead run" in place.read_bytes()
        holder = held_by(cluster)
        pid = child_of(process.pid) if apart else process.pid
    user = f"uid {NUMERIC}" if ROOT else getpass.getuser()
    assert str(holder) == f"{user} (process {pid}, no note of what it does)"


def test_a_note_is_taken_back_when_the_lock_is_released(cluster: str) -> None:
    with cluster_lock(cluster, "run", 0):
        assert json.loads(lock_path(cluster).read_bytes())["what"] == "run"
    assert lock_path(cluster).read_bytes() == b""


# --------------------------------------------------------------------------
# The note
# --------------------------------------------------------------------------


def test_a_note_replaces_a_longer_one(note: int) -> None:
    write(note, "x" * 1000)
    sign(note, "run")
    assert json.loads(os.pread(note, 4096, 0))["what"] == "run"
    clear(note)
    assert os.fstat(note).st_size == 0


def test_a_note_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "note").touch()
    descriptor = os.open(tmp_path / "note", os.O_RDONLY)
    sign(descriptor, "run")
    clear(descriptor)
    os.close(descriptor)
    assert (tmp_path / "note").read_bytes() == b""


def test_a_reader_between_the_two_writes_meets_the_new_note(note: int) -> None:
    """The rest of the old note follows the new one's line until it is cut off."""
    sign(note, "run")
    written = os.pread(note, 4096, 0)
    write(note, written + b'9", "what": "old run"}\n')
    assert read_holder(note).what == "run"


def test_the_note_of_an_earlier_version_is_understood(note: int) -> None:
    write(note, json.dumps({"user": "alice", "pid": os.getpid(), "since": "10:02:11", "what": "node_pool"}))
    assert str(read_holder(note)) == f"alice (process {os.getpid()}, node_pool)"


def test_a_process_that_got_the_number_of_a_dead_one_is_not_named(note: int) -> None:
    sign(note, "run")
    left = json.loads(os.pread(note, 4096, 0))
    write(note, json.dumps({**left, "started": left["started"] - 1}))
    assert str(read_holder(note)) == UNKNOWN


@pytest.mark.parametrize(
    "noted, text", [(2**22, "run)"), (2**22 - 1, f"a user not known here (process {2**22}, no note of what it does)")]
)
def test_of_a_hidden_process_the_number_is_compared(
    note: int, monkeypatch: pytest.MonkeyPatch, noted: int, text: str
) -> None:
    """As with /proc mounted with hidepid."""
    monkeypatch.setattr(lock_holder, "_locking_pid", lambda file: 2**22)
    write(note, good(pid=noted))
    assert str(read_holder(note)).endswith(text)


def test_a_note_of_an_earlier_version_is_recognised_by_the_number(note: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_holder, "_locking_pid", lambda file: os.getpid())
    write(note, good())
    assert read_holder(note).what == "run"
    write(note, good(pid=1))
    assert read_holder(note).what == ""


def test_the_name_of_a_program_does_not_hide_when_it_started(note: int) -> None:
    name = Path("/proc/self/comm")
    before = name.read_text(encoding="ascii")
    sign(note, "run")
    try:
        name.write_text(") 1 2 (3", encoding="ascii")
        assert read_holder(note).what == "run"
    finally:
        name.write_text(before, encoding="ascii")


def test_a_dead_process_is_not_named_where_the_list_of_locks_shows_none(note: int) -> None:
    sign(note, "run")
    alive = json.loads(os.pread(note, 4096, 0))
    assert read_holder(note).pid_here == os.getpid()
    write(note, json.dumps({**alive, "pid": 2**22}))
    assert str(read_holder(note)) == UNKNOWN


def good(**differs: Any) -> str:
    return json.dumps({"user": "alice", "pid": os.getpid(), "since": 1.0, "what": "run", "host": "web", **differs})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[1]",
        "[" * 4096,
        b"\xff\xfe",
        good(pid="1"),
        good(pid=True),
        good(pid=-1),
        good(pid=0),
        good(pid=10**400),
        good(user=""),
    ],
    ids=range(12),
)
def test_a_note_that_says_nothing_usable(note: int, text: str | bytes) -> None:
    write(note, text)
    assert str(read_holder(note)) == UNKNOWN


@pytest.mark.parametrize("since", [-1, 0, 1e308, float("nan"), float("inf"), "now", None, True])
def test_a_time_that_says_nothing_usable(note: int, since: object) -> None:
    write(note, good(since=since))
    assert str(read_holder(note)) == f"alice (process {os.getpid()} on web, run)"


def test_hostile_text_stays_one_short_line(note: int) -> None:
    write(note, good(user="a\nb\u202e", what="\x1b[2J" + "x" * 1000))
    text = str(read_holder(note))
    assert text.isprintable()
    assert "\n" not in text
    assert len(text) < 600


def test_what_is_long_is_cut_before_it_is_written(note: int) -> None:
    sign(note, "x" * 10_000)
    assert read_holder(note).what == "x" * 200


def test_another_days_time_bears_its_date() -> None:
    now = time.time()
    assert re.search(r"since \d\d:\d\d:\d\d, ", str(Holder("a", "run", "web", now, 1, 1)))
    assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, ", str(Holder("a", "run", "web", now - 90_000, 1, 1)))
