"""Traefik's metrics, read."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.metrics import (
    Sample,
    metric_samples,
    parse_config_reloads,
    parse_server_up,
    parse_service_requests,
    qualified,
)

METRICS = """\
# HELP traefik_config_reloads_total Config reloads
# TYPE traefik_config_reloads_total counter
traefik_config_reloads_total 7
# TYPE traefik_config_last_reload_success gauge
traefik_config_last_reload_success 1.763899e+09
# TYPE traefik_service_requests_total counter
traefik_service_requests_total{code="200",method="GET",protocol="http",service="static-1a@docker"} 1.2e+01
traefik_service_requests_total{code="502",method="POST",protocol="http",service="static-1a@docker"} 3
traefik_service_requests_total{code="200",method="GET",protocol="http",service="static-1@docker"} 100
traefik_service_requests_total_created{service="static-1a@docker"} 1.7e+09
# TYPE traefik_service_server_up gauge
traefik_service_server_up{service="static-1a@docker",url="http://static-1:8080"} 1
traefik_service_server_up{service="static-1a@docker",url="http://172.17.0.5:8080"} 0
traefik_service_server_up{service="other@docker",url="http://other-1:8080"} 1
"""


@pytest.mark.parametrize(
    "line, labels, value",
    [
        ("m 1", {}, 1.0),
        ("m\t2.5", {}, 2.5),
        ("m{} 3", {}, 3.0),
        ('m{a="x"} 4 1700000000000', {"a": "x"}, 4.0),
        ('m{a="x",b="y",} 5', {"a": "x", "b": "y"}, 5.0),
        ('m{a="q\\"u\\\\o\\nte",b="}"} 6', {"a": 'q"u\\o\nte', "b": "}"}, 6.0),
        ("m +Inf", {}, float("inf")),
    ],
)
def test_metric_samples(line: str, labels: dict[str, str], value: float) -> None:
    assert list(metric_samples(f"# TYPE m counter\nmore 9\n{line}\n", "m")) == [Sample("m", labels, value)]


@pytest.mark.parametrize("line", ["m x", "m ", 'm{a="x" 1', "m{a=x} 1", 'm{a="x"}', 'm{a="x'])
def test_metric_samples_refuses_malformed_lines(line: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        list(metric_samples(line, "m"))


def test_values_of_a_real_looking_exposition() -> None:
    assert parse_config_reloads(METRICS) == 7
    assert parse_service_requests(METRICS, "static-1a@docker") == 15
    assert parse_service_requests(METRICS, "static-1@docker") == 100
    assert parse_service_requests(METRICS, "absent@docker") == 0
    assert parse_server_up(METRICS, "static-1a@docker") == {
        "http://static-1:8080": True,
        "http://172.17.0.5:8080": False,
    }


def test_reloads_absent_is_not_zero() -> None:
    assert parse_config_reloads("other 1\n") is None


def test_qualified_keeps_a_provider() -> None:
    assert qualified("a") == "a@docker"
    assert qualified("a@file") == "a@file"
    assert qualified("a", "file") == "a@file"
