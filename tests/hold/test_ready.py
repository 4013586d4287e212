"""What hold tells the balancer about an app, and how it finds out."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from tests.hold.conftest import CLIENT, LISTEN, NODE, PORT, Start, await_true, get


def test_ready_follows_the_app(start: Start) -> None:
    hold = start()
    hold.await_ready()
    assert get("/status/503", port=PORT).status == 200
    await_true(lambda: hold.ready() == 503, 1)
    assert get("/status/404", port=PORT).status == 200  # below 500
    await_true(lambda: hold.ready() == 200, 1)
    get("/hang", port=PORT)
    await_true(lambda: hold.ready() == 503, 1)
    hold.signal(signal.SIGKILL)
    hold.process.wait()
    assert hold.process.stderr is not None
    said = hold.process.stderr.read().decode().splitlines()
    assert [line for line in said if not line.startswith("unshare: ")] == [
        f"hold: the app at {NODE}:{PORT} is not ready: it answers 503",
        f"hold: the app at {NODE}:{PORT} is ready again: it answers 404",
        f"hold: the app at {NODE}:{PORT} is not ready: it does not answer in time",
    ]


def test_a_node_is_not_ready_before_its_app_listens(start: Start) -> None:
    app = f"sleep 0.5; exec python3 -SE {Path(__file__).with_name('app.py')} 0.0.0.0 {PORT}"
    hold = start(command=("sh", "-c", app))
    await_true(lambda: hold.ready() == 503, 1)
    hold.await_ready()


def test_an_answer_has_no_body_and_keeps_the_connection(start: Start) -> None:
    hold = start()
    hold.await_ready()
    connection = http.client.HTTPConnection(NODE, LISTEN, timeout=2, source_address=(CLIENT, 0))
    connection.connect()
    first = connection.sock
    for method in ("GET", "HEAD", "GET"):
        connection.request(method, "/ready?from=balancer")
        answer = connection.getresponse()
        assert (answer.status, answer.read(), answer.getheader("Content-Length")) == (200, b"", "0")
        assert connection.sock is first
    connection.close()


def test_head_of_stats_tells_the_length_only(start: Start) -> None:
    start().await_ready()
    assert get("/stats", method="HEAD").body == b""
    assert int(get("/stats", method="HEAD").headers["content-length"]) == len(get("/stats").body)


def test_an_app_on_loopback_only_is_not_ready_and_stats_says_where_it_listens(start: Start) -> None:
    hold = start(app_address="127.0.0.1")
    await_true(lambda: hold.ready("127.0.0.1") == 200)
    assert hold.ready() == 503
    await_true(lambda: hold.stats()["listeners"] == [f"127.0.0.1:{PORT}"], 1)
    assert not hold.stats()["ready"]


def test_stats_has_the_shape_of_the_other_images(start: Start) -> None:
    hold = start()
    hold.await_ready()
    assert hold.stats() == {
        "node": os.uname().nodename,
        "draining": False,
        "ready": True,
        "connections": 0,
        "listeners": [f"0.0.0.0:{PORT}"],
    }


def test_both_address_families_are_answered(start: Start) -> None:
    hold = start(app_address="127.0.0.1")
    await_true(lambda: hold.ready("::1") == 503)
    await_true(lambda: hold.ready("127.0.0.1") == 200)


def test_redirects_are_not_followed(start: Start) -> None:
    hold = start("--health-path", "/moved", "--health-status", "302")
    hold.await_ready()
    hold.signal(signal.SIGKILL)
    hold.process.wait()
    hold = start("--health-path", "/moved", "--health-status", "200-299")
    await_true(lambda: get("/looks", port=PORT).status == 200)
    with pytest.raises(AssertionError):
        await_true(lambda: hold.ready() == 200, 1)


def test_a_named_path_needs_a_good_status(start: Start) -> None:
    hold = start("--health-path", "/page")
    hold.await_ready()
    get("/status/404", port=PORT)
    await_true(lambda: hold.ready() == 503, 1)
    get("/status/299", port=PORT)  # after a 103
    await_true(lambda: hold.ready() == 200, 1)


def test_statuses_host_and_headers_are_those_that_were_given(start: Start) -> None:
    extra = ("--health-host", "www.example.org", "--health-header", "X-Forwarded-Proto: https")
    hold = start("--health-path", "/page?x=1", *extra, "--health-status", "500-502,418")
    await_true(lambda: get("/status/418", port=PORT).status == 200)
    hold.await_ready()
    head = get("/head", port=PORT).body.decode().split("\r\n")
    assert head[:2] == ["GET /page?x=1 HTTP/1.1", "Host: www.example.org"]
    assert "X-Forwarded-Proto: https" in head
    get("/status/200", port=PORT)
    await_true(lambda: hold.ready() == 503, 1)


def test_without_a_host_the_address_is_named(start: Start) -> None:
    start().await_ready()
    assert f"Host: {NODE}:{PORT}" in get("/head", port=PORT).body.decode().split("\r\n")


def test_a_tcp_check_asks_nothing(start: Start) -> None:
    hold = start("--health", "tcp")
    hold.await_ready()
    get("/hang", port=PORT)  # which a TCP check cannot see
    assert get("/looks", port=PORT).body == b"0"
    assert hold.ready() == 200


def test_drain_on_and_off(start: Start, program: Path) -> None:
    hold = start()
    hold.await_ready()

    def ask(*words: str) -> tuple[int, str]:
        done = subprocess.run([program, *words], check=False, capture_output=True, text=True, timeout=5)
        return done.returncode, (done.stdout + done.stderr).strip()

    assert ask("drain", "on") == (0, "draining")
    assert hold.ready() == 503
    assert hold.stats()["draining"]
    assert get("/", port=PORT).status == 200
    assert '"draining":true' in ask("status")[1]
    assert ask("drain", "off") == (0, "not draining")
    assert hold.ready() == 200
    assert ask("drain", "maybe")[0] == 125
    hold.signal(signal.SIGTERM)
    await_true(lambda: hold.ready() == 503, 1)
    code, said = ask("drain", "off")
    assert code == 125
    assert "cannot be taken back" in said


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_another_user_cannot_drain(start: Start, program: Path) -> None:
    hold = start()
    hold.await_ready()
    # pytest's own folders are closed to other users.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        copy = [shutil.copy(program, folder), "drain", "on"]
        done = subprocess.run(copy, check=False, capture_output=True, text=True, timeout=5, user=65534, group=65534)
    assert done.returncode == 125
    assert "user: got another one" in done.stderr
    assert hold.ready() == 200


def test_drain_without_a_node_is_one_line(program: Path) -> None:
    done = subprocess.run([program, "drain", "on"], check=False, capture_output=True, text=True, timeout=5)
    assert done.returncode == 125
    assert done.stderr.startswith("hold: node: got Connection refused, want one that runs here")


def test_a_frozen_hold_takes_its_node_out_and_the_app_goes_on(start: Start) -> None:
    hold = start()
    hold.await_ready()
    hold.signal(signal.SIGSTOP)
    assert hold.ready() == 0
    assert get("/", port=PORT).status == 200
    hold.signal(signal.SIGCONT)
    await_true(lambda: hold.ready() == 200, 2)


def test_the_app_starts_when_the_balancer_was_told_that_it_does_not_run_yet(start: Start) -> None:
    hold = start("--gate-seconds", "20")
    assert await_true(lambda: hold.ready() == 503, 2) < 2
    hold.await_ready()


def test_it_starts_without_a_balancer_too(start: Start) -> None:
    began = time.monotonic()
    start("--gate-seconds", "0.7")
    while time.monotonic() - began < 0.6:
        assert get("/", port=PORT).status == 0
    await_true(lambda: get("/", port=PORT).status == 200)
    assert time.monotonic() - began >= 0.7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_node_that_has_not_started_its_app_ends_at_once(start: Start, number: int) -> None:
    hold = start("--gate-seconds", "60", command=("sh", "-c", "echo started"))
    # Not at /ready, which would start it.
    await_true(lambda: get("/stats").status == 200)
    hold.signal(number)
    assert hold.end() == 128 + number
    assert hold.said == b""
