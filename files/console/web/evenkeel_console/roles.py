"""Which role a route wants. A route that does not say so opens to no one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from .access import Identity
from .problems import RefusedError, line
from .settings import ROLES

#: For routes that are open to all.
PUBLIC = "public"
_ROLE, _TOKEN = "_evenkeel_role", "_evenkeel_token"
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


def may(role: str, *, token: bool = True) -> Callable[[_Endpoint], _Endpoint]:
    """Let users of at least this role use a route.

    Args:
        role: the least, or :data:`PUBLIC`.
        token: whether programs with a token may, too.
    """

    def marked(endpoint: _Endpoint) -> _Endpoint:
        setattr(endpoint, _ROLE, role)
        setattr(endpoint, _TOKEN, token)
        return endpoint

    return marked


def check(endpoint: Callable[..., Any], identity: Identity | None) -> None:
    """Refuse a user that may not use a route.

    Raises:
        RefusedError: it may not.
    """
    role = getattr(endpoint, _ROLE, None)
    if role == PUBLIC:
        return
    if identity is None:
        raise RefusedError(401, line("login", "no user", "both halves of a session, or a token", "log in"))
    if role not in ROLES or ROLES.index(identity.role) < ROLES.index(role):
        raise RefusedError(403, line("role", identity.role, str(role or "none"), "ask an operator"))
    if identity.by_token and not getattr(endpoint, _TOKEN, False):
        raise RefusedError(403, line("login", "a token", "a session of a person", "log in"))


class GuardedRoute(APIRoute):
    """A route that looks at the role before anything of the request is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler behind the check."""
        handler = super().get_route_handler()
        endpoint = self.endpoint

        async def guarded(request: Request) -> Response:
            check(endpoint, getattr(request.state, "identity", None))
            return await handler(request)

        return guarded
