"""The route file on disk: what a reader sees while it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik import route_file
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.route_file import RouteFile
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.routes import Route, active_routes

SHOP = Route("shop", "/", False, "shop-3f2a91bc", ("localhost",))
DATES = Route("dates", "/api/", True, "dates-77aa01de")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tiers.yml"


def test_a_reader_gets_the_old_file_or_the_new_one_never_a_part(path: Path) -> None:
    routes = RouteFile(path, "docker")
    routes.point_to({"shop": SHOP})
    before = path.read_text(encoding="utf-8")
    with path.open(encoding="utf-8") as reader:
        routes.point_to({"dates": DATES})
        assert reader.read() == before
    assert routes.table().routes == {"shop": SHOP, "dates": DATES}


def test_only_the_tiers_own_route_changes(path: Path) -> None:
    routes = RouteFile(path, "docker")
    assert routes.table().routes == {}
    routes.point_to({"shop": SHOP})
    routes.point_to({"dates": DATES})
    routes.point_to({"shop": None})
    routes.point_to({"shop": None})
    assert (routes.of("shop"), routes.of("dates")) == (None, DATES)


def test_several_routes_change_in_one_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    routes = RouteFile(path, "docker")
    routes.point_to({"shop": SHOP})
    written: list[str] = []
    monkeypatch.setattr(route_file, "write_atomically", lambda _path, text: written.append(text))
    routes.point_to({"shop": None, "dates": DATES})
    (text,) = written
    assert active_routes(text) == {"dates": DATES}


def test_a_file_of_another_version_is_not_current(path: Path) -> None:
    routes = RouteFile(path, "docker")
    assert routes.table().current, "there is none to write again"
    routes.point_to({"shop": SHOP})
    assert routes.table().current
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert routes.table().routes == {"shop": SHOP}
    assert not routes.table().current
