"""What the web process can ask, over a Unix socket: HTTP with JSON, and nothing that reaches Docker as text."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any, TypeVar

from aiohttp import web

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError, Problem, quote
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import LockBusyError

from . import samples, verbs
from .actions import CONSOLE
from .agent import Agent
from .engine_stream import StreamError
from .history import SPANS
from .verbs import BusyError, ChangedError, Plan, RefusedError, UnknownError

# The web process has up to 20 streams open beside its questions.
MAX_BODY, MAX_CONNECTIONS, MAX_TAIL, MAX_PAGE = 4096, 40, 1000, 200
#: Lines of a log that one viewer gets in a second.
MAX_LINES_PER_SECOND = 500
# A reader that takes nothing for so long is dropped.
_STALLED_SECONDS = 20.0
# Who is at the other end of a Unix socket: pid, uid, gid (unix(7), SO_PEERCRED).
_PEER = struct.Struct("3i")
_NODE = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)
_ACTOR = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_AGENT = web.AppKey("agent", Agent)
# What waits for the cluster's lock, or for Docker, keeps no look and no halt from a thread.
_CHANGES_THREADS = 8
_CHANGES = web.AppKey("changes", ThreadPoolExecutor)
_Found = TypeVar("_Found")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class UnseenError(EvenkeelError):
    """The agent has not seen the cluster yet."""


def application(agent: Agent) -> web.Application:
    """The agent's HTTP interface."""
    app = web.Application(client_max_size=MAX_BODY, middlewares=[_bounded(), _checked])
    app[_AGENT] = agent
    app[_CHANGES] = ThreadPoolExecutor(_CHANGES_THREADS, thread_name_prefix="changes")
    app.add_routes(
        [
            web.get("/v1/state", _state),
            web.get("/v1/watch", _watch),
            web.get("/v1/nodes/{node}/log", _log),
            web.get("/v1/events", _events),
            web.get("/v1/audit", _audit),
            web.get("/v1/samples", _samples),
            web.get("/v1/history", _history),
            web.get("/v1/actions", _actions),
            web.post("/v1/plan", _plan),
            web.post("/v1/do", _do),
            web.post("/v1/halt", _halt),
        ]
    )
    return app


def peer_user(connection: socket.socket) -> int:
    """The user at the other end of a Unix socket."""
    return int(_PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))[1])


def _refusal(status: int, error: Exception, **more: object) -> web.Response:
    return web.json_response({"problems": str(error).splitlines(), **more}, status=status)


def _bounded() -> Any:
    """Refuse more requests at once than the web process has use for."""
    free = asyncio.Semaphore(MAX_CONNECTIONS)

    @web.middleware
    async def bounded(request: web.Request, handler: _Handler) -> web.StreamResponse:
        if free.locked():
            return _refusal(503, RefusedError(Problem("agent", "too many requests at once", "fewer", "try again")))
        async with free:
            return await handler(request)

    return bounded


