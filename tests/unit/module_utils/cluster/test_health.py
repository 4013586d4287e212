"""What a node's health answer means."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.health import HealthCheck

CONTRACT = HealthCheck()
FOUND = HealthCheck("/", contract=False)
ONE = HealthCheck("/", status=401, contract=False)


@pytest.mark.parametrize(
    "answer, contract, found, one",
    [
        (0, False, False, False),
        (200, True, True, False),
        (204, False, True, False),
        (302, False, True, False),
        (401, False, True, True),
        (404, False, True, False),
        (499, False, True, False),
        (500, False, False, False),
        (503, False, False, False),
    ],
)
def test_which_answers_make_a_node_ready(answer: int, contract: bool, found: bool, one: bool) -> None:
    assert (CONTRACT.is_ready(answer), FOUND.is_ready(answer), ONE.is_ready(answer)) == (contract, found, one)


def test_only_an_image_with_the_contract_says_that_it_drains() -> None:
    """Any other may answer 503 because it has just started."""
    assert CONTRACT.is_draining(503)
    assert HealthCheck(status=204).is_draining(503)
    assert not CONTRACT.is_draining(200)
    assert not FOUND.is_draining(503)


def test_what_is_sent() -> None:
    assert CONTRACT.sent == {}
    assert HealthCheck(host="a.example:81", headers={"X-Probe": "b"}).sent == {"X-Probe": "b", "Host": "a.example:81"}


def test_what_is_wanted_in_words() -> None:
    assert [check.wanted for check in (CONTRACT, FOUND, ONE)] == ["200", "status below 500", "401"]
    assert [check.balanced for check in (CONTRACT, FOUND, ONE)] == ["200", "status from 200 to 399", "401"]
