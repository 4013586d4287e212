"""The declared cluster: what is right, hundreds of ways to be wrong, and what follows from a policy."""

from __future__ import annotations

import copy
import datetime
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import STRATEGIES, ClusterSpec, Cookie, Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import quote
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.values import boolean, parse_size, whole_number
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.parse import parse_cluster
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.reader import is_host_name
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.tiers import (
    _TIER_KEYS,
    RESERVED_IMAGES,
    RESERVED_TIERS,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.labels import (
    last_resort,
    policy_labels,
    server_url_labels,
    service_name,
)

STATIC: dict[str, Any] = {
    "image": "res/apache_php",
    "context": "files/static",
    "port": 8080,
    "path": "/",
    "nodes": 3,
    "sticky": True,
}
DYNAMIC: dict[str, Any] = {
    "image": "res/express",
    "context": "files/dynamic",
    "port": 3000,
    "path": "/api/dates/",
    "strip_path": True,
    "nodes": 3,
    "sticky": False,
}
CLUSTER: dict[str, Any] = {
    "name": "evenkeel",
    "domain": "labo-http.res.ch",
    "hosts": ["labo-http.res.ch", "localhost", "127.0.0.1"],
    "engine": "docker",
    "web_port": 8080,
    "dashboard_port": 9000,
    "portainer": False,
    "portainer_port": 9090,
    "image_source": "packages",
    "registry_prefix": "",
    "apt_mirror": "",
    "ca_bundle": "",
    "state_dir": "/var/lib/evenkeel/evenkeel",
    "tiers": {"static": STATIC, "dynamic": DYNAMIC},
}


def cluster(**changes: Any) -> dict[str, Any]:
    """The default cluster with other knobs."""
    return {**copy.deepcopy(CLUSTER), **changes}


def with_static(**changes: Any) -> dict[str, Any]:
    """The default cluster with other options of its static tier."""
    return cluster(tiers={"static": {**STATIC, **changes}, "dynamic": DYNAMIC})


def problems_of(raw: Mapping[str, Any], variables: list[str] | None = None) -> list[str]:
    spec, problems = parse_cluster(raw, variables or [])
    assert (spec is None) == bool(problems)
    return problems


def parsed(raw: Mapping[str, Any], variables: list[str] | None = None) -> ClusterSpec:
    spec, problems = parse_cluster(raw, variables or [])
    assert problems == []
    assert spec is not None
    return spec


def test_default_cluster_is_right_and_completed() -> None:
    spec = parsed(cluster(), ["static_nodes", "dynamic_nodes"])
    static, dynamic = spec.tiers
    assert (spec.name, spec.network, spec.web_port, spec.portainer) == ("evenkeel", "evenkeel", 8080, False)
    assert (static.name, static.nodes, static.sticky, static.strategy) == ("static", 3, True, "wrr")
    assert static.cookie == Cookie(name="evenkeel_static")
    assert (static.drain_seconds, static.stop_seconds, static.memory, static.cpus) == (3, 30, 256 * 1024**2, 0.0)
    assert (dynamic.path, dynamic.strip_path, dynamic.health_path) == ("/api/dates/", True, "/healthz")
    assert dynamic.labels["evenkeel.service"] == dynamic.service


def test_tier_survives_the_way_through_json() -> None:
    spec = parsed(cluster())
    travelled = json.loads(json.dumps(spec.as_dict()))
    assert [Tier.from_dict(tier) for tier in travelled["tiers"]] == spec.tiers


def test_tier_with_unknown_key_is_refused_on_the_way_back() -> None:
    tier = parsed(cluster()).as_dict()["tiers"][0]
    with pytest.raises(TypeError):
        Tier.from_dict({**tier, "colour": "red"})


# --- what the command line and YAML may say ------------------------------------------------------------------------


@pytest.mark.parametrize("value, count", [(0, 0), (5, 5), ("5", 5), ("0", 0), (1000 - 3, 997), ("997", 997)], ids=repr)
def test_good_counts(value: object, count: int) -> None:
    assert parsed(with_static(nodes=value)).tiers[0].nodes == count


@pytest.mark.parametrize(
    "value, flag",
    [(True, True), ("true", True), ("True", True), ("yes", True), (False, False), ("false", False), ("No", False)],
    ids=repr,
)
def test_good_flags(value: object, flag: bool) -> None:
    assert parsed(with_static(sticky=value)).tiers[0].sticky is flag
    assert parsed(cluster(portainer=value)).portainer is flag


@pytest.mark.parametrize(
    "knob, value",
    [
        ("name", "a"),
        ("name", "shop-2"),
        ("name", "a" * 30),
        ("domain", "example.org"),
        ("domain", "xn--bcher-kva.example"),
        ("domain", "192.0.2.7"),
        ("hosts", []),
        ("hosts", ["a.example.org", "a.example.org"]),
        ("web_port", "80"),
        ("web_port", 65535),
        ("portainer_port", 1),
        ("image_source", "registry"),
        ("registry_prefix", "localhost:5000/library/"),
        ("registry_prefix", "registry.example.org/"),
        ("apt_mirror", "http://mirror.example.org:3142/debian"),
        ("ca_bundle", "/etc/ssl/certs/ca-certificates.crt"),
        ("state_dir", "/home/some one/state/"),
        ("state_dir", "/srv/evenkeel"),
    ],
)
def test_good_knobs(knob: str, value: object) -> None:
    assert problems_of(cluster(**{knob: value})) == []


@pytest.mark.parametrize(
    "option, value",
    [
        ("context", None),
        ("image", "registry.example.org:5000/team/app_php"),
        ("port", "80"),
        ("path", "/app"),
        ("path", "/a/b.c/~d/"),
        ("strategy", "leasttime"),
        ("cookie", {"name": "session", "same_site": "strict", "http_only": False, "max_age": "3600"}),
        ("health_path", "/"),
        ("drain_seconds", 0),
        ("max_failures", "0"),
        ("stop_seconds", "4"),
        ("memory", "1G"),
        ("memory", 16 * 1024**2),
        ("cpus", "0.5"),
        ("cpus", 2),
        ("cpus", 0.25),
        ("pids", 0),
        ("environment", {"A": "b", "_C": 1, "d9": True, "E": 1.5, "F": ""}),
        ("mounts", [{"source": "data", "target": "/data"}, {"source": "/srv/x", "target": "/x/", "read_only": False}]),
    ],
)
def test_good_options(option: str, value: object) -> None:
    assert problems_of(with_static(**{option: value})) == []


def test_values_take_their_final_form() -> None:
    tier = parsed(
        with_static(
            path="/app",
            cpus="0.5",
            memory="1g",
            environment={"A": 1, "B": True, "C": 1.5},
            mounts=[{"source": "data", "target": "/data"}],
        )
    ).tiers[0]
    assert (tier.path, tier.cpus, tier.memory) == ("/app/", 0.5, 1024**3)
    assert tier.environment == {"A": "1", "B": "true", "C": "1.5"}
    assert tier.mounts == [{"source": "data", "target": "/data", "read_only": True}]


@pytest.mark.parametrize(
    "image",
    ["nginx", "nginx:1.27", "example/app:1.2", "localhost:5000/app", "a.example.org/b/c:d", "app@sha256:" + "0a" * 32],
)
def test_good_references_of_tiers_that_are_not_built(image: str) -> None:
    assert parsed(with_static(context=None, image=image)).tiers[0].image == image


def test_zero_nodes_everywhere_is_right() -> None:
    assert [tier.nodes for tier in parsed(with_static(nodes=0)).tiers] == [0, 3]


def test_hyphen_in_a_tier_name_is_an_underscore_in_its_variable() -> None:
    tiers = {"web-app": {**STATIC, "nodes": "x"}}
    assert problems_of(cluster(tiers=tiers), ["web_app_nodes"]) == [
        "web_app_nodes: got 'x', want a whole number from 0 to 1000 (fix: -e web_app_nodes=3)"
    ]


# --- exact messages of what people will get wrong -----------------------------------------------------------------


@pytest.mark.parametrize(
    "value, shown",
    [
        ("-1", "'-1'"),
        (-1, "-1"),
        ("2.5", "'2.5'"),
        (2.5, "2.5"),
        ("abc", "'abc'"),
        ("1_0", "'1_0'"),
        ("\u0663", "'\u0663'"),
        ("\uff13", "'\uff13'"),
        ("true", "'true'"),
        (True, "true"),
        (False, "false"),
        ("100000", "'100000'"),
        (100000, "100000"),
        (1001, "1001"),
        ("", "''"),
        (" 3 ", "' 3 '"),
        ("3 ", "'3 '"),
        ("3\n", "'3\\n'"),
        ("+3", "'+3'"),
        ("03", "'03'"),
        ("0x3", "'0x3'"),
        ("3e0", "'3e0'"),
        (3.0, "3.0"),
        ("-0", "'-0'"),
        (None, "nothing"),
        ([], "[]"),
        ({}, "{}"),
        ([3], "[3]"),
        ({"a": 3}, '{"a": 3}'),
        ("9" * 200, "'" + "9" * 77 + "...'"),
        (10**5000, "a int"),
        ("\u00b3", "'\u00b3'"),
        ("3\u202e", "'3\\u202e'"),
        (float("nan"), "NaN"),
    ],
    ids=lambda value: ascii(value)[:20] if not isinstance(value, int) or value < 10**9 else "huge",
)
def test_bad_counts(value: object, shown: str) -> None:
    assert problems_of(with_static(nodes=value)) == [
        f"static_nodes: got {shown}, want a whole number from 0 to 1000 (fix: -e static_nodes=3)"
    ]


def test_sum_of_counts_is_bounded_by_the_network() -> None:
    assert problems_of(with_static(nodes=998)) == [
        "nodes of all tiers: got 1001, want at most 1000 on one network (fix: lower the counts)"
    ]


def test_unknown_tier_in_a_count() -> None:
    assert problems_of(cluster(), ["statik_nodes", "dynamic_nodes", "static_nodes"]) == [
        "statik_nodes: got 'statik', want a tier of cluster_tiers: dynamic, static (fix: did you mean static_nodes?)"
    ]
    assert problems_of(cluster(), ["quux_nodes"]) == [
        "quux_nodes: got 'quux', want a tier of cluster_tiers: dynamic, static (fix: mend or remove the variable)"
    ]


@pytest.mark.parametrize("path", ["/api/dates/", "/api/dates"])
def test_two_tiers_on_one_path(path: str) -> None:
    assert problems_of(with_static(path=path)) == [
        "cluster_tiers.dynamic.path: got '/api/dates/', want another than tier static has"
        " (fix: give each tier a path of its own)"
    ]


def test_one_image_for_two_tiers() -> None:
    fix = "(fix: give each tier an image of its own)"
    line = f"cluster_tiers.dynamic.image: got 'res/express', want another than tier static has {fix}"
    assert problems_of(with_static(image="res/express")) == [line]
    # Its labels are in the image: a tier that only runs another one's image would join both.
    assert problems_of(with_static(image="res/express:old", context=None)) == [line]


def test_one_cookie_for_two_tiers() -> None:
    tiers = {
        "static": {**STATIC, "cookie": {"name": "session"}},
        "dynamic": {**DYNAMIC, "sticky": True, "cookie": {"name": "session"}},
    }
    assert problems_of(cluster(tiers=tiers)) == [
        "cluster_tiers.dynamic.cookie.name: got 'session', want another than tier static has"
        " (fix: give each tier its own cookie)"
    ]


@pytest.mark.parametrize("name", sorted(RESERVED_TIERS))
def test_reserved_tier_names(name: str) -> None:
    assert problems_of(cluster(tiers={name: STATIC})) == [
        f"tier name: got '{name}', want a name that is not reserved (fix: rename the tier, for example my-{name})"
    ]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Static",
        "1st",
        "-a",
        "a-",
        "a_b",
        "a b",
        "a.b",
        "a/b",
        "caf\u00e9",
        "web-1",
        "a" * 31,
        "a\n",
        "$(id)",
        5,
        None,
        True,
    ],
    ids=ascii,
)
def test_malformed_tier_names(name: object) -> None:
    assert problems_of(cluster(tiers={name: STATIC})) == [
        f"tier name: got {quote(name)}, want lower-case letters, digits and -, beginning with a letter,"
        " at most 30 characters, not ending in -<number> (fix: rename the tier in cluster_tiers)"
    ]


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


