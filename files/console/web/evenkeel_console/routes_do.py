"""Routes that change: plans, actions, links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from starlette.responses import JSONResponse

from . import models
from .access import Identity
from .desk import Desk, desk_of, identity_of, request_key
from .problems import RefusedError, line
from .report import no_report
from .roles import PUBLIC, GuardedRoute, may
from .settings import OPERATOR, VIEWER

router = APIRouter(route_class=GuardedRoute, tags=["do"])
_Key = Annotated[
    str,
    Header(pattern=r"^[A-Za-z0-9_-]{8,128}$", description="the same for repetitions of one request; else a new one"),
]
_CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": models.Conflict, "description": "The cluster has moved on"}
}


@dataclass(frozen=True)
class _Shown:
    """A plan as a person has seen it."""

    user: str
    wish: dict[str, Any]


@router.post("/api/plans", response_model=models.Plan)
@may(OPERATOR)
async def plan(request: Request, body: models.Wish) -> Response:
    """What would be done; nothing is changed."""
    found = await _planned(desk_of(request), identity_of(request), body.model_dump(exclude_unset=True))
    return JSONResponse(found)


async def _planned(desk: Desk, identity: Identity, wish: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await desk.agent.post("/v1/plan", wish)
    desk.wishes.keep(found["plan"], _Shown(identity.name, wish))
    return found


@router.post("/api/actions", status_code=202, response_model=models.Begun, responses=_CONFLICT)
@may(OPERATOR)
async def act(request: Request, body: models.Agreement, idempotency_key: _Key) -> Response:
    """Carry out a plan. If the cluster has moved on since, nothing is done, and the plan of now is in the answer."""
    desk, identity = desk_of(request), identity_of(request)
    # The agent gives the first one's action for the same key.
    key = request_key(identity, idempotency_key)
    before = desk.requests.get(key)
    if before is not None and before != body.plan:
        got = "one of another plan"
        raise RefusedError(422, line("Idempotency-Key", got, "a new one for a new plan", "send another"))
    shown: _Shown | None = desk.wishes.get(body.plan)
    if shown is not None and shown.user != identity.name:
        raise RefusedError(404, line("plan", "one of another user", "one's own", "make a new one"))
    question = {"plan": body.plan, "actor": identity.name, "request": key, "typed": body.typed}
    # Before the answer: the action may have begun without one, and then the key is that of this plan.
    desk.requests.keep(key, body.plan)
    try:
        found = await desk.agent.post("/v1/do", question)
    except RefusedError as error:
        if error.status < 500 and before is None:
            # Nothing was done.
            desk.requests.pop(key, None)
        if error.status == 409 and "holder" not in error.more and shown is not None:
            await _add_plan(error, desk, identity, shown.wish)
        raise
    return JSONResponse(found, 202)


async def _add_plan(error: RefusedError, desk: Desk, identity: Identity, wish: dict[str, Any]) -> None:
    """Tell with the refusal what would be done now."""
    given = error.more.get("plan")
    if isinstance(given, dict):
        desk.wishes.keep(str(given["plan"]), _Shown(identity.name, wish))
    else:
        error.more["plan"] = await _planned(desk, identity, wish)


@router.get("/api/actions", response_model=list[dict[str, Any]])
@may(VIEWER)
async def actions(request: Request) -> Response:
    """The newest actions, newest first."""
    return Response(await desk_of(request).agent.get("/v1/actions"), media_type="application/json")


@router.get("/api/actions/{action}", response_model=dict[str, Any])
@may(VIEWER)
async def one_action(request: Request, action: models.ActionId) -> Response:
    """An action with its steps."""
    for found in await desk_of(request).agent.get_json("/v1/actions"):
        if found.get("id") == action:
            return JSONResponse(found)
    raise RefusedError(404, line("action", "none of this name", "one of the newest", "look at the actions"))


@router.post("/api/actions/{action}/halt", response_model=models.Begun)
@may(OPERATOR)
async def halt(request: Request, action: models.ActionId) -> Response:
    """Stop before the next wave; what has begun is finished."""
    question = {"action": action, "actor": identity_of(request).name}
    return JSONResponse(await desk_of(request).agent.post("/v1/halt", question))


@router.post("/api/links", status_code=201, response_model=models.Once)
@may(VIEWER)
async def link(request: Request, body: models.Link) -> Response:
    """An address that opens the newest report once, within 30 s."""
    desk = desk_of(request)
    if body.to != "report" or desk.settings.report is None or not desk.settings.report.is_file():
        raise no_report()
    return JSONResponse({"url": f"/r/{desk.links.make(identity_of(request).name)}"}, 201)


@router.get("/r/{once}", include_in_schema=False)
@may(PUBLIC)
async def report(request: Request, once: str) -> Response:
    """The newest report, for the one that has the link."""
    desk = desk_of(request)
    user = desk.links.use(once)
    if user is None:
        raise RefusedError(404, line("link", "a used or old one", "a new one", "open it from the console again"))
    return await desk.reports.answer(desk.settings.report, user)
