"""What only a drill does to containers, as calls of Docker's SDK."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.module_utils.engine.docker_socket import RecordingSdk, gone, refused

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_faults import (
    DockerDrillEngine,
    _environment_line,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import EngineError


@pytest.mark.parametrize(
    "item, line",
    [
        ("PATH=/usr/bin:/bin", 'ENV PATH="/usr/bin:/bin"'),
        ("A=two words", 'ENV A="two words"'),
        ('B=say "hi" to $USER', r'ENV B="say \"hi\" to \$USER"'),
        ("EMPTY=", 'ENV EMPTY=""'),
    ],
)
def test_variables_of_an_image_are_kept_to_the_letter(item: str, line: str) -> None:
    assert _environment_line(item) == line


@pytest.mark.parametrize(
    "method, call",
    [("kill", ("kill", ("id", "SIGKILL"))), ("freeze", ("pause", ("id",))), ("thaw", ("unpause", ("id",)))],
)
def test_each_fault_is_one_call_of_docker(
    engine: DockerDrillEngine, sdk: RecordingSdk, method: str, call: tuple[str, Any]
) -> None:
    getattr(engine, method)("id")
    assert sdk.calls == [call]


@pytest.mark.parametrize("method, call", [("kill", "kill"), ("freeze", "pause")])
def test_a_node_that_is_gone_takes_no_fault(
    engine: DockerDrillEngine, sdk: RecordingSdk, method: str, call: str
) -> None:
    sdk.failures[call] = gone()
    with pytest.raises(EngineError) as raised:
        getattr(engine, method)("id")
    assert str(raised.value) == (
        f"{method} of id: got 'No such container: x', want it there (fix: see what removed it)"
    )


def test_thawing_what_is_not_frozen_is_no_error(engine: DockerDrillEngine, sdk: RecordingSdk) -> None:
    sdk.failures["unpause"] = refused("container is not paused")
    engine.thaw("id")
    assert sdk.calls == [("unpause", ("id",))]
