"""The drill's options: what is accepted, and the one line for what is not."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.folder import FolderError, make_folder
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.judge import Thresholds
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.options import (
    argument_spec,
    needs_labels,
    settings_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import SCENARIOS, Paths
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.options import CheckInputError

TIERS = [{"name": "static", "nodes": 3}, {"name": "dynamic", "nodes": 3}, {"name": "lone-shop", "nodes": 1}]


def params(**differs: Any) -> dict[str, Any]:
    usual = {name: option.get("default") for name, option in argument_spec().items()}
    own = {"scenario": "stop", "only": ["static", "dynamic"], "tiers": TIERS, "url": "http://127.0.0.1:8080/"}
    return {**usual, **own, **differs}


def test_the_defaults_are_a_drill() -> None:
    settings = settings_of(params())
    assert settings.subject == "drill stop of static, dynamic"
    assert settings.plan() == {
        "rate": 400.0,
        "seconds": 25.0,
        "requests": 10_000,
        "events": [
            "   3.0 s  stop (static)",
            "   7.0 s  stop (dynamic)",
            "  11.0 s  stop (static)",
            "  15.0 s  stop (dynamic)",
            "  19.0 s  stop (static)",
            "  23.0 s  stop (dynamic)",
        ],
    }
    assert settings.url == "http://127.0.0.1:8080"
    assert settings.control
    assert settings.limits == Thresholds()
    assert settings.paths == {"static": Paths(""), "dynamic": Paths("")}


def test_the_thresholds_of_the_module_are_those_of_the_verdict() -> None:
    options = argument_spec()["thresholds"]["options"]
    assert {name: option["default"] for name, option in options.items()} == dataclasses.asdict(Thresholds())


def test_numbers_may_come_as_text_as_from_the_command_line() -> None:
    numbers = {name: option["default"] for name, option in argument_spec().items() if option["type"] == "raw"}
    written = {name: f"{default:g}" for name, default in numbers.items()}
    limits = {name: f"{default:g}" for name, default in dataclasses.asdict(Thresholds()).items()}
    assert settings_of(params(**written, thresholds=limits)) == settings_of(params())
    assert {"rate", "events", "seed", "workers"} <= set(numbers)


def test_paths_are_kept_as_given() -> None:
    given = {"static": {"post": "echo.php", "slow": "slow.php?delay_ms=500"}, "dynamic": {"post": ""}}
    assert settings_of(params(requests=given)).paths == {
        "static": Paths("", "echo.php", "slow.php?delay_ms=500"),
        "dynamic": Paths("", ""),
    }


def test_a_steady_load_has_no_control() -> None:
    assert not settings_of(params(scenario="steady")).control


@pytest.mark.parametrize(
    "differs, message",
    [
        (
            {"scenario": "explode"},
            "scenario: got 'explode', want one of steady, scale, roll, stop, kill, hang, guest, policy, balancer, mixed"
            " (fix: scenario: stop)",
        ),
        ({"rate": "abc"}, "rate: got 'abc', want a number from 0.1 to 20000 (fix: -e drill_rate=400)"),
        ({"rate": 0}, "rate: got 0, want a number from 0.1 to 20000 (fix: -e drill_rate=400)"),
        ({"rate": -5.0}, "rate: got -5.0, want a number from 0.1 to 20000 (fix: -e drill_rate=400)"),
        ({"rate": float("nan")}, "rate: got NaN, want a number from 0.1 to 20000 (fix: -e drill_rate=400)"),
        ({"events": "2.5"}, "events: got '2.5', want a whole number from 1 to 1000 (fix: -e drill_events=6)"),
        ({"events": 0}, "events: got 0, want a whole number from 1 to 1000 (fix: -e drill_events=6)"),
        ({"interval": None}, "interval: got nothing, want a number from 0.1 to 600 (fix: -e drill_interval=4)"),
        ({"amount": 101}, "amount: got 101, want a whole number from 1 to 100 (fix: -e drill_amount=2)"),
        ({"duration": "0"}, "duration: got '0', want a number from 1 to 86400 (fix: -e drill_duration=20)"),
        ({"duration": -1.0}, "duration: got -1.0, want a number from 1 to 86400 (fix: -e drill_duration=20)"),
        ({"time_limit": True}, "time_limit: got true, want a number from 1 to 86400 (fix: -e drill_time_limit=600)"),
        ({"clients": [1]}, "clients: got [1], want a whole number from 1 to 1000 (fix: -e drill_clients=40)"),
        ({"post_share": 1.1}, "post_share: got 1.1, want a number from 0 to 1 (fix: -e drill_post_share=0.3)"),
        ({"slow_share": "2 %"}, "slow_share: got '2 %', want a number from 0 to 1 (fix: -e drill_slow_share=0.02)"),
        ({"sticky_share": ""}, "sticky_share: got '', want a number from 0 to 1 (fix: -e drill_sticky_share=0.5)"),
        (
            {"new_connection_share": {}},
            "new_connection_share: got {}, want a number from 0 to 1 (fix: -e drill_new_connection_share=0.25)",
        ),
        ({"timeout": "10s"}, "timeout: got '10s', want a number from 0.1 to 600 (fix: -e drill_timeout=10)"),
        ({"seed": -1}, "seed: got -1, want a whole number from 0 to 999999999 (fix: seed: 1)"),
        ({"workers": "0"}, "workers: got '0', want a whole number from 1 to 64 (fix: -e node_pool_workers=8)"),
        (
            {"rate": 20.0},
            "clients: got 40, want at most one per request and second, 20 (fix: clients: 20)",
        ),
        (
            {"only": ["nosuch"]},
            "only: got tier 'nosuch', want one of static, dynamic, lone-shop (fix: use one of these, or declare the"
            " tier)",
        ),
        ({"tiers": []}, "tiers: got none, want at least one (fix: declare it in cluster_tiers)"),
        (
            {"only": []},
            "tier lone-shop: got 1 declared nodes, want at least 2 for this drill (fix: -e lone_shop_nodes=3, or leave"
            " it out, by drill_tiers or the tiers of prove_drills)",
        ),
        (
            {"scenario": "roll", "tiers": [{"name": "static", "nodes": 0}], "only": []},
            "tier static: got 0 declared nodes, want at least 1 for this drill (fix: -e static_nodes=3, or leave it out"
            ", by drill_tiers or the tiers of prove_drills)",
        ),
        (
            {"time_limit": 10.0},
            "time_limit: got 10, want at least 25, the seconds of the load and its events (fix: time_limit: 50)",
        ),
        (
            {"rate": 20_000.0, "duration": 600.0},
            "rate and duration: got 12000000 requests, want at most 2000000 (fix: a shorter drill, more often)",
        ),
        ({"url": "8080"}, "url: got '8080', want an http(s) URL (fix: http://127.0.0.1:8080/)"),
        (
            {"url": "http://a/?b"},
            "url: got 'http://a/?b', want one without query (fix: http://127.0.0.1:8080)",
        ),
        (
            {"host": "a b"},
            "host: got 'a b', want a host name (fix: pass the name without scheme or path)",
        ),
        (
            {"requests": {"nosuch": {}}},
            "requests: got tier 'nosuch', want one of static, dynamic, lone-shop (fix: use one of these, or declare the"
            " tier)",
        ),
        (
            {"requests": {"static": {"put": "x"}}},
            "requests of static: got 'put', want get, post, slow, slow_post (fix: {post: echo.php})",
        ),
        (
            {"requests": {"static": "echo.php"}},
            "requests of static: got 'echo.php', want get, post, slow, slow_post (fix: {post: echo.php})",
        ),
        (
            {"requests": {"static": {"post": "/echo.php"}}},
            "requests of static: got '/echo.php' for post, want a path relative to the tier's (fix:"
            " slow.php?delay_ms=500)",
        ),
        (
            {"requests": {"static": {"post": "http://evil/"}}},
            "requests of static: got 'http://evil/' for post, want a path relative to the tier's (fix:"
            " slow.php?delay_ms=500)",
        ),
        (
            {"control_images": {"static": 3}},
            "control_images of static: got 3, want an image's name (fix: leave it out, one is made)",
        ),
        (
            {"thresholds": {"failed": -1}},
            "thresholds.failed: got -1, want a whole number from 0 to 2000000"
            """ (fix: -e '{"drill_thresholds": {"failed": 0}}')""",
        ),
        (
            {"thresholds": {"rate_share": "1.5", "out": None}},
            "thresholds.rate_share: got '1.5', want a number from 0 to 1"
            """ (fix: -e '{"drill_thresholds": {"rate_share": 0.98}}')""",
        ),
        (
            {"thresholds": {"join_p95": "soon"}},
            "thresholds.join_p95: got 'soon', want a number from 0 to 2000000"
            """ (fix: -e '{"drill_thresholds": {"join_p95": 1}}')""",
        ),
        (
            {"scenario": "explode", "rate": "abc", "events": "2.5", "thresholds": {"twice": "x"}},
            "scenario: got 'explode', want one of steady, scale, roll, stop, kill, hang, guest, policy, balancer, mixed"
            " (fix: scenario: stop)\n"
            "events: got '2.5', want a whole number from 1 to 1000 (fix: -e drill_events=6)\n"
            "rate: got 'abc', want a number from 0.1 to 20000 (fix: -e drill_rate=400)\n"
            "thresholds.twice: got 'x', want a whole number from 0 to 2000000"
            """ (fix: -e '{"drill_thresholds": {"twice": 0}}')""",
        ),
    ],
)
def test_each_bad_option_gets_one_clear_line(differs: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckInputError) as caught:
        settings_of(params(**differs))
    assert str(caught.value) == message


@given(
    st.sampled_from(sorted(SCENARIOS)),
    st.integers(-5, 50),
    st.floats(allow_nan=True),
    st.floats(allow_nan=True),
    st.integers(-5, 200),
)
def test_options_are_refused_in_one_line_or_make_a_bounded_drill(
    scenario: str, events: int, rate: float, duration: float, clients: int
) -> None:
    given_params = params(scenario=scenario, events=events, rate=rate, duration=duration, clients=clients)
    refusal = refused(given_params)
    if refusal:
        assert all(": got " in line and "(fix: " in line for line in refusal.splitlines())
        return
    settings = settings_of(given_params)
    assert settings.plan()["requests"] <= 2_000_000
    assert settings.seconds <= settings.window.limit
    assert settings.mix.clients <= settings.rate


def refused(given_params: dict[str, Any]) -> str:
    try:
        settings_of(given_params)
    except CheckInputError as error:
        return str(error)
    return ""


def test_the_folder_is_made_before_the_drill(tmp_path: Path) -> None:
    make_folder("")
    make_folder(str(tmp_path / "a" / "b"))
    make_folder(str(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match=r"folder: got 'File exists' for .*/file, want a folder to write to"):
        make_folder(str(tmp_path / "file"))


def test_guests_need_images_with_labels() -> None:
    assert needs_labels(settings_of(params(scenario="guest")).events) == {"static", "dynamic"}
    assert needs_labels(settings_of(params(scenario="stop")).events) == set()
