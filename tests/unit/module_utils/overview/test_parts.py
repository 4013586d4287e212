"""What is said of each part of a cluster, from what was read."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.unit.made_measurements import pool, spec

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_parts import (
    EngineParts,
    PartContainer,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.overview.parts import (
    Announced,
    console_parts,
    container_parts,
    network_part,
    portainer_parts,
    provider_part,
    routes_part,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.routes import Route, pool_service, route_rule

EDGE = PartContainer("e", "shop-edge", "edge")
BLUE = PartContainer("b", "shop-balancer-blue", "balancer", "blue")
WEB = Route("web", "/", False, "web-1a2b3c4d")
RECORD = {"service": pool_service(WEB.service), "rule": route_rule(WEB)}


def view(**differs: Any) -> Any:
    found = pool(spec())
    found["nodes"][0].update(differs)
    return found


def test_containers_are_told_with_what_a_run_would_do() -> None:
    paused = PartContainer("e", "shop-edge", "edge", state="paused", restarts=2)
    actions = [
        Announced("shop-balancer-blue", "remove shop-balancer-blue (has no network)"),
        Announced("shop-edge", "x"),
    ]
    edge, balancer = container_parts("shop", EngineParts((paused, BLUE)), actions, "")
    assert edge == {"part": "edge", "state": "shop-edge paused (2 restarts)", "lines": [], "to_do": ["x"]}
    assert balancer["state"] == "shop-balancer-blue running"
    assert balancer["to_do"] == ["remove shop-balancer-blue (has no network)"]
    assert [part["state"] for part in container_parts("shop", EngineParts(), [], "")] == ["none", "none"]
    assert container_parts("shop", EngineParts(), [], "not told")[1]["lines"] == ["not told"]


def test_an_edge_that_was_renamed_is_the_edge() -> None:
    renamed = PartContainer("e", "gateway", "edge")
    edge, balancer = container_parts("shop", EngineParts((renamed, BLUE)), [Announced("shop-edge", "mend it")], "")
    assert edge == {"part": "edge", "state": "gateway running", "lines": [], "to_do": ["mend it"]}
    assert balancer["to_do"] == []


def test_network_and_portainer() -> None:
    assert network_part("shop", EngineParts())["to_do"] == []
    assert network_part("shop", EngineParts(network=False))["to_do"] == ["create network shop"]
    running = PartContainer("p", "shop-portainer", "portainer")
    assert [part["to_do"] for part in portainer_parts("shop-portainer", [running])] == [[]]
    assert [part["to_do"] for part in portainer_parts("shop-portainer", [])] == [["start shop-portainer"]]


def test_a_portainer_that_is_switched_off_and_still_there_is_drift() -> None:
    left = PartContainer("p", "shop-portainer", "portainer", state="exited")
    assert portainer_parts("", [left]) == [
        {
            "part": "portainer",
            "state": "shop-portainer exited",
            "lines": [],
            "to_do": ["remove shop-portainer (cluster_portainer is false)"],
        }
    ]
    assert portainer_parts("", []) == []


def test_the_console_is_two_containers() -> None:
    names = ["shop-console-agent", "shop-console"]
    agent, web = (PartContainer(name[-1], name, "console") for name in names)
    assert [part["to_do"] for part in console_parts(names, [agent, web])] == [[]]
    paused = dataclasses.replace(agent, state="paused")
    assert console_parts(names, [paused]) == [
        {
            "part": "console",
            "state": "shop-console-agent paused",
            "lines": [],
            "to_do": ["start shop-console-agent", "start shop-console"],
        }
    ]
    assert console_parts([], [web])[0]["to_do"] == ["remove shop-console (cluster_console is false)"]
    assert console_parts([], []) == []


def test_a_provider_that_hears_the_engine() -> None:
    assert provider_part(view(), EngineParts((BLUE,))) == {
        "part": "provider",
        "state": "lists 6 of 6 running nodes",
        "lines": [],
        "to_do": [],
    }
    silent: Any = {**view(), "balancer": {"reachable": False, "version": "", "reason": "no"}}
    assert provider_part(silent, EngineParts())["state"] == "not known"


def test_a_deaf_provider_is_told_as_such() -> None:
    found = provider_part(view(balancer_status="not listed", in_rotation=False), EngineParts((BLUE,)))
    (line,) = found["lines"]
    assert "no server for static-1" in line
    assert "does not hear the engine" in line
    assert line.endswith("(fix: docker restart shop-balancer-blue)")
    gone = view()
    gone["tiers"]["static"]["unknown_servers"] = ["http://static-9:8080"]
    assert "http://static-9:8080, which is gone" in provider_part(gone, EngineParts((BLUE,)))["lines"][0]


@pytest.mark.parametrize("reason", ["unhealthy", "paused"])
def test_what_the_balancer_rightly_lists_or_leaves_out_is_no_deafness(reason: str) -> None:
    if reason == "unhealthy":
        found = view(balancer_status="not listed", in_rotation=False)
        parts = EngineParts((BLUE,), unlisted=frozenset({"4f8d4fd1e62b6f29"}))
    else:
        found = view(state="broken", detail="paused")
        found["tiers"]["static"]["unknown_servers"] = [found["nodes"][0]["url"]]
        parts = EngineParts((BLUE,))
    assert provider_part(found, parts)["lines"] == []


def test_routes_of_the_file_are_those_of_the_balancer() -> None:
    services = [f"{RECORD['service']}@file", "web-1a2b3c4d@docker", "evenkeel-empty@file"]
    assert routes_part({"web": WEB}, {"web": RECORD}, services, "fix")["lines"] == []
    other = routes_part({"web": WEB}, {"web": {**RECORD, "rule": "Path(`/x`)"}}, services, "fix")
    assert other["state"] == "0 of 1 at the balancer"
    assert other["lines"][0].startswith("route web: got web-1a2b3c4d-pool for Path(`/x`) at the balancer, want")
    assert routes_part({"web": WEB}, {}, services, "fix")["lines"][0].startswith("route web: got none at the balancer")
    left = routes_part({}, {}, services, "fix")["lines"]
    assert left == ["route to web-1a2b3c4d-pool: got it at the balancer, want none, as in the route file (fix: fix)"]
