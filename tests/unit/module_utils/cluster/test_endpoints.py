"""Where something answers, as an address."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.endpoints import Endpoint, published


@pytest.mark.parametrize(
    "endpoint, url",
    [
        (Endpoint("http", "localhost", 8080), "http://localhost:8080"),
        (Endpoint("http", "localhost", 80), "http://localhost"),
        (Endpoint("https", "localhost", 443), "https://localhost"),
        (Endpoint("https", "localhost", 80), "https://localhost:80"),
        (Endpoint("http", "::1", 80), "http://[::1]"),
        (Endpoint("http", "fd00::5", 9000), "http://[fd00::5]:9000"),
    ],
)
def test_url(endpoint: Endpoint, url: str) -> None:
    assert endpoint.url == url
    assert endpoint.at("/a/") == f"{url}/a/"
    assert endpoint.as_dict() == {
        "scheme": endpoint.scheme,
        "host": endpoint.host,
        "port": endpoint.port,
        "url": url,
    }


@pytest.mark.parametrize(
    "address, host",
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("127.0.0.1", "127.0.0.1"), ("192.0.2.1", "192.0.2.1")],
)
def test_a_published_port_is_reached_on_the_machine_itself(address: str, host: str) -> None:
    assert published(address, 8080) == Endpoint("http", host, 8080)