def test_secure_cookie_on_plain_http() -> None:
    assert problems_of(with_static(cookie={"secure": True})) == [
        "cluster_tiers.static.cookie.secure: got true, want false, because the web entry point speaks plain HTTP and"
        " browsers would never send the cookie back (fix: remove cluster_tiers.static.cookie.secure)"
    ]
    assert problems_of(with_static(cookie={"same_site": "none"})) == [
        "cluster_tiers.static.cookie.same_site: got 'none', want lax or strict, because none needs a secure cookie"
        " (fix: cluster_tiers.static.cookie.same_site: lax)"
    ]


def test_unknown_options() -> None:
    (typo,) = problems_of(with_static(memmory="1g"))
    assert typo.startswith("cluster_tiers.static: got 'memmory', want one of context, cookie, cpus, drain_seconds,")
    assert typo.endswith("strategy, strip_path (fix: did you mean memory?)")
    (alien,) = problems_of(with_static(qwertyuiop=1))
    assert alien.endswith("(fix: remove it)")
    assert problems_of(with_static(cookie={"samesite": "lax"})) == [
        "cluster_tiers.static.cookie: got 'samesite', want one of http_only, max_age, name, same_site, secure"
        " (fix: did you mean same_site?)"
    ]
    # What we compute is not an option.
    for computed in ("labels", "service", "name"):
        assert len(problems_of(with_static(**{computed: "x"}))) == 1


