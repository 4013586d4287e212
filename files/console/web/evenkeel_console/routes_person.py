"""Routes about the person: login, password, tokens, users."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from . import models
from .access import Client, Identity
from .desk import Desk, address_of, desk_of, identity_of
from .gate import DEVICE, HOST_PREFIX, SESSION, cookies_of
from .roles import PUBLIC, GuardedRoute, may
from .sessions import LONGEST_SECONDS
from .settings import OPERATOR, VIEWER

# Browsers forget a device that was away for longer.
_DEVICE_SECONDS = 180 * 86400
router = APIRouter(route_class=GuardedRoute, tags=["person"])


@router.post("/api/login", response_model=models.LoggedIn)
@may(PUBLIC)
async def login(request: Request, body: models.Credentials) -> Response:
    """Begin a session: one half is a cookie, the other one is in the answer."""
    desk, header = desk_of(request), request.headers.get("cookie", "")
    client = Client(address_of(request), cookies_of(header, DEVICE), cookies_of(header, SESSION))
    identity, halves, device = await desk.access.login(body.name, body.password, client)
    answer = JSONResponse({"name": identity.name, "role": identity.role, "key": halves.key})
    _set_cookie(request, answer, SESSION, halves.cookie, int(LONGEST_SECONDS))
    _set_cookie(request, answer, DEVICE, device, _DEVICE_SECONDS)
    return answer


def _set_cookie(request: Request, answer: Response, name: str, value: str, seconds: int) -> None:
    # Also behind a proxy that ends TLS, which the page's origin tells.
    secure = request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
    answer.set_cookie(
        HOST_PREFIX + name if secure else name,
        value,
        max_age=seconds,
        # Nodes of the tiers have the same host name: they need not get the device cookie with every request.
        path="/" if secure or name == SESSION else "/api/login",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


@router.post("/api/logout", status_code=204)
@may(VIEWER, token=False)
async def logout(request: Request) -> Response:
    """End all of the user's sessions; tokens stay."""
    desk_of(request).access.logout(identity_of(request))
    answer = Response(status_code=204)
    for name in (SESSION, HOST_PREFIX + SESSION):
        answer.delete_cookie(name, path="/", secure=name != SESSION, httponly=True, samesite="strict")
    return answer


@router.post("/api/password", status_code=204)
@may(VIEWER, token=False)
async def password(request: Request, body: models.NewPassword) -> Response:
    """Change one's own password; all of the user's sessions and tokens end."""
    await desk_of(request).access.change_password(identity_of(request), body.old, body.new, address_of(request))
    return Response(status_code=204)


@router.get("/api/me", response_model=models.Me)
@may(VIEWER)
async def me(request: Request) -> Response:
    """The user that asks, and what it may do. A page asks for it while a person is at it: this prolongs the session."""
    desk, identity = desk_of(request), identity_of(request)
    return JSONResponse(
        {
            "name": identity.name,
            "role": identity.role,
            "cluster": desk.settings.cluster,
            "links": {**desk.settings.links, "report": _has_report(desk)},
            "verbs": list(models.VERBS) if identity.role == OPERATOR else [],
        }
    )


def _has_report(desk: Desk) -> bool:
    return desk.settings.report is not None and desk.settings.report.is_file()


@router.get("/api/tokens", response_model=list[models.ShownToken])
@may(VIEWER)
async def tokens(request: Request) -> Response:
    """One's own tokens; for operators all."""
    identity = identity_of(request)
    found = desk_of(request).access.tokens.listed(_whose(identity))
    return JSONResponse([token.shown() for token in found])


def _whose(identity: Identity) -> str | None:
    return None if identity.role == OPERATOR else identity.name


@router.post("/api/tokens", status_code=201, response_model=models.MadeToken)
@may(VIEWER, token=False)
async def make_token(request: Request, body: models.NewToken) -> Response:
    """Make a token, which is shown this once."""
    token, text = desk_of(request).access.make_token(identity_of(request), body.role, body.name, body.days)
    return JSONResponse({**token.shown(), "token": text}, 201)


@router.delete("/api/tokens/{token}", status_code=204)
@may(VIEWER, token=False)
async def remove_token(request: Request, token: models.TokenId) -> Response:
    """End a token: one's own; operators any."""
    desk_of(request).access.remove_token(identity_of(request), token)
    return Response(status_code=204)


@router.get("/api/users", response_model=list[models.User])
@may(OPERATOR)
async def users(request: Request) -> Response:
    """All users. They are set in the inventory: console_users."""
    found = desk_of(request).access.users
    return JSONResponse([{"name": name, "role": role} for name, role in sorted(found.items())])
