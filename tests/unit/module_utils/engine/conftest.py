"""A Docker Engine of one's own: its socket, its SDK, and the nodes behind both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.module_utils.engine.docker_socket import DockerSocket, RecordingSdk

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_faults import DockerDrillEngine


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[DockerSocket]:
    found = DockerSocket(tmp_path / "docker.sock")
    yield found
    found.close()


@pytest.fixture
def sdk() -> RecordingSdk:
    return RecordingSdk()


@pytest.fixture
def engine(socket: DockerSocket, sdk: RecordingSdk) -> DockerDrillEngine:
    return DockerDrillEngine("evenkeel", "evenkeel", {"web": 8080}, DockerClient(socket.address, lambda *_: sdk))