@pytest.mark.parametrize("option", ["image", "port", "path", "nodes"])
def test_missing_options_are_told_once(option: str) -> None:
    static = {key: value for key, value in STATIC.items() if key != option}
    assert problems_of(cluster(tiers={"static": static, "dynamic": DYNAMIC})) == [
        f"cluster_tiers.static.{option}: got nothing, want a value (fix: add {option} to the tier)"
    ]


def test_stop_before_the_drain_ends() -> None:
    assert problems_of(with_static(drain_seconds=40)) == [
        "cluster_tiers.static.stop_seconds: got 30, want more than drain_seconds (40), because Docker kills the node"
        " then (fix: cluster_tiers.static.stop_seconds: 70)"
    ]


def test_two_knobs_on_one_port() -> None:
    assert problems_of(cluster(web_port=9000)) == [
        "cluster_dashboard_port: got 9000, want another port than cluster_web_port"
        " (fix: -e cluster_dashboard_port=8081)"
    ]


def test_port_of_the_counters() -> None:
    assert problems_of(with_static(port=9180)) == [
        "cluster_tiers.static.port: got 9180, want another, because nodes tell their counters there"
        " (fix: cluster_tiers.static.port: 8080)"
    ]


@pytest.mark.parametrize("image", sorted(RESERVED_IMAGES))
def test_images_of_the_project_itself(image: str) -> None:
    assert problems_of(with_static(image=image)) == [
        f"cluster_tiers.static.image: got '{image}', want a name that is not reserved"
        " (fix: cluster_tiers.static.image: res/express)"
    ]


