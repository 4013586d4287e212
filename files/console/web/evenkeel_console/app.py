"""The application: all parts put together."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from . import models, routes_do, routes_person, routes_public, routes_view
from .access import Access
from .agent_client import AgentClient
from .assets import Assets
from .desk import Desk
from .gate import HEADERS, Gate
from .links import OnceLinks
from .problems import RefusedError, line, quote, refusal
from .roles import GuardedRoute
from .settings import Settings
from .streams import Places

_STATUSES = (400, 401, 403, 404, 405, 408, 409, 413, 415, 421, 422, 429, 431, 500, 502, 503)
_PUBLIC_PATHS = ("/api/login", "/healthz")
# Also names: people type passwords there.
_SECRET = frozenset({"name", "password", "old", "new", "x-evenkeel-key", "authorization"})
_SCHEMES = {
    "cookie": {"type": "apiKey", "in": "cookie", "name": "evenkeel_session"},
    "key": {"type": "apiKey", "in": "header", "name": "X-Evenkeel-Key"},
    "token": {"type": "http", "scheme": "bearer"},
}


class Console(FastAPI):
    """FastAPI whose description tells how to log in."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if not self.openapi_schema:
            found = super().openapi()
            found.setdefault("components", {})["securitySchemes"] = _SCHEMES
            found["security"] = [{"token": []}, {"cookie": [], "key": []}]
            for path, operations in found["paths"].items():
                for operation in operations.values():
                    _complete(operation, public=path in _PUBLIC_PATHS)
        return cast("dict[str, Any]", self.openapi_schema)


def _complete(operation: dict[str, Any], *, public: bool) -> None:
    if public:
        operation["security"] = []
    for status, answer in operation["responses"].items():
        # FastAPI describes refusals as of the kind of the route's answer; they are JSON always.
        if status >= "400":
            answer["content"] = {"application/json": next(iter(answer["content"].values()))}


def create_app(
    settings: Settings,
    path: Path | None = None,
    now: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
) -> Console:
    """The application.

    Args:
        settings: the process's.
        path: of the same, which is looked at again for its users; None if it cannot change.
        now: seconds of a clock that goes forward only.
        wall: seconds since the epoch.

    Raises:
        StoreError: a file in the data folder cannot be used.
        AssetsError: the pages are not there.
        OSError: the data folder cannot be written.
    """
    access = Access(settings, path, now, wall)
    agent = AgentClient(settings, wall)
    desk = Desk(settings, access, agent, Places(), OnceLinks(now), Assets(settings.assets), wall)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        access.tokens.write_again()
        await agent.close()

    app = Console(
        title="Evenkeel console",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        responses={
            status: {"model": models.Problems, "description": HTTPStatus(status).phrase} for status in _STATUSES
        },
    )
    app.state.desk = desk
    app.router.route_class = GuardedRoute
    for module in (routes_person, routes_view, routes_do, routes_public):
        app.include_router(module.router)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OSError, _full)
    app.add_exception_handler(Exception, _broken)
    app.add_middleware(Gate, access=access, hosts=settings.hosts, origins=settings.origins)
    return app


async def _refused(_request: Request, error: Exception) -> Response:
    return cast("RefusedError", error).response()


async def _http(request: Request, error: Exception) -> Response:
    found = cast("HTTPException", error)
    if found.status_code == 405:
        text = line("method", quote(request.method), "one of the header Allow", "see /api/openapi.json")
    elif found.status_code == 404:
        text = line("path", quote(request.url.path), "one of the API", "see /api/openapi.json")
    else:
        text = line("request", quote(found.detail), "one of the API", "see /api/openapi.json")
    return refusal(found.status_code, text, headers=found.headers)


async def _full(_request: Request, error: Exception) -> Response:
    """Of the data folder: nothing else is written."""
    got = quote(cast("OSError", error).strerror)
    return refusal(503, line("data folder", got, "room to write", "free space on the disk"))


async def _broken(_request: Request, error: Exception) -> Response:
    """Of a fault in this program; the log has its traceback. It comes from outside of the gate."""
    text = line("console", f"a fault of its own ({type(error).__name__})", "none", "report it, with the log")
    return refusal(500, text, headers=HEADERS)


async def _invalid(_request: Request, error: Exception) -> Response:
    lines = [_line(item) for item in cast("RequestValidationError", error).errors()[:10]]
    return refusal(422, *lines)


def _line(item: dict[str, Any]) -> str:
    place = [str(part) for part in item["loc"]]
    what = ".".join(place[1:]) or place[0]
    kind = item["type"]
    got = "nothing" if kind == "missing" else quote(item.get("input"))
    # A password is not shown, wherever it was put.
    if kind != "missing" and (len(place) == 1 or _SECRET & {part.lower() for part in place}):
        got = "one that cannot be used"
    if kind == "extra_forbidden":
        return line(quote(what), "a field that does not exist", "none", "leave it out")
    want = str(item["msg"]).removeprefix("Value error, ")
    if kind == "string_pattern_mismatch":
        want = "a text of the allowed characters and length"
    return line(what, got, f"'{want}'", "see /api/openapi.json")
