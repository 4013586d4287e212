"""Streams to the web process: they say why they break off, and a reader that takes nothing is dropped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from evenkeel_agent import server
from evenkeel_agent.engine_stream import StreamError


def application(items: Any) -> web.Application:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await server._streamed(request, items)

    app = web.Application()
    app.router.add_get("/", handler)
    return app


def test_the_last_line_says_why_it_ended() -> None:
    async def items() -> AsyncGenerator[list[str], None]:
        yield ["stdout", "one"]
        raise StreamError("status 409 for the log")

    async def run() -> list[Any]:
        async with TestClient(TestServer(application(items()))) as client:
            answer = await client.get("/")
            return [json.loads(line) for line in (await answer.read()).splitlines()]

    assert asyncio.run(run()) == [["stdout", "one"], {"problems": ["status 409 for the log"]}]


def test_a_reader_that_takes_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_STALLED_SECONDS", 0.1)
    sent: list[int] = []
    over = asyncio.Event()

    async def items() -> AsyncGenerator[str, None]:
        try:
            for number in range(10_000):
                sent.append(number)
                yield "x" * 65_536
        finally:
            over.set()

    async def run() -> None:
        source = items()

        async def handler(request: web.Request) -> web.StreamResponse:
            try:
                return await server._streamed(request, source)
            finally:
                await source.aclose()

        app = web.Application()
        app.router.add_get("/", handler)
        async with TestServer(app) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await asyncio.wait_for(over.wait(), 10)
            writer.close()
            assert not reader.at_eof() or sent

    asyncio.run(run())
    assert 0 < len(sent) < 5000
