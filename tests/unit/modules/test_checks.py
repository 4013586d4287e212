"""balance_check and sticky_check as Ansible runs them: options in, one JSON object out.

What they measure and judge is tested in module_utils/measure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from tests.unit.fake_tier import COOKIE, FLAGS, NODES, FakeTier

from ansible_collections.evenkeel.cluster.plugins.modules import balance_check, sticky_check

Run = Callable[..., dict[str, Any]]
OF_MODULE: dict[Any, dict[str, Any]] = {balance_check: {}, sticky_check: {"cookie": COOKIE}}


@pytest.fixture
def tier() -> Iterator[FakeTier]:
    made = FakeTier(NODES)
    made.cookie_flags = FLAGS
    yield made
    made.close()


@pytest.fixture
def run(tier: FakeTier, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a module as Ansible does and give what it prints."""

    def runner(module: Any, **options: Any) -> dict[str, Any]:
        watched = {"api_url": tier.url, "service": "web-1a"}
        arguments = {"url": f"{tier.url}/", "tier": "web", "nodes": NODES, **watched, **OF_MODULE[module], **options}
        with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert (ended.value.code == 0) == (not result.get("failed", False))
        return result

    return runner


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(
    "module, message",
    [
        (balance_check, "balance of web: 60 of 60 requests answered, 20 each on 3 nodes (exact); no control"),
        (
            sticky_check,
            "sticky sessions of web: 21 of 21 clients stayed, spread over 3 nodes; control failed as it must",
        ),
    ],
)
def test_a_check_that_passes_changes_nothing(run: Run, module: Any, message: str, check_mode: bool) -> None:
    result = run(module, _ansible_check_mode=check_mode)
    assert (result["verdict"], result["message"], result["changed"]) == ("pass", message, False)
    assert "failed" not in result


@pytest.mark.parametrize("module", OF_MODULE)
def test_a_check_that_fails_still_gives_its_measurements(run: Run, tier: FakeTier, module: Any) -> None:
    tier.status = lambda number: 500 if number == 3 else 200
    result = run(module)
    assert (result["failed"], result["verdict"], result["changed"]) == (True, "fail", False)
    assert result["msg"] == result["message"]
    assert (result["lost"], sum(result["counts"].values())) == (1, result["requests"] - 1)


@pytest.mark.parametrize("module, subject", [(balance_check, "balance"), (sticky_check, "sticky sessions")])
def test_an_unusable_api_is_told_with_what_was_measured(run: Run, module: Any, subject: str) -> None:
    result = run(module, api_url="http://127.0.0.1:1")
    assert result["msg"].startswith(f"{subject} of web: balancer API: got connection refused at http://127.0.0.1:1/")
    assert "verdict" not in result


@pytest.mark.parametrize("module", OF_MODULE)
def test_an_unusable_option_is_refused_before_anything_is_sent(run: Run, tier: FakeTier, module: Any) -> None:
    assert run(module, timeout="nan")["msg"] == "timeout: got NaN, want a number from 0.01 to 600 (fix: timeout: 5)"
    assert run(module, timeout="soon")["failed"] is True
    assert tier.requests == 0
