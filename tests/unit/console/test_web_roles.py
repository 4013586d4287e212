"""A route that does not say which role it wants opens to no role."""

from __future__ import annotations

import pytest
from evenkeel_console import routes_do, routes_person, routes_public, routes_view
from evenkeel_console.access import Identity
from evenkeel_console.app import create_app
from evenkeel_console.problems import RefusedError
from evenkeel_console.roles import PUBLIC, GuardedRoute, check, may
from evenkeel_console.settings import OPERATOR, VIEWER, read_settings
from tests.unit.fakes.console import Console

ALICE, VERA = Identity("alice", OPERATOR, "a"), Identity("vera", VIEWER, "b")
PROGRAM = Identity("alice", OPERATOR, "c", by_token=True)


def _endpoint() -> None:
    return None


@may(VIEWER)
def _view() -> None:
    return None


@may(OPERATOR, token=False)
def _act() -> None:
    return None


@may(PUBLIC)
def _public() -> None:
    return None


@may("root")
def _mistaken() -> None:
    return None


def refused(endpoint: object, identity: Identity | None) -> int:
    """The status; 0 for a user that passes."""
    try:
        check(endpoint, identity)  # type: ignore[arg-type]
    except RefusedError as error:
        return error.status
    return 0


@pytest.mark.parametrize(
    "endpoint, passes",
    [
        (_endpoint, ()),
        (_mistaken, ()),
        (_view, (ALICE, VERA, PROGRAM)),
        (_act, (ALICE,)),
        (_public, (ALICE, VERA, PROGRAM, None)),
    ],
)
def test_only_those_that_are_let_in_pass(endpoint: object, passes: tuple[Identity | None, ...]) -> None:
    for identity in (ALICE, VERA, PROGRAM, None):
        wanted = 0 if identity in passes else 401 if identity is None else 403
        assert refused(endpoint, identity) == wanted


def test_each_route_is_guarded(console: Console) -> None:
    app = create_app(read_settings(console.path))

    @app.get("/api/forgotten")
    async def forgotten() -> str:
        return "secret"

    made = [route for route in app.routes if getattr(route, "path", "") == "/api/forgotten"]
    assert all(isinstance(route, GuardedRoute) for route in made)
    assert made


def test_the_routes_that_are_open_to_all_are_these() -> None:
    modules = (routes_do, routes_person, routes_public, routes_view)
    routes = [route for module in modules for route in module.router.routes]
    assert all(isinstance(route, GuardedRoute) for route in routes)
    roles = {route.path: getattr(route.endpoint, "_evenkeel_role", "") for route in routes}
    found = {path for path, role in roles.items() if role == PUBLIC}
    assert found == {"/", "/assets/{name:path}", "/healthz", "/api/openapi.json", "/api/login", "/r/{once}"}
