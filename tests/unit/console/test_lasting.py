"""Since when nodes are in their state, and tiers have drift."""

from __future__ import annotations

from typing import Any

from evenkeel_agent.lasting import Lasting


class Looks:
    """One look after the other; gives ``changed`` of each node and ``drift_since`` of each tier."""

    def __init__(self) -> None:
        self.lasting = Lasting()

    def nodes(self, at: float, **words: str) -> dict[str, float | None]:
        nodes: dict[str, Any] = {name: {"word": word} for name, word in words.items()}
        self.lasting.add(at, nodes, {})
        return {name: node["changed"] for name, node in nodes.items()}

    def tiers(self, at: float, **drifts: list[str]) -> dict[str, float | None]:
        tiers: dict[str, Any] = {name: {"drift": drift} for name, drift in drifts.items()}
        self.lasting.add(at, {}, tiers)
        return {name: tier["drift_since"] for name, tier in tiers.items()}


def test_a_node_is_in_its_word_since_it_was_seen_to_change() -> None:
    looks = Looks()
    assert looks.nodes(10.0, a="hangs", b="starting") == {"a": None, "b": None}, "they were so before the first look"
    assert looks.nodes(11.0, a="hangs", b="in rotation", c="starting") == {"a": None, "b": 11.0, "c": 11.0}
    assert looks.nodes(12.0, a="hangs", b="in rotation", c="in rotation") == {"a": None, "b": 11.0, "c": 12.0}
    assert looks.nodes(13.0, a="stopped", b="in rotation") == {"a": 13.0, "b": 11.0}
    assert looks.nodes(14.0, a="stopped", b="in rotation", c="in rotation") == {"a": 13.0, "b": 11.0, "c": 14.0}


def test_a_tier_has_drift_since_it_was_seen_without_a_pause() -> None:
    looks = Looks()
    assert looks.tiers(9.0, shop=[], dates=[]) == {"shop": None, "dates": None}
    assert looks.tiers(10.0, shop=["start shop-3"], dates=[]) == {"shop": 10.0, "dates": None}
    assert looks.tiers(11.0, shop=["start shop-4"], dates=["x"]) == {"shop": 10.0, "dates": 11.0}
    assert looks.tiers(12.0, shop=[], dates=["x"]) == {"shop": None, "dates": 11.0}
    assert looks.tiers(13.0, shop=["start shop-3"], dates=["x"]) == {"shop": 13.0, "dates": 11.0}


def test_since_when_a_tier_had_drift_before_the_first_look_is_not_known() -> None:
    looks = Looks()
    assert looks.tiers(10.0, shop=["x"]) == {"shop": None}
    assert looks.tiers(11.0, shop=["y"]) == {"shop": None}
    assert looks.tiers(12.0, shop=[]) == {"shop": None}
    assert looks.tiers(13.0, shop=["x"]) == {"shop": 13.0}


def test_the_clock_is_set_back_and_nothing_begins_later_than_now() -> None:
    looks = Looks()
    looks.nodes(1.0)
    assert looks.nodes(10_000.0, a="hangs") == {"a": 10_000.0}
    assert looks.nodes(6_000.0, a="hangs") == {"a": 6_000.0}
    assert looks.nodes(6_001.0, a="hangs") == {"a": 6_000.0}
    assert looks.tiers(6_002.0, shop=["x"]) == {"shop": 6_002.0}
    assert looks.tiers(5_000.0, shop=["x"]) == {"shop": 5_000.0}
