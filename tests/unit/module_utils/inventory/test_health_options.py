"""When the nodes of a tier are ready: what the options become, and the line of each mistake."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.module_utils.inventory.samples import assert_one_line, cluster, parsed, problems_of, with_static

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.health import HealthCheck
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import Problem
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.health_options import read_health
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.reader import Reader

FOUND = {"image": "nginx:1.27", "port": 80, "path": "/web/", "nodes": 2}


def test_an_image_that_is_built_here_keeps_the_contract() -> None:
    assert parsed(with_static()).tiers[0].health == HealthCheck()


def test_of_an_image_that_is_found_any_page_will_do() -> None:
    assert parsed(cluster(tiers={"web": FOUND})).tiers[0].health == HealthCheck("/", contract=False)
    asked = {
        "health_path": "/up",
        "health_status": "401",
        "health_host": "a.example:8080",
        "health_headers": {"X-A": "b c"},
    }
    assert parsed(cluster(tiers={"web": {**FOUND, **asked}})).tiers[0].health == HealthCheck(
        "/up", 401, "a.example:8080", {"X-A": "b c"}, contract=False
    )


def lines_of(raw: dict[str, object], *, held: bool) -> list[str]:
    reader = Reader()
    read_health(reader, "cluster_tiers.web", raw, contract=False, held=held)
    assert all(isinstance(problem, Problem) for problem in reader.problems)
    return [str(problem) for problem in reader.problems]


def test_a_port_without_http_needs_a_process_of_ours() -> None:
    assert lines_of({"health": "tcp"}, held=True) == []
    assert lines_of({"health": "tcp"}, held=False) == [
        "cluster_tiers.web.health: got 'tcp', want http, because the balancer asks by HTTP alone where the nodes"
        " have no process of ours (fix: cluster_tiers.web.leaving: held, or cluster_tiers.web.health: http)"
    ]


@pytest.mark.parametrize(
    "option, value",
    [("health_status", 200), ("health_host", "a.example"), ("health_path", "/up"), ("health_headers", {})],
)
def test_a_port_without_http_answers_nothing(option: str, value: object) -> None:
    (line,) = lines_of({"health": "tcp", option: value}, held=True)
    assert line.startswith(f"cluster_tiers.web.{option}: got ")
    assert line.endswith(
        "want nothing, because a port that is only connected to answers no request"
        f" (fix: remove {option}, or cluster_tiers.web.health: http)"
    )


BAD: dict[str, list[object]] = {
    "health": [None, "", "HTTP", "grpc", 5, True, []],
    "health_status": [None, "", "ok", 99, 199, 500, 503, 600, True, [200], 2.5, "200-299"],
    "health_host": [None, 5, "a b", "http://a", "a/b", "a:b", "a:", ":80", "a\n", []],
    "health_headers": [
        *(None, 5, "X: y", ["X=y"], {"": "b"}, {"a b": "c"}, {"a.b": "c"}, {"a_b": "c"}, {5: "c"}, {"X\n": "c"}),
        *({"X-A": value} for value in (None, 5, True, "", " a", "a\r\nB: c", "caf\u00e9")),
        *({name: "a"} for name in ("Host", "host", "Connection", "Content-Length", "Transfer-Encoding")),
    ],
    "release_seconds": [None, -1, 0, "soon", 86401, 1.5, True, []],
    "release_command": ["", "a 'b", "a\0b", 5, True, [], [["a"]], {"a": "b"}, [None]],
    "ready_seconds": [None, -1, "soon", 3601, 1.5, True, []],
}


@pytest.mark.parametrize(
    "options, what",
    [
        ({"health_headers": {f"X-{number}": "a" for number in range(9)}}, "health_headers: got 9"),
        ({"health_headers": {"X-A": "b" * 251}}, "health_headers.X-A: got '256 characters'"),
        ({"health_path": "/" + "a" * 255}, "health_path: got '256 characters'"),
    ],
)
def test_what_holds_an_application_has_little_room(options: dict[str, Any], what: str) -> None:
    tier = {"image": "nginx:1", "port": 80, "path": "/", "nodes": 1, **options}
    (line,) = problems_of(cluster(tiers={"web": tier}))
    assert line.startswith(f"cluster_tiers.web.{what}, want at most ")
    assert problems_of(cluster(tiers={"web": {**tier, "leaving": "balancer"}})) == []


@pytest.mark.parametrize("option, raw", [(option, raw) for option, values in BAD.items() for raw in values], ids=ascii)
def test_whatever_is_wrong_is_one_line_that_names_the_option(option: str, raw: object) -> None:
    (line,) = problems_of(with_static(**{option: raw}))
    assert line.startswith(f"cluster_tiers.static.{option}")
    assert_one_line([line], line.partition(": got ")[0])


def test_the_host_has_an_option_of_its_own() -> None:
    assert problems_of(with_static(health_headers={"Host": "a.example"})) == [
        "cluster_tiers.static.health_headers: got 'Host', want a header that is not the client's own"
        " (fix: cluster_tiers.static.health_host: shop.example.org)"
    ]


def test_what_may_be_secret_is_not_repeated() -> None:
    for raw in ({"Authorization": "canary\0"}, {"Authorization": ["canary"]}, ["Authorization=canary"], "canary"):
        (line,) = problems_of(with_static(health_headers=raw))
        assert "canary" not in line
