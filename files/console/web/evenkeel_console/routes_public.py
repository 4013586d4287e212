"""Routes without data: the pages, the health of the process; and the figures for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse, PlainTextResponse

from . import metrics, models
from .desk import desk_of
from .problems import RefusedError, line
from .roles import PUBLIC, GuardedRoute, may
from .settings import VIEWER

router = APIRouter(route_class=GuardedRoute, tags=["process"])


@router.get("/", include_in_schema=False)
@may(PUBLIC)
async def index(request: Request) -> Response:
    """The page. It has no data."""
    return desk_of(request).assets.index.response(request.headers.get("accept-encoding", ""))


@router.get("/assets/{name:path}", include_in_schema=False)
@may(PUBLIC)
async def asset(request: Request, name: str) -> Response:
    """A part of the page, from a table."""
    found = desk_of(request).assets.of(name)
    if found is None:
        raise RefusedError(404, line("asset", "none of this name", "one of the page", "load the page again"))
    return found.response(request.headers.get("accept-encoding", ""))


@router.get("/healthz", response_model=models.Health)
@may(PUBLIC)
async def health() -> Response:
    """That the process answers; of the agent it says nothing."""
    return JSONResponse({"ok": True})


@router.get("/api/openapi.json", include_in_schema=False)
@may(PUBLIC)
async def description(request: Request) -> Response:
    """This API."""
    return JSONResponse(request.app.openapi())


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
@may(VIEWER)
async def figures(request: Request) -> Response:
    """Figures of all tiers for Prometheus."""
    try:
        found = (await desk_of(request).agent.get_json("/v1/state"))["state"]
    except RefusedError:
        found = None
    return Response(metrics.exposition(found), headers={"Content-Type": metrics.KIND})
