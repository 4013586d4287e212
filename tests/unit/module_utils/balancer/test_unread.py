"""What only another balancer cures: one that has not read its configuration, and routes that none could read."""

from __future__ import annotations

import dataclasses

import pytest
from tests.unit.module_utils.balancer.fakes import FakeHost, VirtualClock, done, told

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.plan import WRITE, BalancerAction
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.ports import Ports
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.reconcile import BalancerRequest, preview
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.swap import BalancerSwap

FIRST = ["start edge shop-edge (holds ports and addresses)", "start shop-balancer-blue (none runs)"]


def test_a_balancer_without_routes_is_replaced_and_asked_for_nothing(host: FakeHost, request_: BalancerRequest) -> None:
    done(host, request_)
    host.clock.sleep(60)
    host.routeless = {"blue"}
    expected = preview(request_, Ports(host, host.api), clock=host.clock)
    assert told(expected) == [
        "start shop-balancer-green (has not read its configuration)",
        "retire shop-balancer-blue (is replaced)",
    ]
    outcome = done(host, request_)
    assert (told(outcome), outcome.warnings) == (told(expected), ())
    assert told(done(host, request_)) == []


@pytest.mark.parametrize(
    "last, expected", [('{"http": {"last": {}}}', '{"http": {"last": {}}}'), ("", "{}\n"), ("[x", "{}\n")]
)
def test_routes_that_no_balancer_could_read_are_what_was_written_last(
    host: FakeHost, request_: BalancerRequest, last: str, expected: str
) -> None:
    routes = host.options.routes_file
    routes.write_text("[garbage")
    if last:
        routes.with_name("tiers.yml.last").write_text(last)
    expected_first = ["write tiers.yml (no balancer could read it)", *FIRST]
    assert told(preview(request_, Ports(host, host.api))) == expected_first
    assert routes.read_text() == "[garbage"
    assert told(done(host, request_)) == expected_first
    assert routes.read_text() == expected


def test_routes_that_were_mended_since_the_plan_are_left_alone(host: FakeHost) -> None:
    routes = host.options.routes_file
    swap = BalancerSwap(host, host.options, host.options.desired("a"), host.api, host.clock)
    routes.write_text('{"http": {}}')
    swap.apply([BalancerAction(WRITE, routes.name, "no balancer could read it")])
    assert routes.read_text() == '{"http": {}}'


def test_routes_are_the_pool_s_to_mend_where_no_balancer_starts(host: FakeHost, request_: BalancerRequest) -> None:
    done(host, request_)
    for text in ("[garbage", ""):
        host.options.routes_file.write_text(text)
        assert told(done(host, request_)) == []
    host.options.routes_file.write_text('{"http": {}}')
    host.found.clear()
    assert told(done(host, request_)) == FIRST


@pytest.mark.parametrize("differs", [{"network": "another"}, {"revision": "older"}, {"state": "paused"}])
def test_a_balancer_that_is_replaced_anyway_is_not_asked_for_its_routes(
    host: FakeHost, request_: BalancerRequest, differs: dict[str, str]
) -> None:
    done(host, request_)
    host.routeless = {"blue"}
    host.found["shop-balancer-blue"] = dataclasses.replace(host.found["shop-balancer-blue"], **differs)  # type: ignore[arg-type]
    before = host.clock.now()
    preview(request_, Ports(host, host.api), clock=host.clock)
    assert host.clock.now() == before


def test_a_balancer_whose_edge_has_no_address_is_not_asked_for_its_routes(
    host: FakeHost, request_: BalancerRequest
) -> None:
    done(host, request_)
    host.address = lambda name: ""  # type: ignore[method-assign]
    assert told(preview(request_, Ports(host, host.api), clock=host.clock)) == []


def test_a_balancer_that_has_just_started_gets_time_to_read_its_routes(
    host: FakeHost, request_: BalancerRequest
) -> None:
    done(host, request_)
    host.routeless = {"blue"}

    class Starting(VirtualClock):
        def sleep(self, seconds: float) -> None:
            host.routeless = set()
            super().sleep(seconds)

    assert told(preview(request_, Ports(host, host.api), clock=Starting())) == []
