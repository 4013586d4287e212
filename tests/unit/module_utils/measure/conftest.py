"""What the tests of the checks share: a tier to measure, and a way to run a check without real waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from tests.unit.fake_tier import COOKIE, FLAGS, NODES, FakeTier
from tests.unit.fakes.clock import VirtualClock

from ansible_collections.evenkeel.cluster.plugins.module_utils.measure import balance_check as balance
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure import session_check as sessions
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.options import outcome
from ansible_collections.evenkeel.cluster.plugins.modules import balance_check, sticky_check

Check = Callable[..., dict[str, Any]]


@pytest.fixture
def make() -> Iterator[Callable[..., FakeTier]]:
    made: list[FakeTier] = []

    def build(nodes: list[str] | None = None) -> FakeTier:
        made.append(FakeTier(NODES if nodes is None else nodes))
        return made[-1]

    yield build
    for tier in made:
        tier.close()


@pytest.fixture
def tier(make: Callable[..., FakeTier]) -> FakeTier:
    return make()


@pytest.fixture
def kept(tier: FakeTier) -> FakeTier:
    """A tier that keeps its clients by a cookie."""
    tier.cookie_flags = FLAGS
    return tier


def _run(module: Any, check: Any, subject: str, tier: FakeTier, watched: bool, options: dict[str, Any]) -> Any:
    """Read the options as Ansible does, and check; no wait takes time."""
    arguments = {"url": f"{tier.url}/", "tier": "web", "nodes": tier.nodes, **options}
    if watched:
        arguments = {"api_url": tier.url, "service": "web-1a", **arguments}
    validated = ArgumentSpecValidator(module.argument_spec()).validate(arguments)
    assert validated.error_messages == []
    failed, result = outcome(subject, partial(check, clock=VirtualClock()), validated.validated_parameters)
    assert result.get("changed") is not True
    assert "\n" not in result.get("msg", "")
    assert failed == (result.get("verdict") not in {"pass", "not measured"}) == ("msg" in result)
    return result


@pytest.fixture
def balanced() -> Check:
    """Run balance_check."""

    def run(tier: FakeTier, watched: bool = True, **options: Any) -> Any:
        options = {"control_url": f"{tier.url}/direct/web-2", **options}
        return _run(balance_check, balance.check, "balance of web", tier, watched, options)

    return run


@pytest.fixture
def sticky() -> Check:
    """Run sticky_check."""

    def run(tier: FakeTier, watched: bool = True, **options: Any) -> Any:
        options = {"cookie": COOKIE, **options}
        return _run(sticky_check, sessions.check, "sticky sessions of web", tier, watched, options)

    return run
