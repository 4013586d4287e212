"""Figures from the access log: as it grows, is cut, is replaced, or grows too fast."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from evenkeel_agent.access_tail import MAX_BYTES, AccessTail, Logged, parse

SERVICES = {"web-1a": "web", "shop-2b": "shop"}


def line(
    service: str = "web-1a@docker", milliseconds: float = 10, status: int = 200, server: str = "http://web-1"
) -> str:
    entry = {
        "ServiceName": service,
        "ServiceURL": server,
        "Duration": int(milliseconds * 1e6),
        "DownstreamStatus": status,
    }
    return json.dumps(entry) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_text(line() * 3)
    return path


def add(path: Path, text: str) -> None:
    with path.open("a") as stream:
        stream.write(text)


def test_what_comes_after_the_begin_counts(log: Path) -> None:
    tail = AccessTail(log)
    add(log, line(milliseconds=10) * 18 + line(milliseconds=100, status=502) * 2 + line(service="other@file"))
    tail.read(100.0, SERVICES)
    (figures,) = tail.tiers(100.0).values()
    assert (figures.requests, figures.rate, figures.p50, figures.p95, figures.errors) == (20, 4.0, 0.01, 0.1, 0.1)
    assert tail.servers(100.0)["http://web-1"].requests == 20


def test_a_line_without_an_end_takes_no_memory(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evenkeel_agent.access_tail.MAX_BYTES", 1000)
    tail = AccessTail(log)
    for _ in range(5):
        add(log, "x" * 600)
        tail.read(100.0, SERVICES)
        assert len(tail._part) < 1000


def test_a_line_that_is_half_written_waits_for_its_end(log: Path) -> None:
    tail = AccessTail(log)
    text = line()
    add(log, text[:20])
    tail.read(1.0, SERVICES)
    assert tail.tiers(1.0) == {}
    add(log, text[20:])
    tail.read(2.0, SERVICES)
    assert tail.tiers(2.0)["web"].requests == 1


@pytest.mark.parametrize("way", ["cut", "replaced"])
def test_a_rotation_loses_none(log: Path, way: str) -> None:
    tail = AccessTail(log)
    if way == "cut":
        log.write_text("")
    else:
        log.rename(log.with_suffix(".1"))
    add(log, line() * 2)
    tail.read(1.0, SERVICES)
    assert tail.tiers(1.0)["web"].requests == 2


def test_old_answers_are_forgotten(log: Path) -> None:
    tail = AccessTail(log)
    add(log, line())
    tail.read(0.0, SERVICES)
    assert tail.tiers(59.0)["web"].requests == 1
    assert tail.tiers(61.0)["web"] == tail.tiers(62.0)["web"]
    assert (tail.tiers(61.0)["web"].requests, tail.tiers(61.0)["web"].p95) == (0, None)
    assert tail.servers(61.0)["http://web-1"].requests == 0
    assert tail.servers(61.0) == {}, "addresses of nodes that are gone take no memory"


def test_of_too_much_the_end_is_read_and_told(log: Path) -> None:
    tail = AccessTail(log)
    add(log, line() * (2 * MAX_BYTES // len(line())))
    tail.read(1.0, SERVICES)
    assert tail.sampled
    assert 0 < tail.tiers(1.0)["web"].requests <= MAX_BYTES // len(line())
    add(log, line())
    tail.read(2.0, SERVICES)
    assert not tail.sampled


def test_a_log_that_is_not_there_yet(tmp_path: Path) -> None:
    tail = AccessTail(tmp_path / "none.log")
    tail.read(1.0, SERVICES)
    add(tmp_path / "none.log", line())
    tail.read(2.0, SERVICES)
    assert tail.tiers(2.0)["web"].requests == 1


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b"null", b"{", b'{"ServiceName": "a", "Duration": "x"}', b"\xff", b"[" * 9999]
)
def test_other_lines_are_passed_over(text: bytes) -> None:
    assert parse(text) is None


def test_a_line(log: Path) -> None:
    assert parse(line().encode()) == Logged("web-1a", "http://web-1", 0.01, False)
