"""The options of edge and balancer, what is said of those that cannot be used, and what makes a new container."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.options import (
    NUMBERS,
    BalancerOptionError,
    BalancerOptions,
    read_lock_timeout,
    read_options,
)

ROLE = Path(__file__).parents[4] / "roles/load_balancer"
GOOD: dict[str, Any] = {
    "cluster": "shop",
    "network": "shop",
    "image": "res/traefik:1",
    "edge_image": None,
    "static": {"entryPoints": {"web": {"address": ":8000", "reusePort": True}}},
    "seed": "",
    "ports": [{"inside": 8000, "address": "127.0.0.1", "outside": 8080}],
    "user": "65532",
    "groups": ["999"],
    "memory": "1g",
    "log_size": "10m",
    "access_log_size": "200m",
    "environment": {},
    "docker_socket": "/var/run/docker.sock",
    "config_dir": "/srv/balancer",
    "log_dir": "/srv/log",
    "api_password_file": "/srv/password",
    **{name: number.default for name, number in NUMBERS.items()},
}


def lasting(finish: object, accept: object = "0s") -> dict[str, Any]:
    """An entry point with these grace times."""
    life = {"requestAcceptGraceTimeout": accept, "graceTimeOut": finish}
    return {"reusePort": True, "transport": {"lifeCycle": life}}


def graces(finish: object, accept: object = "0s") -> dict[str, Any]:
    return {"entryPoints": {"web": lasting(finish, accept)}}


def options(**differs: Any) -> BalancerOptions:
    return read_options({**GOOD, **differs})


def test_options() -> None:
    made = options(memory="512m", environment={"GOGC": 500})
    assert made.memory == 512 * 1024**2
    assert made.environment == {"GOGC": "500"}
    assert made.ports == {8000: ("127.0.0.1", 8080)}
    assert made.edge_image == "res/traefik:1"
    assert made.edge_file == Path("/srv/balancer/dynamic/edge.yml")
    assert (made.pids, made.stop_seconds, made.drain_seconds, made.ready_seconds) == (512, 25, 3.0, 30.0)
    assert options(edge_image="debian").edge_image == "debian"
    assert options(drain_seconds="2.5", pids="64") == options(drain_seconds=2.5, pids=64)
    assert options(static={}).static == {}
    assert (made.log_size, made.log_files) == (10 * 1024**2, 3)
    assert (made.access_log_size, made.access_log_keep) == (200 * 1024**2, 3)
    assert [options(log_size=size).log_size for size in ("1m", 0, "0", 2**20)] == [2**20, 0, 0, 2**20]


@pytest.mark.parametrize(
    "static, seconds",
    [
        (graces("30s"), 45),
        (graces("5m", "10s"), 325),
        (graces(300), 315),
        (graces("1h0m0.5s"), 3616),
        # Traefik's own default is 10 s.
        ({"entryPoints": {"web": {"reusePort": True}, "other": {"reusePort": True, "transport": None}}}, 25),
        ({"entryPoints": {"quick": lasting("2s"), "long": lasting("300s")}}, 315),
        ({}, 15),
    ],
)
def test_docker_waits_for_as_long_as_traefik_does(static: dict[str, Any], seconds: int) -> None:
    """Otherwise it would end what the balancer is told to finish."""
    assert options(static=static).stop_seconds == seconds


@pytest.mark.parametrize(
    "differs, message",
    [
        ({"image": ""}, "image: got nothing, want it with state present (fix: pass image)"),
        ({"log_dir": None}, "log_dir: got nothing, want it with state present (fix: pass log_dir)"),
        ({"memory": "lots"}, "memory: got 'lots', want a size such as 1g (fix: -e load_balancer_memory=1g)"),
        ({"pids": 0}, "pids: got 0, want a whole number from 1 to 4194304 (fix: -e load_balancer_pids=512)"),
        (
            {"log_size": "1k"},
            "log_size: got '1k', want a size of at least 1m, or 0 for Docker's own log driver (fix: -e load_balancer_",
        ),
        (
            {"access_log_size": "1023k"},
            "access_log_size: got '1023k', want a size of at least 1m, such as 200m (fix: -e load_balancer_access",
        ),
        (
            {"access_log_keep": -1},
            "access_log_keep: got -1, want a whole number from 0 to 100 (fix: -e load_balancer_ac",
        ),
        ({"log_files": 0}, "log_files: got 0, want a whole number from 1 to 100 (fix: -e load_balancer_log_files=3)"),
        ({"pids": "2.5"}, "pids: got '2.5', want a whole number from 1 to 4194304 (fix: -e load_balancer_pids=512)"),
        (
            {"static": graces("a while")},
            "static.entryPoints.web.transport.lifeCycle.graceTimeOut: got 'a while', want a time of at most 24h, such"
            " as 30s or 10m (fix: -e load_balancer_finish_grace=30s)",
        ),
        ({"static": graces("25h")}, "static.entryPoints.web.transport.lifeCycle.graceTimeOut: got '25h', want"),
        (
            {"static": graces("1s", "-1s")},
            "static.entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout: got '-1s', want a time of at most"
            " 24h, such as 30s or 10m (fix: -e load_balancer_accept_grace=0s)",
        ),
        (
            {"drain_seconds": float("nan")},
            "drain_seconds: got NaN, want a number from 0 to 600 (fix: -e load_balancer_drain_seconds=3)",
        ),
        (
            {"ready_seconds": 0.5},
            "ready_seconds: got 0.5, want a number from 1 to 3600 (fix: -e load_balancer_ready_seconds=30)",
        ),
        (
            {"static": {"entryPoints": {"web": {"address": ":8000"}}}},
            "static.entryPoints.web: got no reusePort, want it, because two balancers listen on the same port during a"
            " replacement (fix: reusePort: true)",
        ),
        ({"static": {"entryPoints": {"web": ":8000"}}}, "static.entryPoints.web: got no reusePort"),
        ({"lock_timeout": -1}, "lock_timeout: got -1, want a whole number from 0 to 86400 (fix: lock_timeout: 300)"),
    ],
)
def test_what_cannot_be_used(differs: dict[str, Any], message: str) -> None:
    with pytest.raises(BalancerOptionError) as raised:
        options(**differs)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(BalancerOptionError) as raised:
        options(image=None, pids="many", memory="", static={"entryPoints": {"a": None, "b": {}}})
    assert [line.partition(":")[0] for line in str(raised.value).splitlines()] == [
        "image",
        "pids",
        "static.entryPoints.a",
        "static.entryPoints.b",
        "memory",
    ]


def test_the_time_to_wait_for_the_lock() -> None:
    assert read_lock_timeout({"lock_timeout": "5"}) == 5
    with pytest.raises(BalancerOptionError, match=r"^lock_timeout: got 'x', want a whole number from 0 to 86400"):
        read_lock_timeout({"lock_timeout": "x"})


@pytest.mark.parametrize(
    "differs, edge, serves",
    [
        ({}, True, True),
        ({"drain_seconds": 9.0, "ready_seconds": 9.0}, True, True),
        ({"static": {"entryPoints": {}}}, True, False),
        ({"seed": "another password"}, True, False),
        ({"environment": {"GOGC": "1"}}, True, False),
        ({"log_dir": "/elsewhere"}, False, False),
        ({"config_dir": "/elsewhere"}, False, False),
        ({"user": "1"}, False, False),
        ({"groups": []}, False, False),
        ({"memory": "2g"}, True, False),
        ({"pids": 9}, True, False),
        ({"docker_socket": "/elsewhere"}, False, False),
        # What the edge prints is no reason to close the ports.
        ({"log_size": "1m"}, True, False),
        ({"log_files": 1}, True, False),
        # The edge's loop does that.
        ({"access_log_size": "9m", "access_log_keep": 0}, True, True),
        ({"static": graces("9s")}, True, False),
        ({"ports": [{"inside": 8000, "address": "127.0.0.1", "outside": 80}]}, False, True),
        ({"network": "other"}, False, True),
    ],
)
def test_what_makes_another_edge_or_balancer(differs: dict[str, Any], edge: bool, serves: bool) -> None:
    before, after = options().desired("sha256:1"), options(**differs).desired("sha256:1")
    assert (after.edge == before.edge, after.balancer == before.balancer) == (edge, serves)


def test_another_image_makes_another_balancer() -> None:
    before, after = options().desired("sha256:1"), options().desired("sha256:2")
    assert before.edge == after.edge
    assert before.balancer != after.balancer


def test_numbers_of_the_role_pass_unconverted() -> None:
    """A conversion in the role would hide what was set: ``abc | int`` is 0."""
    (task,) = (
        task["evenkeel.cluster.balancer"]
        for task in yaml.safe_load((ROLE / "tasks/run.yml").read_text())
        if "evenkeel.cluster.balancer" in task
    )
    assert task == "{{ _load_balancer_options }}"
    given = yaml.safe_load((ROLE / "vars/main.yml").read_text())["_load_balancer_options"]
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    knobs = {name: number for name, number in NUMBERS.items() if number.fix}
    assert sorted(knobs) == ["access_log_keep", "drain_seconds", "log_files", "pids", "ready_seconds"]
    for name, number in knobs.items():
        (variable,) = re.findall(r"load_balancer_\w+", number.fix)
        assert given[name] == f"{{{{ {variable} }}}}"
        assert specs[variable]["type"] == "raw"
        assert defaults[variable] == number.default
