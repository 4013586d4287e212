"""The console's knobs: each wrong one is one line."""

from __future__ import annotations

from typing import Any

import pytest

from .samples import cluster, parsed, problems_of

_FIX = "(fix: console_users: [{name: admin, role: operator}])"
_RULE = "lower-case letters, digits and . _ -, at most 64 characters"


def test_the_console_has_a_user_and_is_reached_from_this_machine() -> None:
    spec = parsed(cluster(console=True))
    assert (spec.console, spec.console_port, spec.console_address, spec.console_tls) == (True, 9080, "127.0.0.1", False)
    assert spec.console_users == [{"name": "admin", "role": "operator"}]
    assert spec.console_images == {"web": "res/console", "agent": "res/console-agent"}
    assert parsed(cluster(name="shop")).console_images["agent"] == "res/console-agent-shop"


def test_a_certificate_makes_its_address_https() -> None:
    spec = parsed(cluster(console=True, console_certificate="/etc/c.pem", console_key="/etc/k.pem"))
    assert spec.endpoints["console"].url == "https://127.0.0.1:9080"


def test_what_may_be_declared() -> None:
    users = [{"name": "alice.b", "role": "operator"}, {"name": "0", "role": "viewer"}]
    hosts, origins = ["console.example.org"], ["https://console.example.org", "http://192.0.2.1:8443"]
    proxies = ["192.0.2.10", "10.0.0.0/8", "2001:db8::1", "fd00::/8"]
    knobs = {"console_hosts": hosts, "console_origins": origins, "console_proxies": proxies}
    assert parsed(cluster(console_users=users, **knobs)).console_users == users


@pytest.mark.parametrize(
    "changes, lines",
    [
        ({"console_users": []}, [f"console_users: got [], want a list with at least one user {_FIX}"]),
        ({"console_users": "admin"}, [f"console_users: got 'admin', want a list with at least one user {_FIX}"]),
        ({"console_users": ["admin"]}, [f"console_users[0]: got 'admin', want a mapping with name and role {_FIX}"]),
        (
            {"console_users": [{"name": "Bob", "role": "viewer"}]},
            [f"console_users[0].name: got 'Bob', want {_RULE} (fix: console_users[0].name: admin)"],
        ),
        (
            {"console_users": [{"name": "console", "role": "viewer"}]},
            [
                "console_users[0].name: got 'console', want another name: the console's own acts bear this one"
                " (fix: console_users[0].name: admin)"
            ],
        ),
        (
            {"console_users": [{"name": "bob", "role": "root"}]},
            ["console_users[0].role: got 'root', want one of viewer, operator (fix: console_users[0].role: viewer)"],
        ),
        (
            {"console_users": [{"name": "bob", "role": "viewer", "password": "x"}]},
            ["console_users[0]: got 'password', want one of name, role (fix: remove it)"],
        ),
        (
            {"console_users": [{"name": "bob", "role": "viewer"}, {"name": "bob", "role": "operator"}]},
            ["console_users[1].name: got 'bob', want a name of its own (fix: remove one of the two)"],
        ),
        ({"console_hosts": "a"}, ["console_hosts: got 'a', want a list of host names (fix: console_hosts: [])"]),
        (
            {"console_hosts": ["a:9080"]},
            ["console_hosts: got 'a:9080', want a host name without a port (fix: mend or remove it)"],
        ),
        (
            {"console_origins": ["console.example.org"]},
            [
                "console_origins: got 'console.example.org', want scheme and host, such as https://console.example.org"
                " (fix: mend or remove it)"
            ],
        ),
        (
            {"console_proxies": "192.0.2.10"},
            ["console_proxies: got '192.0.2.10', want a list of addresses or networks (fix: console_proxies: [])"],
        ),
        (
            {"console_proxies": ["192.0.2.10/24", "192.0.2.10"]},
            [
                "console_proxies: got '192.0.2.10/24', want an address or a network, such as 192.0.2.10 or"
                " 192.0.2.0/28 (fix: mend or remove it)"
            ],
        ),
        (
            {"console_certificate": "/c.pem"},
            ["console_key: got '', want both files or none (fix: name it, or empty console_certificate)"],
        ),
        (
            {"console_certificate": "c.pem", "console_key": "/k.pem"},
            [
                "console_certificate: got 'c.pem', want the absolute path of a file (empty = no TLS)"
                ' (fix: console_certificate: "")'
            ],
        ),
        (
            {"console_address": "localhost"},
            [
                "console_address: got 'localhost', want an IP address of this machine (0.0.0.0 = all)"
                " (fix: -e console_address=127.0.0.1)"
            ],
        ),
        (
            {"console_port": 9090},
            [
                "cluster_console_port: got 9090, want another port than cluster_portainer_port"
                " (fix: -e cluster_console_port=9080)"
            ],
        ),
        ({"console": "maybe"}, ["cluster_console: got 'maybe', want true or false (fix: cluster_console: true)"]),
    ],
)
def test_a_wrong_knob_is_one_line(changes: dict[str, Any], lines: list[str]) -> None:
    assert problems_of(cluster(**changes)) == lines


@pytest.mark.parametrize(
    "origin", ["ftp://a", "https://a/", "https://a:0", "https://a:70000", "https://a b", 1, "*", "null"]
)
def test_no_origin(origin: object) -> None:
    (line,) = problems_of(cluster(console_origins=[origin]))
    assert line.startswith("console_origins: got ")


@pytest.mark.parametrize(
    "proxy",
    [
        *("", "*", "proxy.example.org", "192.0.2.10:80", " 192.0.2.10", "192.0.2.0/33", "[2001:db8::1]"),
        *(1, None, True, ["192.0.2.10"]),
        *("0.0.0.0/0", "::/0", "::ffff:192.0.2.10", "fe80::1%eth0"),
    ],
)
def test_no_proxy(proxy: object) -> None:
    (line,) = problems_of(cluster(console_proxies=[proxy]))
    assert line.startswith("console_proxies: got ")
