"""The schedule of a drill: when requests leave, when events happen."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import (
    GET,
    GROW,
    GUEST_JOINS,
    GUEST_LEAVES,
    POST,
    RESTORE,
    SCENARIOS,
    SHRINK,
    STOP,
    Arrival,
    LoadWindow,
    Mix,
    Paths,
    arrivals,
    least_seconds,
    make_clients,
    path_of,
    plan_events,
    planned_requests,
    spread,
)

ALL = Paths(get="", post="echo", slow="slow", slow_post="echo?slow")
ONLY_GET = Paths(get="")

shares = st.floats(0, 1)
mixes = st.builds(
    Mix, clients=st.integers(1, 60), post_share=shares, slow_share=shares, sticky_share=shares, fresh_share=shares
)


def take(
    count: int, paths: dict[str, Paths], rate: float = 100.0, mix: Mix | None = None, seed: int = 1
) -> list[Arrival]:
    return list(itertools.islice(arrivals(paths, rate, mix or Mix(), seed), count))


# --------------------------------------------------------------------------
# Arrivals
# --------------------------------------------------------------------------


@given(mixes, st.floats(0.1, 20_000), st.integers())
def test_arrivals_keep_the_rate_whatever_the_mix(mix: Mix, rate: float, seed: int) -> None:
    sent = take(50, {"a": ALL, "b": ONLY_GET}, rate, mix, seed)
    assert [item.index for item in sent] == list(range(50))
    assert [item.at for item in sent] == [index / rate for index in range(50)]
    assert [item.tier for item in sent] == ["a", "b"] * 25
    assert all(0 <= item.client < mix.clients for item in sent)


@given(mixes)
def test_a_tier_gets_only_what_it_takes(mix: Mix) -> None:
    sent = take(60, {"a": ONLY_GET, "b": Paths(get="", post="echo")}, mix=mix)
    assert not any(item.slow for item in sent)
    assert all(item.method == GET for item in sent if item.tier == "a")


def test_the_paths_of_one_tier_do_not_change_the_load_of_another() -> None:
    full, partly = take(200, {"a": ALL, "b": ALL}), take(200, {"a": ALL, "b": ONLY_GET})
    assert full[::2] == partly[::2]
    assert full[1::2] != partly[1::2]


def test_the_same_seed_gives_the_same_load_and_another_one_another() -> None:
    assert take(100, {"a": ALL}) == take(100, {"a": ALL})
    assert take(100, {"a": ALL}) != take(100, {"a": ALL}, seed=2)


def test_shares_are_about_those_asked_for() -> None:
    sent = take(20_000, {"a": ALL}, mix=Mix(post_share=0.3, slow_share=0.02))
    assert 0.28 < sum(item.method == POST for item in sent) / len(sent) < 0.32
    assert 0.015 < sum(item.slow for item in sent) / len(sent) < 0.025


@pytest.mark.parametrize(
    "method, slow, want",
    [(GET, False, ""), (GET, True, "slow"), (POST, False, "echo"), (POST, True, "echo?slow")],
)
def test_each_kind_of_request_has_its_path(method: str, slow: bool, want: str) -> None:
    assert path_of(ALL, method, slow) == want


# --------------------------------------------------------------------------
# Clients
# --------------------------------------------------------------------------


@given(st.integers(1, 500), shares)
def test_spread_sets_so_many_flags_and_no_clusters(count: int, share: float) -> None:
    flags = spread(count, share)
    wanted = round(count * share)
    assert len(flags) == count
    assert sum(flags) == wanted
    for length in range(1, min(count, 6)):
        for start in range(count - length + 1):
            assert abs(sum(flags[start : start + length]) - length * wanted / count) < 2


@given(mixes)
def test_clients_have_both_traits_in_the_shares_asked_for(mix: Mix) -> None:
    clients = make_clients(mix)
    assert [client.number for client in clients] == list(range(mix.clients))
    sticky = [client for client in clients if client.sticky]
    assert len(sticky) == round(mix.clients * mix.sticky_share)
    assert abs(sum(client.fresh for client in sticky) - len(sticky) * mix.fresh_share) <= 1


def test_the_default_clients_come_in_all_four_kinds() -> None:
    assert len({(client.sticky, client.fresh) for client in make_clients(Mix())}) == 4


# --------------------------------------------------------------------------
# Events
# --------------------------------------------------------------------------


@given(
    st.sampled_from(sorted(SCENARIOS)),
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True),
    st.integers(1, 40),
    st.floats(0, 10),
    st.floats(0.1, 60),
)
def test_events_are_bounded_ordered_and_lead_back(
    scenario: str, tiers: list[str], count: int, first: float, interval: float
) -> None:
    events = plan_events(scenario, tiers, count, first, interval)
    changes = [event for event in events if event.kind != RESTORE]
    assert len(changes) == (count if SCENARIOS[scenario] else 0)
    assert len(events) - len(changes) <= 1
    assert [event.number for event in events] == list(range(len(events)))
    assert all(event.at == first + event.number * interval for event in events)
    assert {event.tier for event in changes} <= set(tiers)
    if events and events[-1].kind == RESTORE:
        assert events[-1].tier == ""


def test_tiers_take_turns() -> None:
    events = plan_events("stop", ["a", "b"], 4, 3, 2)
    assert [(event.kind, event.tier, event.at) for event in events] == [
        (STOP, "a", 3),
        (STOP, "b", 5),
        (STOP, "a", 7),
        (STOP, "b", 9),
    ]


def test_what_belongs_together_stays_in_one_tier() -> None:
    scale = plan_events("scale", ["a", "b"], 4, 0, 1)
    assert [(event.kind, event.tier) for event in scale] == [
        (GROW, "a"),
        (SHRINK, "a"),
        (GROW, "b"),
        (SHRINK, "b"),
        (RESTORE, ""),
    ]
    guests = plan_events("guest", ["a"], 3, 0, 1)
    assert [event.kind for event in guests] == [GUEST_JOINS, GUEST_LEAVES, GUEST_JOINS, RESTORE]


def test_an_event_reads_as_one_line() -> None:
    assert str(plan_events("stop", ["a"], 1, 3, 2)[0]) == "   3.0 s  stop (a)"


# --------------------------------------------------------------------------
# Course
# --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "now, ended, want",
    [
        (0.0, None, True),
        (99.0, None, True),
        (100.0, None, False),
        (19.9, 1.0, True),
        (20.0, 1.0, False),
        (31.9, 30.0, True),
        (32.0, 30.0, False),
        (100.0, 99.0, False),
    ],
)
def test_the_load_lasts_for_its_events_but_never_beyond_the_limit(now: float, ended: float | None, want: bool) -> None:
    assert LoadWindow(duration=20, tail=2, limit=100).goes_on(now, ended) is want


def test_least_seconds_and_requests() -> None:
    events = plan_events("stop", ["a"], 10, 3, 4)
    assert least_seconds(events, 20, 2) == 41
    assert least_seconds([], 20, 2) == 20
    assert planned_requests(400, 41) == 16_400
    assert planned_requests(0.1, 1) == 1


@given(st.floats(0.1, 1000), st.floats(1, 100))
def test_planned_requests_are_those_due_before_the_end(rate: float, seconds: float) -> None:
    count = planned_requests(rate, seconds)
    assert (count - 1) / rate <= seconds + 1e-5
    assert count / rate >= seconds - 1e-5
