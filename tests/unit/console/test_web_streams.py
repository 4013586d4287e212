"""Streams pass through, are few, and end: with their reader, their session, their agent."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from evenkeel_console import streams
from evenkeel_console.sessions import IDLE_SECONDS
from tests.unit.fakes.console import Browser, Console


class Stream:
    """An open one."""

    def __init__(self, browser: Browser, path: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", browser.console.port, timeout=10)
        self._connection.request("GET", path, headers=browser.headers)
        self.answer = self._connection.getresponse()

    def line(self) -> Any:
        """The next value; None at the end."""
        text = self.answer.readline()
        return json.loads(text) if text else None

    def close(self) -> None:
        self.answer.close()
        self._connection.close()


@contextmanager
def opened(browser: Browser, path: str = "/api/stream", count: int = 1) -> Iterator[list[Stream]]:
    found: list[Stream] = []
    try:
        found.extend(Stream(browser, path) for _ in range(count))
        yield found
    finally:
        for stream in found:
            stream.close()


def until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def free(console: Console) -> bool:
    taken: int = console.app.state.desk.places.taken
    return taken == 0


def log_of(console: Console) -> str:
    return f"/api/nodes/{console.node('shop-1')}/log?follow=1"


def test_the_state_comes_first_and_changes_follow(console: Console) -> None:
    with opened(console.login()) as [stream]:
        assert stream.answer.headers["Content-Type"] == "application/x-ndjson"
        first = stream.line()
        assert set(first["state"]["tiers"]) == {"shop", "dates"}
        assert console.agent is not None
        console.call(console.agent._tell({"event": {"kind": "die"}}))
        assert stream.line()["event"] == {"kind": "die"}
        number = first["number"] + 1
    with opened(console.login(), f"/api/stream?since={number - 1}") as [stream]:
        assert stream.line()["number"] == number


def test_a_log_passes_through_as_it_is(console: Console) -> None:
    answer = console.login().get(log_of(console).replace("follow=1", "tail=5"))
    assert [json.loads(line) for line in answer.content.splitlines()] == [list(item) for item in console.streams.lines]


def test_a_log_ends_at_the_agent_when_the_browser_goes(console: Console) -> None:
    with opened(console.login(), log_of(console), 3):
        assert until(lambda: console.streams.open == 3)
    assert until(lambda: console.streams.open == 0, 2)
    assert until(lambda: free(console))


def test_few_streams_of_one_session_and_of_all(console: Console) -> None:
    browsers = [console.login(name) for name in ("alice", "alice", "bob", "vera")]
    with opened(browsers[0], count=5), opened(browsers[1], count=5), opened(browsers[2], count=5):
        refused = browsers[0].get("/api/stream")
        assert refused.status == 429
        assert refused.problems == ["stream: got 5 open already, want at most 5 (fix: close another page)"]
        with opened(browsers[3], count=5):
            last = console.login("vera")
            assert last.get("/api/stream").status == 429
            # Beside as many streams as can be, questions are answered.
            assert last.get("/api/state").status == 200
    assert until(lambda: free(console))
    with opened(browsers[0]) as [stream]:
        assert stream.line()


@pytest.mark.parametrize("end", ["logout", "idle", "removed"])
def test_a_stream_ends_with_its_session(console: Console, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.05)
    bob = console.login("bob")
    with opened(bob, log_of(console)) as [stream]:
        assert stream.line()
        if end == "logout":
            assert bob.post("/api/logout").status == 204
        elif end == "idle":
            # A stream alone does not prolong a session.
            for _ in range(4):
                console.now.at += IDLE_SECONDS / 3
                time.sleep(0.1)
        else:
            console.write_settings(users=[{"name": "alice", "role": "operator"}])
        assert stream.line() is None
    assert until(lambda: console.streams.open == 0)


@pytest.mark.parametrize("limit", ["streams.WRITE_SECONDS", "server.UNREAD_SECONDS"])
def test_a_reader_that_does_not_read_is_dropped(console: Console, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each of the two limits is enough.
    for name in ("streams.WRITE_SECONDS", "server.UNREAD_SECONDS"):
        monkeypatch.setattr(f"evenkeel_console.{name}", 0.3 if name == limit else 60.0)
    monkeypatch.setattr("evenkeel_agent.server.MAX_LINES_PER_SECOND", 10**6)
    console.streams.lines = [("stdout", "x" * 16000)] * 2000
    alice = console.login()
    with socket.create_connection(("127.0.0.1", console.port)) as connection:
        headers = "".join(f"{name}: {value}\r\n" for name, value in alice.headers.items())
        path = log_of(console).replace("follow=1", "follow=1&tail=1000")
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
        assert until(lambda: not free(console))
        assert until(lambda: free(console) and console.streams.open == 0)
    assert alice.get("/api/state").status == 200


def test_an_agent_that_is_away_is_told_with_the_time_and_comes_back(console: Console) -> None:
    alice = console.login()
    console.wall.at = 14 * 3600 + 2 * 60 + 31
    with opened(alice) as [stream]:
        assert stream.line()
        console.call(console.stop_agent())
        for _ in range(9):
            if stream.line() is None:
                break
        else:
            pytest.fail("the stream goes on without its agent")
    wanted = (
        "agent: got no answer since 14:02:31 UTC, want one to every question "
        f"(fix: docker start {console.name}-console-agent)"
    )
    for path in ("/api/state", "/api/stream", "/api/tiers", log_of(console), "/api/events", "/api/audit"):
        answer = alice.get(path)
        assert (answer.status, answer.problems) == (503, [wanted]), path
        console.wall.at += 1
    assert alice.plan("roll", tier="shop").status == 503
    assert alice.get("/metrics").content.decode().splitlines()[2] == "evenkeel_agent_up 0"
    assert alice.get("/api/me").status == 200
    assert Browser(console).get("/").status == 200
    console.call(console.start_agent())
    assert alice.get("/api/state").status == 200
    assert "evenkeel_agent_up 1" in alice.get("/metrics").content.decode()
    console.wall.at += 60
    console.call(console.stop_agent())
    assert "since 14:03:37" in alice.get("/api/state").problems[0]
    console.call(console.start_agent())


def test_a_stop_does_not_wait_for_streams(console: Console, caplog: pytest.LogCaptureFixture) -> None:
    with opened(console.login(), log_of(console), 2) as pair:
        assert all(stream.line() for stream in pair)
        console.server.should_exit = True
        began = time.monotonic()
        assert until(lambda: free(console) and console.streams.open == 0)
        assert time.monotonic() - began < 2.9
    assert "Exception" not in caplog.text
