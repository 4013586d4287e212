"""Whose address counts where proxies pass requests on, and whose word for it is believed."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from evenkeel_console import passwords
from evenkeel_console.forwarded import MOST_PROXIES, client_of
from evenkeel_console.throttle import FREE_TRIES
from tests.unit.fakes.console import CHEAP, PASSWORD, Browser, Console

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import discard_lock

PROXIES = [ip_network("10.0.0.0/29"), ip_network("2001:db8::1")]
HOP = "10.0.0.2, "


@pytest.mark.parametrize(
    "peer, forwarded, client",
    [
        # A known proxy names the client.
        ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "2001:DB8:0::7", "2001:db8::7"),
        ("2001:db8::1", "\t192.0.2.7 ", "192.0.2.7"),
        ("::ffff:10.0.0.1", "::ffff:192.0.2.7", "192.0.2.7"),
        # Further proxies in between.
        ("10.0.0.1", "192.0.2.7,10.0.0.2, 2001:db8::1", "192.0.2.7"),
        ("10.0.0.1", f"192.0.2.7, {HOP * (MOST_PROXIES - 1)}".rstrip(", "), "192.0.2.7"),
        # What the client itself has sent is to the left, and cannot hide it either.
        ("10.0.0.1", "198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "198.51.100.1, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("10.0.0.1", "what is this?, , 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", f"{HOP * 500}192.0.2.7", "192.0.2.7"),
        # A peer that is no known proxy.
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        ("10.0.0.8", "198.51.100.1, 10.0.0.1", "10.0.0.8"),
        ("2001:db8::2", "198.51.100.1", "2001:db8::2"),
        ("", "198.51.100.1", ""),
        ("10.0.0.1%eth0", "198.51.100.1", "10.0.0.1%eth0"),
        # A header that names no client.
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1,", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7:4711", "10.0.0.1"),
        ("10.0.0.1", "3221225991", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.\N{ARABIC-INDIC DIGIT SEVEN}", "10.0.0.1"),
        ("10.0.0.1", "fe80::1%zone", "10.0.0.1"),
        ("10.0.0.1", f"192.0.2.7, {HOP * MOST_PROXIES}".rstrip(", "), "10.0.0.1"),
    ],
)
def test_the_first_address_from_the_right_that_is_no_proxy(peer: str, forwarded: str, client: str) -> None:
    assert client_of(peer, forwarded, PROXIES) == client


def test_without_proxies_the_header_is_nothing() -> None:
    assert client_of("127.0.0.1", "192.0.2.7", ()) == "127.0.0.1"


def behind(folder: Path, proxies: list[str]) -> Iterator[Console]:
    with Console(folder, proxies=proxies) as found:
        yield found
    discard_lock(found.name)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries of passwords cost nothing."""
    monkeypatch.setattr(passwords, "_HASHER", CHEAP)


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Console]:
    """A console that believes what comes from this machine."""
    yield from behind(tmp_path, ["127.0.0.0/8", "10.0.0.1"])


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Console]:
    """A console behind a proxy elsewhere."""
    yield from behind(tmp_path, ["10.0.0.1"])


def guess(console: Console, forwarded: str, name: str = "alice") -> int:
    body = {"name": name, "password": "guess"}
    return Browser(console).ask("POST", "/api/login", body, {"X-Forwarded-For": forwarded}).status


def noted(console: Console) -> list[Any]:
    entries = console.login("bob").get("/api/audit?source=access").json
    return [entry.get("address") for entry in entries if entry["kind"] in ("login failed", "password refused")]


def test_the_record_and_the_waits_are_of_the_client_behind_a_known_proxy(known: Console) -> None:
    # Each of these names is a case of its own, so only the network makes them wait.
    for number in range(FREE_TRIES):
        assert guess(known, f"203.0.113.{number}, 192.0.2.7", f"user{number}") == 401
    assert guess(known, "203.0.113.9, 192.0.2.8", "user9") == 429
    # Others behind the same proxy are not kept out.
    assert guess(known, "198.51.100.1", "user10") == 401
    assert noted(known) == ["198.51.100.1"] + ["192.0.2.7"] * FREE_TRIES


def test_a_change_of_the_password_counts_for_the_client_too(known: Console) -> None:
    alice = known.login()
    body = {"old": "wrong", "new": "long enough for it"}
    assert alice.ask("POST", "/api/password", body, {"X-Forwarded-For": "192.0.2.7"}).status == 403
    assert noted(known) == ["192.0.2.7"]


def test_two_headers_are_one_list(known: Console) -> None:
    body = b'{"name": "alice", "password": "guess"}'
    known.raw(
        b"POST /api/login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
        b"X-Forwarded-For: 203.0.113.9\r\nx-forwarded-for: 192.0.2.7, 10.0.0.1\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    assert noted(known) == ["192.0.2.7"]


def test_what_others_claim_is_not_believed(stranger: Console) -> None:
    for number in range(FREE_TRIES):
        assert guess(stranger, f"192.0.{number}.7, 10.0.0.1", f"user{number}") == 401
    # Another claim is no way around the wait.
    assert guess(stranger, "198.51.100.1", "user9") == 429
    stranger.now.at += 3600
    assert noted(stranger) == ["127.0.0.1"] * FREE_TRIES


def test_the_server_itself_believes_no_header(stranger: Console) -> None:
    assert stranger.server.config.proxy_headers is False
    answer = Browser(stranger).ask(
        "POST", "/api/login", {"name": "alice", "password": PASSWORD}, {"X-Forwarded-Proto": "https"}
    )
    # Its scheme would make the cookies those of TLS.
    assert answer.cookie("evenkeel_session")
