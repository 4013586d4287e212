"""hold as the first process: the app's start and end, orphans, signals, and what the app inherits."""

from __future__ import annotations

import os
import signal
import stat
import sys
from pathlib import Path

import pytest
from tests.hold.conftest import LISTEN, PORT, Start, await_true, children

SLEEP = ("sleep", "30")


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


@pytest.mark.parametrize("script, code", [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -SEGV $$", 139)])
def test_the_exit_code_is_the_apps(start: Start, script: str, code: int) -> None:
    assert start(command=shell(script)).end() == code


@pytest.mark.parametrize(
    "command, code, got",
    [
        ("/no/such/program", 127, "/no/such/program: No such file or directory"),
        ("no-such-program", 127, "no-such-program: No such file or directory"),
        ("/etc/passwd", 126, "/etc/passwd: Permission denied"),
    ],
)
def test_a_command_that_cannot_run_is_one_line(start: Start, command: str, code: int, got: str) -> None:
    hold = start(command=(command,))
    assert hold.end() == code
    assert hold.log.decode().splitlines() == [
        f"hold: command: got {got}, want a program that this container can run "
        "(fix: correct the image's entrypoint or command; docker inspect shows them)"
    ]


@pytest.mark.parametrize("first_process", [True, False])
def test_orphans_are_reaped(start: Start, first_process: bool) -> None:
    orphans = "for i in 1 2 3; do sh -c 'sleep 0.2 & exit 0'; done; echo left; exec sleep 30"
    hold = start(command=shell(orphans), first_process=first_process)
    await_true(lambda: hold.heard("left"))
    assert len(children(hold.pid)) == 4
    await_true(lambda: len(children(hold.pid)) == 1)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT, 37])
def test_other_signals_reach_the_app(start: Start, number: int) -> None:
    hold = start()
    hold.await_ready()
    hold.signal(number)
    await_true(lambda: hold.heard(f"got {number}\n"))
    assert hold.ready() == 200


def test_a_forwarded_signal_can_end_the_app(start: Start) -> None:
    hold = start()
    hold.await_ready()
    hold.signal(signal.SIGWINCH)
    assert hold.end() == 10


def test_the_app_inherits_no_descriptor_and_no_blocked_signal_and_is_a_group_of_its_own(start: Start) -> None:
    hold = start(command=shell("ls /proc/self/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status; sleep 30"))
    await_true(lambda: hold.heard("SigIgn"))
    lines = hold.said.decode().split()
    assert lines[:4] == ["0", "1", "2", "3"]  # 3 is the folder that ls reads
    assert lines[lines.index("SigBlk:") + 1] == "0" * 16
    # What runs the tests may ignore some, as nohup does; hold changes none.
    ignored = int(lines[lines.index("SigIgn:") + 1], 16)
    own = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("SigIgn:"))
    assert ignored & ~int(own.split()[1], 16) == 0
    (app,) = children(hold.pid)
    assert os.getpgid(app) == app
    assert os.getsid(app) == os.getsid(hold.pid)


def test_a_signal_to_the_apps_group_does_not_reach_hold(start: Start) -> None:
    hold = start(command=shell("trap '' TERM; kill -TERM 0; echo alive; exec sleep 30"))
    await_true(lambda: hold.heard("alive"))
    # It would say that it drains.
    assert not hold.stats()["draining"]


def test_a_taken_port_is_one_line(start: Start) -> None:
    start(command=SLEEP)
    await_true(_listens)
    second = start(command=SLEEP)
    assert second.end() == 125
    assert second.log.decode().splitlines() == [
        f"hold: port {LISTEN}: got Address in use, want a free port for /ready "
        "(fix: move what listens there, or give --listen another port)"
    ]


def _listens() -> bool:
    return f":{LISTEN:04X}" in Path("/proc/self/net/tcp6").read_text()


@pytest.mark.parametrize(
    "options, wrong",
    [
        (("--port", str(LISTEN)), "--port: got the port that hold listens on, want another"),
        (("--port", "0"), "--port: got 0, want a whole number in its range"),
        (("--port", "80x"), "--port: got 80x, want a whole number in its range"),
        (("--health", "udp"), "--health: got udp, want http or tcp"),
        (("--health-path", "ready"), "--health-path: got ready, want a path"),
        (("--health-path", "/a b"), "--health-path: got /a b, want a path"),
        (("--health-status", "200-"), "--health-status: got 200-, want"),
        (("--health-status", "399-200"), "--health-status: got 399-200, want"),
        (("--health-status", "99"), "--health-status: got 99, want"),
        (("--health-status", "200,"), "--health-status: got 200,, want"),
        (("--health-header", "no colon"), "--health-header: got no colon, want a header"),
        (("--health-header", "A: b\r\nC: d"), "--health-header: got A: b??C: d, want a header"),
        (("--health", "tcp", "--health-status", "200"), "--health: got tcp with options of an HTTP check"),
        (("--drain-seconds", "-1"), "--drain-seconds: got -1, want seconds"),
        (("--finish-seconds", "1.2345"), "--finish-seconds: got 1.2345, want seconds"),
        (("--stop-signal", "SIGSTOPPED"), "--stop-signal: got SIGSTOPPED, want a signal's name"),
    ],
)
def test_a_wrong_option_is_one_line(start: Start, options: tuple[str, ...], wrong: str) -> None:
    hold = start(*options, command=SLEEP)
    assert hold.end() == 125
    (line,) = hold.log.decode().splitlines()
    assert line.startswith(f"hold: {wrong}")
    assert " (fix: " in line


def test_no_command_and_a_wrong_variable_are_one_line(start: Start) -> None:
    hold = start(command=SLEEP, environment={"EVENKEEL_FINISH_SECONDS": "soon"})
    assert hold.end() == 125
    assert hold.log.startswith(b"hold: EVENKEEL_FINISH_SECONDS: got soon, want seconds from 0 to 86400")


def test_the_program_is_small_static_and_takes_little_memory(start: Start, program: Path) -> None:
    assert stat.S_ISREG(program.stat().st_mode)
    assert program.stat().st_size <= 128 * 1024
    assert b"ld-musl" not in program.read_bytes()
    hold = start(command=(sys.executable, "-SE", str(Path(__file__).with_name("app.py")), "0.0.0.0", str(PORT)))
    hold.await_ready()
    for _ in range(100):
        assert hold.ready() == 200
        hold.stats()
    (resident,) = (
        line for line in Path(f"/proc/{hold.pid}/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    assert int(resident.split()[1]) <= 512
