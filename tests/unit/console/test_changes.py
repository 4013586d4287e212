"""What viewers are told: applied one after the other, the changes give the state."""

from __future__ import annotations

from typing import Any

from evenkeel_agent.changes import KEPT, Changes, applied, difference
from hypothesis import given
from hypothesis import strategies as st

_PART = st.dictionaries(st.sampled_from("abc"), st.integers(0, 2), max_size=3)
STATES = st.fixed_dictionaries(
    {"tiers": _PART, "nodes": _PART, "lock": st.sampled_from(["", "alice"]), "at": st.integers()}
)


@given(before=STATES, now=STATES)
def test_a_difference_leads_from_one_state_to_the_other(before: dict[str, Any], now: dict[str, Any]) -> None:
    found = applied(before, difference(before, now))
    assert {**found, "at": 0} == {**now, "at": 0}
    assert difference(now, now) == {}


def test_a_viewer_gets_what_it_lacks() -> None:
    changes = Changes()
    assert changes.since(-1) is None, "a new viewer gets the whole"
    assert changes.set({"nodes": {"a": 1}, "at": 1})
    first = changes.number
    assert not changes.set({"nodes": {"a": 1}, "at": 2}), "the clock alone is no change"
    changes.set({"nodes": {"a": 2, "b": 1}, "at": 3})
    changes.tell({"event": {"kind": "die"}})
    news = changes.since(first)
    assert news is not None
    assert [sorted(item.keys() - {"number"}) for item in news] == [["at", "change"], ["event"]]
    assert news[0]["change"] == {"nodes": {"a": 2, "b": 1}}
    assert changes.since(changes.number) == []
    assert changes.since(changes.number + 1) is None, "a number of another agent"


def test_one_that_was_away_too_long_gets_the_whole() -> None:
    changes = Changes()
    for number in range(KEPT + 10):
        changes.set({"lock": str(number)})
    assert changes.since(5) is None
    assert len(changes.since(changes.number - KEPT) or []) == KEPT
    assert changes.state["state"] == {"lock": str(KEPT + 9)}


def test_a_number_of_a_former_agent_is_too_old() -> None:
    former = Changes()
    for number in range(500):
        former.set({"lock": str(number)})
    changes = Changes(former.number + 1)
    for number in range(800):
        changes.set({"lock": str(number)})
    assert changes.since(former.number) is None
    assert changes.since(500) is None
    assert 10**15 < Changes().number < 2**53, "a page takes it as a number"
