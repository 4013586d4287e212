"""When an app gets its stop signal after hold was asked to end. The app cuts off whatever is open then."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import threading
import time

import pytest
from tests.hold.conftest import CLIENT, NODE, PORT, Running, Start, await_true, get

DRAIN = 0.4
QUIET = 0.3
# What a busy machine adds.
SLACK = 0.7


def leave(hold: Running, number: int = signal.SIGTERM) -> float:
    hold.await_ready()
    began = time.monotonic()
    hold.signal(number)
    return began


def until_end(hold: Running, began: float) -> float:
    assert hold.end() == 10, hold.log
    return time.monotonic() - began


def connected(source: str = CLIENT, address: str = NODE) -> socket.socket:
    found = socket.create_connection((address, PORT), 5, (source, 0))
    found.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert found.recv(4096).startswith(b"HTTP/1.1 200")
    return found


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("stop", ["SIGQUIT", "WINCH"])
def test_an_idle_node_leaves_after_its_drain(start: Start, asked: int, stop: str) -> None:
    hold = start("--stop-signal", stop)
    began = leave(hold, asked)
    assert await_true(lambda: hold.ready() == 503, 1) < 0.2
    # Until then it serves: the balancer may not have noticed yet.
    while time.monotonic() - began < DRAIN:
        assert get("/", port=PORT).status == 200
    assert DRAIN + QUIET <= until_end(hold, began) < DRAIN + QUIET + SLACK
    number = signal.SIGQUIT if stop == "SIGQUIT" else signal.SIGWINCH
    assert hold.said == f"got {int(number)}\n".encode()


def test_it_ends_right_after_the_balancer_was_told_so(start: Start) -> None:
    """Until its next configuration, the balancer sends nothing to a node whose probe was answered 503."""
    hold = start()
    began = leave(hold)
    for at in (0.1, 0.5, 0.95):
        time.sleep(max(began + at - time.monotonic(), 0))
        assert hold.ready() == 503
    told = time.monotonic() - began
    # Without a probe to wait for, it had ended at DRAIN + QUIET.
    assert DRAIN + QUIET < told <= until_end(hold, began) < told + 0.3


def test_a_balancer_that_asks_no_more_is_not_waited_for(start: Start) -> None:
    hold = start()
    began = leave(hold)
    time.sleep(0.5)
    assert hold.ready() == 503
    assert 0.5 + 0.75 <= until_end(hold, began) < 0.5 + 0.75 + SLACK


def test_sigquit_ends_at_once(start: Start) -> None:
    hold = start()
    hold.await_ready()
    held = connected()
    began = leave(hold, signal.SIGQUIT)
    assert until_end(hold, began) < 0.3
    held.close()


def test_the_app_is_asked_once_however_often_hold_is(start: Start) -> None:
    hold = start(command=("sh", "-c", "trap 'echo asked' TERM; echo up; while :; do sleep 0.05; done"))
    await_true(lambda: hold.heard("up"))
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGQUIT):
        hold.signal(number)
        time.sleep(0.2)
    hold.signal(signal.SIGKILL)
    hold.end()
    assert hold.said.count(b"asked") == 1


def test_draining_tells_a_node_that_leaves_from_one_that_is_not_ready(start: Start) -> None:
    hold = start("--health-path", "/none")
    assert (hold.ready(), get("/draining").status) == (503, 404)
    hold.signal(signal.SIGTERM)
    await_true(lambda: get("/draining").status == 200)
    assert get("/DRAINING").status == 404


def test_a_second_request_to_end_changes_nothing(start: Start) -> None:
    hold = start()
    began = leave(hold)
    time.sleep(0.2)
    hold.signal(signal.SIGTERM)
    hold.signal(signal.SIGINT)
    assert DRAIN + QUIET <= until_end(hold, began) < DRAIN + QUIET + SLACK
    assert hold.said == f"got {int(signal.SIGTERM)}\n".encode()


def test_a_long_request_is_finished_first(start: Start) -> None:
    hold = start()
    hold.await_ready()
    got: list[int] = []
    request = threading.Thread(target=lambda: got.append(_slow(1.5)))
    request.start()
    await_true(lambda: hold.stats()["connections"] == 1)
    began = leave(hold)
    took = until_end(hold, began)
    request.join()
    assert got == [200]
    assert 1.2 + QUIET < took < 1.5 + QUIET + SLACK


def _slow(seconds: float) -> int:
    with contextlib.closing(http.client.HTTPConnection(NODE, PORT, timeout=5, source_address=(CLIENT, 0))) as client:
        client.request("POST", f"/slow/{seconds}", headers={"Connection": "close"})
        answer = client.getresponse()
        answer.read()
        return answer.status


def test_an_idle_connection_is_waited_for(start: Start) -> None:
    hold = start()
    hold.await_ready()
    kept = connected()
    began = leave(hold)
    time.sleep(1.2)
    # The balancer may send a request on it until it closes it.
    kept.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert kept.recv(4096).startswith(b"HTTP/1.1 200")
    kept.close()
    assert 1.2 + QUIET <= until_end(hold, began) < 1.2 + QUIET + SLACK


def test_a_connection_that_comes_late_is_finished(start: Start) -> None:
    hold = start()
    began = leave(hold)
    time.sleep(DRAIN + QUIET / 2)
    assert _slow(0.6) == 200
    assert until_end(hold, began) >= DRAIN + QUIET / 2 + 0.6 + QUIET


def test_a_stream_is_cut_at_the_limit_and_the_limit_is_told(start: Start) -> None:
    hold = start("--finish-seconds", "1.5")
    hold.await_ready()
    stream = socket.create_connection((NODE, PORT), 5, (CLIENT, 0))
    stream.sendall(b"GET /stream/ HTTP/1.1\r\n\r\n")
    began = leave(hold)
    while stream.recv(4096):
        ended = time.monotonic() - began
    assert 1.4 <= ended < 1.5 + SLACK
    assert until_end(hold, began) < 1.5 + SLACK
    assert b"although 1 connections are open (fix: raise finish_seconds)" in hold.log
    stream.close()


@pytest.mark.parametrize("source, address", [("127.0.0.2", "127.0.0.1"), (NODE, NODE)])
def test_connections_from_inside_are_not_waited_for(start: Start, source: str, address: str) -> None:
    hold = start()
    hold.await_ready()
    own = connected(source, address)
    began = leave(hold)
    assert until_end(hold, began) < DRAIN + QUIET + SLACK
    own.close()


def test_the_environment_has_the_last_word_on_the_times(start: Start) -> None:
    hold = start(environment={"EVENKEEL_DRAIN_SECONDS": "1", "EVENKEEL_FINISH_SECONDS": "1.1"})
    began = leave(hold)
    assert 1.1 <= until_end(hold, began) < 1.1 + SLACK
    # Nothing was connected, so there is nothing to tell.
    assert hold.log == b""


def test_an_app_that_ignores_its_signal_is_left_to_docker(start: Start) -> None:
    hold = start("--finish-seconds", "0.5", command=("sh", "-c", "trap 'echo asked' TERM; while :; do sleep 0.1; done"))
    hold.signal(signal.SIGTERM)
    # Long after the time to finish, it runs on.
    with pytest.raises(Exception, match="timed out"):
        hold.end(2)
    hold.signal(signal.SIGKILL)
    assert hold.end() != 0
    assert b"asked" in hold.log + hold.said
