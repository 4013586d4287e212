"""The plan that replaces the balancer: tables of what is there and what has to happen."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.config import (
    SLOTS,
    draining_slot,
    edge_config,
    static_config,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.plan import (
    BalancerContainer,
    Desired,
    digest,
    lacking,
    plan,
    plan_removal,
    predict,
)

WANTED = Desired("shop", "edge-new", "new")
EDGE = BalancerContainer("e1", "shop-edge", "", "running", "edge-new")


def balancer(slot: str, revision: str = "new", state: str = "running", network: str = "e1") -> BalancerContainer:
    return BalancerContainer(f"id-{slot}", f"shop-balancer-{slot}", slot, state, revision, network)


def steps(holders: Sequence[BalancerContainer], closing: str = "") -> list[str]:
    return [str(action) for action in plan(WANTED, holders, closing)]


HOLD = "hold shop-edge (holds ports and addresses)"
FIRST = "start shop-balancer-blue (first start)"


@pytest.mark.parametrize(
    "holders, closing, expected",
    [
        ([], "", [HOLD, FIRST]),
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
        # The change was taken back meanwhile: who was to go stays.
        (
            [EDGE, balancer("blue"), balancer("green", "other")],
            "blue",
            ["keep open shop-balancer-blue (was to be retired)", "retire shop-balancer-green (is replaced)"],
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
        # A balancer that ended makes place before a new one starts.
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
            ["remove shop-balancer-blue (has no network)", HOLD, FIRST],
        ),
        (
            [BalancerContainer("e1", "shop-edge", "", "exited", "edge-new"), balancer("blue")],
            "",
            ["remove shop-balancer-blue (has no network)", "remove shop-edge (is exited)", HOLD, FIRST],
        ),
        (
            [BalancerContainer("e1", "shop-edge", "", "running", "edge-old"), balancer("blue")],
            "",
            [
                "remove shop-balancer-blue (ports or network changed)",
                "remove shop-edge (ports or network changed)",
                HOLD,
                FIRST,
            ],
        ),
        # The balancer of an earlier version published the ports itself.
        (
            [BalancerContainer("b0", "shop-balancer", "", "running", "")],
            "",
            ["remove shop-balancer (has no network)", HOLD, FIRST],
        ),
    ],
)
def test_plan(holders: Sequence[BalancerContainer], closing: str, expected: list[str]) -> None:
    assert steps(holders, closing) == expected


slots = st.sampled_from(sorted(SLOTS))
holders_of_slots = st.dictionaries(
    slots,
    st.tuples(st.sampled_from(["new", "old"]), st.sampled_from(["running", "exited"]), st.sampled_from(["e1", "e0"])),
)


@given(
    found=holders_of_slots,
    edge=st.sampled_from([None, "edge-new", "edge-old"]),
    edge_state=st.sampled_from(["running", "exited"]),
    closing=st.sampled_from(["", *SLOTS]),
)
def test_every_plan_leads_to_one_balancer_of_the_declared_revision(
    found: dict[str, tuple[str, str, str]], edge: str | None, edge_state: str, closing: str
) -> None:
    holders = [balancer(slot, *rest) for slot, rest in found.items()]
    if edge:
        holders.append(BalancerContainer("e1", "shop-edge", "", edge_state, edge))
    actions = plan(WANTED, holders, closing)
    after = predict(WANTED, holders, actions)
    assert sorted((holder.revision, holder.state) for holder in after) == [("edge-new", "running"), ("new", "running")]
    # While an edge that stays has a balancer that serves, there is one after every step.
    if (
        edge == "edge-new"
        and edge_state == "running"
        and any(holder.running and holder.network == "e1" for holder in holders if holder.slot)
    ):
        for number in range(len(actions) + 1):
            there = predict(WANTED, holders, actions[:number])
            assert any(holder.slot and holder.running for holder in there)


def test_removal_takes_the_edge_last() -> None:
    actions = plan_removal([EDGE, balancer("green"), balancer("blue")])
    assert [action.name for action in actions] == ["shop-balancer-blue", "shop-balancer-green", "shop-edge"]


def test_digest_follows_the_content_only() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})
    assert len(digest({})) == 12


def test_static_config_adds_what_only_the_slot_has() -> None:
    web = {"address": ":8000", "reusePort": True}
    config = {"entryPoints": {"web": web}, "api": {}}
    assert static_config(config, "green") == {
        "entryPoints": {
            "web": web,
            "own": {
                "address": ":9002",
                "observability": {"accessLogs": False, "metrics": False, "tracing": False},
            },
        },
        "api": {},
    }
    assert config == {"entryPoints": {"web": web}, "api": {}}
    assert static_config({}, "blue")["entryPoints"]["own"]["address"] == ":9001"


@pytest.mark.parametrize("closing", ["", *SLOTS])
def test_edge_config_tells_which_slot_closes(closing: str) -> None:
    text = edge_config(closing)
    assert draining_slot(text) == closing
    assert f'(env "EVENKEEL_SLOT") "{closing or "none"}"' in text
    # What Traefik's template leaves of it, in the slot that closes and in another.
    condition = f'{{{{ if eq (env "EVENKEEL_SLOT") "{closing or "none"}" }}}}'
    inside = text.replace(condition, "").replace("{{ end }}", "")
    outside = text[: text.index(condition)] + text[text.index("{{ end }}") + len("{{ end }}") :]
    chains = [
        yaml.safe_load(each)["http"]["middlewares"]["evenkeel-edge"]["chain"]["middlewares"]
        for each in (inside, outside)
    ]
    assert chains == [["evenkeel-closing", "evenkeel-retry"], ["evenkeel-retry"]]


def test_closing_slot_of_another_text() -> None:
    assert draining_slot("") == draining_slot("http: {}") == ""


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
