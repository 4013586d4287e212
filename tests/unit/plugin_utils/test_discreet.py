"""A result is registered, but shown only when the task failed."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.action.preflight import ActionModule
from ansible_collections.evenkeel.cluster.plugins.plugin_utils.discreet import Discreet


class Plain:
    """Ansible's own action."""

    def __init__(self, result: dict[str, Any]) -> None:
        self.result = result

    def run(self, tmp: str | None, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        return dict(self.result)


class Action(Discreet, Plain):
    """The two together, as in an action plugin."""


@pytest.mark.parametrize(
    "result, hidden",
    [
        ({"changed": False, "spec": {"environment": {"A": "x"}}}, True),
        ({"changed": False, "failed": False}, True),
        ({"failed": True, "msg": "pids: got 0, want 1"}, False),
    ],
)
def test_only_a_failure_is_shown(result: dict[str, Any], hidden: bool) -> None:
    shown = Action(result).run(task_vars={})
    assert shown == {**result, **({"_ansible_no_log": True} if hidden else {})}


def test_the_result_of_preflight_is_hidden() -> None:
    assert issubclass(ActionModule, Discreet)
