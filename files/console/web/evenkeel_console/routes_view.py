"""Routes that show: state, streams, logs, history."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import JSONResponse

from . import models
from .agent_client import WATCH_SECONDS
from .desk import desk_of, identity_of
from .problems import RefusedError, line, quote
from .roles import GuardedRoute, may
from .settings import OPERATOR, VIEWER
from .streams import Lines

router = APIRouter(route_class=GuardedRoute, tags=["view"])
_JSON = "application/json"
_NDJSON: dict[int | str, dict[str, Any]] = {
    200: {"description": "JSON values, one per line", "content": {Lines.media_type: {"schema": {"type": "string"}}}}
}
_Source = Annotated[Literal["access"] | None, Query(description="access: logins, passwords and tokens, for operators")]


@router.get("/api/state", response_model=models.State)
@may(VIEWER)
async def state(request: Request) -> Response:
    """The cluster now."""
    return Response(await desk_of(request).agent.get("/v1/state"), media_type=_JSON)


async def _state(request: Request) -> dict[str, Any]:
    found = await desk_of(request).agent.get_json("/v1/state")
    return dict(found["state"])


@router.get("/api/stream", status_code=200, response_class=Lines, responses=_NDJSON)
@may(VIEWER)
async def stream(request: Request, since: models.Since = -1) -> Response:
    """What changes, as it changes: the state, then {"number", "change" | "event" | "action"}, and beats."""
    return _lines(request, "/v1/watch", {"since": since}, WATCH_SECONDS)


def _lines(request: Request, path: str, query: dict[str, str | int], silence: float | None) -> Lines:
    desk, proof = desk_of(request), request.state.proof

    def lasts() -> bool:
        # A stream alone does not prolong the session: it goes on when the person has left.
        return desk.access.identify(proof, use=False) is not None

    place = desk.places.one(identity_of(request).key)
    return Lines(place, desk.agent.stream(path, query, silence), lasts)


@router.get("/api/tiers", response_model=dict[str, dict[str, Any]])
@may(VIEWER)
async def tiers(request: Request) -> Response:
    """All tiers by name."""
    return JSONResponse((await _state(request)).get("tiers", {}))


@router.get("/api/tiers/{tier}", response_model=dict[str, Any])
@may(VIEWER)
async def one_tier(request: Request, tier: models.TierName) -> Response:
    """A tier with its nodes by id."""
    found = await _state(request)
    known = found.get("tiers", {})
    if tier not in known:
        want = f"one of {', '.join(sorted(known)) or 'none'}"
        raise RefusedError(404, line("tier", quote(tier), want, "choose one of these"))
    nodes = {key: node for key, node in found.get("nodes", {}).items() if node.get("tier") == tier}
    return JSONResponse({"name": tier, **known[tier], "nodes": nodes})


@router.get("/api/nodes/{node}", response_model=dict[str, Any])
@may(VIEWER)
async def one_node(request: Request, node: models.NodeId) -> Response:
    """A node."""
    found = (await _state(request)).get("nodes", {}).get(node)
    if found is None:
        want = "a node of this cluster"
        raise RefusedError(404, line("node", quote(node[:12]), want, "look at the nodes again"))
    return JSONResponse(found)


@router.get("/api/nodes/{node}/log", status_code=200, response_class=Lines, responses=_NDJSON)
@may(VIEWER)
async def log(request: Request, node: models.NodeId, tail: models.Tail = 200, follow: models.Follow = 0) -> Response:
    """A node's log: [stream, text] per line; a text begins with Docker's time."""
    return _lines(request, f"/v1/nodes/{node}/log", {"tail": tail, "follow": follow}, None)


@router.get("/api/samples", response_model=dict[str, dict[str, float | None]])
@may(VIEWER)
async def samples(request: Request, nodes: models.SomeNodes) -> Response:
    """CPU (percent, 100 is one core) and memory (bytes) of some nodes, taken now."""
    return Response(await desk_of(request).agent.get("/v1/samples", {"nodes": nodes}), media_type=_JSON)


@router.get("/api/history", response_model=dict[str, Any])
@may(VIEWER)
async def history(request: Request, tier: models.Word, span: models.Span = 300) -> Response:
    """Rate, latency and nodes in rotation of a tier, and of its nodes; null where nothing was measured."""
    content = await desk_of(request).agent.get("/v1/history", {"tier": tier, "span": span})
    return Response(content, media_type=_JSON)


@router.get("/api/events", response_model=list[dict[str, Any]])
@may(VIEWER)
async def events(
    request: Request,
    before: models.Before = models.LARGEST,
    count: models.Count = 200,
    tier: models.Word | None = None,
    node: models.SomeNode | None = None,
    kind: models.Kind | None = None,
) -> Response:
    """What happened to the cluster's containers, newest first."""
    query = _query(before=before, count=count, tier=tier, node=node, kind=kind)
    return Response(await desk_of(request).agent.get("/v1/events", query), media_type=_JSON)


def _query(**values: str | int | None) -> dict[str, str | int]:
    return {name: value for name, value in values.items() if value is not None}


@router.get("/api/audit", response_model=list[dict[str, Any]])
@may(VIEWER)
async def audit(
    request: Request,
    before: models.Before = models.LARGEST,
    count: models.Count = 200,
    tier: models.Word | None = None,
    node: models.SomeNode | None = None,
    actor: models.Word | None = None,
    verb: models.Word | None = None,
    source: _Source = None,
) -> Response:
    """Each action with its person, newest first."""
    desk, identity = desk_of(request), identity_of(request)
    if source == "access":
        if identity.role != OPERATOR:
            raise RefusedError(403, line("role", identity.role, OPERATOR, "ask an operator"))
        having = {"actor": actor} if actor is not None else {}
        return JSONResponse(desk.access.record.page(before, count, **having))
    query = _query(before=before, count=count, tier=tier, node=node, actor=actor, verb=verb)
    return Response(await desk.agent.get("/v1/audit", query), media_type=_JSON)