@pytest.mark.parametrize("tiers", [None, "", "static", [], {}, 5, True, [STATIC], 2.5], ids=ascii)
def test_tiers_that_are_none(tiers: object) -> None:
    assert problems_of(cluster(tiers=tiers), ["static_nodes"]) == [
        f"cluster_tiers: got {quote(tiers)}, want a mapping with at least one tier"
        " (fix: see roles/cluster/defaults/main.yml)"
    ]


@pytest.mark.parametrize("options", [None, "", "x", 5, True, [], [STATIC]], ids=ascii)
def test_tier_that_is_no_mapping(options: object) -> None:
    assert problems_of(cluster(tiers={"static": options, "dynamic": DYNAMIC})) == [
        f"cluster_tiers.static: got {quote(options)}, want a mapping (fix: see roles/cluster/defaults/main.yml)"
    ]


def test_all_problems_at_once() -> None:
    raw = with_static(nodes="abc", strategy="random", cookie={"secure": True})
    assert len(problems_of({**raw, "web_port": 0, "domain": "a b"}, ["statik_nodes"])) == 6


# --- one wrong value, one line that names it ------------------------------------------------------------------------

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
    "hosts": [None, "localhost", 5, True, {}, {"a": "b"}],
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
    "sticky": NO_FLAG,
    "strategy": [*NO_TEXT, "", "random", "WRR", "roundrobin", "wrr "],
    "cookie": [None, "", "x", 5, True, [], ["a"]],
    "health_path": [*NO_TEXT, "", "healthz", "/a b", "/a?b", "/a\n", "/`"],
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


