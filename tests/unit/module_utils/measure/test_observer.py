"""Measurements while the balancer changes, or while others send, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.fake_tier import NODES, FakeTier
from tests.unit.fakes.clock import VirtualClock

from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.observer import Observer
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.replies import Reply
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.api import Snapshot, TraefikApi

Check = Callable[..., dict[str, Any]]


# -- balance: generations and the requests of others -----------------------------------


def test_a_changed_configuration_repeats_the_measurement(balanced: Check, tier: FakeTier) -> None:
    def reload(number: int) -> None:
        if number == 31:  # a rebuilt balancer begins a new cycle
            tier.reloads += 1
            tier.cycle = []

    tier.during = reload
    result = balanced(tier)
    assert result["method"] == "exact"
    assert (result["generation"]["attempts"], result["sent"], result["requests"]) == (2, 120, 60)
    assert result["notes"] == ["measured 2 times: the configuration or a node's health changed"]


def test_a_repetition_forgives_no_lost_request(balanced: Check, tier: FakeTier) -> None:
    def reload(number: int) -> None:
        tier.reloads += number == 30

    tier.during = reload
    tier.status = lambda number: 404 if number == 31 else 200
    result = balanced(tier)
    assert (result["verdict"], result["lost"]) == ("fail", 1)
    assert result["msg"] == (
        "balance of web: got 1 requests lost while the configuration changed (first: status 404 at request 31),"
        " want none lost (fix: see the balancer's access log)"
    )


def test_a_flapping_node_repeats_the_measurement(balanced: Check, tier: FakeTier) -> None:
    def flap(number: int) -> None:
        if number == 10:
            tier.states["http://web-2:8080"] = "DOWN"
            tier.nodes = ["web-1", "web-3"]
        elif number == 70:
            tier.states["http://web-2:8080"] = "UP"
            tier.nodes = NODES

    tier.during = flap
    result = balanced(tier)
    assert (result["verdict"], result["generation"]["attempts"]) == ("pass", 3)


def test_a_node_which_stays_down_is_reported(balanced: Check, tier: FakeTier) -> None:
    tier.states["http://web-2:8080"] = "DOWN"
    tier.choose = iter(["web-1", "web-3"] * 100).__next__
    result = balanced(tier)
    assert "got 0 of 60 requests on web-2" in result["msg"]
    assert result["notes"] == ["the balancer says DOWN for http://web-2:8080"]


def test_endless_changes_fall_back_to_chi_square(balanced: Check, tier: FakeTier) -> None:
    def reload(number: int) -> None:
        tier.reloads += number % 60 == 30

    tier.during = reload
    result = balanced(tier, attempts=2)
    assert (result["method"], result["generation"]["attempts"]) == ("chi-square", 2)
    assert "configuration or health changed in each of 2 measurements" in result["notes"][0]
    assert result["control"]["failed"] is True


def test_requests_of_others_fall_back_to_chi_square(balanced: Check, tier: FakeTier) -> None:
    def others(number: int) -> None:
        if number % 20 == 7:
            tier.counted += 1
            tier.choose()

    tier.during = others
    result = balanced(tier)
    assert (result["method"], result["generation"]["foreign_requests"]) == ("chi-square", 3)
    assert "3 requests of others, or retries" in result["notes"][0]


def test_the_fallback_still_finds_a_missing_node(balanced: Check, tier: FakeTier) -> None:
    def others(number: int) -> None:
        tier.counted += number == 7

    tier.during = others
    tier.choose = iter(["web-1", "web-3"] * 100).__next__
    assert "got 0 of 60 requests on web-2, want 20 each" in balanced(tier)["msg"]


def test_requests_that_the_service_did_not_count(balanced: Check, tier: FakeTier) -> None:
    def elsewhere(number: int) -> None:
        tier.counted -= number >= 30

    tier.during = elsewhere
    result = balanced(tier)
    assert result["msg"].startswith("balance of web: got 30 requests counted for service web-1a, want at least 60")


@pytest.mark.parametrize(
    "options, got",
    [
        ({"service": "gone"}, "got no service gone@docker, want a service which the balancer knows"),
        ({"api_url": "http://127.0.0.1:1"}, "got connection refused at http://127.0.0.1:1/"),
        ({"api_password_file": "/nonexistent"}, "got No such file or directory for /nonexistent"),
    ],
)
def test_an_unusable_api(balanced: Check, tier: FakeTier, options: dict[str, str], got: str) -> None:
    assert balanced(tier, **options)["msg"].startswith(f"balance of web: balancer API: {got}")


# -- the waits, without a server -------------------------------------------------------


class LaggingApi(TraefikApi):
    """Counts and reloads as a list of readings says; the last one stays."""

    def __init__(self, counts: list[int], reloads: list[int]) -> None:
        super().__init__("http://127.0.0.1:1")
        self.counts, self.generations = counts, reloads
        self.closed = 0

    def close(self) -> None:
        super().close()
        self.closed += 1

    def snapshot(self, service: str, provider: str = "") -> Snapshot:
        count = self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]
        return Snapshot(self.generations[0], count, {})

    def config_reloads(self) -> int:
        return self.generations.pop(0) if len(self.generations) > 1 else self.generations[0]


def three() -> list[Reply]:
    return [Reply(index, 0.0, 0.001, 200, "web-1") for index in range(3)]


def test_a_counter_that_lags_is_read_again() -> None:
    clock = VirtualClock()
    api = LaggingApi([10, 11, 12, 13], [4])
    observed = Observer(api, "web", 1, clock).measure(three)
    assert api.closed == 1
    assert (observed.facts["counted"], observed.disturbed, observed.problems) == (3, "", ())
    assert clock.slept == [0.05, 0.05]


def test_a_counter_that_never_gets_there_is_a_problem_after_a_second() -> None:
    clock = VirtualClock()
    observed = Observer(LaggingApi([10, 11], [4]), "web", 1, clock).measure(three)
    assert [problem.got for problem in observed.problems] == ["1 requests counted for service web"]
    assert clock.now() == pytest.approx(1001)


def test_the_next_attempt_waits_until_the_configuration_stands_still() -> None:
    clock = VirtualClock()
    api = LaggingApi([0, 3, 3, 6], [4])
    sent = []

    def send() -> list[Reply]:
        sent.append(clock.now() - 1000)
        if len(sent) == 1:
            api.generations = [5, 5, 6, 7, 7, 8]
        return three()

    assert Observer(api, "web", 2, clock).measure(send).facts["attempts"] == 2
    # Five readings until generation 8 is there, 0.05 s apart, and 0.3 s in which it stays.
    assert sent == [0, pytest.approx(0.55)]


def test_a_configuration_that_never_stands_still_is_not_waited_for_for_ever() -> None:
    clock = VirtualClock()
    api = LaggingApi([0, 3, 3, 6], [4])

    def send() -> list[Reply]:
        api.generations = list(range(5, 1000))
        return three()

    assert Observer(api, "web", 2, clock).measure(send).facts["attempts"] == 2
    assert clock.now() == pytest.approx(1005, abs=0.1)
