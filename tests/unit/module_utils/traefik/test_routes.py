"""The balancer's routes: each path leads to its tier."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.health import HealthCheck
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Cookie
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.labels import policy_labels, tier_labels
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.routes import (
    EMPTY_SERVICE,
    REPEAT_MIDDLEWARE,
    Route,
    ServerSet,
    active_routes,
    host_rule,
    leads_to,
    render,
    route_rule,
    routes_config,
    set_services,
)

ROOT = Path(__file__).parents[4]
STATIC = Route(tier="static", path="/", strip_path=False, service="static-1a2b3c4d")
DYNAMIC = Route(tier="dynamic", path="/api/dates/", strip_path=True, service="dynamic-5e6f7a8b")


@pytest.mark.parametrize(
    "hosts,rule",
    [
        ([], ""),
        (["a.example"], "(Host(`a.example`))"),
        (["a.example", "localhost"], "(Host(`a.example`) || Host(`localhost`))"),
    ],
)
def test_host_rule(hosts: list[str], rule: str) -> None:
    assert host_rule(hosts) == rule


def test_every_tier_has_a_guard_just_below_its_router() -> None:
    routers = routes_config([STATIC, DYNAMIC], "docker")["http"]["routers"]
    for tier in ("static", "dynamic"):
        assert routers[tier]["rule"] == routers[f"{tier}-guard"]["rule"]
        assert routers[tier]["priority"] > routers[f"{tier}-guard"]["priority"]
        assert routers[f"{tier}-guard"]["service"] == EMPTY_SERVICE


def test_a_route_leads_to_the_nodes_with_the_last_resort_behind_them() -> None:
    config = routes_config([STATIC], "docker")["http"]
    assert config["services"][config["routers"]["static"]["service"]] == {
        "failover": {"service": "static-1a2b3c4d@docker", "fallback": "static-1a2b3c4d-unchecked@docker"}
    }


def test_the_longer_path_wins_even_when_its_tier_is_empty() -> None:
    routers = routes_config([STATIC, DYNAMIC], "docker")["http"]["routers"]
    assert routers["dynamic-guard"]["priority"] > routers["static"]["priority"]


def test_the_path_is_stripped_only_where_asked_for() -> None:
    config = routes_config([STATIC, DYNAMIC], "docker")["http"]
    assert "dynamic-strip" in config["routers"]["dynamic"]["middlewares"]
    assert config["middlewares"]["dynamic-strip"] == {"stripPrefix": {"prefixes": ["/api/dates"]}}
    assert "static-strip" not in config["routers"]["static"]["middlewares"]


@pytest.mark.parametrize(
    "url,location",
    [
        ("http://h:8080/api/dates", "http://h:8080/api/dates/"),
        ("http://h/api/dates?count=3", "http://h/api/dates/?count=3"),
        ("http://h/api/dates/", None),
        ("http://h/api/datesx", None),
    ],
)
def test_the_path_without_its_slash_redirects(url: str, location: str | None) -> None:
    middleware = routes_config([DYNAMIC], "docker")["http"]["middlewares"]["dynamic-slash"]["redirectRegex"]
    match = re.match(middleware["regex"], url)
    got = middleware["replacement"].replace("${1}", match[1]).replace("${2}", match[2] or "") if match else None
    assert got == location


def test_a_request_is_sent_once_more_only_where_asked_for() -> None:
    repeating = dataclasses.replace(DYNAMIC, repeat=True)
    routers = routes_config([STATIC, repeating], "docker")["http"]["routers"]
    assert routers["static"]["middlewares"] == ["evenkeel-edge"]
    # Around the attempts to connect, so that the second one has all of these.
    assert routers["dynamic"]["middlewares"] == ["dynamic-strip", "evenkeel-repeat", "evenkeel-edge"]


def test_what_a_node_answers_is_retried_only_where_asked_for() -> None:
    """Traefik cannot tell an application's 502 from its own."""
    role = yaml.safe_load((ROOT / "roles/load_balancer/vars/main.yml").read_text(encoding="utf-8"))
    middlewares = role["_load_balancer_dynamic"]["http"]["middlewares"]
    assert "status" not in middlewares["evenkeel-retry"]["retry"]
    repeat = middlewares[REPEAT_MIDDLEWARE]["retry"]
    assert (repeat["attempts"], repeat["status"], repeat["disableRetryOnNetworkError"]) == (2, ["502"], True)
    assert repeat["timeout"]