def assert_one_line(problems: list[str], what: str) -> None:
    assert len(problems) == 1, problems
    (line,) = problems
    assert line.startswith(f"{what}: got ")
    assert ", want " in line
    assert " (fix: " in line
    assert line.endswith(")")
    assert line.isprintable()
    assert len(line) < 400


@pytest.mark.parametrize("knob, value", cases(BAD_KNOBS))
def test_bad_knob(knob: str, value: object) -> None:
    assert_one_line(problems_of(cluster(**{knob: value})), f"cluster_{knob}")


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


def test_hundreds_of_malformed_inputs() -> None:
    tables = [BAD_KNOBS, BAD_OPTIONS, BAD_COOKIES]
    counted = sum(len(values) for table in tables for values in table.values())
    assert counted + len(BAD_ENVIRONMENTS) + len(BAD_MOUNTS) + 2 * len(HOST_NAMES) > 400


# --- properties -----------------------------------------------------------------------------------------------------

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.dates() | st.binary(max_size=4)
)
YAMLISH = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=8,
)
LIKELY = st.sampled_from(
    [*CLUSTER.values(), *STATIC.values(), "static", "a", "/", "/a/", "1", "0", "256m", {"source": "a", "target": "/b"}]
)
TIER = st.dictionaries(st.sampled_from(sorted(_TIER_KEYS)) | SCALARS, LIKELY | YAMLISH, max_size=8)
RAW = st.fixed_dictionaries(
    {},
    optional={
        **{knob: LIKELY | YAMLISH for knob in CLUSTER if knob != "tiers"},
        "tiers": YAMLISH
        | st.dictionaries(st.sampled_from(["static", "dynamic", "web-app"]) | SCALARS, TIER | YAMLISH, max_size=3),
    },
)


@settings(max_examples=400, deadline=None)
@given(RAW, st.lists(st.text(max_size=12).map(lambda text: f"{text}_nodes"), max_size=3))
def test_never_raises_and_is_either_right_or_told(raw: dict[str, Any], variables: list[str]) -> None:
    spec, problems = parse_cluster({**cluster(), **raw}, variables)
    assert (spec is None) == bool(problems)
    for line in problems:
        assert line.isprintable()
        assert ": got " in line
        assert line.endswith(")")
    if spec is not None:
        json.dumps(spec.as_dict())


@settings(deadline=None)
@given(st.text())
def test_whole_numbers_are_what_they_look_like(text: str) -> None:
    number = whole_number(text)
    assert number is None or str(number) == text


@settings(deadline=None)
@given(YAMLISH)
def test_helpers_never_raise(value: object) -> None:
    assert quote(value).isprintable()
    assert is_host_name(value) in {True, False}
    assert boolean(value) in {True, False, None}
    size = parse_size(value)
    assert size is None or size > 0


@pytest.mark.parametrize(
    "value, size", [("1", 1), ("2k", 2048), ("3M", 3 * 1024**2), ("3g", 3 * 1024**3), (5, 5), (0, None), ("1t", None)]
)
def test_sizes(value: object, size: int | None) -> None:
    assert parse_size(value) == size


# --- what follows from a policy -------------------------------------------------------------------------------------


def test_service_name_is_stable() -> None:
    """A changed hash rolls every running cluster on upgrade: that takes a decision and a line in the changelog."""
    assert [tier.service for tier in parsed(cluster()).tiers] == ["static-4dd3bdf1", "dynamic-c19c20d3"]


def test_service_name_differs_exactly_when_the_policy_does() -> None:
    policies = [
        policy_labels(
            sticky, strategy, Cookie(name, http_only=http_only, same_site=same_site, max_age=max_age), health, failures
        )
        for sticky in (True, False)
        for strategy in STRATEGIES
        for name in ("a", "b")
        for http_only in (True, False)
        for same_site in ("lax", "strict")
        for max_age in (0, 60)
        for health in ("/healthz", "/")
        for failures in (0, 3)
    ]
    different = {json.dumps(policy, sort_keys=True) for policy in policies}
    names = {service_name("static", port, policy) for policy in policies for port in (80, 8080)}
    # The cookie counts only where there is one.
    assert len(different) == 2 * (4 * 2 * 16 + 4 * 2)
    assert len(names) == 2 * len(different)


