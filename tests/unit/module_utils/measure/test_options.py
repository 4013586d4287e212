"""The options of the checks: each that cannot be used is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.fake_tier import FakeTier

Check = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"requests": -1}, "requests: got -1, want a whole number from 0 to 100000 (fix: requests: 0)"),
        ({"requests": 100_001}, "requests: got 100001, want a whole number from 0 to 100000 (fix: requests: 0)"),
        ({"requests": 14}, "requests: got 14 for 3 nodes, want at least 15 (fix: requests: 0 derives it)"),
        ({"connections": 0}, "connections: got 0, want a whole number from 1 to 64 (fix: connections: 1)"),
        ({"timeout": 0}, "timeout: got 0.0, want a number from 0.01 to 600 (fix: timeout: 5)"),
        ({"timeout": "nan"}, "timeout: got NaN, want a number from 0.01 to 600 (fix: timeout: 5)"),
        ({"alpha": 1}, "alpha: got 1.0, want a number from 1e-12 to 0.5 (fix: alpha: 1e-06)"),
        ({"attempts": 0}, "attempts: got 0, want a whole number from 1 to 20 (fix: attempts: 5)"),
        ({"nodes": ["a", "a"]}, "nodes: got a twice, want each node once (fix: pass the names of node_pool_info)"),
        ({"nodes": [""]}, "nodes: got an empty name, want each node once (fix: pass the names of node_pool_info)"),
        ({"service": ""}, "service: got api_url without it, want both or none (fix: pass service too)"),
        ({"api_url": ""}, "api_url: got service without it, want both or none (fix: pass api_url too)"),
        ({"url": "ftp://x/"}, "url: got 'ftp://x/', want an http(s) URL (fix: http://127.0.0.1:8080/)"),
        ({"control_url": "http://u:p@h/"}, "control_url: got credentials in the address, want none"),
        (
            {"host": "a\r\nX: y"},
            r"host: got 'a\r\nX: y', want a host name (fix: pass the name without scheme or path)",
        ),
    ],
)
def test_balance_refuses(balanced: Check, tier: FakeTier, options: dict[str, Any], message: str) -> None:
    assert balanced(tier, **options)["msg"].startswith(message)
    assert tier.requests == 0


@pytest.mark.parametrize(
    "options, message",
    [
        ({"clients": 1}, "clients: got 1, want 2 or more to see them spread (fix: clients: 0 derives it)"),
        ({"clients": 1001}, "clients: got 1001, want a whole number from 0 to 1000 (fix: clients: 0)"),
        (
            {"requests_per_client": 2},
            "requests_per_client: got 2, want a whole number from 3 to 100 (fix: requests_per_client: 5)",
        ),
        ({"cookie": " "}, "cookie: got an empty name, want the sticky cookie's (fix: pass tier.cookie.name)"),
        ({"max_age": -1}, "max_age: got -1, want a whole number from 0 to 2147483648 (fix: max_age: 0)"),
        ({"secure": True}, "secure: got true for a plain HTTP address, want false there"),
    ],
)
def test_sticky_refuses(sticky: Check, tier: FakeTier, options: dict[str, Any], message: str) -> None:
    assert sticky(tier, **options)["msg"].startswith(message)
    assert tier.requests == 0