def test_no_route_is_no_configuration() -> None:
    assert routes_config([], "docker") == {}


services = st.from_regex(r"[a-z]{1,8}-[0-9a-f]{8}", fullmatch=True)
paths = st.lists(st.from_regex(r"[a-z0-9_~.-]{1,6}", fullmatch=True), max_size=3).map(
    lambda parts: "/".join(["", *parts, ""])
)


options = st.dictionaries(st.sampled_from(["strategy", "healthCheck"]), st.sampled_from(["wrr", {"port": 9180}])).map(
    lambda found: json.dumps(found, sort_keys=True)
)
sets = st.builds(
    ServerSet,
    urls=st.lists(st.sampled_from(["http://a-1:80", "http://10.0.0.9:80"]), unique=True).map(tuple),
    checked=options,
    unchecked=options,
)


@given(
    routes=st.lists(
        st.builds(
            Route,
            tier=st.sampled_from(["a", "b", "web"]),
            path=paths,
            strip_path=st.booleans(),
            service=services,
            hosts=st.lists(st.sampled_from(["localhost", "a.example", "10.0.0.1"]), unique=True).map(tuple),
            repeat=st.booleans(),
            servers=st.none() | sets,
        ),
        unique_by=lambda route: route.tier,
    ),
    provider=st.sampled_from(["docker", "swarm"]),
)
def test_what_is_written_is_read_back(routes: list[Route], provider: str) -> None:
    read = active_routes(render(routes_config(routes, provider)))
    # The path / has nothing to strip.
    written = [dataclasses.replace(route, strip_path=route.strip_path and route.path != "/") for route in routes]
    assert read == {route.tier: route for route in written}


def test_the_services_are_those_of_the_engines_provider() -> None:
    (service,) = routes_config([STATIC], "swarm")["http"]["services"].values()
    assert service["failover"] == {"service": "static-1a2b3c4d@swarm", "fallback": "static-1a2b3c4d-unchecked@swarm"}


def test_a_set_of_servers_stands_in_the_place_of_those_that_the_balancer_finds() -> None:
    policy = policy_labels(True, "wrr", Cookie("c"), HealthCheck("/ready"), 3)
    labels = tier_labels("evenkeel", "static", STATIC.service, policy)
    servers = ServerSet.of(["http://static-2:80", "http://static-1:80"], labels, STATIC.service)
    route = dataclasses.replace(STATIC, servers=servers)
    http = routes_config([route], "docker")["http"]
    name, checked, unchecked = set_services(STATIC.service)
    assert http["routers"]["static"]["service"] == name
    assert http["services"][name]["failover"] == {"service": checked, "fallback": unchecked}
    urls = [{"url": "http://static-1:80"}, {"url": "http://static-2:80"}]
    assert [http["services"][service]["loadBalancer"]["servers"] for service in (checked, unchecked)] == [urls, urls]
    assert leads_to({"service": f"{name}@file", "rule": route_rule(route)}, route)
    assert not leads_to({"service": f"{name}@file", "rule": route_rule(route)}, STATIC)


@pytest.mark.parametrize(
    "record, route, leads",
    [
        (None, None, True),
        (None, STATIC, False),
        ({"service": "static-1a2b3c4d-pool@file", "rule": "PathPrefix(`/`)"}, None, False),
        ({"service": "static-1a2b3c4d-pool@file", "rule": "PathPrefix(`/`)"}, STATIC, True),
        ({"service": "static-1a2b3c4d-pool@file", "rule": "PathPrefix(`/old/`)"}, STATIC, False),
        ({"service": "static-00000000-pool@file", "rule": "PathPrefix(`/`)"}, STATIC, False),
    ],
)
def test_a_router_leads_to_a_route_when_service_and_rule_are_its(
    record: dict[str, str] | None, route: Route | None, leads: bool
) -> None:
    assert leads_to(record, route) is leads


@pytest.mark.parametrize("text", ["", "not json", "[]", "{}", '{"http": null}', '{"http": {"routers": {"a": {}}}}'])
def test_an_unreadable_file_has_no_routes(text: str) -> None:
    assert active_routes(text) == {}