@pytest.mark.parametrize(
    "option, value",
    [
        ("nodes", 7),
        ("memory", "1g"),
        ("cpus", 1),
        ("pids", 9),
        ("environment", {"A": "b"}),
        ("path", "/x/"),
        ("strip_path", True),
        ("drain_seconds", 9),
        ("mounts", [{"source": "a1", "target": "/b"}]),
        ("image", "res/other"),
    ],
)
def test_what_is_no_policy_leaves_the_service_name(option: str, value: object) -> None:
    assert parsed(with_static(**{option: value})).tiers[0].service == parsed(cluster()).tiers[0].service


@pytest.mark.parametrize(
    "option, value",
    [
        ("sticky", False),
        ("strategy", "p2c"),
        ("cookie", {"max_age": 60}),
        ("health_path", "/ready"),
        ("port", 80),
    ],
)
def test_what_is_policy_changes_the_service_name(option: str, value: object) -> None:
    assert parsed(with_static(**{option: value})).tiers[0].service != parsed(cluster()).tiers[0].service


def test_labels_of_a_sticky_tier() -> None:
    tier = parsed(cluster()).tiers[0]
    prefix = f"traefik.http.services.{tier.service}.loadbalancer"
    assert tier.labels["evenkeel.cluster"] == "evenkeel"
    assert tier.labels["evenkeel.role"] == "node"
    assert tier.labels["traefik.enable"] == "true"
    assert tier.labels[f"{prefix}.sticky.cookie.name"] == "evenkeel_static"
    assert tier.labels[f"{prefix}.sticky.cookie.httponly"] == "true"
    assert f"{prefix}.sticky.cookie.maxage" not in tier.labels
    assert f"{prefix}.server.port" not in tier.labels
    assert all(isinstance(value, str) for value in tier.labels.values())


def test_the_last_resort_has_the_same_policy_without_health_checks() -> None:
    tier = parsed(cluster()).tiers[0]
    options: dict[str, set[str]] = {}
    for label in tier.labels:
        if label.startswith("traefik.http.services."):
            service, option = label.removeprefix("traefik.http.services.").split(".", 1)
            options.setdefault(service, set()).add(option)
    checks = {option for option in options[tier.service] if "healthcheck." in option}
    assert {option.split(".")[1] for option in checks} == {"healthcheck", "passivehealthcheck"}
    assert options == {tier.service: options[tier.service], last_resort(tier.service): options[tier.service] - checks}


def test_a_node_has_one_address_in_both_services() -> None:
    assert server_url_labels("static-1", "http://a:80") == {
        "traefik.http.services.static-1.loadbalancer.server.url": "http://a:80",
        "traefik.http.services.static-1-unchecked.loadbalancer.server.url": "http://a:80",
    }


def test_answers_are_not_looked_at_where_nobody_wants_it() -> None:
    assert not [label for label in parsed(with_static(max_failures=0)).tiers[0].labels if "passive" in label]


def test_labels_of_a_tier_that_is_not_sticky() -> None:
    assert not [label for label in parsed(cluster()).tiers[1].labels if "sticky" in label]


def test_age_of_a_cookie_is_a_label() -> None:
    tier = parsed(with_static(cookie={"max_age": 60})).tiers[0]
    assert tier.labels[f"traefik.http.services.{tier.service}.loadbalancer.sticky.cookie.maxage"] == "60"


def test_a_sticky_tier_cannot_hash_addresses() -> None:
    tier = {"image": "res/app", "port": 80, "path": "/", "nodes": 1, "sticky": True, "strategy": "hrw"}
    _, problems = parse_cluster(cluster(tiers={"app": tier}))
    assert problems == [
        "cluster_tiers.app.strategy: got 'hrw', want wrr, p2c or leasttime for a sticky tier"
        " (fix: cluster_tiers.app.strategy: wrr)"
    ]
