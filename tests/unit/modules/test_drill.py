"""The module drill: what is refused before the cluster is asked, signals, and what its result is."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from tests.unit.fakes.traffic import DrilledCluster
from tests.unit.module_utils.drill.sessions import options, session

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import discard_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.progress import Progress
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill import load
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill import stop as drill_stop
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.options import argument_spec
from ansible_collections.evenkeel.cluster.plugins.modules import drill


@pytest.fixture
def cluster(tmp_path: Path) -> DrilledCluster:
    return DrilledCluster(tmp_path)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The module takes signals over; here others need them."""
    before = {number: signal.getsignal(number) for number in drill_stop.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def module_options(cluster: DrilledCluster, **differs: Any) -> dict[str, Any]:
    """Options as a task has them: those with a default are not given."""
    given = options(cluster, **differs)
    spec = argument_spec()
    needed = {"routes_file": "/nosuch/tiers.yml", "api_url": "http://127.0.0.1:9", "api_password_file": "/nosuch"}
    changed = {name: value for name, value in given.items() if name in differs or value != spec[name].get("default")}
    return {**{name: value for name, value in changed.items() if value is not None}, **needed}


def run(arguments: dict[str, Any], capsys: pytest.CaptureFixture[str], check: bool = False) -> dict[str, Any]:
    """Run the module as Ansible does; its result."""
    with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        drill.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    "differs, words",
    [
        ({"scenario": "explode"}, "scenario: got 'explode', want one of "),
        ({"rate": "abc"}, "rate: got 'abc', want a number from 0.1 to 20000 (fix: -e drill_rate=400)"),
        ({"rate": 0}, "rate: got 0, want a number from 0.1 to 20000"),
        ({"duration": -1}, "duration: got -1, want a number from 1 to 86400"),
        ({"only": ["nosuch"]}, "only: got tier 'nosuch', want one of shop, dates"),
        ({"clients": 200}, "clients: got 200, want at most one per request and second, 100"),
    ],
)
def test_bad_input_is_one_line_and_nothing_happens(
    cluster: DrilledCluster, capsys: pytest.CaptureFixture[str], differs: dict[str, Any], words: str, check: bool
) -> None:
    result = run(module_options(cluster, **differs), capsys, check=check)
    assert result["failed"]
    assert result["msg"].startswith(words)
    assert "(fix: " in result["msg"]
    assert "\n" not in result["msg"]


def test_that_the_engine_does_not_answer_is_one_line(
    cluster: DrilledCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"fake-{os.getpid()}"
    result = run({**module_options(cluster), "cluster": name}, capsys, check=True)
    discard_lock(name)
    assert result["msg"].startswith("Docker daemon: got no answer at unix://")
    assert "(fix: " in result["msg"]


def test_tiers_that_preflight_did_not_make_are_one_line(
    cluster: DrilledCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(module_options(cluster, tiers=[{"name": "shop", "nodes": 2}], requests={}), capsys)
    assert result["msg"].startswith("tiers: got an incomplete specification (")


def test_a_missing_library_is_told_in_one_line(
    cluster: DrilledCluster, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "IMPORT_ERROR", ImportError("aiohttp"))
    assert run(module_options(cluster), capsys)["msg"] == (
        "load: got no Python library aiohttp, want it (fix: apt-get install python3-aiohttp on the Docker host)"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_drill_with_what_was_seen(cluster: DrilledCluster, number: signal.Signals) -> None:
    stop = drill_stop.Stop(cluster.clock)
    stop.listen()
    cluster.clock.at(cluster.clock.now() + 1.0, lambda: os.kill(os.getpid(), number))
    result = session(cluster, stop=stop, scenario="scale", duration=60, events=50, time_limit=600).run()
    assert result["verdict"] == "stopped"
    assert result["message"].startswith(f"drill scale of shop, dates: stopped: a signal ({number.name}) after ")
    assert 0 < result["drill"]["requests"]["sent"] < 3000
    assert "control" not in result
    assert cluster.declared()


def test_without_a_file_the_result_tells_what_happened(cluster: DrilledCluster) -> None:
    progress = Progress()
    session(cluster, scenario="steady", control=False, on_progress=progress.tell).run()
    told = progress.result()["progress"]
    assert told[0] == "load began: 100 requests per second for at least 1 s"
    assert told[-1] == "the pool is returned to its declaration"


def test_with_a_file_the_result_does_not_repeat_it(cluster: DrilledCluster, tmp_path: Path) -> None:
    path = tmp_path / "progress"
    progress = Progress(str(path))
    session(cluster, scenario="steady", control=False, on_progress=progress.tell).run()
    assert progress.result() == {}
    assert path.read_text().splitlines()[0] == "load began: 100 requests per second for at least 1 s"
