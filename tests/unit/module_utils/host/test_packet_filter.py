"""Whether Docker's packet filter rules are there."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.host.packet_filter import rules_missing

THERE = "-P PREROUTING ACCEPT\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
FLUSHED = "-P PREROUTING ACCEPT\n"


@pytest.mark.parametrize(
    "root, published, rules, missing",
    [
        (True, True, THERE, False),
        (True, True, FLUSHED, True),
        # Docker writes them when it first needs them.
        (True, False, FLUSHED, False),
        (False, True, FLUSHED, False),
        # No iptables, or one that fails.
        (True, True, None, False),
    ],
)
def test_rules_missing(root: bool, published: bool, rules: str | None, missing: bool) -> None:
    assert rules_missing(root=root, published=published, read=lambda: rules) is missing
