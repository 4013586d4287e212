"""Declared clusters that are right, and the form that they take."""

from __future__ import annotations

import json

import pytest
from tests.unit.module_utils.inventory.samples import STATIC, cluster, parsed, problems_of, with_static

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Cookie, Tier


def test_default_cluster_is_right_and_completed() -> None:
    spec = parsed(cluster())
    static, dynamic = spec.tiers
    assert (spec.name, spec.network, spec.web_port, spec.portainer) == ("evenkeel", "evenkeel", 8080, False)
    assert (static.name, static.nodes, static.sticky, static.strategy) == ("static", 3, True, "wrr")
    assert static.cookie == Cookie(name="evenkeel_static")
    assert (static.drain_seconds, static.stop_seconds, static.memory, static.cpus) == (3, 30, 256 * 1024**2, 0.0)
    assert (dynamic.path, dynamic.strip_path, dynamic.health.path) == ("/api/dates/", True, "/healthz")
    assert dynamic.labels["evenkeel.service"] == dynamic.service


def test_tier_survives_the_way_through_json() -> None:
    spec = parsed(cluster())
    travelled = json.loads(json.dumps(spec.as_dict()))
    assert [Tier.from_dict(tier) for tier in travelled["tiers"]] == spec.tiers


def test_tier_with_unknown_key_is_refused_on_the_way_back() -> None:
    tier = parsed(cluster()).as_dict()["tiers"][0]
    with pytest.raises(TypeError):
        Tier.from_dict({**tier, "colour": "red"})


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
        ("dashboard_user", "ops.team@example-1"),
        ("web_address", "127.0.0.1"),
        ("dashboard_address", "::1"),
        ("portainer_address", "::"),
        ("retry_attempts", 41),
        ("retry_attempts", "1000"),
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
        ("health_path", "/up?deep=no&a=1"),
        ("ready_seconds", "120"),
        ("release_command", "rake 'db:migrate all'"),
        ("release_command", ["rake", "db:migrate", 5]),
        ("release_seconds", "86400"),
        ("drain_seconds", 0),
        ("max_failures", "0"),
        ("repeat", "yes"),
        ("stop_seconds", "4"),
        ("memory", "1G"),
        ("memory", 16 * 1024**2),
        ("cpus", "0.5"),
        ("cpus", 2),
        ("cpus", 0.25),
        ("pids", 0),
        ("log_size", "1m"),
        ("log_size", 0),
        ("log_size", "0"),
        ("log_files", "1"),
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
            release_command="rake 'db:migrate all'",
            mounts=[{"source": "data", "target": "/data"}],
        )
    ).tiers[0]
    assert (tier.path, tier.cpus, tier.memory) == ("/app/", 0.5, 1024**3)
    assert tier.release_command == ["rake", "db:migrate all"]
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
    assert problems_of(cluster(tiers=tiers)) == [
        "web_app_nodes: got 'x', want a whole number from 0 to 1000 (fix: -e web_app_nodes=3)"
    ]


def test_what_follows_from_the_declaration_travels_with_it() -> None:
    spec = parsed(
        cluster(dashboard_user="ops", dashboard_address="192.0.2.1", web_address="::", state_dir="/srv/shop/")
    ).as_dict()
    assert spec["paths"]["routes_file"] == "/srv/shop/balancer/dynamic/tiers.yml"
    assert spec["endpoints"] == {
        "web": {"scheme": "http", "host": "::1", "port": 8080, "url": "http://[::1]:8080"},
        "dashboard": {"scheme": "http", "host": "192.0.2.1", "port": 9000, "url": "http://192.0.2.1:9000"},
        "console": {"scheme": "http", "host": "127.0.0.1", "port": 9080, "url": "http://127.0.0.1:9080"},
        "portainer": {"scheme": "http", "host": "127.0.0.1", "port": 9090, "url": "http://127.0.0.1:9090"},
    }
    assert spec["api"] == {
        "url": "http://192.0.2.1:9000",
        "user": "ops",
        "password_file": "/srv/shop/secrets/dashboard_password",
    }


def test_images_that_are_built_carry_the_name_of_another_cluster() -> None:
    pulled = {"image": "example/app:1.2", "port": 80, "path": "/app/", "nodes": 1}
    tiers = {"static": STATIC, "app": pulled}
    assert [tier.image for tier in parsed(cluster(tiers=tiers)).tiers] == ["res/apache_php", "example/app:1.2"]
    staging = parsed(cluster(name="staging", tiers=tiers))
    assert [tier.image for tier in staging.tiers] == ["res/apache_php-staging", "example/app:1.2"]


def test_failures_that_are_not_counted_need_no_retries() -> None:
    assert problems_of({**with_static(max_failures=0), "retry_attempts": 41}) == []
