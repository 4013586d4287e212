"""Sessions, tries of passwords and whose pages may ask: what the console's web process rests on."""

from __future__ import annotations

import hmac

import pytest
from evenkeel_console.guard import check_host, check_origin
from evenkeel_console.sessions import IDLE_SECONDS, LONGEST_SECONDS, Sessions
from evenkeel_console.throttle import FREE_TRIES, LONGEST_WAIT, Throttle, cases_of, network_of


class Clock:
    """Time as a test sets it."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


# -- sessions ------------------------------------------------------------------------


def test_both_halves_open_a_session_and_each_alone_opens_nothing(clock: Clock) -> None:
    sessions = Sessions(clock)
    alice, bob = sessions.begin("alice"), sessions.begin("bob")
    found = sessions.of(alice.cookie, alice.key)
    assert found is not None
    assert found.user == "alice"
    for cookie, key in (
        (alice.cookie, ""),
        ("", alice.key),
        (alice.cookie, bob.key),
        (alice.key, alice.cookie),
        ("", ""),
    ):
        assert sessions.of(cookie, key) is None


def test_sessions_last_as_long_as_the_documentation_says() -> None:
    assert (IDLE_SECONDS, LONGEST_SECONDS) == (30 * 60, 12 * 3600)


def test_halves_cannot_be_guessed(clock: Clock) -> None:
    halves = Sessions(clock).begin("alice")
    assert min(len(halves.cookie), len(halves.key)) >= 43, "256 bits"
    assert halves.cookie != halves.key


def test_the_time_of_a_comparison_tells_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(clock)
    halves = sessions.begin("alice")
    compared: list[int] = []
    real = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(len(one) + len(other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for cookie, key in ((halves.cookie, halves.key), (halves.cookie, "x"), ("x", halves.key), ("x", "")):
        sessions.of(cookie, key)
    # Also without a session; digests alone, which all have one length.
    assert compared == [64] * 4


def test_sessions_that_are_over_take_no_memory(clock: Clock) -> None:
    sessions = Sessions(clock)
    for number in range(50):
        sessions.begin(f"user{number}")
    clock.at += LONGEST_SECONDS + 1
    sessions.begin("alice")
    assert len(sessions._sessions) == 1


def test_no_half_is_kept(clock: Clock) -> None:
    sessions = Sessions(clock)
    halves = sessions.begin("alice")
    kept = repr(vars(sessions))
    assert halves.cookie not in kept
    assert halves.key not in kept


def test_use_prolongs_a_session_up_to_its_longest(clock: Clock) -> None:
    sessions = Sessions(clock)
    halves = sessions.begin("alice")
    end = clock.at + LONGEST_SECONDS
    while clock.at + IDLE_SECONDS < end:
        clock.at += IDLE_SECONDS
        assert sessions.of(halves.cookie, halves.key)
    clock.at = end
    assert sessions.of(halves.cookie, halves.key), "it was used a moment ago"
    clock.at = end + 1
    assert sessions.of(halves.cookie, halves.key) is None
    other = sessions.begin("alice")
    clock.at += IDLE_SECONDS + 1
    assert sessions.of(other.cookie, other.key) is None


def test_sessions_end_one_by_one_and_all_of_a_person(clock: Clock) -> None:
    sessions = Sessions(clock)
    one, two, bob = sessions.begin("alice"), sessions.begin("alice"), sessions.begin("bob")
    sessions.end(one.cookie)
    assert sessions.of(one.cookie, one.key) is None
    assert sessions.of(two.cookie, two.key)
    sessions.end_all("alice")
    assert sessions.of(two.cookie, two.key) is None
    assert sessions.of(bob.cookie, bob.key)


def test_a_person_has_a_bounded_number_of_sessions(clock: Clock) -> None:
    sessions = Sessions(clock)
    halves = []
    for _ in range(30):
        clock.at += 1
        halves.append(sessions.begin("alice"))
    assert sessions.of(halves[0].cookie, halves[0].key) is None
    assert all(sessions.of(each.cookie, each.key) for each in halves[-20:])


# -- tries ---------------------------------------------------------------------------


def test_tries_wait_longer_and_longer(clock: Clock) -> None:
    throttle, cases = Throttle(clock), cases_of("alice", "10.0.0.7", "")
    waits = []
    for _ in range(FREE_TRIES + 10):
        waits.append(throttle.wait(cases))
        clock.at += waits[-1]
        throttle.failed(cases)
    assert waits[:FREE_TRIES] == [0.0] * FREE_TRIES
    assert waits[FREE_TRIES : FREE_TRIES + 4] == [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == LONGEST_WAIT


def test_a_known_browser_gets_in_at_once_beside_any_guesses(clock: Clock) -> None:
    throttle = Throttle(clock)
    for number in range(50):
        for _ in range(40):
            throttle.failed(cases_of("alice", f"10.0.{number}.1", ""))
    assert throttle.wait(cases_of("alice", "10.9.9.9", "")) == LONGEST_WAIT
    assert throttle.wait(cases_of("alice", "10.0.3.1", "her laptop")) == 0.0


def test_the_right_password_forgets_the_wrong_ones(clock: Clock) -> None:
    throttle, cases = Throttle(clock), cases_of("alice", "::1", "")
    for _ in range(9):
        throttle.failed(cases)
    throttle.passed(cases)
    assert throttle.wait(cases) == 0.0


def test_memory_is_bounded_and_old_cases_go(clock: Clock) -> None:
    throttle = Throttle(clock)
    for number in range(30_000):
        throttle.failed([f"account {number}"])
    assert len(throttle._cases) <= 10_000
    clock.at += 4000
    throttle.failed(["account x"])
    assert len(throttle._cases) == 1


@pytest.mark.parametrize(
    "address, network",
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3::9", "2001:db8:1:2::/64"),
        ("no address", "no address"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_addresses_count_for_their_network(address: str, network: str) -> None:
    assert network_of(address) == network


# -- whose pages ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "host, passes",
    [
        ("127.0.0.1:9080", True),
        ("[::1]:9080", True),
        ("console.example.org", True),
        ("CONSOLE.example.org:9080", True),
        ("evil.example", False),
        ("", False),
        ("console.example.org.evil.example", False),
        ("[::1", False),
    ],
)
def test_names_that_lead_here(host: str, passes: bool) -> None:
    found = check_host(host, {"console.example.org"})
    assert (found is None) == passes
    if found is not None:
        assert found.status == 421
        assert "fix: console_hosts" in found.line


OWN = "http://host:9080"


@pytest.mark.parametrize(
    "method, origin, site, passes",
    [
        ("GET", "", "", True),
        ("GET", "", "none", True),
        ("GET", "", "same-origin", True),
        ("POST", OWN, "same-origin", True),
        ("POST", OWN, "", True),
        ("POST", "", "", True),
        ("POST", "http://host:8080", "same-site", False),
        ("POST", "http://host:8080", "", False),
        ("POST", "https://evil.example", "cross-site", False),
        ("GET", "", "cross-site", False),
        ("GET", "", "same-site", False),
        ("POST", "null", "", False),
        ("POST", "https://console.example.org", "same-origin", True),
        ("POST", "https://console.example.org", "", True),
    ],
)
def test_pages_that_may_ask(method: str, origin: str, site: str, passes: bool) -> None:
    found = check_origin(method, "host:9080", origin, site, {"https://console.example.org"})
    assert (found is None) == passes
    if found is not None:
        assert found.status == 403
