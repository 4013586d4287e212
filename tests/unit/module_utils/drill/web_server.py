"""A small real HTTP server in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from aiohttp import web


class WebServer:
    """Answers as a test tells it to, and notes what it was sent.

    Attributes:
        silent: says of a request, by its number, whether it is never answered.
        drop: says of a request whether its connection is closed instead.
    """

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.silent: Callable[[int], bool] = lambda number: False
        self.status: Callable[[int], int] = lambda number: 200
        self.drop: Callable[[int], bool] = lambda number: False
        self.replayed = False
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        # What is never answered is not waited for at the end.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(60)

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        number = len(self.seen)
        self.seen.append(
            {
                "method": request.method,
                "path": request.path,
                "host": request.headers["Host"],
                "id": request.headers["X-Request-Id"],
                "key": request.headers.get("Idempotency-Key"),
                "cookie": request.headers.get("Cookie"),
                "peer": request.transport.get_extra_info("peername") if request.transport else None,
                "body": body,
            }
        )
        if self.drop(number) and request.transport:
            request.transport.close()
        if self.silent(number):
            await asyncio.Event().wait()
        answer = web.json_response({"replayed": self.replayed}, status=self.status(number))
        answer.headers["X-Served-By"] = "web-1"
        if "Cookie" not in request.headers:
            answer.set_cookie("session", "web-1")
        return answer
