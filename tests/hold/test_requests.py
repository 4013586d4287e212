"""Strangers at hold's port: broken and slow requests, and more connections than it keeps. Most under sanitizers."""

from __future__ import annotations

import collections
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.hold.conftest import CLIENT, LISTEN, NODE, PORT, SOURCES, Running, await_true, get, starts

GET = b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def hold(programs: Path) -> Iterator[Running]:
    """A ready node whose hold ends with a report at the first wrong access to memory."""
    with starts(programs / "hold-sanitized") as start:
        found = start()
        found.await_ready()
        yield found


def connect() -> socket.socket:
    return socket.create_connection((NODE, LISTEN), 5, (CLIENT, 0))


def answers(sent: bytes) -> tuple[list[int], bool]:
    """The statuses of the answers to these bytes, and whether the connection was closed then."""
    got = b""
    closed = False
    with connect() as client:
        client.sendall(sent)
        client.settimeout(0.15)
        try:
            while piece := client.recv(65536):
                got += piece
            closed = True
        except TimeoutError:
            pass
        except ConnectionResetError:
            closed = True
    return [int(part[:3]) for part in got.split(b"HTTP/1.1 ")[1:]], closed


@pytest.mark.parametrize(
    "sent, statuses, closed",
    [
        (GET, [200], False),
        (GET * 3, [200] * 3, False),
        (GET + b"HEAD /stats HTTP/1.1\r\n\r\nGET /", [200, 200], False),
        (b"GET /ready HTTP/1.0\r\n\r\n", [200], True),
        (b"GET /ready HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", [200], False),
        (b"GET /ready HTTP/1.1\r\nConnection: x, close\r\n\r\n" + GET, [200], True),
        (b"GET /ready HTTP/1.1\r\nConnection: clos\r\n\r\n", [200], False),
        (b"GET /ready?x HTTP/1.1\r\nContent-Length: 0\r\n\r\n", [200], False),
        (b"POST /ready HTTP/1.1\r\n\r\n", [405], False),
        (b"GET /readyx HTTP/1.1\r\n\r\n", [404], False),
        (b"GET /READY HTTP/1.1\r\n\r\n", [404], False),
        (b"GET http://x/ready HTTP/1.1\r\n\r\n", [404], False),
        (b"POST /ready HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", [400], True),
        (b"GET /ready HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400], True),
        (b"GET /ready HTTP/1.1\nHost: x\n\n", [400], True),
        (b"GET /ready HTTP/1.1\r\nHost : x\r\n\r\n", [400], True),
        (b"GET /ready HTTP/1.1\r\nA: 1\r\n folded\r\n\r\n", [400], True),
        (b"GET /ready HTTP/1.1\r\nNo colon\r\n\r\n", [400], True),
        (b"GET /ready HTTP/1.1\r\nA: \0\r\n\r\n", [400], True),
        (b"GET /ready HTTP/2.0\r\n\r\n", [400], True),
        (b"GET  /ready HTTP/1.1\r\n\r\n", [400], True),
        (b"GET /ready\r\n\r\n", [400], True),
        (b"\r\n" + GET, [400], True),
        (b"\x16\x03\x01\x02\x00\x01\x00", [400], True),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400], True),
        (b"GET /" + b"x" * 3000, [431], True),
        (b"GET /ready HTTP/1.1\r\n" + b"A: b\r\n" * 500, [431], True),
        (b"", [], False),
    ],
)
def test_each_request_gets_its_fixed_answer(hold: Running, sent: bytes, statuses: list[int], closed: bool) -> None:
    assert answers(sent) == (statuses, closed)
    assert hold.ready() == 200


def test_slow_bytes_hold_up_nobody_else(hold: Running) -> None:
    slow = [connect() for _ in range(20)]
    for byte in GET[:-1]:
        for client in slow:
            client.sendall(bytes([byte]))
        assert hold.ready() == 200
    for client in slow:
        client.sendall(GET[-1:])
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        client.close()


def test_a_client_that_does_not_read_loses_its_connection(hold: Running) -> None:
    with connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.settimeout(20)
        # Its answers fill the buffers of both sides, some megabytes.
        questions = b"GET /stats HTTP/1.1\r\n\r\n" * 1_600_000
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            client.sendall(questions)
    assert hold.ready() == 200


def test_ten_thousand_connections_do_not_cost_the_balancer_its_own(hold: Running) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    kept = connect()
    kept.sendall(GET)
    assert kept.recv(4096).startswith(b"HTTP/1.1 200")
    crowd: collections.deque[socket.socket] = collections.deque()
    slowest = 0.0
    try:
        for number in range(10_000):
            client = socket.create_connection((NODE, LISTEN), 5, (f"10.9.1.{number % 200 + 1}", 0))
            client.sendall(b"GET /" if number % 2 else b"\xff")
            crowd.append(client)
            if len(crowd) > 900:
                crowd.popleft().close()
            if number % 100 == 0:
                began = time.monotonic()
                kept.sendall(GET)
                assert kept.recv(4096).startswith(b"HTTP/1.1 200"), f"after {number} connections"
                slowest = max(slowest, time.monotonic() - began)
                assert len(list(Path(f"/proc/{hold.pid}/fd").iterdir())) < 64 + 24
    finally:
        for client in (*crowd, kept):
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # As long as the balancer waits for a probe.
    assert slowest < 0.45
    assert hold.ready() == 200


def test_the_oldest_idle_connection_makes_room(hold: Running) -> None:
    clients = [connect() for _ in range(64)]
    for client in clients:
        client.sendall(GET)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        time.sleep(0.002)
    clients[0].sendall(GET)
    assert clients[0].recv(4096).startswith(b"HTTP/1.1 200")
    # Now the second one was silent for longest.
    assert hold.ready() == 200
    assert clients[1].recv(4096) == b""
    clients[0].sendall(GET)
    assert clients[0].recv(4096).startswith(b"HTTP/1.1 200")
    for client in clients:
        client.close()


def test_a_sanitized_hold_leaves_without_a_report(hold: Running) -> None:
    # The last test of this hold.
    get("/status/500", port=PORT)
    await_true(lambda: hold.ready() == 503, 1)
    hold.signal(15)
    assert hold.end() == 10
    assert b"ERROR" not in hold.log
    assert b"runtime error" not in hold.log


def test_parsers_stand_made_up_input(tmp_path: Path) -> None:
    sources = [str(SOURCES / name) for name in ("address.c", "environment.c", "http.c", "leave.c", "options.c")]
    sources += [str(SOURCES / name) for name in ("signals.c", "sockets.c", "text.c")]
    fuzz = Path(__file__).with_name("fuzz.c")
    sanitizers = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    program = tmp_path / "fuzz"
    subprocess.run(
        [
            "gcc",
            "-std=c11",
            "-D_GNU_SOURCE",
            "-Wall",
            "-Wextra",
            "-Werror",
            *sanitizers,
            f"-I{SOURCES}",
            "-o",
            program,
            fuzz,
            *sources,
        ],
        check=True,
        timeout=120,
    )
    done = subprocess.run([program, "1", "60000"], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    # A generator that made only garbage would prove little.
    counts = dict(part.split("=") for part in done.stdout.split())
    assert all(int(counts[kind]) > 1000 for kind in ("complete", "more", "bad", "sockets", "variables", "statuses"))


def test_no_path_of_the_program_is_found_wrong(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "--silent", "--directory", str(SOURCES), f"BUILD={tmp_path}", "analyzed"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
