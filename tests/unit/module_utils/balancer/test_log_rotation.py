"""The access log stays within its limit: Perl for real, on files of a temporary folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.log_rotation import ROTATE_LOG, rotation_call

_PERL = "use strict; use warnings FATAL => 'all';\n"
# Traefik appends, so it goes on at the beginning of an emptied log.
_APPEND = """
import os, sys, time
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
for number in range(int(sys.argv[2])):
    os.write(log, b"".join(b"%07d %s\\n" % (number * 20 + each, b"x" * 91) for each in range(20)))
    time.sleep(0.0005)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "it's a log"
    folder.mkdir()
    return folder / "access.log"


def perl(log: Path, total: int, keep: int, rest: str = "print {};", blocks: int = 0) -> str:
    """What the expression gives, as it is in the edge's loop."""
    code = _PERL + ROTATE_LOG + rest.replace("{}", rotation_call(str(log), total, keep))
    limit = f"ulimit -f {blocks};" if blocks else ""
    command = ["sh", "-c", f'{limit} exec perl -e "$0"', code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.stderr == ""
    return done.stdout


def files(log: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(log.parent.iterdir())}


@pytest.mark.parametrize("content", [None, "", "x" * 99])
def test_a_log_below_its_limit_is_left_alone(log: Path, content: str | None) -> None:
    if content is not None:
        log.write_text(content)
    assert perl(log, 400, 3) == ""
    assert files(log) == ({} if content is None else {"access.log": content})


def test_the_oldest_go_where_much_was_written_between_two_looks(log: Path) -> None:
    for _ in range(5):
        log.write_text("x" * 190)
        assert perl(log, 400, 3) == ""
        assert sum(map(len, files(log).values())) <= 300
    assert files(log) == {"access.log": "", "access.log.1": "x" * 190}


def test_a_full_log_is_copied_and_emptied_and_the_oldest_goes(log: Path) -> None:
    seen = []
    for letter in "abcde":
        log.write_text(f"{letter * 99}\n")
        assert perl(log, 400, 3) == ""
        seen.append("".join(text[:1] or "-" for text in files(log).values()))
    assert seen == ["-a", "-ba", "-cba", "-dcb", "-edc"]


def test_without_rotated_files_it_is_emptied_only(log: Path) -> None:
    log.write_text("x" * 100)
    assert perl(log, 100, 0) == ""
    assert files(log) == {"access.log": ""}


def test_more_files_than_are_kept_and_those_of_logrotate_go(log: Path) -> None:
    for name in ("access.log.1", "access.log.2", "access.log.3", "access.log.9", "access.log.1.gz", "access.log.12.gz"):
        log.with_name(name).write_text(name)
    for name in ("access.log.old", "other.log.1", "access.log.1.gz.txt"):
        log.with_name(name).write_text("not ours")
    log.write_text("x" * 100)
    assert perl(log, 300, 2) == ""
    ours = {name: text for name, text in files(log).items() if text != "not ours"}
    assert ours == {"access.log": "", "access.log.1": "x" * 100, "access.log.2": "access.log.1"}
    assert len(files(log)) == 6


def test_of_a_log_far_beyond_its_limit_the_end_is_copied_in_whole_lines(log: Path) -> None:
    log.write_text("".join(f"{number:09d}\n" for number in range(100_000)))
    assert perl(log, 4000, 3) == ""
    copied = log.with_name("access.log.1").read_text()
    assert len(copied) == 990
    assert copied.splitlines() == [f"{number:09d}" for number in range(99_901, 100_000)]


def test_a_log_that_cannot_be_copied_is_emptied_all_the_same(log: Path) -> None:
    log.write_text("x" * 100)
    log.with_name("access.log.1").mkdir()
    assert perl(log, 100, 1) == f"cannot write {log}.1: Is a directory"
    assert log.read_text() == ""


def test_a_full_disk_leaves_no_full_log(log: Path) -> None:
    """A limit for files stands in for the disk."""
    log.write_text("x" * 150_000)
    # In units of 512 bytes.
    told = perl(log, 300_000, 1, "$SIG{XFSZ} = 'IGNORE'; print {};", blocks=200)
    assert told == f"cannot write {log}.1: File too large"
    assert {name: len(text) for name, text in files(log).items()} == {"access.log": 0, "access.log.1": 102_400}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_log_that_may_not_be_written_is_told(log: Path) -> None:
    log.write_text("x" * 100)
    log.chmod(0o444)
    assert perl(log, 100, 1) == f"cannot open {log}: Permission denied"


def test_a_log_that_is_written_all_the_while_stays_within_its_limit(log: Path) -> None:
    """Two megabytes through a limit of 4 x 300 kB; the loop looks every 2 ms."""
    log.touch()
    writing = subprocess.Popen([sys.executable, "-c", _APPEND, str(log), "500"])
    total, keep = 1_200_000, 3
    loop = 'while (!-e "%s/over") { my $problem = {}; die $problem if $problem; select undef, undef, undef, 0.002 }'
    code = _PERL + ROTATE_LOG + (loop % str(log.parent)).replace("{}", rotation_call(str(log), total, keep))
    rotating = subprocess.Popen(["perl", "-e", code], stderr=subprocess.PIPE, text=True)
    most, lines = 0, set()
    while writing.poll() is None:
        sizes = [path.stat().st_size for path in log.parent.iterdir() if path.exists()]
        most = max(most, sum(sizes))
        time.sleep(0.001)
    (log.parent / "over").touch()
    assert rotating.communicate(timeout=30)[1] == ""
    for text in files(log).values():
        lines |= set(text.splitlines())
    assert 500_000 < most < total * 1.2
    assert all(len(line) == 99 for line in lines)
    numbers = sorted(int(line[:7]) for line in lines)
    assert len(numbers) > 6_000
    # What is written between the last read and the emptying is lost, and this machine may stop Perl just there.
    assert len(numbers) > (10_000 - numbers[0]) * 0.98, "the newest lines, next to all of them"
