"""Whether Docker's packet filter rules are there."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.host.packet_filter import rules_missing

THERE = "-P PREROUTING ACCEPT\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
FLUSHED = "-P PREROUTING ACCEPT\n"
PASSES = "-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n-A FORWARD -o docker0 -j DOCKER\n"
STOPS = "-P FORWARD DROP\n"
OPEN = "-P FORWARD ACCEPT\n"


@pytest.mark.parametrize(
    "root, published, arriving, passing, missing",
    [
        (True, True, THERE, PASSES, False),
        (True, True, FLUSHED, PASSES, True),
        # Only the rules of one table were loaded again.
        (True, True, THERE, STOPS, True),
        # All passes, also without rules of Docker.
        (True, True, THERE, OPEN, False),
        (True, True, FLUSHED, OPEN, True),
        # Docker writes them when it first needs them.
        (True, False, FLUSHED, STOPS, False),
        (False, True, FLUSHED, STOPS, False),
        # No iptables, or one that fails.
        (True, True, None, None, False),
    ],
)
def test_rules_missing(root: bool, published: bool, arriving: str | None, passing: str | None, missing: bool) -> None:
    rules = {("nat", "PREROUTING"): arriving, ("filter", "FORWARD"): passing}
    found = rules_missing(root=root, published=published, config={}, read=lambda *chain: rules[chain])
    assert found is missing


@pytest.mark.parametrize("config", [{"iptables": False}, {"firewall-backend": "nftables"}])
def test_a_docker_that_writes_no_rules_misses_none(config: dict[str, object]) -> None:
    assert not rules_missing(root=True, published=True, config=config, read=lambda *_: FLUSHED)
