"""The plan that replaces the balancer: tables of what is there and what has to happen."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.config import SLOTS
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.plan import (
    BalancerContainer,
    Desired,
    digest,
    lacking,
    plan,
    plan_removal,
    plan_renewal,
    predict,
    summary,
)

NETWORKS = frozenset({"bridge", "shop-net"})
DESIRED = Desired("shop", "edge-new", "new", NETWORKS)
EDGE = BalancerContainer("e1", "shop-edge", "", "running", "edge-new", networks=NETWORKS)


def balancer(slot: str, revision: str = "new", state: str = "running", network: str = "e1") -> BalancerContainer:
    return BalancerContainer(f"id-{slot}", f"shop-balancer-{slot}", slot, state, revision, network)


def started(container: BalancerContainer, when: str) -> BalancerContainer:
    return dataclasses.replace(container, started=when)


def steps(containers: Sequence[BalancerContainer], draining: str = "") -> list[str]:
    return [str(action) for action in plan(DESIRED, containers, draining)]


EDGE_STARTS = "start edge shop-edge (holds ports and addresses)"
FIRST = "start shop-balancer-blue (none runs)"


@pytest.mark.parametrize(
    "containers, draining, expected",
    [
        ([], "", [EDGE_STARTS, FIRST]),
        ([EDGE], "", [FIRST]),
        ([EDGE, balancer("blue")], "", []),
        ([EDGE, balancer("green")], "blue", []),
        (
            [EDGE, balancer("blue", "old")],
            "",
            [
                "start shop-balancer-green (image or configuration changed)",
                "retire shop-balancer-blue (is replaced)",
            ],
        ),
        (
            [EDGE, balancer("green", "old")],
            "",
            [
                "start shop-balancer-blue (image or configuration changed)",
                "retire shop-balancer-green (is replaced)",
            ],
        ),
        # A run that was killed between the two steps.
        ([EDGE, balancer("blue", "old"), balancer("green")], "blue", ["retire shop-balancer-blue (is replaced)"]),
        # The change was undone meanwhile: the balancer that was to go stays.
        (
            [EDGE, balancer("blue"), balancer("green", "other")],
            "blue",
            ["cancel drain of shop-balancer-blue (is as declared again)", "retire shop-balancer-green (is replaced)"],
        ),
        # Both slots taken by earlier revisions.
        (
            [EDGE, balancer("blue", "old"), balancer("green", "older")],
            "",
            [
                "retire shop-balancer-green (one too many)",
                "start shop-balancer-green (image or configuration changed)",
                "retire shop-balancer-blue (is replaced)",
            ],
        ),
        # A balancer that has ended is removed before a new one starts.
        ([EDGE, balancer("blue", state="exited")], "", ["remove shop-balancer-blue (is exited)", FIRST]),
        (
            [EDGE, balancer("blue", network="e0")],
            "",
            ["remove shop-balancer-blue (has another network)", FIRST],
        ),
        # Without the edge nothing serves.
        (
            [balancer("blue")],
            "",
            ["remove shop-balancer-blue (has no network)", EDGE_STARTS, FIRST],
        ),
        (
            [BalancerContainer("e1", "shop-edge", "", "exited", "edge-new"), balancer("blue")],
            "",
            ["remove shop-balancer-blue (has no network)", "remove shop-edge (is exited)", EDGE_STARTS, FIRST],
        ),
        (
            [BalancerContainer("e1", "shop-edge", "", "running", "edge-old"), balancer("blue")],
            "",
            [
                "remove shop-balancer-blue (its edge is replaced)",
                "remove shop-edge (ports, network or folders changed)",
                EDGE_STARTS,
                FIRST,
            ],
        ),
        # A paused edge still carries the connections: nothing is replaced.
        (
            [dataclasses.replace(EDGE, state="paused"), balancer("blue")],
            "",
            ["unpause shop-edge (is paused)"],
        ),
        ([EDGE, balancer("blue", state="paused")], "", ["unpause shop-balancer-blue (is paused)"]),
        (
            [EDGE, balancer("blue", "old", state="paused")],
            "",
            [
                "unpause shop-balancer-blue (is paused)",
                "start shop-balancer-green (image or configuration changed)",
                "retire shop-balancer-blue (is replaced)",
            ],
        ),
        (
            [dataclasses.replace(EDGE, networks=frozenset({"bridge"})), balancer("blue")],
            "",
            ["connect shop-edge (is not in network shop-net)"],
        ),
        # An edge that was started again has another network than the balancer that runs on.
        (
            [
                dataclasses.replace(EDGE, started="2026-01-01T00:00:02"),
                started(balancer("blue"), "2026-01-01T00:00:01.9"),
            ],
            "",
            ["remove shop-balancer-blue (its network has gone)", FIRST],
        ),
        (
            [
                dataclasses.replace(EDGE, started="2026-01-01T00:00:02"),
                started(balancer("blue"), "2026-01-01T00:00:02.1"),
            ],
            "",
            [],
        ),
        # The clock was set back before the balancer was started again: neither network nor machine minds.
        (
            [
                dataclasses.replace(EDGE, started="2026-01-01T00:00:02", born=20, namespace="net:[7]"),
                dataclasses.replace(balancer("blue"), started="2025-01-01T00:00:01", born=10, namespace="net:[7]"),
            ],
            "",
            [],
        ),
        (
            [
                dataclasses.replace(EDGE, started="2026-01-01T00:00:02", born=20),
                dataclasses.replace(balancer("blue"), started="2025-01-01T00:00:01", born=20, namespace="net:[7]"),
            ],
            "",
            [],
        ),
        # The clock was set forward, and the edge started again.
        (
            [
                dataclasses.replace(EDGE, started="2026-01-01T00:00:02", namespace="net:[8]"),
                dataclasses.replace(balancer("blue"), started="2027-01-01T00:00:00", namespace="net:[7]"),
            ],
            "",
            ["remove shop-balancer-blue (its network has gone)", FIRST],
        ),
        (
            [
                dataclasses.replace(EDGE, started="2026-01-01T00:00:02", born=21),
                dataclasses.replace(balancer("blue"), started="2027-01-01T00:00:00", born=20),
            ],
            "",
            ["remove shop-balancer-blue (its network has gone)", FIRST],
        ),
        # The folder with the configuration was deleted and made again.
        (
            [EDGE, dataclasses.replace(balancer("blue"), blind=True)],
            "",
            [
                "start shop-balancer-green (its folders were removed)",
                "retire shop-balancer-blue (is replaced)",
            ],
        ),
        (
            [dataclasses.replace(EDGE, blind=True), balancer("blue")],
            "",
            [
                "remove shop-balancer-blue (its edge is replaced)",
                "remove shop-edge (its folders were removed)",
                EDGE_STARTS,
                FIRST,
            ],
        ),
        # What was changed by hand is set back before anything else needs it.
        (
            [
                dataclasses.replace(EDGE, name="gateway", made_as="shop-edge", altered="is gateway, renamed by hand"),
                balancer("blue", "old"),
            ],
            "",
            [
                "mend shop-edge (is gateway, renamed by hand)",
                "start shop-balancer-green (image or configuration changed)",
                "retire shop-balancer-blue (is replaced)",
            ],
        ),
        (
            [
                dataclasses.replace(EDGE, state="paused", altered="restart policy no, want always"),
                dataclasses.replace(
                    balancer("blue", state="paused"), name="proxy", made_as="shop-balancer-blue", altered="is proxy"
                ),
            ],
            "",
            [
                "unpause shop-edge (is paused)",
                "unpause proxy (is paused)",
                "mend shop-edge (restart policy no, want always)",
                "mend shop-balancer-blue (is proxy)",
            ],
        ),
        # Docker cannot set that back while it runs.
        (
            [EDGE, dataclasses.replace(balancer("blue"), altered="CPUs 0.5, want without limit", mendable=False)],
            "",
            [
                "start shop-balancer-green (CPUs 0.5, want without limit)",
                "retire shop-balancer-blue (is replaced)",
            ],
        ),
        # Of two edges the one that balancers are in serves.
        (
            [
                dataclasses.replace(EDGE, id="e0"),
                dataclasses.replace(EDGE, name="gateway", made_as="shop-edge"),
                balancer("blue"),
            ],
            "",
            ["remove shop-edge (has another network)"],
        ),
        (
            [
                dataclasses.replace(EDGE, id="e0", state="exited"),
                dataclasses.replace(EDGE, name="gateway", made_as="shop-edge", altered="is gateway"),
                balancer("blue"),
            ],
            "",
            ["remove shop-edge (is exited)", "mend shop-edge (is gateway)"],
        ),
        # The balancer of an earlier version published the ports itself.
        (
            [BalancerContainer("b0", "shop-balancer", "", "running", "")],
            "",
            ["remove shop-balancer (has no network)", EDGE_STARTS, FIRST],
        ),
    ],
)
def test_plan(containers: Sequence[BalancerContainer], draining: str, expected: list[str]) -> None:
    assert steps(containers, draining) == expected


def test_a_port_that_refuses_although_all_runs_needs_another_edge() -> None:
    why = "Docker's proxy of port 80 has ended"
    assert [str(action) for action in plan(DESIRED, [EDGE, balancer("blue")], "", why)] == [
        "remove shop-balancer-blue (its edge is replaced)",
        f"remove shop-edge ({why})",
        EDGE_STARTS,
        FIRST,
    ]


slots = st.sampled_from(sorted(SLOTS))
containers_of_slots = st.dictionaries(
    slots,
    st.tuples(st.sampled_from(["new", "old"]), st.sampled_from(["running", "exited"]), st.sampled_from(["e1", "e0"])),
)


@given(
    found=containers_of_slots,
    edge=st.sampled_from([None, "edge-new", "edge-old"]),
    edge_state=st.sampled_from(["running", "exited"]),
    draining=st.sampled_from(["", *SLOTS]),
)
def test_every_plan_leads_to_one_balancer_of_the_declared_revision(
    found: dict[str, tuple[str, str, str]], edge: str | None, edge_state: str, draining: str
) -> None:
    containers = [balancer(slot, *rest) for slot, rest in found.items()]
    if edge:
        containers.append(BalancerContainer("e1", "shop-edge", "", edge_state, edge))
    actions = plan(DESIRED, containers, draining)
    after = predict(DESIRED, containers, actions)
    assert sorted((container.revision, container.state) for container in after) == [
        ("edge-new", "running"),
        ("new", "running"),
    ]
    # While an edge that stays has a balancer that serves, there is one after every step.
    if (
        edge == "edge-new"
        and edge_state == "running"
        and any(container.running and container.network == "e1" for container in containers if container.slot)
    ):
        for number in range(len(actions) + 1):
            there = predict(DESIRED, containers, actions[:number])
            assert any(container.slot and container.running for container in there)


def test_a_prediction_has_the_names_and_states_that_are_set_back() -> None:
    found = [
        dataclasses.replace(EDGE, name="gateway", made_as="shop-edge", altered="is gateway"),
        dataclasses.replace(
            balancer("blue", state="paused"), name="proxy", made_as="shop-balancer-blue", altered="is proxy"
        ),
    ]
    after = predict(DESIRED, found, plan(DESIRED, found, ""))
    assert [(item.name, item.state, item.altered) for item in after] == [
        ("shop-edge", "running", ""),
        ("shop-balancer-blue", "running", ""),
    ]


def test_removal_takes_the_edge_last() -> None:
    actions = plan_removal([EDGE, balancer("green"), balancer("blue")])
    assert [action.name for action in actions] == ["shop-balancer-blue", "shop-balancer-green", "shop-edge"]


def test_a_renewal_uses_the_other_slot() -> None:
    assert [str(action) for action in plan_renewal(DESIRED, [EDGE, balancer("green")])] == [
        "start shop-balancer-blue (is renewed)",
        "retire shop-balancer-green (is renewed)",
    ]
    assert plan_renewal(DESIRED, [EDGE]) == plan_renewal(DESIRED, [EDGE, balancer("green"), balancer("blue")]) == []


def test_summary_has_a_line_for_each_container_in_order() -> None:
    assert summary([EDGE, balancer("green", state="exited")]) == [
        "shop-balancer-green: exited, revision new",
        "shop-edge: running, revision edge-new",
    ]


def test_digest_follows_the_content_only() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})
    assert len(digest({})) == 12


UP = {"http://a": "UP", "http://b": "UP"}


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ([], [], []),
        ([{"name": "s", "serverStatus": UP}], [], ["s"]),
        ([{"name": "s", "serverStatus": UP}], [{"name": "s", "serverStatus": UP}], []),
        ([{"name": "s", "serverStatus": UP}], [{"name": "s", "serverStatus": {"http://a": "UP"}}], ["s"]),
        ([{"name": "s", "serverStatus": UP}], [{"name": "s", "serverStatus": {**UP, "http://b": "DOWN"}}], ["s"]),
        ([{"name": "s", "serverStatus": {"http://a": "DOWN"}}], [{"name": "s"}], []),
        ([{"name": "s"}], [{"name": "s", "serverStatus": UP}], []),
        ([{"name": "t"}, {"name": "s"}], [], ["s", "t"]),
    ],
)
def test_lacking(old: list[dict[str, object]], new: list[dict[str, object]], expected: list[str]) -> None:
    assert lacking(old, new) == expected
