"""The gate before all routes: what kind of request it is, whether it is ours, and which user sends it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .access import Access, Identity, Proof
from .guard import check_host, check_origin, is_link
from .problems import RefusedError, line, quote

#: Bytes of a head and of a body, and seconds until the body must be there.
MAX_HEAD, MAX_BODY, BODY_SECONDS = 8 * 1024, 16 * 1024, 10.0
#: Cookies. Under TLS their names begin with ``__Host-``. Pages of other ports cannot set these without TLS, but for one
#: host: some browsers let any page of localhost. A planted cookie opens nothing, because the key is the other half.
SESSION, DEVICE, HOST_PREFIX = "evenkeel_session", "evenkeel_device", "__Host-"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
#: Headers of every answer.
HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
# One that comes twice is read in two ways by two programs.
_ONCE = frozenset(
    b"host origin sec-fetch-site sec-fetch-mode sec-fetch-dest sec-purpose purpose cookie authorization x-evenkeel-key "
    b"content-type content-length transfer-encoding "
    b"content-encoding idempotency-key".split()
)
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_PUBLIC = frozenset({("POST", "/api/login"), ("GET", "/api/openapi.json")})
# A page asks for this while a person is at it. What it reads else, it reads by itself, too, as after a new connection.
_IN_USE = "/api/me"
_FIX = "leave it out"


class Gate:
    """Refuses what is not for the routes, and puts the user into ``scope["state"]["identity"]``.

    Args:
        app: the routes.
        access: knows the users.
        hosts: names that lead here.
        origins: further origins by which people come here.
    """

    def __init__(self, app: ASGIApp, access: Access, hosts: Iterable[str], origins: Sequence[str]) -> None:
        """Nothing has passed yet."""
        self._app = app
        self._access = access
        self._hosts = {*hosts, "localhost"}
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sending = _with_headers(send)
        try:
            headers = _headers(scope)
            self._check(scope, headers)
            proof = proof_of(headers)
            scope.setdefault("state", {}).update(proof=proof, identity=self._identity(scope, proof))
            received = await _body(scope, headers, receive)
        except RefusedError as error:
            answer = error.response()
            if scope["method"] not in _WITHOUT_BODY:
                # The body was not read to its end, and is not waited for.
                answer.headers["Connection"] = "close"
            await answer(scope, receive, sending)
            return
        await self._app(scope, received, sending)

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        host, method = headers.get("host", ""), scope["method"]
        mode, target = headers.get("sec-fetch-mode", ""), headers.get("sec-fetch-dest", "")
        linked = is_link(method, scope["path"], mode, target, headers.get("sec-purpose", headers.get("purpose", "")))
        # A link of another page is no page of ours, but it gets no more than the empty page.
        site = "" if linked else headers.get("sec-fetch-site", "")
        refusal = check_host(host, self._hosts) or check_origin(
            method, host, headers.get("origin", ""), site, self._origins
        )
        if refusal is not None:
            raise RefusedError(refusal.status, refusal.line)

    def _identity(self, scope: Scope, proof: Proof) -> Identity | None:
        path = scope["path"]
        if not _is_private(scope["method"], path):
            return None
        found = self._access.identify(proof, use=is_use(scope["method"], path))
        if found is None:
            got = "no user"
            want = "both halves of a session, or a token"
            raise RefusedError(401, line("login", got, want, "log in"), headers={"WWW-Authenticate": "Bearer"})
        return found


def long_head() -> str:
    """What is wrong with a head that is too long."""
    return line("head of the request", f"more than {MAX_HEAD} bytes", "less", "send fewer or shorter headers")


def is_use(method: str, path: str) -> bool:
    """Whether a request tells that a person is at the page, which prolongs the session."""
    return path == _IN_USE or method not in _WITHOUT_BODY


def proof_of(headers: dict[str, str]) -> Proof:
    """What a request has to show."""
    cookies = cookies_of(headers.get("cookie", ""), SESSION)
    return Proof(cookies, headers.get("x-evenkeel-key", ""), headers.get("authorization"))


def cookies_of(header: str, name: str) -> list[str]:
    """The values of the cookies of this name, those with the prefix first.

    Pages of other ports can set any number of them, at localhost also with the prefix. So no number of either kind may
    hide the right one. The bound of a head bounds them.
    """
    found: dict[str, list[str]] = {HOST_PREFIX + name: [], name: []}
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key in found:
            found[key].append(value)
    return found[HOST_PREFIX + name] + found[name]


def _is_private(method: str, path: str) -> bool:
    if (method, path) in _PUBLIC:
        return False
    return path == "/api" or path.startswith("/api/") or path == "/metrics"


def _headers(scope: Scope) -> dict[str, str]:
    """By name.

    Raises:
        RefusedError: one that must come once comes twice, or all together are too long.
    """
    found: dict[bytes, bytes] = {}
    # The server bounds heads that come in parts; those that come at once are bounded here.
    length = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    if length + sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > MAX_HEAD:
        raise RefusedError(431, long_head())
    for name, value in scope["headers"]:
        if name in found and name in _ONCE:
            raise RefusedError(400, line(name.decode(), "it twice", "it once", _FIX))
        found[name] = value
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in found.items()}


async def _body(scope: Scope, headers: dict[str, str], receive: Receive) -> Receive:
    """Read the body, which must be bounded JSON, and give it to the routes.

    Raises:
        RefusedError: it is something else, too large, or too slow.
    """
    length = headers.get("content-length", "0")
    if scope["method"] in _WITHOUT_BODY:
        if length != "0" or "transfer-encoding" in headers:
            raise RefusedError(400, line(f"body of {scope['method']}", "one", "none", _FIX))
        return receive
    if not length.isdigit() or int(length[:20]) > MAX_BODY:
        raise _too_large()
    kind = headers.get("content-type")
    if kind is not None and not _is_json(kind):
        raise RefusedError(415, line("Content-Type", quote(kind), "application/json", "send JSON"))
    if "content-encoding" in headers:
        got = quote(headers["content-encoding"])
        raise RefusedError(415, line("Content-Encoding", got, "none", _FIX))
    try:
        content = await asyncio.wait_for(_read(receive), BODY_SECONDS)
    except TimeoutError:
        got = f"no end of it after {BODY_SECONDS:g} s"
        raise RefusedError(408, line("body", got, "the whole body", "send it at once")) from None
    if content:
        if kind is None:
            raise RefusedError(415, line("Content-Type", "none", "application/json", "send JSON"))
        check_json(content)
    return _again(content, receive)


def _is_json(kind: str) -> bool:
    name, _, rest = kind.partition(";")
    charset = rest.strip().lower()
    return name.strip().lower() == "application/json" and charset in {"", "charset=utf-8", 'charset="utf-8"'}


def _too_large() -> RefusedError:
    want = f"at most {MAX_BODY} bytes"
    return RefusedError(413, line("body", "more", want, "send less"))


async def _read(receive: Receive) -> bytes:
    content = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RefusedError(400, line("body", "its begin", "the whole body", "send it"))
        content += bytes(message.get("body", b""))
        if len(content) > MAX_BODY:
            raise _too_large()
        if not message.get("more_body", False):
            return content


def check_json(content: bytes) -> None:
    """Refuse what two programs may read in two ways.

    Raises:
        RefusedError: it is no JSON, has a key twice, a number that JSON has not, or no end of levels.
    """
    try:
        json.loads(content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise RefusedError(400, line("body", "bytes that are no UTF-8", "JSON", "send UTF-8")) from None
    except RecursionError:
        raise RefusedError(400, line("body", "too many levels", "JSON of a few levels", "send less")) from None
    except ValueError as error:
        raise RefusedError(400, line("body", quote(str(error)), "JSON", "send JSON")) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key that comes twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"the number {name}")


def _again(content: bytes, receive: Receive) -> Receive:
    """Gives the body once, then what comes after it."""
    given = False

    async def received() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return received


def _with_headers(send: Send) -> Send:
    """Adds the headers of every answer; those that a route sets are kept."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", []))
            names = {name.lower() for name, _ in own}
            own += [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in names]
            message = {**message, "headers": own}
        await send(message)

    return sending
