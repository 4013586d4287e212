"""One wrong value, one line that names it: hundreds of malformed inputs."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.unit.module_utils.inventory.samples import (
    CLUSTER,
    assert_one_line,
    cluster,
    problems_of,
    with_static,
)

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import quote

HOST_NAMES = [
    "",
    "a_b.example.org",
    "-a.example.org",
    "a-.example.org",
    "a..b",
    ".example.org",
    "example.org.",
    "example.org:8080",
    "http://example.org",
    "example.org/path",
    "exa mple.org",
    "example.org\n",
    "*.example.org",
    "caf\u00e9.example",
    "256.1.1.1",
    "1.2.3",
    "12",
    "::1",
    "a" * 64 + ".org",
    ".".join(["abcdefgh"] * 29),
    "`) || PathPrefix(`/",
    None,
    5,
    True,
    ["example.org"],
    {"a": "b"},
]


@pytest.mark.parametrize("value", HOST_NAMES, ids=ascii)
def test_bad_domain(value: object) -> None:
    assert problems_of(cluster(domain=value, hosts=[value, "localhost"])) == [
        f"cluster_domain: got {quote(value)}, want a host name (fix: -e cluster_domain=labo-http.res.ch)"
    ]


@pytest.mark.parametrize("value", HOST_NAMES, ids=ascii)
def test_bad_host(value: object) -> None:
    assert problems_of(cluster(hosts=["localhost", value])) == [
        f"cluster_hosts: got {quote(value)}, want a host name (fix: mend or remove it)"
    ]


NO_PORT = [0, -1, 65536, "65536", "http", "", " 80", "8_0", None, True, 80.5, [], {}, "\u0668\u0660", "080", 10**30]
NO_FLAG = ["maybe", "", 1, 0, "1", "on", None, [], {}, 2.5, " true"]
NO_TEXT = [None, 5, True, 2.5, [], {}, ["x"], {"a": 1}]

BAD_KNOBS: dict[str, list[object]] = {
    "name": [*NO_TEXT, "", "A", "1a", "a_b", "a-", "a.b", "a b", "a" * 31, "a\n", "a/b", "bridge", "host", "none"],
    "engine": [*NO_TEXT, "", "swarm", "Docker", "podman", "docker "],
    "web_port": NO_PORT,
    "dashboard_port": NO_PORT,
    "portainer": NO_FLAG,
    "portainer_port": NO_PORT,
    "image_source": [*NO_TEXT, "", "package", "Registry", "packages\n"],
    "registry_prefix": [*NO_TEXT, "localhost:5000", "http://a/", "a//", "A/", "a b/", "/", "a:x/", "a/..//"],
    "apt_mirror": [*NO_TEXT, "mirror", "ftp://a", "http://", "http://a b", "http://a\nb", "http://a' x"],
    "ca_bundle": [*NO_TEXT, "a\nb", "\x00"],
    "state_dir": [
        *NO_TEXT,
        "",
        "/",
        "//",
        "relative/a",
        "/a",
        "/a/../b",
        "/a/./b",
        "/a:b/c",
        "/a//b",
        "/a/b\n",
        "/usr/lib/evenkeel",
        "/etc/evenkeel",
        "/var/lib",
        "/home/alice/",
        "~/x",
    ],
    "dashboard_user": [*NO_TEXT, "", "a:b", "a b", "-a", "a" * 65, "a\n", "caf\u00e9"],
    "hosts": [None, "localhost", 5, True, {}, {"a": "b"}],
}
NO_ADDRESS: list[object] = [
    *NO_TEXT,
    "",
    "localhost",
    "256.0.0.1",
    "127.0.0.1:80",
    "1.2.3",
    "[::1]",
    "fe80::1%eth0",
    " ::1",
]
# Knobs of other roles that are checked together with the cluster's.
BAD_FOREIGN_KNOBS: dict[str, list[object]] = {
    "web_address": NO_ADDRESS,
    "dashboard_address": NO_ADDRESS,
    "portainer_address": NO_ADDRESS,
    "retry_attempts": [0, -1, "many", "", None, True, 2.5, 1001, [], {}, "2_4"],
}
FOREIGN_NAMES = {
    "web_address": "load_balancer_web_address",
    "dashboard_address": "load_balancer_dashboard_address",
    "portainer_address": "portainer_address",
    "retry_attempts": "load_balancer_retry_attempts",
}
BAD_OPTIONS: dict[str, list[object]] = {
    "image": [*NO_TEXT, "", "A/b", "a:1.2", "a b", "-a", "a/", "/a", "a//b", "a@sha256:0", "a\n", "a" * 300],
    "context": ["", 5, True, [], {}, 2.5, "a\nb"],
    "port": NO_PORT,
    "path": [
        *NO_TEXT,
        "",
        "app",
        "/a b/",
        "/a`b",
        "/../x",
        "/./",
        "//",
        "/a//b",
        "/a?b",
        "/a#b",
        "/\u00e9",
        "/a\n",
        "/%2e",
    ],
    "strip_path": NO_FLAG,
    "repeat": NO_FLAG,
    "sticky": NO_FLAG,
    "strategy": [*NO_TEXT, "", "random", "WRR", "roundrobin", "wrr "],
    "cookie": [None, "", "x", 5, True, [], ["a"]],
    "health_path": [*NO_TEXT, "", "healthz", "/a b", "/a?b`", "/a\n", "/`", "//a", "//a.example/", "/%zz", "/a#b"],
    "max_failures": [-1, "-1", "3s", "", None, True, 2.5, 101, [], {}, " 3 ", "1_0"],
    "drain_seconds": [-1, "-1", "3s", "", None, True, 2.5, 601, [], {}, " 3 ", "1_0"],
    "stop_seconds": [-1, 0, "30s", "", None, True, 30.5, 3601, [], {}, "+30"],
    "memory": [
        "",
        "1",
        "15m",
        "256mb",
        "256 m",
        "-1g",
        "1.5g",
        "m",
        "lots",
        None,
        True,
        2.5,
        5,
        0,
        -1,
        [],
        {},
        "9" * 12 + "g",
    ],
    "cpus": [
        "",
        "-1",
        "half",
        "0,5",
        "1e3",
        "0.00001",
        0.001,
        -0.5,
        None,
        True,
        [],
        {},
        float("inf"),
        float("nan"),
        10**5000,
    ],
    "pids": [-1, "", "many", None, True, 2.5, 4_194_305, [], {}],
    "log_size": [*NO_TEXT, "", "many", "1k", 1024, -1, "0.5m"],
    "log_files": [0, -1, "", "many", None, True, 2.5, 101, [], {}],
    "environment": [None, "", "A=b", 5, True, [], ["A=b"]],
    "mounts": [None, "", "a:/b", 5, True, {}, {"source": "a"}],
}
BAD_COOKIES: dict[str, list[object]] = {
    "name": [*NO_TEXT, "", "a b", "a=b", "a;b", "caf\u00e9", "__Host-x", "__Secure-x", "a" * 65, "a\n"],
    "secure": NO_FLAG,
    "http_only": NO_FLAG,
    "same_site": [*NO_TEXT, "", "Lax", "any"],
    "max_age": [-1, "", "1h", None, True, 2.5, 400 * 86400 + 1, [], {}],
}
BAD_ENVIRONMENTS: list[tuple[object, object]] = [
    ("", "x"),
    ("1A", "x"),
    ("A-B", "x"),
    ("A B", "x"),
    ("A=B", "x"),
    ("\u00c9", "x"),
    (5, "x"),
    (None, "x"),
    (True, "x"),
    ("EVENKEEL_DRAIN_SECONDS", "0"),
    ("A", None),
    ("A", []),
    ("A", {}),
    ("A", "a\0b"),
    ("A", datetime.date(2026, 1, 1)),
]
BAD_MOUNTS: list[object] = [
    None,
    "a:/b",
    5,
    [],
    {"source": "", "target": "/b"},
    {"source": None, "target": "/b"},
    {"source": 5, "target": "/b"},
    {"source": "../x", "target": "/b"},
    {"source": "a b", "target": "/b"},
    {"source": "/a:b", "target": "/b"},
    {"source": "/a/../b", "target": "/b"},
    {"source": "data"},
    {"source": "data", "target": ""},
    {"source": "data", "target": "b"},
    {"source": "data", "target": "/"},
    {"source": "data", "target": "/run"},
    {"source": "data", "target": "/tmp/"},
    {"source": "data", "target": "/a/../b"},
    {"source": "data", "target": "/a:ro"},
    {"source": "data", "target": None},
    {"source": "data", "target": "/b", "read_only": "maybe"},
    {"source": "data", "target": "/b", "readonly": True},
]


def cases(table: Mapping[str, list[object]]) -> list[Any]:
    """Flatten a table to parameters with readable names."""
    return [
        pytest.param(field, value, id=f"{field}-{index}")
        for field, values in table.items()
        for index, value in enumerate(values)
    ]


@pytest.mark.parametrize("knob, value", cases(BAD_KNOBS))
def test_bad_knob(knob: str, value: object) -> None:
    assert_one_line(problems_of(cluster(**{knob: value})), f"cluster_{knob}")


@pytest.mark.parametrize("knob, value", cases(BAD_FOREIGN_KNOBS))
def test_bad_knob_of_another_role(knob: str, value: object) -> None:
    assert_one_line(problems_of(cluster(**{knob: value})), FOREIGN_NAMES[knob])


@pytest.mark.parametrize("option, value", cases(BAD_OPTIONS))
def test_bad_option(option: str, value: object) -> None:
    assert_one_line(problems_of(with_static(**{option: value})), f"cluster_tiers.static.{option}")


@pytest.mark.parametrize("option, value", cases(BAD_COOKIES))
def test_bad_cookie(option: str, value: object) -> None:
    assert_one_line(problems_of(with_static(cookie={option: value})), f"cluster_tiers.static.cookie.{option}")


@pytest.mark.parametrize("name, value", BAD_ENVIRONMENTS, ids=ascii)
def test_bad_environment(name: object, value: object) -> None:
    what = "cluster_tiers.static.environment" + (".A" if name == "A" else "")
    assert_one_line(problems_of(with_static(environment={name: value})), what)


@pytest.mark.parametrize(
    "environment, got",
    [
        (["A=canary"], "a list"),
        ("A=canary", "text"),
        ({"A": ["canary"]}, "a list"),
        ({"A": {"B": "canary"}}, "a mapping"),
        ({"A": "canary\0"}, "text"),
        (71_358, "a number"),
        (None, "nothing"),
    ],
)
def test_what_may_be_secret_is_not_repeated(environment: object, got: str) -> None:
    (line,) = problems_of(with_static(environment=environment))
    assert f"got '{got}'" in line or f"got {got}" in line
    assert "canary" not in line
    assert "71358" not in line


@pytest.mark.parametrize("mount", BAD_MOUNTS, ids=ascii)
def test_bad_mount(mount: object) -> None:
    good = {"source": "logs", "target": "/logs"}
    (line,) = problems_of(with_static(mounts=[good, mount]))
    assert line.startswith("cluster_tiers.static.mounts[1]")


def test_two_mounts_in_one_place() -> None:
    mount = {"source": "data", "target": "/data"}
    assert problems_of(with_static(mounts=[mount, {"source": "more", "target": "/data/"}])) == [
        "cluster_tiers.static.mounts[1].target: got '/data/', want another than /run, /tmp and the other mounts"
        " (fix: cluster_tiers.static.mounts[1].target: /data)"
    ]


@pytest.mark.parametrize(
    "image", ["", "A", "a:b:c", "a:", "a@sha256:00", "a b", "https://a/b", "a:\u0661", None, 5, []], ids=ascii
)
def test_bad_references_of_tiers_that_are_not_built(image: object) -> None:
    assert_one_line(problems_of(with_static(context=None, image=image)), "cluster_tiers.static.image")


@pytest.mark.parametrize("knob", sorted(set(CLUSTER) - {"registry_prefix", "apt_mirror", "ca_bundle"}))
def test_missing_knob(knob: str) -> None:
    raw = {key: value for key, value in cluster().items() if key != knob}
    assert len(problems_of(raw)) == 1


def malformed() -> Iterator[dict[str, Any]]:
    """All clusters of these tables, each with one mistake."""
    for table in (BAD_KNOBS, BAD_FOREIGN_KNOBS):
        yield from (cluster(**{knob: value}) for knob, values in table.items() for value in values)
    yield from (with_static(**{option: value}) for option, values in BAD_OPTIONS.items() for value in values)
    yield from (with_static(cookie={option: value}) for option, values in BAD_COOKIES.items() for value in values)
    yield from (with_static(environment={name: value}) for name, value in BAD_ENVIRONMENTS)
    yield from (with_static(mounts=[mount]) for mount in BAD_MOUNTS)
    yield from (cluster(domain=name) for name in HOST_NAMES)
    yield from (cluster(hosts=[name]) for name in HOST_NAMES)


def written(raw: dict[str, Any]) -> str:
    try:
        return ascii(raw)
    except ValueError:  # a number with more digits than Python writes
        return "huge"


def test_five_hundred_malformed_inputs_are_one_clear_line_each() -> None:
    inputs = {written(raw): raw for raw in malformed()}
    assert len(inputs) >= 500
    for raw in inputs.values():
        (line,) = problems_of(raw)
        assert re.fullmatch(r"[^:]+: got .+, want .+ \(fix: .+\)", line), line
