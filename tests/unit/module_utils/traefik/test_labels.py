"""What follows from a tier's policy: the name of its service, and the labels of its nodes."""

from __future__ import annotations

import json

import pytest
from tests.unit.module_utils.inventory.samples import cluster, parsed, with_static

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.health import HealthCheck
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import STRATEGIES, Cookie
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.labels import (
    last_resort,
    policy_labels,
    server_url_labels,
    service_name,
    service_options,
    tier_labels,
)


def test_service_name_is_stable() -> None:
    """A changed hash rolls every running cluster on upgrade: that takes a decision and a line in the changelog."""
    assert [tier.service for tier in parsed(cluster()).tiers] == ["static-92e0a2ad", "dynamic-3846ed51"]


def test_service_name_differs_exactly_when_the_policy_does() -> None:
    policies = [
        policy_labels(
            sticky,
            strategy,
            Cookie(name, http_only=http_only, same_site=same_site, max_age=max_age),
            HealthCheck(path),
            failures,
        )
        for sticky in (True, False)
        for strategy in STRATEGIES
        for name in ("a", "b")
        for http_only in (True, False)
        for same_site in ("lax", "strict")
        for max_age in (0, 60)
        for path in ("/healthz", "/")
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
        ("health_status", 204),
        ("health_host", "shop.example.org"),
        ("health_headers", {"X-Probe": "balancer"}),
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


def test_how_the_balancer_asks() -> None:
    check = {
        "health_path": "/up?a=1",
        "health_status": 204,
        "health_host": "a.example",
        "health_headers": {"X-Probe": "b"},
    }
    tier = parsed(with_static(**check)).tiers[0]
    prefix = f"traefik.http.services.{tier.service}.loadbalancer.healthcheck."
    asked = {label.removeprefix(prefix): value for label, value in tier.labels.items() if label.startswith(prefix)}
    assert asked == {
        "path": "/up?a=1",
        "followredirects": "false",
        "status": "204",
        "hostname": "a.example",
        "headers.X-Probe": "b",
        "interval": "500ms",
        "timeout": "450ms",
    }


def test_no_probe_follows_a_redirect_or_wants_one_status_unless_told() -> None:
    for tier in parsed(cluster()).tiers:
        prefix = f"traefik.http.services.{tier.service}.loadbalancer.healthcheck."
        assert tier.labels[f"{prefix}followredirects"] == "false"
        assert not {f"{prefix}status", f"{prefix}hostname"} & tier.labels.keys()


def test_answers_are_not_looked_at_where_nobody_wants_it() -> None:
    assert not [label for label in parsed(with_static(max_failures=0)).tiers[0].labels if "passive" in label]


def test_labels_of_a_tier_that_is_not_sticky() -> None:
    assert not [label for label in parsed(cluster()).tiers[1].labels if "sticky" in label]


def test_age_of_a_cookie_is_a_label() -> None:
    tier = parsed(with_static(cookie={"max_age": 60})).tiers[0]
    assert tier.labels[f"traefik.http.services.{tier.service}.loadbalancer.sticky.cookie.maxage"] == "60"


def test_the_policy_of_a_file_has_traefiks_names_and_types() -> None:
    cookie = Cookie("123", secure=True, max_age=60)
    policy = policy_labels(True, "p2c", cookie, HealthCheck("/healthz"), 3)
    policy |= {"healthcheck.port": "9180", "healthcheck.headers.X-Probe": "1", "healthcheck.followredirects": "false"}
    labels = tier_labels("evenkeel", "web", "web-1a", policy)
    labels |= server_url_labels("web-1a", "http://web-1:80")
    assert service_options(labels, "web-1a") == {
        "strategy": "p2c",
        "healthCheck": {
            "path": "/healthz",
            "interval": "500ms",
            "timeout": "450ms",
            "port": 9180,
            "headers": {"X-Probe": "1"},
            "followRedirects": False,
        },
        "serversTransport": "evenkeel@file",
        "passiveHealthCheck": {"maxFailedAttempts": 3, "failureWindow": "300ms"},
        "sticky": {
            "cookie": {
                "name": "123",
                "httpOnly": True,
                "sameSite": "lax",
                "secure": True,
                "path": "/",
                "maxAge": 60,
            }
        },
    }
    unchecked = service_options(labels, last_resort("web-1a"))
    assert "healthCheck" not in unchecked
    assert unchecked["strategy"] == "p2c"
