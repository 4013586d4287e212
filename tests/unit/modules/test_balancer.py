"""The module parses, calls the use case and reports; its use case is tested with the library."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from tests.unit.module_utils.balancer.fakes import FakeHost, made_options

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.ports import Ports
from ansible_collections.evenkeel.cluster.plugins.module_utils.core import lock
from ansible_collections.evenkeel.cluster.plugins.modules import balancer

Run = Callable[..., tuple[int, dict[str, Any]]]
FIRST = [
    "write edge-watch.pl (is not as declared)",
    "start edge shop-edge (holds ports and addresses)",
    "start shop-balancer-blue (none runs)",
]


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(made_options(tmp_path))


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the module warns of. Ansible itself takes warnings elsewhere when the controller's code is loaded too."""
    texts: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda module, text: texts.append(text))
    return texts


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], host: FakeHost) -> Run:
    """Run the module on the fake host; its exit code and its result."""
    (tmp_path / "password").write_text("secret\n")
    monkeypatch.setattr(lock, "lock_path", lambda cluster: tmp_path / "lock")
    monkeypatch.setattr(balancer, "BalancerPool", lambda cluster, network: host)
    monkeypatch.setattr(balancer, "Ports", lambda containers: Ports(containers, host.api))
    options: dict[str, Any] = {
        "cluster": "shop",
        "network": "shop-net",
        "image": host.options.image,
        "static": host.options.static,
        "config_dir": str(host.options.config_dir),
        "log_dir": str(host.options.log_dir),
        "api_password_file": str(tmp_path / "password"),
    }

    def call(**differs: Any) -> tuple[int, dict[str, Any]]:
        given = {name: value for name, value in {**options, **differs}.items() if value is not None}
        with patch_module_args(given), pytest.raises(SystemExit) as left:
            balancer.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return int(left.value.code or 0), result

    return call


def outcome(result: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: result.get(name) for name in names}


def test_a_run_tells_what_it_did(run: Run, host: FakeHost) -> None:
    code, result = run()
    assert code == 0
    assert outcome(result, "changed", "actions", "slot", "diff") == {
        "changed": True,
        "actions": FIRST,
        "slot": "blue",
        "diff": None,
    }
    assert result["revision"] == host.found["shop-balancer-blue"].revision
    code, again = run()
    assert outcome(again, "changed", "actions", "slot") == {"changed": False, "actions": [], "slot": "blue"}


def test_check_mode_changes_nothing_and_shows_the_difference(run: Run, host: FakeHost) -> None:
    code, result = run(_ansible_check_mode=True, _ansible_diff=True)
    assert code == 0
    assert outcome(result, "changed", "actions") == {"changed": True, "actions": FIRST}
    assert result["diff"]["before"] == ""
    assert result["diff"]["after"].startswith("shop-balancer-blue: running, revision ")
    assert host.found == {}


def test_absent_needs_the_cluster_only(run: Run, host: FakeHost, tmp_path: Path) -> None:
    run()
    code, result = run(state="absent", image=None, config_dir=None, log_dir=None, api_password_file=None)
    assert code == 0
    assert outcome(result, "changed", "slot", "revision") == {"changed": True, "slot": "", "revision": None}
    assert host.found == {}
    assert not (tmp_path / "lock").exists()


def test_present_needs_more(run: Run) -> None:
    code, result = run(image=None, log_dir=None)
    assert code == 1
    assert result["msg"] == "state is present but all of the following are missing: image, log_dir"


def test_bad_options_are_one_line_each(run: Run, host: FakeHost) -> None:
    code, result = run(pids="many", memory="much")
    assert code == 1
    assert outcome(result, "changed", "actions", "msg") == {
        "changed": False,
        "actions": [],
        "msg": (
            "pids: got 'many', want a whole number from 1 to 4194304 (fix: -e load_balancer_pids=512)\n"
            "memory: got 'much', want a size such as 1g (fix: -e load_balancer_memory=1g)"
        ),
    }
    assert host.log == []


def test_a_failure_tells_what_was_done_and_warns(run: Run, host: FakeHost, warned: list[str]) -> None:
    run()
    host.clock.sleep(60)
    host.perl_problem = "perl: not found"
    host.refuse = "stop"
    host.delay = 0
    code, result = run(seed="other", drain_seconds=0)
    assert code == 1
    assert result["msg"].startswith("stop shop-balancer-blue")
    assert outcome(result, "changed", "actions") == {
        "changed": True,
        "actions": ["start shop-balancer-green (image or configuration changed)"],
    }
    assert [text.partition(",")[0] for text in warned] == ["new connections: got 'perl: not found'"] * 2


def test_a_run_that_succeeds_warns_too(run: Run, host: FakeHost, warned: list[str]) -> None:
    run()
    host.perl_problem = "perl: not found"
    host.delay = 0
    assert run(seed="other", drain_seconds=0)[0] == 0
    assert [text.partition(",")[0] for text in warned] == ["new connections: got 'perl: not found'"] * 2


def test_a_missing_sdk_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balancer, "sdk_missing", lambda: True)
    code, result = run()
    assert code == 1
    assert "docker" in result["msg"]