@web.middleware
async def _checked(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Let the web process ask alone, and turn errors into lines."""
    connection = request.transport.get_extra_info("socket") if request.transport else None
    if connection is None or peer_user(connection) != request.app[_AGENT].settings.web_user:
        return _refusal(403, RefusedError(Problem("agent", "another user", "the console's web process", "none")))
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _refusal(error.status, RefusedError(Problem("request", error.reason, "one of the agent's", "none")))
    except (EvenkeelError, StreamError, OSError) as error:
        return _refused(error)


def _refused(error: Exception) -> web.Response:
    match error:
        case UnseenError():
            return _refusal(503, error)
        case UnknownError():
            return _refusal(404, error)
        case ChangedError():
            return _refusal(409, error, **({"plan": _shown(error.plan)} if error.plan else {}))
        case BusyError():
            return _refusal(409, error, holder=error.holder)
        case LockBusyError():
            return _refusal(409, error, holder=str(error.holder or ""))
        case RefusedError():
            return _refusal(422, error)
    return _refusal(502, error)


async def _body(request: web.Request, *names: str) -> dict[str, Any]:
    try:
        found = json.loads(await request.read(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise RefusedError(Problem("body", f"no JSON ({error})", "an object", "send JSON")) from error
    if not isinstance(found, dict) or found.keys() - set(names):
        raise RefusedError(Problem("body", quote(found), f"an object of {', '.join(names)}", "leave the rest out"))
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys come once."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key that comes twice")
    return found


def _text(body: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = body.get(name)
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise RefusedError(Problem(name, quote(value), "one that the agent gave out", f"send its {name}"))
    return value


def _number(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 16 or not low <= int(text) <= high:
        raise RefusedError(Problem(name, quote(text), f"a whole number from {low} to {high}", "send one"))
    return int(text)


async def _state(request: web.Request) -> web.Response:
    return web.json_response(request.app[_AGENT].state())


async def _streamed(request: web.Request, items: AsyncIterator[Any]) -> web.StreamResponse:
    """One JSON value per line, until the reader goes, or takes nothing any more.

    When the source breaks off, the last line is an object with ``problems``.
    """
    answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await answer.prepare(request)
    try:
        try:
            async for item in items:
                await _write(answer, item)
        except (EvenkeelError, StreamError) as error:
            await _write(answer, {"problems": str(error).splitlines()})
        await answer.write_eof()
    except TimeoutError:
        # Else a few stalled readers would take all places.
        if request.transport is not None:
            request.transport.abort()
    return answer


async def _write(answer: web.StreamResponse, item: object) -> None:
    async with asyncio.timeout(_STALLED_SECONDS):
        await answer.write(json.dumps(item, separators=(",", ":")).encode() + b"\n")


async def _watch(request: web.Request) -> web.StreamResponse:
    since = _number(request, "since", -1, -1, 2**53)
    async with aclosing(request.app[_AGENT].watch(since)) as items:
        return await _streamed(request, items)


async def _log(request: web.Request) -> web.StreamResponse:
    agent, node = request.app[_AGENT], request.match_info["node"]
    _known_node(agent, node)
    tail = _number(request, "tail", 200, 0, MAX_TAIL)
    follow = _number(request, "follow", 0, 0, 1) == 1
    async with aclosing(agent.streams.log(node, tail, follow=follow)) as lines:
        return await _streamed(request, _paced(lines))


async def _paced(lines: AsyncIterator[tuple[str, str]]) -> AsyncIterator[list[str]]:
    """The lines, no more in a second than a page can show; the reader waits for the rest."""
    loop = asyncio.get_running_loop()
    began, count = loop.time(), 0
    async for name, text in lines:
        count += 1
        if count > MAX_LINES_PER_SECOND:
            await asyncio.sleep(max(0.0, began + 1 - loop.time()))
            began, count = loop.time(), 0
        yield [name, text]


async def _events(request: web.Request) -> web.Response:
    return await _page(request, request.app[_AGENT].events.page, ("tier", "node", "kind"))


async def _audit(request: web.Request) -> web.Response:
    return await _page(request, request.app[_AGENT].audit.page, ("tier", "node", "actor", "verb"))


async def _page(
    request: web.Request, page: Callable[..., list[dict[str, Any]]], names: tuple[str, ...]
) -> web.Response:
    before = _number(request, "before", 2**53, 1, 2**53)
    count = _number(request, "count", MAX_PAGE, 1, MAX_PAGE)
    having = {name: request.query[name] for name in names if name in request.query}
    return web.json_response(await asyncio.to_thread(page, before, count, **having))


async def _samples(request: web.Request) -> web.Response:
    agent = request.app[_AGENT]
    nodes = [node for node in request.query.get("nodes", "").split(",") if node]
    if len(nodes) > samples.MAX_NODES:
        raise RefusedError(
            Problem("nodes", str(len(nodes)), f"{samples.MAX_NODES} at most", "ask for those that are shown")
        )
    for node in nodes:
        _known_node(agent, node)
    return web.json_response(await agent.samples.take(nodes))


async def _history(request: web.Request) -> web.Response:
    agent, tier = request.app[_AGENT], request.query.get("tier", "")
    if tier not in _seen(agent, "tiers"):
        raise UnknownError(Problem("tier", quote(tier), "a declared one", "look at the tiers again"))
    spans = {str(span): span for span in SPANS}
    span = request.query.get("span", next(iter(spans)))
    if span not in spans:
        raise RefusedError(Problem("span", quote(span), f"one of {', '.join(spans)}", "send one of these"))
    return web.json_response(agent.history.of(tier, spans[span], time.time()))


def _known_node(agent: Agent, node: str) -> None:
    """Refuse what is no identifier of a node of now.

    Raises:
        UnknownError: it is none.
        UnseenError: the nodes were not seen yet.
    """
    if _NODE.fullmatch(node) is None or node not in _seen(agent, "nodes"):
        raise UnknownError(Problem("node", quote(node[:12]), "a node of this cluster", "look at the nodes again"))


def _seen(agent: Agent, part: str) -> Mapping[str, Any]:
    """The nodes or tiers of now.

    Raises:
        UnseenError: no look was whole yet, so that one that is not known may be there.
    """
    state = agent.changes.state["state"]
    found: Mapping[str, Any] = state.get(part, {})
    if not state.get("tiers") and (state.get("trouble") or not state.get("at")):
        raise UnseenError(Problem(part, "no look at the cluster yet", "one", "try again in a moment"))
    return found


async def _actions(request: web.Request) -> web.Response:
    return web.json_response(request.app[_AGENT].actions.recent())


async def _plan(request: web.Request) -> web.Response:
    body = await _body(request, "verb", "tier", "node", "count")
    wish = verbs.read_wish(body)
    return web.json_response(_shown(await _apart(request, request.app[_AGENT].actions.plan, wish)))


async def _apart(request: web.Request, work: Callable[..., _Found], *arguments: object) -> _Found:
    return await asyncio.get_running_loop().run_in_executor(request.app[_CHANGES], work, *arguments)


def _shown(plan: Plan) -> dict[str, Any]:
    return {
        "plan": plan.id,
        "verb": plan.wish.verb,
        "tier": plan.wish.tier,
        "node": plan.wish.node,
        "count": plan.wish.count,
        "actions": plan.lines,
        "warnings": plan.warnings,
        "type_name": plan.type_name,
    }


async def _do(request: web.Request) -> web.Response:
    body = await _body(request, "plan", "actor", "request", "typed")
    typed = body.get("typed", "")
    if not isinstance(typed, str) or len(typed) > 100:
        raise RefusedError(Problem("typed", quote(typed), "a tier's name, or nothing", "type the name"))
    arguments = _text(body, "plan", _NAME), _text(body, "actor", _ACTOR), _text(body, "request", _NAME)
    if arguments[1] == CONSOLE:
        raise RefusedError(Problem("actor", quote(CONSOLE), "a person's name", "the agent acts under this one"))
    action = await _apart(request, request.app[_AGENT].actions.do, *arguments, typed)
    return web.json_response({"action": action.id}, status=202)


async def _halt(request: web.Request) -> web.Response:
    body = await _body(request, "action", "actor")
    halt = request.app[_AGENT].actions.halt
    action = await asyncio.to_thread(halt, _text(body, "action", _NAME), _text(body, "actor", _ACTOR))
    return web.json_response({"action": action.id})
