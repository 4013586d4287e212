"""Routes that change: plans, actions, links."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from starlette.responses import JSONResponse

from . import models
from .access import Identity
from .desk import Desk, desk_of, identity_of, request_key
from .links import POLICY
from .problems import RefusedError, line
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
_MOST_REPORT = 64 * 1024 * 1024


@dataclass(frozen=True)
class _Shown:
    """A plan as a person has seen it."""

    user: str
    wish: dict[str, Any]
    actions: list[str]
    type_name: str


@dataclass(frozen=True)
class _Asked:
    """A request, so that its repetition gets the same answer."""

    plan: str
    work: asyncio.Task[dict[str, Any]]


@router.post("/api/plans", response_model=models.Plan)
@may(OPERATOR)
async def plan(request: Request, body: models.Wish) -> Response:
    """What would be done; nothing is changed."""
    found = await _planned(desk_of(request), identity_of(request), body.model_dump(exclude_unset=True))
    return JSONResponse(found)


async def _planned(desk: Desk, identity: Identity, wish: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await desk.agent.post("/v1/plan", wish)
    shown = _Shown(identity.name, wish, found["actions"], found["type_name"])
    desk.wishes.keep(found["plan"], shown)
    return found


@router.post("/api/actions", status_code=202, response_model=models.Begun, responses=_CONFLICT)
@may(OPERATOR)
async def act(request: Request, body: models.Agreement, idempotency_key: _Key) -> Response:
    """Carry out a plan. If the cluster has moved on since, nothing is done, and the plan of now is in the answer."""
    desk, identity = desk_of(request), identity_of(request)
    key = request_key(identity, idempotency_key)
    asked: _Asked | None = desk.requests.get(key)
    if asked is not None and asked.plan != body.plan:
        got = "one of another plan"
        raise RefusedError(422, line("Idempotency-Key", got, "a new one for a new plan", "send another"))
    if asked is None:
        asked = _Asked(body.plan, asyncio.ensure_future(_begun(desk, identity, body, key)))
        desk.requests.keep(key, asked)
    try:
        # It goes on when this client does not wait for it: a repetition finds it.
        return JSONResponse(await asyncio.shield(asked.work), 202)
    except RefusedError:
        desk.requests.pop(key, None)
        raise


async def _begun(desk: Desk, identity: Identity, body: models.Agreement, key: str) -> dict[str, Any]:
    shown: _Shown | None = desk.wishes.get(body.plan)
    if shown is not None:
        if shown.user != identity.name:
            raise RefusedError(404, line("plan", "one of another user", "one's own", "make a new one"))
        await _check_moved(desk, identity, shown)
    question = {"plan": body.plan, "actor": identity.name, "request": key, "typed": body.typed}
    try:
        found: dict[str, Any] = await desk.agent.post("/v1/do", question)
    except RefusedError as error:
        if error.status == 409 and "holder" not in error.more and shown is not None:
            error.more["plan"] = await _planned(desk, identity, shown.wish)
        raise
    desk.wishes.pop(body.plan, None)
    return found


async def _check_moved(desk: Desk, identity: Identity, shown: _Shown) -> None:
    """Refuse at once what the agent would refuse when it has the lock.

    Raises:
        RefusedError: the same wish leads to another plan now.
    """
    now = await _planned(desk, identity, shown.wish)
    if (now["actions"], now["type_name"]) != (shown.actions, shown.type_name):
        got = f"another plan now ({'; '.join(now['actions']) or 'nothing to do'})"
        text = line("plan", got, "the one that was shown", "look at the new one and agree again")
        raise RefusedError(409, text, more={"plan": now})


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
        raise _no_report()
    return JSONResponse({"url": f"/r/{desk.links.make()}"}, 201)


def _no_report() -> RefusedError:
    return RefusedError(404, line("report", "none", "one of a run", "ansible-playbook playbooks/prove.yml"))


@router.get("/r/{once}", include_in_schema=False)
@may(PUBLIC)
async def report(request: Request, once: str) -> Response:
    """The newest report, for the one that has the link."""
    desk = desk_of(request)
    if not desk.links.use(once):
        raise RefusedError(404, line("link", "a used or old one", "a new one", "open it from the console again"))
    path = desk.settings.report
    try:
        content = path.read_bytes() if path is not None and path.stat().st_size <= _MOST_REPORT else None
    except OSError:
        content = None
    if content is None:
        raise _no_report()
    return Response(content, headers={"Content-Security-Policy": POLICY}, media_type="text/html; charset=utf-8")
