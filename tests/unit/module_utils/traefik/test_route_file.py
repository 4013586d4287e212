"""The route file on disk: what a reader sees while it changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.files import write_atomically
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik import route_file
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.route_file import (
    RouteFile,
    RouteTable,
    last_of,
    text_to_start_with,
)
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
    monkeypatch.setattr(
        route_file, "write_atomically", lambda file, text: written.append(text) if file == path else None
    )
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


def test_what_was_written_last_is_kept_for_a_balancer_that_starts(path: Path) -> None:
    routes = RouteFile(path, "docker")
    assert text_to_start_with(path) is None, "a balancer needs no routes"
    routes.point_to({"shop": SHOP})
    good = path.read_text(encoding="utf-8")
    assert text_to_start_with(path) is None
    for broken in (b"[garbage", b"\xff\xfe", b"5"):
        path.write_bytes(broken)
        assert text_to_start_with(path) == good
        assert routes.table() == RouteTable({}, current=False)
    path.write_text("", encoding="utf-8")
    assert text_to_start_with(path) is None
    path.write_text("[garbage", encoding="utf-8")
    last_of(path).write_text("[garbage too", encoding="utf-8")
    assert json.loads(text_to_start_with(path) or "") == {}
    last_of(path).unlink()
    assert json.loads(text_to_start_with(path) or "") == {}


def test_routes_that_cannot_be_kept_a_second_time_are_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(file: Path, text: str) -> None:
        if file == last_of(path):
            raise OSError("No space left on device")
        write_atomically(file, text)

    monkeypatch.setattr(route_file, "write_atomically", refused)
    RouteFile(path, "docker").point_to({"shop": SHOP})
    assert RouteFile(path, "docker").of("shop") == SHOP
