"""What comes from Docker's streams is bounded, and of this cluster alone."""

from __future__ import annotations

import asyncio
import json
import struct
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from evenkeel_agent import engine_stream
from evenkeel_agent.engine_stream import MAX_LINE, EngineStreams, StreamError, told
from tests.unit.module_utils.engine.docker_socket import DockerSocket


class Frames:
    """A log of Docker's that notes how much is asked for at once."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.asked: list[int] = []

    async def readexactly(self, count: int) -> bytes:
        self.asked.append(count)
        found, self._content = self._content[:count], self._content[count:]
        if len(found) < count:
            raise asyncio.IncompleteReadError(found, count)
        return found


def frame(text: bytes, number: int = 1) -> bytes:
    return struct.pack(">BxxxI", number, len(text)) + text


def lines(frames: Frames) -> list[tuple[str, str]]:
    async def read() -> list[tuple[str, str]]:
        return [item async for item in engine_stream._lines(cast("aiohttp.StreamReader", frames))]

    return asyncio.run(read())


def test_lines_in_several_frames_and_of_both_streams() -> None:
    found = Frames(frame(b"one\ntw") + frame(b"oops\n", 2) + frame(b"o\nend") + b"\x01")
    assert lines(found) == [("stdout", "one"), ("stderr", "oops"), ("stdout", "two"), ("stdout", "end")]


def test_a_long_line_is_cut_in_one_frame_and_in_many() -> None:
    assert [len(text) for _, text in lines(Frames(frame(b"x" * 3 * MAX_LINE + b"\n")))] == [MAX_LINE]
    assert [len(text) for _, text in lines(Frames(frame(b"x" * 10_000) * 100))] == [MAX_LINE]


def test_a_frame_that_says_gigabytes_is_not_asked_for_at_once() -> None:
    found = Frames(struct.pack(">BxxxI", 1, 2**32 - 1) + b"x" * 100)
    assert lines(found) == []
    assert max(found.asked) <= 1024 * 1024


def test_docker_is_asked_for_events_of_this_cluster_alone(tmp_path: Path) -> None:
    engine = DockerSocket(tmp_path / "docker.sock")
    engine.answers["/events"] = (200, b'{"Action":"start"}\n')

    events: list[dict[str, Any]] = []

    async def read() -> None:
        async for event in EngineStreams(tmp_path / "docker.sock", "mine").events():
            events.append(event)  # noqa: PERF401

    try:
        with pytest.raises(StreamError, match="has ended"):
            asyncio.run(read())
    finally:
        engine.close()
    assert events == [{}, {"Action": "start"}], "those before the end are told"
    [(path, query)] = engine.seen
    filters = json.loads(query["filters"][0])
    assert (path, filters["type"]) == ("/events", ["container"])
    assert [label for label in filters["label"] if label.endswith("=mine")]
    assert "exec_create" not in filters["event"]


def test_texts_of_an_event_are_bounded_and_other_kinds_are_none() -> None:
    attributes = dict.fromkeys(("name", "exitCode", "signal", "evenkeel.tier", "evenkeel.role"), "x" * 10000)
    actor = {"ID": "a" * 10_000, "Attributes": attributes}
    for kind in ("start", "die", "kill"):
        found = told({"Action": kind, "Actor": actor, "timeNano": 1})
        assert found is not None
        assert len(json.dumps(found)) < 500
    assert told({"Action": "exec_create: sh", "Actor": actor}) is None
    assert told({}) is None
